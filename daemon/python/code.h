/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: code objects -> functions and lines, each read from its process once. */
#ifndef PROFD_PYTHON_CODE_H
#define PROFD_PYTHON_CODE_H

#include "base/map.h"
#include "python/layout.h"
#include "python/python.h"

struct codes;

struct codes *codes_new(void); /* NULL: out of memory */
void codes_free(struct codes *c);

/* What is known of the code objects of one process; free with map_free(). NULL: out of memory. */
struct map *codes_objects_new(void);

struct code_source {
	uint32_t pid;
	const struct layout *layout;
	uint64_t code_type; /* address of PyCode_Type; 0: not known */
	struct map *objects;
};

/* Function number and line of a frame; the errors of python_location(). */
int codes_find(struct codes *c, const struct code_source *source, const struct python_frame *frame,
	uint64_t *function, uint32_t *line);

/* Forgets all functions; their numbers are given out anew. What codes_objects_new gave is not to be
 * used any more. -ENOMEM: all stays. */
int codes_reset(struct codes *c);

size_t codes_bytes(const struct codes *c);                          /* an estimate of the memory */
static inline size_t codes_objects_bytes(const struct map *objects) /* likewise */
{
	enum { OBJECT_BYTES = 64 };

	return map_count(objects) * OBJECT_BYTES;
}

const struct python_function *codes_function(const struct codes *c, uint64_t number);
void codes_stats(const struct codes *c, struct python_stats *stats);

#endif
