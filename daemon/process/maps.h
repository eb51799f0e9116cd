/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: reading /proc/PID/maps. */
#ifndef PROFD_PROCESS_MAPS_H
#define PROFD_PROCESS_MAPS_H

#include <stdint.h>

#include "process/images.h"

/* Parses one line (without its newline, changed in place). False: not executable, or not a maps
 * line. */
bool maps_parse_line(char *line, struct maps_line *out);

/* Without the " (deleted)" that the kernel puts behind the path of a file that is. */
void maps_strip_deleted(char *path);

/* Whether the path of a line names no file: anonymous memory, a stack, shared memory of no name. */
bool maps_is_special(const char *path);

/* Reads all executable mappings of the process into fresh memory. 0 or negative errno with text. */
int maps_read(
	struct images *images, uint32_t pid, struct mapping **mappings, size_t *n, struct err *err);

/* Turns a line into a mapping (opens its image). */
void maps_mapping(
	struct images *images, uint32_t pid, const struct maps_line *line, struct mapping *out);

/* Code of no file, or of one that is not to be had: pieces of it side by side are one. */
static inline bool mapping_is_bare(const struct mapping *m)
{
	return m->kind == MAPPING_ANON && !m->is_denied;
}

#endif
