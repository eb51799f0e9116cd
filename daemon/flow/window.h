/* SPDX-License-Identifier: BSD-2-Clause */
/* A closed window: what all profiled processes did in a short span of time. pipeline/ makes it, the
 * store keeps it. */
#ifndef PROFD_FLOW_WINDOW_H
#define PROFD_FLOW_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "flow/profile.h"
#include "flow/series.h"

struct window {
	uint64_t start_unix_ns; /* by the wall clock when it was opened */
	uint64_t duration_ns;   /* by the monotonic clock */
	uint64_t period_ns;     /* the weight of one sample; the same for the whole window */
	/* Every stack begins with a PROCESS frame, whose `line` is an index into `series` and whose
	 * name is its comm, and a THREAD frame, whose `line` is the thread's ID and whose name is
	 * its name. What follows are the frames as anywhere else. The sole exception: the root node
	 * itself holds no samples. */
	struct profile *profile;
	struct series *series; /* [n_series]; every process seen in the window, also those without
				  a sample */
	struct series_usage *usage; /* [n_series] */
	size_t n_series;
};

void window_free(struct window *w); /* and all that it owns; NULL is allowed */

#endif
