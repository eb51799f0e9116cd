/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: code objects -> functions and lines, each read from its process once. */
#ifndef PROFD_PYTHON_CODE_H
#define PROFD_PYTHON_CODE_H

#include "python/layout.h"
#include "python/python.h"

struct codes;

struct codes *codes_new(void); /* NULL: out of memory */
void codes_free(struct codes *c);

/* Function number and line of a frame; the errors of python_location(). `layout` may be NULL: then only what is
 * known already is found (-ESRCH). */
int codes_find(struct codes *c, uint32_t pid, const struct layout *layout, uint64_t code_type,
	const struct python_frame *frame, uint64_t *function, uint32_t *line);

/* Drops the code objects of a process; functions stay. */
void codes_forget(struct codes *c, uint32_t pid);

const struct python_function *codes_function(const struct codes *c, uint64_t number);
void codes_stats(const struct codes *c, struct python_stats *stats);

#endif
