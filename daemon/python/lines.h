/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: instruction -> line. */
#ifndef PROFD_PYTHON_LINES_H
#define PROFD_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines;

/* Decodes a location table (co_linetable, CPython 3.11 and later: InternalDocs/code_objects.md,
 * "Locations table"). Any bytes will do; what makes no sense ends the table. NULL: out of memory.
 */
struct lines *lines_decode(const uint8_t *table, size_t bytes, uint32_t first_line);

/* The line of the instruction `offset` bytes into the bytecode; 0: none. */
uint32_t lines_find(const struct lines *lines, uint32_t offset);

size_t lines_bytes(const struct lines *lines); /* of memory */

#endif
