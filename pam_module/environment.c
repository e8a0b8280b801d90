/* SPDX-License-Identifier: MIT */
/* The PAM environment, made to fit the session. */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Each with what may stand before its path. A ticket cache of another type (KCM, KEYRING) is not a path. */
static const struct {
	const char *name, *prefix;
} paths[] = {{"DBUS_SESSION_BUS_ADDRESS", "unix:path="},
             {"KRB5CCNAME", "FILE:"},
             {"KRB5CCNAME", "DIR:"},
             {"KRB5CCNAME", ""},
             {"SSH_AUTH_SOCK", ""},
             {"XAUTHORITY", ""},
             {"GNOME_KEYRING_CONTROL", ""},
             {"TMPDIR", ""}};
/* logind's name for the host's session: nobody inside can ask it. */
static const char *const host_only[] = {"XDG_SESSION_ID", "XDG_SEAT", "XDG_VTNR"};

static int take_out(pam_handle_t *pamh, const char *name)
{
	return pam_putenv(pamh, name) == PAM_SUCCESS ? 0 : -ENOMEM;
}

static int fit_path(pam_handle_t *pamh, const struct cloister_plan *plan, const char *name, const char *prefix)
{
	const char *value = pam_getenv(pamh, name);

	if (value == NULL || strncmp(value, prefix, strlen(prefix)) != 0)
		return 0;
	value += strlen(prefix);
	return *value == '/' && !cloister_plan_shows(plan, value) ? take_out(pamh, name) : 0;
}

int cloister_environment_fit(pam_handle_t *pamh, const struct cloister_plan *plan)
{
	const char *runtime = cloister_plan_runtime_directory(plan);
	char variable[128];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(paths) / sizeof(*paths); i++)
		r = fit_path(pamh, plan, paths[i].name, paths[i].prefix);
	for (size_t i = 0; r == 0 && i < sizeof(host_only) / sizeof(*host_only); i++) {
		if (pam_getenv(pamh, host_only[i]) != NULL)
			r = take_out(pamh, host_only[i]);
	}
	if (r < 0)
		return r;
	if (runtime == NULL)
		return pam_getenv(pamh, "XDG_RUNTIME_DIR") != NULL ? take_out(pamh, "XDG_RUNTIME_DIR") : 0;
	snprintf(variable, sizeof(variable), "XDG_RUNTIME_DIR=%s", runtime);
	return pam_putenv(pamh, variable) == PAM_SUCCESS ? 0 : -ENOMEM;
}
