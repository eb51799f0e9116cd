/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: all images that any process maps, found by identity and opened once. */
#ifndef PROFD_PROCESS_IMAGES_H
#define PROFD_PROCESS_IMAGES_H

#include "process/process.h"

/* One executable line of a maps file. */
struct maps_line {
	uint64_t start, end, file_offset, inode;
	uint32_t major, minor; /* of the device that `inode` belongs to, as the kernel has it */
	char *path; /* unescaped, " (deleted)" removed; "" for anonymous memory; owned by the caller
		     */
};

struct images;

struct images *images_new(void); /* NULL: out of memory */
void images_free(struct images *set);

/* The image behind a line of the process's maps. Where the process is gone, by now or since it
 * mapped the file: the one that has the device and inode, if any process mapped that before, or
 * what is there under the path. NULL: none, and `*rc` says why (negative errno). */
struct image *images_get(struct images *set, uint32_t pid, const struct maps_line *line, int *rc);

struct image *images_at(const struct images *set, uint32_t number); /* NULL: no such number */

/* Between a begin and an end, images_seen is called for all that are mapped. The end closes what
 * was not seen since the begin before the last. It returns how many, or -ENOMEM. */
void images_sweep_begin(struct images *set);
void images_seen(struct images *set, const struct image *image);
int images_sweep_end(
	struct images *set, void (*each)(void *arg, const struct image *image), void *arg);

#endif
