/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: all images that any process maps, found by identity and opened once. */
#ifndef PROFD_PROCESS_IMAGES_H
#define PROFD_PROCESS_IMAGES_H

#include "process/process.h"

/* One executable line of a maps file. */
struct maps_line {
	uint64_t start, end, file_offset, inode;
	char *path; /* unescaped, " (deleted)" removed; "" for anonymous memory; owned by the caller
		     */
};

struct images;

struct images *images_new(void); /* NULL: out of memory */
void images_free(struct images *set);

/* The image behind a line of the process's maps. NULL: none, and `*rc` says why (negative errno).
 */
struct image *images_get(struct images *set, uint32_t pid, const struct maps_line *line, int *rc);

struct image *images_at(const struct images *set, uint32_t number); /* NULL: no such number */

#endif
