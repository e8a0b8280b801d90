/* SPDX-License-Identifier: MIT */
/*
 * The lines of passwd(5), group(5) and the session file: of whatever a name service says of a user, and put into
 * whatever a rootfs has for these files. Input, in lines: gecos, home, shell, group; a byte of flags; the rest is the
 * file. A vertical bar stands for a newline in what the name service says.
 */
#include "lib/account_lines.h"
#include "plan_check.h"

static char *field(struct fuzz_input *input)
{
	char *text = fuzz_part(input, '\n');

	for (char *c = text; *c != '\0'; c++)
		*c = *c == '|' ? '\n' : *c;
	return text;
}

static size_t count(const char *text, char wanted)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == wanted;
	return n;
}

/* So many lines, and each with the fields of its format: nobody has added one. */
static void check_lines(const char *text, size_t lines, size_t colons)
{
	FUZZ_REQUIRE(*text == '\0' || text[strlen(text) - 1] == '\n');
	FUZZ_REQUIRE(count(text, '\n') <= lines && count(text, ':') == colons * count(text, '\n'));
}

/* With the lines of the session in it, the file begins as it was, and lacks no line any more. */
static void check_added(const char *file, const char *lines)
{
	bool changed = false, again = false;
	char *text = cloister_account_lines_add(file, lines, &changed);

	FUZZ_REQUIRE(text != NULL && strncmp(text, file, strlen(file)) == 0);
	FUZZ_REQUIRE(changed == (strcmp(text, file) != 0));
	char *same = cloister_account_lines_add(text, lines, &again);
	FUZZ_REQUIRE(same != NULL && !again && strcmp(same, text) == 0);
	free(text);
	free(same);
}

static void check_row(const struct cloister_plan *plan, const struct cloister_row *row, const char *file)
{
	bool users = strcmp(row->target, "/etc/passwd") == 0;

	if (row->kind == CLOISTER_ROW_FILE && strcmp(row->target, CLOISTER_SESSION_FILE) == 0)
		FUZZ_REQUIRE(count(row->data, '\n') == (plan->root_inside ? 7 : 4));
	if (row->kind != CLOISTER_ROW_ACCOUNT)
		return;
	check_lines(row->data, users ? 3 : 5, users ? 6 : 3);
	check_added(file, row->data);
}

static void check_plan(const struct cloister_account *account, unsigned flags, const char *file)
{
	char rootfs[] = "/srv/rootfs", state[] = "/var/lib/cloister/users/1000", host[] = "cell";
	const struct cloister_policy policy = {.isolate = true,
	                                       .rootfs = rootfs,
	                                       .state = state,
	                                       .hostname = host,
	                                       .timeout = 10,
	                                       .no_new_privs = true,
	                                       .seccomp = true,
	                                       .home = flags & 8 ? CLOISTER_HOME_NONE : CLOISTER_HOME_BIND,
	                                       .users = flags & 1 ? CLOISTER_USERS_ROOT : CLOISTER_USERS_SAME};
	const struct cloister_plan_facts facts = {.privileged = (flags & 2) != 0,
	                                          .session_id = "alice-01234567",
	                                          .range = {100000, 200000, 65536},
	                                          .init_path = "/usr/libexec/cloister/cloister-init",
	                                          .shell_check = (flags & 4) != 0};
	struct cloister_error err = {0};
	struct cloister_plan *plan = NULL;

	if (cloister_plan_build(&policy, account, &facts, &plan, &err) < 0) {
		FUZZ_REQUIRE(err.code != 0);
		return;
	}
	plan_check_computed(plan);
	for (size_t i = 0; i < plan->n_rows; i++)
		check_row(plan, &plan->rows[i], file);
	cloister_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	char name[] = "alice";
	char *gecos = field(&input), *home = field(&input), *shell = field(&input), *group = field(&input);
	unsigned flags = fuzz_byte(&input);
	char *file = fuzz_rest(&input), *groups[] = {name, group};
	gid_t gids[] = {1000, 2000};
	const struct cloister_account account = {name, 1000, 1000, gecos, home, shell, gids, groups, 2};

	check_plan(&account, flags, file);
	free(gecos);
	free(home);
	free(shell);
	free(group);
	free(file);
	return 0;
}
