/* SPDX-License-Identifier: MIT */
/* Names of images, of archive members and of whiteouts. Pure. */
#ifndef CLOISTER_IMAGE_NAMES_H
#define CLOISTER_IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_NAME_MAX 64
/* Components of a path in an archive; what removes a tree needs no more descriptors than this, either. */
#define IMAGE_DEPTH_MAX 256

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most IMAGE_NAME_MAX bytes. */
bool image_name_is_valid(const char *name);

/*
 * An archive's name as a path below its root: without "./", doubled and leading slashes (which are the root that it is
 * unpacked in). The root itself is "". Returns 0; -EXDEV for a ".." component, -EILSEQ for a control character,
 * -ENAMETOOLONG for a component, a path or a nesting that is too long.
 */
int image_path_normalise(const char *name, char *path, size_t size);

/* What a sentence about such an error says. */
const char *image_path_problem(int code);

enum image_whiteout {
	IMAGE_WHITEOUT_NONE,    /* an ordinary name */
	IMAGE_WHITEOUT_NAME,    /* .wh.NAME: NAME of the layers below is gone */
	IMAGE_WHITEOUT_OPAQUE,  /* .wh..wh..opq: all that the layers below have in this directory is gone */
	IMAGE_WHITEOUT_IGNORED, /* .wh..wh.*: aufs' own files */
	IMAGE_WHITEOUT_BAD,     /* .wh., .wh.. and .wh...: no name, "." and ".." */
};

/* Of the last component of a path (OCI image specification, layer.md). *hidden is the NAME, in `component`. */
enum image_whiteout image_whiteout_parse(const char *component, const char **hidden);

/* The name of a machine (uname(2)) in image indices, GOARCH; the same where it has no other. */
const char *image_architecture(const char *machine);

#endif
