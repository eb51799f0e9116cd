/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: what a span of time has taken. */
#ifndef PROFD_PIPELINE_MOMENT_H
#define PROFD_PIPELINE_MOMENT_H

#include <stdbool.h>

#include "collect/collect.h"
#include "flow/profile.h"

/* Where the clocks and counters stood: a window lies between two such moments, and the second is
 * the first of the next. */
struct moment {
	uint64_t ns, unix_ns;
	uint64_t busy_ticks; /* of all CPUs */
	uint64_t cpu_ns;     /* our own */
	struct collect_stats stats;
};

struct moment moment_now(const struct collect *c);

/* Of `q`, which has the samples taken, those lost by us, and the rate asked for: adds what the
 * kernel has lost between the two moments, and fills in duration, cost and the rate that was
 * achieved, of each CPU that ran something or (`by_threads`) of each thread that ran. */
void moment_quality(const struct moment *start, const struct moment *end, bool by_threads,
	struct profile_quality *q);

#endif
