/* SPDX-License-Identifier: BSD-2-Clause */
/* PID namespaces: a process has a number in its own and in each one above, up to that of /proc,
 * which is profd's:
 *
 *     level 0 (profd's)   1 ... 4711 ......... 4720
 *     level 1 (container)         1 ........... 7
 *     level 2 (one inside)                      1      NSpid: 4720 7 1
 *
 * `folder` is a descriptor of a process's folder (procfs_open). */
#ifndef PROFD_PROCESS_NAMESPACES_H
#define PROFD_PROCESS_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAMESPACE_LEVELS_MAX = 33 }; /* Linux include/linux/pid_namespace.h: 32 below the first */

struct namespace_pids {
	uint64_t at[NAMESPACE_LEVELS_MAX]; /* by level, 0 is profd's */
	size_t n;                          /* at least 1 */
};

/* The numbers of a process or thread from the text of its `status`. */
bool namespace_pids_parse(const char *status, struct namespace_pids *out);

/* The inode that tells the PID namespace of a process, or 0: it may not be known (that needs the
 * right to trace the process). */
uint64_t namespace_inode(int folder);

/* Whether the namespace `levels_up` above that of the process is the one with the inode. */
bool namespace_is(int folder, size_t levels_up, uint64_t inode);

#endif
