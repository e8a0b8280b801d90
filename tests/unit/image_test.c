/* SPDX-License-Identifier: MIT */
/* Names and manifests of images: the parts of `cloister image` that only compute. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../image/manifest.h"
#include "../../image/names.h"

#define HEX_A           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B           "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define BLOB(hex, size) "{\"digest\":\"sha256:" hex "\",\"size\":" #size "}"

static void test_image_names(void **unused)
{
	static const char *const good[] = {"a", "9", "debian12", "A.b_c-d", "x..y"};
	static const char *const bad[] = {"", ".", "..", ".x", "-x", "_x", "a/b", "a b", "a\nb", "\xc3\xbc"};
	char longest[IMAGE_NAME_MAX + 2];

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(image_name_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(image_name_is_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[IMAGE_NAME_MAX] = '\0';
	assert_true(image_name_is_valid(longest));
	longest[IMAGE_NAME_MAX] = 'x';
	longest[IMAGE_NAME_MAX + 1] = '\0';
	assert_false(image_name_is_valid(longest));
}

static void normalises(const char *name, const char *expected)
{
	char path[64];

	assert_int_equal(image_path_normalise(name, path, sizeof(path)), 0);
	assert_string_equal(path, expected);
}

static void test_paths(void **unused)
{
	char path[64], large[4096], deep[2 * (IMAGE_DEPTH_MAX + 1) + 1] = "";

	(void)unused;
	normalises("", "");
	normalises(".", "");
	normalises("./", "");
	normalises("/", "");
	normalises("./a//b/./c/", "a/b/c");
	normalises("/etc/passwd", "etc/passwd");
	normalises("...", "...");
	normalises("..a/b..", "..a/b..");
	assert_int_equal(image_path_normalise("..", path, sizeof(path)), -EXDEV);
	assert_int_equal(image_path_normalise("a/../b", path, sizeof(path)), -EXDEV);
	assert_int_equal(image_path_normalise("a/..", path, sizeof(path)), -EXDEV);
	assert_int_equal(image_path_normalise("a\nb", path, sizeof(path)), -EILSEQ);
	assert_int_equal(image_path_normalise("a\x7f", path, sizeof(path)), -EILSEQ);
	memset(large, 'n', 300);
	large[300] = '\0';
	assert_int_equal(image_path_normalise(large, path, sizeof(path)), -ENAMETOOLONG);
	assert_int_equal(image_path_normalise(large, large + 1000, 1000), -ENAMETOOLONG);
	/* To the byte: the path and its end must fit. */
	assert_int_equal(image_path_normalise("1234567", path, 8), -ENAMETOOLONG);
	assert_int_equal(image_path_normalise("1234567", path, 9), 0);
	for (int i = 0; i < IMAGE_DEPTH_MAX; i++)
		strcat(deep, "d/");
	assert_int_equal(image_path_normalise(deep, large, sizeof(large)), 0);
	strcat(deep, "d");
	assert_int_equal(image_path_normalise(deep, large, sizeof(large)), -ENAMETOOLONG);
}

static void test_whiteouts(void **unused)
{
	const char *hidden = NULL;

	(void)unused;
	assert_int_equal(image_whiteout_parse("file", &hidden), IMAGE_WHITEOUT_NONE);
	assert_int_equal(image_whiteout_parse(".wh", &hidden), IMAGE_WHITEOUT_NONE);
	assert_int_equal(image_whiteout_parse("a.wh.b", &hidden), IMAGE_WHITEOUT_NONE);
	assert_int_equal(image_whiteout_parse(".wh..wh..opq", &hidden), IMAGE_WHITEOUT_OPAQUE);
	assert_int_equal(image_whiteout_parse(".wh..wh.plnk", &hidden), IMAGE_WHITEOUT_IGNORED);
	assert_int_equal(image_whiteout_parse(".wh.file", &hidden), IMAGE_WHITEOUT_NAME);
	assert_string_equal(hidden, "file");
	assert_int_equal(image_whiteout_parse(".wh..hidden", &hidden), IMAGE_WHITEOUT_NAME);
	assert_string_equal(hidden, ".hidden");
	assert_int_equal(image_whiteout_parse(".wh.", &hidden), IMAGE_WHITEOUT_BAD);
	assert_int_equal(image_whiteout_parse(".wh..", &hidden), IMAGE_WHITEOUT_BAD);
	assert_int_equal(image_whiteout_parse(".wh...", &hidden), IMAGE_WHITEOUT_BAD);
}

static void test_digests(void **unused)
{
	char digest[IMAGE_DIGEST_SIZE];

	(void)unused;
	assert_int_equal(image_digest_parse("sha256:" HEX_A, digest), 0);
	assert_string_equal(digest, HEX_A);
	assert_int_equal(image_digest_parse(HEX_A, digest), -EINVAL);
	assert_int_equal(image_digest_parse("sha512:" HEX_A HEX_A, digest), -EINVAL);
	assert_int_equal(image_digest_parse("sha256:" HEX_A "a", digest), -EINVAL);
	assert_int_equal(image_digest_parse("sha256:../../../../../../../../../../../../../../../../../../../../../..",
	                                    digest),
	                 -EINVAL);
}

static int choose(const char *text, const char *reference, struct image_descriptor *chosen, bool *is_index)
{
	const struct image_choice choice = {.architecture = "amd64", .reference = reference};
	struct cloister_error err;

	return image_index_choose(text, strlen(text), &choice, chosen, is_index, &err);
}

#define PLATFORM(hex, architecture)                                                                \
	"{\"digest\":\"sha256:" hex "\",\"size\":1,\"platform\":{\"architecture\":\"" architecture \
	"\",\"os\":\"linux\"}}"

static void test_index(void **unused)
{
	struct image_descriptor chosen = {0};
	bool is_index = true;

	(void)unused;
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 7) "]}", NULL, &chosen, &is_index), 0);
	assert_string_equal(chosen.digest, HEX_A);
	assert_int_equal(chosen.size, 7);
	assert_false(is_index);
	assert_int_equal(choose("{\"manifests\":[" PLATFORM(HEX_A, "arm64") "," PLATFORM(HEX_B, "amd64") "]}", NULL,
	                        &chosen, &is_index),
	                 0);
	assert_string_equal(chosen.digest, HEX_B);
	/* One for this machine is better than one that does not say. */
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 1) "," PLATFORM(HEX_B, "amd64") "]}", NULL, &chosen,
	                        &is_index),
	                 0);
	assert_string_equal(chosen.digest, HEX_B);
	assert_int_equal(choose("{\"manifests\":[" PLATFORM(HEX_A, "arm64") "]}", NULL, &chosen, &is_index), -ENOENT);
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 1) "," BLOB(HEX_B, 1) "]}", NULL, &chosen, &is_index),
	                 -EINVAL);
	/* Two tags of one image are one image. */
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 1) "," BLOB(HEX_A, 1) "]}", NULL, &chosen, &is_index),
	                 0);
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 1) "]}", "tag", &chosen, &is_index), -ENOENT);
	assert_int_equal(choose("{\"manifests\":[]}", NULL, &chosen, &is_index), -ENOENT);
	assert_int_equal(choose("{\"manifests\":[null,1,\"x\",[]]}", NULL, &chosen, &is_index), -ENOENT);
	assert_int_equal(choose("{\"manifests\":{}}", NULL, &chosen, &is_index), -EINVAL);
	assert_int_equal(choose("[]", NULL, &chosen, &is_index), -EINVAL);
	assert_int_equal(choose("", NULL, &chosen, &is_index), -EINVAL);
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, 7) "]} x", NULL, &chosen, &is_index), -EINVAL);
	assert_int_equal(choose("{\"manifests\":[" BLOB(HEX_A, -7) "]}", NULL, &chosen, &is_index), -EINVAL);
	assert_int_equal(choose("{\"manifests\":[{\"digest\":\"sha256:" HEX_A "\\u0000\",\"size\":1}]}", NULL, &chosen,
	                        &is_index),
	                 -EINVAL);
	char nested[256];
	memset(nested, '[', sizeof(nested));
	nested[sizeof(nested) - 1] = '\0';
	assert_int_equal(choose(nested, NULL, &chosen, &is_index), -EINVAL);
}

static void test_manifest(void **unused)
{
	static const char text[] = "{\"config\":" BLOB(HEX_A, 3) ",\"layers\":[" BLOB(HEX_B, 4) "]}";
	static const char config[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"sha256:" HEX_A "\"]}}";
	static const char *const bad[] = {"{}", "{\"config\":" BLOB(HEX_A, 3) ",\"layers\":[]}",
	                                  "{\"config\":" BLOB(HEX_A, 3) ",\"layers\":[{}]}",
	                                  "{\"config\":1,\"layers\":[" BLOB(HEX_B, 4) "]}", "null"};
	struct image_manifest manifest = {0};
	struct cloister_error err;

	(void)unused;
	assert_int_equal(image_manifest_parse(text, strlen(text), &manifest, &err), 0);
	assert_int_equal(manifest.n_layers, 1);
	assert_string_equal(manifest.layers[0].blob.digest, HEX_B);
	assert_int_equal(image_config_parse(config, strlen(config), "amd64", &manifest, &err), 0);
	assert_string_equal(manifest.layers[0].diff_id, HEX_A);
	assert_int_equal(image_config_parse(config, strlen(config), "arm64", &manifest, &err), -ENOEXEC);
	assert_int_equal(image_config_parse("{\"rootfs\":{\"diff_ids\":[]}}", 26, "amd64", &manifest, &err), -EINVAL);
	image_manifest_clear(&manifest);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(image_manifest_parse(bad[i], strlen(bad[i]), &manifest, &err), -EINVAL);
		assert_null(manifest.layers);
	}
}

static void test_saved(void **unused)
{
	static const char text[] =
		"[{\"Config\":\"" HEX_A ".json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"b/layer.tar\"]}]";
	static const char outside[] = "[{\"Config\":\"c.json\",\"Layers\":[\"../../etc/passwd\"]}]";
	static const char two[] = "[{\"Config\":\"a\",\"Layers\":[\"b\"]},{\"Config\":\"a\",\"Layers\":[\"b\"]}]";
	struct image_manifest manifest = {0};
	struct cloister_error err;

	(void)unused;
	assert_int_equal(image_saved_parse(text, strlen(text), NULL, &manifest, &err), 0);
	assert_string_equal(manifest.config.digest, HEX_A);
	assert_string_equal(manifest.layers[0].member, "b/layer.tar");
	assert_string_equal(manifest.layers[0].blob.digest, "");
	image_manifest_clear(&manifest);
	assert_int_equal(image_saved_parse(text, strlen(text), "x:1", &manifest, &err), 0);
	image_manifest_clear(&manifest);
	assert_int_equal(image_saved_parse(text, strlen(text), "x:2", &manifest, &err), -EINVAL);
	assert_int_equal(image_saved_parse(outside, strlen(outside), NULL, &manifest, &err), -EINVAL);
	assert_int_equal(image_saved_parse(two, strlen(two), NULL, &manifest, &err), -EINVAL);
}

static void test_architectures(void **unused)
{
	(void)unused;
	assert_string_equal(image_architecture("x86_64"), "amd64");
	assert_string_equal(image_architecture("aarch64"), "arm64");
	assert_string_equal(image_architecture("riscv64"), "riscv64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_names), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_whiteouts),   cmocka_unit_test(test_digests),
		cmocka_unit_test(test_index),       cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_saved),       cmocka_unit_test(test_architectures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
