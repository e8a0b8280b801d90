/* SPDX-License-Identifier: MIT */
/* Release of resources when a scope ends, and explicit hand-over of what leaves the scope. */
#ifndef CLOISTER_CLEANUP_H
#define CLOISTER_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cloister_cleanup_close(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void cloister_cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

static inline void cloister_cleanup_fclose(FILE *const *file)
{
	if (*file != NULL)
		fclose(*file);
}

/* int _cleanup_close_ fd = -1; */
#define _cleanup_close_ __attribute__((cleanup(cloister_cleanup_close)))
/* char *_cleanup_free_ text = NULL; */
#define _cleanup_free_ __attribute__((cleanup(cloister_cleanup_free)))
/* FILE *_cleanup_fclose_ file = NULL; */
#define _cleanup_fclose_ __attribute__((cleanup(cloister_cleanup_fclose)))

/* Gives the descriptor to the caller and leaves -1 behind, so that the scope does not close it. */
#define TAKE_FD(fd)                  \
	({                           \
		int take_fd_ = (fd); \
		(fd) = -1;           \
		take_fd_;            \
	})

/* The same for a pointer. */
#define TAKE_PTR(pointer)                                \
	({                                               \
		__typeof__(pointer) take_p_ = (pointer); \
		(pointer) = NULL;                        \
		take_p_;                                 \
	})

#endif
