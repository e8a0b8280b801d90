/* SPDX-License-Identifier: MIT */
/* The JSON of images: an index, a manifest with its configuration, docker save's manifest. Input: the manifest and,
 * behind a byte 0x1e, the configuration; each is taken for everything that it could be. */
#include "fuzz.h"
#include "image/json.h"
#include "image/manifest.h"
#include "image/names.h"

static void check_digest(const char *digest, bool known)
{
	size_t length = strlen(digest);

	FUZZ_REQUIRE((length == 0 && !known) ||
	             (length == IMAGE_DIGEST_SIZE - 1 && strspn(digest, "0123456789abcdef") == IMAGE_DIGEST_SIZE - 1));
}

/* Names of members stay in the archive; digests are digests: they become names of files. */
static void check_manifest(const struct image_manifest *manifest, bool saved)
{
	char path[4096];

	check_digest(manifest->config.digest, !saved);
	FUZZ_REQUIRE(manifest->n_layers >= 1 && manifest->n_layers <= IMAGE_LAYERS_MAX);
	FUZZ_REQUIRE((manifest->config_member != NULL) == saved);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const char *member = manifest->layers[i].member;

		check_digest(manifest->layers[i].blob.digest, !saved);
		FUZZ_REQUIRE((member != NULL) == saved);
		FUZZ_REQUIRE(member == NULL || (image_path_normalise(member, path, sizeof(path)) == 0 &&
		                                *path != '\0' && strcmp(path, member) == 0));
	}
}

static void check_config(const char *config, size_t size, struct image_manifest *manifest)
{
	struct cloister_error err = {0};
	int r = image_config_parse(config, size, "amd64", manifest, &err);

	FUZZ_REQUIRE(r == 0 || err.code == -r);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		check_digest(manifest->layers[i].diff_id, true);
}

static void check_index(const char *text, size_t size, const char *reference)
{
	const struct image_choice choice = {.architecture = "amd64", .reference = reference};
	struct image_descriptor chosen = {0};
	struct cloister_error err = {0};
	bool is_index;
	int r = image_index_choose(text, size, &choice, &chosen, &is_index, &err);

	FUZZ_REQUIRE(r == 0 || err.code == -r);
	if (r == 0)
		check_digest(chosen.digest, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0x1e, size) : NULL;
	size_t length = end != NULL ? (size_t)(end - data) : size;
	const char *text = (const char *)data, *config = text + length + (end != NULL);
	size_t config_size = end != NULL ? size - length - 1 : 0;
	static const char *const references[] = {NULL, "latest", "example:1"};

	for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++) {
		struct image_manifest manifest = {0};
		struct cloister_error err = {0};

		check_index(text, length, references[i]);
		if (image_saved_parse(text, length, references[i], &manifest, &err) == 0) {
			check_manifest(&manifest, true);
			check_config(config, config_size, &manifest);
			image_manifest_clear(&manifest);
		}
	}
	struct image_manifest manifest = {0};
	struct cloister_error err = {0};
	if (image_manifest_parse(text, length, &manifest, &err) == 0) {
		check_manifest(&manifest, false);
		check_config(config, config_size, &manifest);
		image_manifest_clear(&manifest);
	}
	return 0;
}
