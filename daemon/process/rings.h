/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside process/: the kernel's records of processes, from the rings of all CPUs, in order of time.
 */
#ifndef PROFD_PROCESS_RINGS_H
#define PROFD_PROCESS_RINGS_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rings;

/* Needs CAP_PERFMON (or root); NULL with the reason. */
struct rings *rings_open(struct err *err);
void rings_close(struct rings *r);   /* NULL is allowed */
int rings_fd(const struct rings *r); /* readable when records wait (an epoll descriptor) */

/* Takes in what the kernel has written. 0 or -ENOMEM. */
int rings_read(struct rings *r);

/* The next record not later than `until_ns`, or NULL; the caller may change it, and it holds until
 * the next rings_read. */
struct perf_event_header *rings_next(struct rings *r, uint64_t until_ns, uint64_t *time_ns);

bool rings_are_empty(const struct rings *r); /* no record waits for a later `until_ns` */

#endif
