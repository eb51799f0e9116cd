/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that a just-in-time compiler wrote down in its perf map, one file per process
 * (Linux tools/perf/Documentation/jit-interface.txt): lines of `START SIZE name`, both numbers in
 * hexadecimal. */
#ifndef PROFD_SYMBOLIZE_JIT_H
#define PROFD_SYMBOLIZE_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct jit_map;

struct jit_map *jit_map_new(void); /* empty; NULL: out of memory */
void jit_map_free(struct jit_map *m);

/* Reads what the process has written since the last time; all of it where the file was replaced.
 * What was read stays where there is nothing to read any more. 0 or negative errno, as in
 * symbolizer_preload_jit(). */
int jit_map_update(struct jit_map *m, uint32_t pid, struct err *err);

/* Whether it is worth to ask the file again now: a file that was costly to read, or could not be
 * read, gets a pause. */
bool jit_map_is_due(const struct jit_map *m);

/* Where functions overlap, memory was used again: the one written last holds. The name belongs to
 * the map. */
bool jit_map_find(const struct jit_map *m, uint64_t address, const char **name, uint64_t *offset);

size_t jit_map_bytes(const struct jit_map *m); /* of memory */

#endif
