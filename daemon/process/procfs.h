/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of one /proc/PID, read through a descriptor of that folder. A folder that was opened
 * belongs to one process for good: once that has gone, its files are gone too, even where the PID
 * is in use again. So what is read through one descriptor never mixes two processes.
 *
 * For threads as well: /proc/TID can be opened, though it is not listed. */
#ifndef PROFD_PROCESS_PROCFS_H
#define PROFD_PROCESS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The largest file read here is `status` of a process in 65,536 groups: some 720 KiB. */
enum { PROCFS_TEXT_MAX_BYTES = 1 << 20 };

/* A descriptor of /proc/PID (for *at calls only), -ESRCH, or another negative errno. */
int procfs_open(uint32_t pid);

/* The file `name` of the folder becomes the text of `b`, up to b->max. `owner` may be NULL; it gets
 * the owner of the file, which is root where the process is protected (not dumpable). -ESRCH: the
 * process has gone. */
int procfs_read(int folder, const char *name, struct buf *b, uint32_t *owner);

/* The numeric names in a folder as they come, at most `max`; `*list` is the caller's to free. */
int procfs_numbered(int folder, const char *name, size_t max, uint32_t **list, size_t *n);

/* What of /proc/PID/stat is used (proc_pid_stat(5) numbers the fields). */
struct procfs_stat {
	char comm[64]; /* those of kernel threads are longer than 15 bytes */
	char state;
	uint64_t user_ticks, system_ticks;
	uint64_t start_ticks;
	uint64_t rss_pages;
	uint32_t threads;
};

bool procfs_stat_parse(const char *text, struct procfs_stat *out);

/* The numbers in the line of `status` that begins with `key` ("Uid:"): how many, at most `cap`. */
size_t procfs_status_numbers(const char *text, const char *key, uint64_t *out, size_t cap);

#endif
