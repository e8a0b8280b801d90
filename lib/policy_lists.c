/* SPDX-License-Identifier: MIT */
/* The keys of which there may be several: bind, tmpfs, mask; and emptying such a list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/path.h"
#include "policy_keys.h"

static char *copy_origin(const struct cloister_expansion *expansion)
{
	return strdup(expansion->origin != NULL ? expansion->origin : "");
}

int cloister_policy_add_bind(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion)
{
	char *colon = strchr(value, ':');
	const char *target = value;
	struct cloister_bind bind = {0};
	size_t length = strlen(value);

	if (length > 3 && strcmp(value + length - 3, ":ro") == 0) {
		value[length - 3] = '\0';
		bind.read_only = true;
		colon = strchr(value, ':');
	}
	if (colon != NULL) {
		*colon = '\0';
		target = colon + 1;
	}
	if (!cloister_path_is_plain(value) || !cloister_path_is_plain(target) || strcmp(target, "/") == 0 ||
	    strchr(target, ':') != NULL)
		return -EINVAL;
	struct cloister_bind *binds = reallocarray(policy->binds, policy->n_binds + 1, sizeof(*binds));
	if (binds == NULL)
		return -ENOMEM;
	policy->binds = binds;
	bind.source = strdup(value);
	bind.target = strdup(target);
	bind.origin = copy_origin(expansion);
	binds[policy->n_binds++] = bind;
	return bind.source == NULL || bind.target == NULL || bind.origin == NULL ? -ENOMEM : 0;
}

/* Takes ":KEY=REST" off the end of the value; NULL where it is not there. */
static char *take_suffix(char *value, const char *key)
{
	char *at = strstr(value, key);

	if (at == NULL)
		return NULL;
	*at = '\0';
	return at + strlen(key);
}

int cloister_policy_add_tmpfs(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion)
{
	const char *files = take_suffix(value, ":files=");
	const char *size = take_suffix(value, ":size=");
	struct cloister_tmpfs tmpfs = {0};

	if (files != NULL && cloister_policy_parse_number(files, 1, CLOISTER_FILES_LIMIT, &tmpfs.files) < 0)
		return -EINVAL;
	if (size != NULL && cloister_policy_parse_bytes(size, &tmpfs.size) < 0)
		return -EINVAL;
	if (!cloister_path_is_plain(value) || strcmp(value, "/") == 0)
		return -EINVAL;
	struct cloister_tmpfs *list = reallocarray(policy->tmpfs, policy->n_tmpfs + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	policy->tmpfs = list;
	tmpfs.path = strdup(value);
	tmpfs.origin = copy_origin(expansion);
	list[policy->n_tmpfs++] = tmpfs;
	return tmpfs.path == NULL || tmpfs.origin == NULL ? -ENOMEM : 0;
}

int cloister_policy_add_mask(struct cloister_policy *policy, const char *value,
                             const struct cloister_expansion *expansion)
{
	if (!cloister_path_is_plain(value) || strcmp(value, "/") == 0)
		return -EINVAL;
	struct cloister_mask *masks = reallocarray(policy->masks, policy->n_masks + 1, sizeof(*masks));
	if (masks == NULL)
		return -ENOMEM;
	policy->masks = masks;
	struct cloister_mask *mask = &masks[policy->n_masks++];
	*mask = (struct cloister_mask){.path = strdup(value), .origin = copy_origin(expansion)};
	return mask->path == NULL || mask->origin == NULL ? -ENOMEM : 0;
}

void cloister_policy_clear_list(struct cloister_policy *policy, const char *key)
{
	if (strcmp(key, "bind") == 0) {
		for (size_t i = 0; i < policy->n_binds; i++) {
			free(policy->binds[i].source);
			free(policy->binds[i].target);
			free(policy->binds[i].origin);
		}
		policy->n_binds = 0;
	} else if (strcmp(key, "tmpfs") == 0) {
		for (size_t i = 0; i < policy->n_tmpfs; i++) {
			free(policy->tmpfs[i].path);
			free(policy->tmpfs[i].origin);
		}
		policy->n_tmpfs = 0;
	} else if (strcmp(key, "mask") == 0) {
		for (size_t i = 0; i < policy->n_masks; i++) {
			free(policy->masks[i].path);
			free(policy->masks[i].origin);
		}
		policy->n_masks = 0;
	} else if (strcmp(key, "publish") == 0) {
		for (size_t i = 0; i < policy->n_publish; i++)
			free(policy->publish[i]);
		policy->n_publish = 0;
	}
}
