/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: what one ELF file says of the CPython in it. */
#ifndef PROFD_PYTHON_IMAGE_H
#define PROFD_PYTHON_IMAGE_H

#include "process/process.h"
#include "python/layout.h"

struct eval_range {
	uint64_t start, end; /* the file's virtual addresses */
};

struct eval_ranges {
	struct eval_range *ranges; /* sorted, not overlapping */
	size_t n;
};

/* All addresses are the file's own virtual addresses. */
struct python_image {
	int status; /* 1: supported, 0: no CPython, -ENOTSUP: see `why` */
	char *why;
	uint64_t version; /* PY_VERSION_HEX; micro and serial 0 where only the file's name tells */
	char version_text[16]; /* "3.12.1" */
	uint64_t runtime;      /* _PyRuntime */
	uint64_t code_type;    /* PyCode_Type; 0: not known */
	struct layout layout;
	struct eval_ranges eval;

	/* For python.c. */
	uint32_t users; /* interpreters that run it */
	bool forgotten; /* freed with the last of them */
};

/* Looks into an ELF file. `is_exe`: it is the executable of a process. NULL: out of memory. */
struct python_image *python_image_open(const struct image *image, bool is_exe);
void python_image_close(struct python_image *image);

/* Bytes of the file that are loaded at `vaddr`, as far as the file has them; how many. */
size_t image_bytes(const struct image *image, uint64_t vaddr, void *data, size_t bytes);

/* eval.c: adds [start, end); 0 or -ENOMEM. */
int eval_add(struct eval_ranges *eval, uint64_t start, uint64_t end);
bool eval_contains(const struct eval_ranges *eval, uint64_t vaddr);

/* Adds fragments that the compiler split off the ranges and that have no symbol. `eh_frame_hdr`:
 * virtual address. */
void eval_add_fragments(struct eval_ranges *eval, const struct image *image, uint64_t eh_frame_hdr);

#endif
