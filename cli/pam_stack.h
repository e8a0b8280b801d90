/* SPDX-License-Identifier: MIT */
/* The PAM stack of a service, read as libpam reads it, as far as pam_cloister.so is concerned. */
#ifndef CLOISTER_PAM_STACK_H
#define CLOISTER_PAM_STACK_H

#include <stdbool.h>

#define PAM_STACK_TEXT_MAX 256

/* A line of pam.d(5), in its words. */
struct pam_line {
	bool may_be_missing; /* a "-" before the type: a module that is not there is passed over */
	char type[16];       /* "auth", "account", "password", "session"; "@include" */
	char control[PAM_STACK_TEXT_MAX];
	char module[PAM_STACK_TEXT_MAX]; /* or the file that is included */
	char arguments[PAM_STACK_TEXT_MAX];
};

/* What there is of our line in a stack: the first one, which opens the session. */
struct pam_stack {
	bool exists;   /* the service has a file */
	bool is_other; /* it has none, and what follows is that of /etc/pam.d/other, which libpam takes then */
	bool found;    /* a session line has our module */
	struct pam_line line;
	char file[PAM_STACK_TEXT_MAX];       /* where it stands */
	char wrong_type[PAM_STACK_TEXT_MAX]; /* a type that our module stands under and that is not session; "" */
	char before[PAM_STACK_TEXT_MAX];     /* a session module before ours whose success ends the stack; "" */
	char jumper[PAM_STACK_TEXT_MAX];     /* a session module with a jump that reaches beyond ours; "" */
	unsigned long passed_over;           /* how far the jumps before ours reach still */
	char missing[PAM_STACK_TEXT_MAX];    /* a file that is included and not there: libpam refuses everybody; "" */
	char after[PAM_STACK_TEXT_MAX];      /* the first session module that does not belong after ours; "" */
	bool updates_motd; /* pam_motd.so, which starts programs by posix_spawn(3), comes after ours */
	bool twice;        /* a second line of ours, which does nothing */
};

/* The words of one line; false for an empty one, a comment, or what is none. Pure. */
bool cli_pam_line_parse(const char *text, struct pam_line *line);

/* Whether a refusal of the module (PAM_SYSTEM_ERR) under this control is one of the stack. Pure. */
bool cli_pam_refusal_counts(const struct pam_line *line);

/* Reads /etc/pam.d/SERVICE, or the vendor's file, and what is included for sessions. */
void cli_pam_stack_read(const char *service, struct pam_stack *stack);

#endif
