/* SPDX-License-Identifier: MIT */
/* What cloister check finds, as lines of text or as one JSON document, and the parts that look for it. */
#ifndef CLOISTER_CLI_FINDINGS_H
#define CLOISTER_CLI_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "cloister/account.h"
#include "cloister/config.h"
#include "cloister/error.h"
#include "cloister/image.h"
#include "cloister/plan.h"

struct json_object;

enum cli_severity { CLI_OK, CLI_NOTE, CLI_WARNING, CLI_ERROR, CLI_SEVERITIES };

struct cli_findings {
	struct json_object *list; /* NULL: each is printed when it is found */
	struct json_object *last;
	const char *user; /* whom those that come are about; NULL: nobody alone */
	unsigned n[CLI_SEVERITIES];
};

/* Adds a finding. what: which part of the set-up, a word of the list in cloister(8); where: the file or directory, or
 * NULL; format: the sentence, in one line. */
void cli_find(struct cli_findings *findings, enum cli_severity severity, const char *what, const char *where,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Adds an error that the core has told. */
void cli_find_error(struct cli_findings *findings, const char *what, const struct cloister_error *err);

/* More about the last one: a line with one of the things that it is about. */
void cli_find_detail(struct cli_findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Likewise, what to do, once for each finding: a sentence, or lines of a configuration. */
void cli_find_advice(struct cli_findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* About sections for users and groups that there are not. */
void cli_check_names(const struct cloister_config *config, struct cli_findings *findings);
/* What is to be said about a user's overlay. */
void cli_check_overlay(const struct cloister_plan *plan, struct cli_findings *findings);
/* Whether the layers of a row would be idmapped in a session (root: a descriptor of the rootfs; image: NULL for a
 * directory). Nothing is found; 1, 0 or -errno. */
int cli_overlay_is_idmapped(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                            const struct cloister_image *image, struct cloister_error *err);
/* About the places in the rootfs of a row that mounts need, where no login can make them. */
void cli_check_places(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                      const struct cloister_image *image, struct cli_findings *findings);
/* About the unprivileged ids: nobody on the host may have one of them. */
void cli_check_ids(const struct cloister_plan *plan, struct cli_findings *findings);
/* About the network. */
void cli_check_network(const struct cloister_plan *plan, struct cli_findings *findings);
/* About PAM services through which a user's commands run on the host without a login. */
void cli_check_services(const char *user, struct cli_findings *findings);
/* About the PAM stack of a service; needed: without our line it is worth a warning. */
void cli_check_pam(const char *service, bool needed, struct cli_findings *findings);
/* About what sshd is configured to do with a user. */
void cli_check_sshd(const struct cloister_account *account, bool isolated, struct cli_findings *findings);

/* Advice where our line is missing; of the service's file. */
#define CLI_PAM_ADVICE                                         \
	"at the end of %s: session required pam_cloister.so\n" \
	"or, for every service at once: pam-auth-update --enable cloister"

/* Whether sessions of a service are isolated: our line is in its stack. */
bool cli_pam_isolates(const char *service);

#endif
