/* SPDX-License-Identifier: BSD-2-Clause */
/* What is remembered of a process after it has gone: who it was, and what it used. Plain data; all
 * texts are hostile bytes. */
#ifndef PROFD_FLOW_SERIES_H
#define PROFD_FLOW_SERIES_H

#include <stdint.h>

/* The identity of a process: boot, PID and start time tell a reused PID from the process that had
 * it before. Texts are never NULL after series_fill-like functions succeeded; "" is "not known" or
 * "has none". */
struct series {
	char boot[37];          /* /proc/sys/kernel/random/boot_id */
	uint32_t pid;           /* in profd's own PID namespace */
	uint64_t start_ticks;   /* /proc/PID/stat field 22 */
	uint64_t start_unix_ns; /* the same as a time of day, for people */
	uint32_t uid;           /* effective */
	char *user;             /* its name, or the number as text */
	char *comm;             /* of its main thread */
	char *exe;              /* path, as the process sees it */
	char *command_line;     /* arguments joined by spaces; "" unless it was asked for */
	char *cgroup;    /* path in the unified hierarchy, or in that which names a container */
	char *container; /* first 12 digits of the container's ID; "": runs in none */
	char *python;    /* "3.12.1"; "": no known CPython */
};

/* Frees the texts, not `s` itself, and sets them to NULL. */
void series_clear(struct series *s);

/* What a process used in a span of time: differences, but for the two that are levels. */
struct series_usage {
	uint64_t user_ns, system_ns; /* CPU time; its threads', not its children's */
	uint64_t rss_bytes;          /* level at the end of the span */
	uint32_t threads;            /* likewise */
	uint64_t voluntary_switches, involuntary_switches; /* of all its threads */
	uint64_t read_bytes, written_bytes; /* storage I/O; 0 where it may not be read */
};

#endif
