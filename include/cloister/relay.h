/* SPDX-License-Identifier: MIT */
/*
 * The relay between a terminal that must not be reachable from inside (root's, in `su`) and the session's own pty.
 * Runs as a process of its own on the host's side, without a privilege: "cloister-relay" is cloister-init under another
 * name.
 */
#ifndef CLOISTER_RELAY_H
#define CLOISTER_RELAY_H

#include "cloister/error.h"

/*
 * Copies between the outer terminal and the master of the session's pty until control is closed and what the session
 * has written is written, or no more of it comes (a process of the session may keep the pty open).
 *
 * input:   the outer descriptor to read from; -1 when the session's standard input is not this terminal
 * output:  the outer descriptor to write to; -1 likewise
 * master:  the pty's master
 * control: readable (end of file) when the login process is gone, or has ended the session and closes it
 *
 * The outer terminal is put into raw mode while the relay is in its foreground process group and is put back at the
 * end, also on SIGTERM, SIGHUP and SIGINT. Window size follows SIGWINCH. No byte is lost, added or changed in either
 * direction, and a full side stops the other one (flow control) without busy waiting. On end of file of input that is
 * not a terminal, VEOF is sent into the pty. Returns 0 or -errno; it does not exit.
 */
int cloister_relay_run(int input, int output, int master, int control, struct cloister_error *err);

#endif
