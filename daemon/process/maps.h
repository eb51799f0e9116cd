/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: reading /proc/PID/maps. */
#ifndef PROFD_PROCESS_MAPS_H
#define PROFD_PROCESS_MAPS_H

#include <stdint.h>

#include "process/process.h"

/* One executable line of a maps file. */
struct maps_line {
	uint64_t start, end, file_offset, inode;
	char *path; /* unescaped, " (deleted)" removed; "" for anonymous memory; owned by the caller */
};

/* Parses one line (without its newline, changed in place). False: not executable, or not a maps line. */
bool maps_parse_line(char *line, struct maps_line *out);

/* The images of a table: found by identity, opened once. NULL: none, and `*rc` says why (negative errno). */
struct image *process_table_image(
	struct process_table *t, uint32_t pid, const struct maps_line *line, int *rc);

/* Reads all executable mappings of the process into fresh memory. 0 or negative errno with text. */
int maps_read(struct process_table *t, uint32_t pid, struct mapping **mappings, size_t *n, struct err *err);

/* Turns a line into a mapping (opens its image). */
void maps_mapping(
	struct process_table *t, uint32_t pid, const struct maps_line *line, struct mapping *out);

#endif
