/* SPDX-License-Identifier: MIT */
/* JSON of images to data. */
#include "manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"

int image_digest_parse(const char *text, char digest[IMAGE_DIGEST_SIZE])
{
	static const char algorithm[] = "sha256:";
	const char *hex = text + sizeof(algorithm) - 1;

	if (strncmp(text, algorithm, sizeof(algorithm) - 1) != 0 || strlen(hex) != IMAGE_DIGEST_SIZE - 1 ||
	    strspn(hex, "0123456789abcdef") != IMAGE_DIGEST_SIZE - 1)
		return -EINVAL;
	memcpy(digest, hex, IMAGE_DIGEST_SIZE);
	return 0;
}

/* A content descriptor (descriptor.md): what it points at is known by digest and size. */
static int parse_descriptor(json_object *object, struct image_descriptor *descriptor, struct cloister_error *err)
{
	const char *digest = image_json_text(object, "digest");
	json_object *size = image_json_member(object, "size", json_type_int);

	if (digest == NULL || image_digest_parse(digest, descriptor->digest) < 0)
		return cloister_fail(err, EINVAL, "manifest", NULL, "a descriptor without a sha256 digest");
	if (size == NULL || json_object_get_int64(size) < 0)
		return cloister_fail(err, EINVAL, "manifest", NULL, "a descriptor without a size");
	descriptor->size = (uint64_t)json_object_get_int64(size);
	return 0;
}

static bool has_reference(json_object *entry, const char *reference)
{
	json_object *annotations = image_json_member(entry, "annotations", json_type_object);
	const char *tag = image_json_text(annotations, "org.opencontainers.image.ref.name");
	const char *name = image_json_text(annotations, "io.containerd.image.name");

	return (tag != NULL && strcmp(tag, reference) == 0) || (name != NULL && strcmp(name, reference) == 0);
}

/* 2: made for this machine; 1: does not say for which; 0: for another. */
static int platform_fit(json_object *entry, const char *architecture)
{
	json_object *platform = image_json_member(entry, "platform", json_type_object);
	const char *its = image_json_text(platform, "architecture"), *system = image_json_text(platform, "os");

	if (platform == NULL)
		return json_object_is_type(entry, json_type_object) ? 1 : 0;
	return its != NULL && system != NULL && strcmp(its, architecture) == 0 && strcmp(system, "linux") == 0 ? 2 : 0;
}

static bool is_index_type(json_object *entry)
{
	const char *type = image_json_text(entry, "mediaType");

	return type != NULL && (strcmp(type, "application/vnd.oci.image.index.v1+json") == 0 ||
	                        strcmp(type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0);
}

/* The best entry; NULL when there is none. *many: two of them are as good, and not the same image. */
static json_object *best_entry(json_object *entries, const struct image_choice *choice, bool *many)
{
	json_object *best = NULL;
	int best_fit = 0;

	*many = false;
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		json_object *entry = json_object_array_get_idx(entries, i);
		int fit = platform_fit(entry, choice->architecture);

		if (fit == 0 || (choice->reference != NULL && !has_reference(entry, choice->reference)))
			continue;
		if (fit == best_fit) {
			const char *one = image_json_text(best, "digest"), *other = image_json_text(entry, "digest");
			*many = *many || one == NULL || other == NULL || strcmp(one, other) != 0;
		}
		if (fit > best_fit) {
			best = entry;
			best_fit = fit;
			*many = false;
		}
	}
	return best;
}

int image_index_choose(const char *text, size_t size, const struct image_choice *choice,
                       struct image_descriptor *chosen, bool *is_index, struct cloister_error *err)
{
	struct image_descriptor found = {0};
	bool many;
	json_object _cleanup_json_ *root = image_json_parse(text, size, json_type_object, "index", err);

	if (root == NULL)
		return -EINVAL;
	json_object *entries = image_json_member(root, "manifests", json_type_array);
	if (entries == NULL)
		return cloister_fail(err, EINVAL, "index", NULL, "it has no manifests");
	json_object *best = best_entry(entries, choice, &many);
	if (best == NULL)
		return cloister_fail(err, ENOENT, "index", NULL, "no image%s%s for linux/%s is in it",
		                     choice->reference != NULL ? " named " : "",
		                     choice->reference != NULL ? choice->reference : "", choice->architecture);
	if (many)
		return cloister_fail(err, EINVAL, "index", NULL,
		                     "several images for linux/%s are in it: choose one with --ref",
		                     choice->architecture);
	int r = parse_descriptor(best, &found, err);
	if (r < 0)
		return r;
	*chosen = found;
	*is_index = is_index_type(best);
	return 0;
}

static int make_layers(struct image_manifest *manifest, size_t n, struct cloister_error *err)
{
	if (n == 0 || n > IMAGE_LAYERS_MAX)
		return cloister_fail(err, EINVAL, "manifest", NULL, "%zu layers; 1 to %d are taken", n,
		                     IMAGE_LAYERS_MAX);
	manifest->layers = calloc(n, sizeof(*manifest->layers));
	if (manifest->layers == NULL)
		return cloister_fail(err, ENOMEM, "manifest", NULL, "no memory");
	manifest->n_layers = n;
	return 0;
}

static int fill_manifest(json_object *root, struct image_manifest *manifest, struct cloister_error *err)
{
	json_object *config = image_json_member(root, "config", json_type_object);
	json_object *layers = image_json_member(root, "layers", json_type_array);

	if (config == NULL || layers == NULL)
		return cloister_fail(err, EINVAL, "manifest", NULL, "it has no config and layers");
	int r = parse_descriptor(config, &manifest->config, err);
	if (r == 0)
		r = make_layers(manifest, json_object_array_length(layers), err);
	for (size_t i = 0; r == 0 && manifest->layers != NULL && i < manifest->n_layers; i++)
		r = parse_descriptor(json_object_array_get_idx(layers, i), &manifest->layers[i].blob, err);
	return r;
}

int image_manifest_parse(const char *text, size_t size, struct image_manifest *manifest, struct cloister_error *err)
{
	json_object _cleanup_json_ *root = image_json_parse(text, size, json_type_object, "manifest", err);

	if (root == NULL)
		return -EINVAL;
	*manifest = (struct image_manifest){0};
	int r = fill_manifest(root, manifest, err);
	if (r < 0)
		image_manifest_clear(manifest);
	return r;
}

/* A member of the archive: a name that stays in it. */
static int copy_member(const char *name, char **member, struct cloister_error *err)
{
	char path[4096];

	if (name == NULL || image_path_normalise(name, path, sizeof(path)) < 0 || *path == '\0')
		return cloister_fail(err, EINVAL, "manifest", NULL, "a name of a member that is none");
	*member = strdup(path);
	return *member == NULL ? cloister_fail(err, ENOMEM, "manifest", NULL, "no memory") : 0;
}

/* HEX.json and blobs/sha256/HEX: the name is the digest of what it names. */
static void digest_of_name(const char *member, char digest[IMAGE_DIGEST_SIZE])
{
	static const char blobs[] = "blobs/sha256/";
	const char *hex = strncmp(member, blobs, sizeof(blobs) - 1) == 0 ? member + sizeof(blobs) - 1 : member;
	size_t length = strspn(hex, "0123456789abcdef");

	if (length != IMAGE_DIGEST_SIZE - 1 || (hex[length] != '\0' && strcmp(hex + length, ".json") != 0))
		return;
	memcpy(digest, hex, length);
	digest[length] = '\0';
}

static bool has_tag(json_object *entry, const char *reference)
{
	json_object *tags = image_json_member(entry, "RepoTags", json_type_array);

	for (size_t i = 0; tags != NULL && i < json_object_array_length(tags); i++) {
		const char *tag = image_json_string(json_object_array_get_idx(tags, i));

		if (tag != NULL && strcmp(tag, reference) == 0)
			return true;
	}
	return false;
}

static int fill_saved(json_object *entry, struct image_manifest *manifest, struct cloister_error *err)
{
	json_object *layers = image_json_member(entry, "Layers", json_type_array);

	if (layers == NULL)
		return cloister_fail(err, EINVAL, "manifest", NULL, "it has no Layers");
	int r = copy_member(image_json_text(entry, "Config"), &manifest->config_member, err);
	if (r < 0)
		return r;
	manifest->config.size = UINT64_MAX;
	digest_of_name(manifest->config_member, manifest->config.digest);
	r = make_layers(manifest, json_object_array_length(layers), err);
	for (size_t i = 0; r == 0 && manifest->layers != NULL && i < manifest->n_layers; i++) {
		struct image_layer_entry *layer = &manifest->layers[i];

		layer->blob.size = UINT64_MAX;
		r = copy_member(image_json_string(json_object_array_get_idx(layers, i)), &layer->member, err);
		if (r == 0 && layer->member != NULL && strncmp(layer->member, "blobs/", 6) == 0)
			digest_of_name(layer->member, layer->blob.digest);
	}
	return r;
}

int image_saved_parse(const char *text, size_t size, const char *reference, struct image_manifest *manifest,
                      struct cloister_error *err)
{
	json_object *chosen = NULL;
	size_t fitting = 0;
	json_object _cleanup_json_ *root = image_json_parse(text, size, json_type_array, "manifest.json", err);

	if (root == NULL)
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(root); i++) {
		json_object *entry = json_object_array_get_idx(root, i);

		if (reference != NULL && !has_tag(entry, reference))
			continue;
		chosen = entry;
		fitting++;
	}
	if (fitting != 1)
		return cloister_fail(err, EINVAL, "manifest.json", NULL,
		                     fitting == 0 ? "no such image is in it"
		                                  : "several images are in it: choose one with --ref");
	*manifest = (struct image_manifest){0};
	int r = fill_saved(chosen, manifest, err);
	if (r < 0)
		image_manifest_clear(manifest);
	return r;
}

int image_config_parse(const char *text, size_t size, const char *architecture, struct image_manifest *manifest,
                       struct cloister_error *err)
{
	json_object _cleanup_json_ *root = image_json_parse(text, size, json_type_object, "config", err);

	if (root == NULL)
		return -EINVAL;
	const char *its = image_json_text(root, "architecture"), *system = image_json_text(root, "os");
	if ((its != NULL && *its != '\0' && strcmp(its, architecture) != 0) ||
	    (system != NULL && *system != '\0' && strcmp(system, "linux") != 0))
		return cloister_fail(err, ENOEXEC, "config", NULL,
		                     "the image is for %s/%s, and this machine is linux/%s",
		                     system != NULL ? system : "linux", its != NULL ? its : "?", architecture);
	json_object *rootfs = image_json_member(root, "rootfs", json_type_object);
	json_object *ids = image_json_member(rootfs, "diff_ids", json_type_array);
	if (ids == NULL || manifest->layers == NULL || json_object_array_length(ids) != manifest->n_layers)
		return cloister_fail(err, EINVAL, "config", NULL, "its diff_ids are not one for each layer");
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const char *id = image_json_string(json_object_array_get_idx(ids, i));

		if (id == NULL || image_digest_parse(id, manifest->layers[i].diff_id) < 0)
			return cloister_fail(err, EINVAL, "config", NULL, "a diff_id is no sha256 digest");
	}
	return 0;
}

void image_manifest_clear(struct image_manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_layers; i++)
		free(manifest->layers[i].member);
	free(manifest->layers);
	free(manifest->config_member);
	*manifest = (struct image_manifest){0};
}
