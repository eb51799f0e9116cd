/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: keeps the daemon's own cost below what the configuration allows, by the only
 * means there is: the rate. Pure. */
#ifndef PROFD_PIPELINE_GOVERNOR_H
#define PROFD_PIPELINE_GOVERNOR_H

#include <stdint.h>

struct governor {
	uint32_t rate_hz;     /* in use now */
	unsigned over, below; /* windows in a row that were too dear, or cheap */
};

/* After each window: its cost in percent of one CPU, the limit (0: none), the rate that was asked
 * for. Returns the rate to use from now on. Two windows in a row over the limit lower it, six with
 * much room raise it again, at most to what was asked for. */
uint32_t governor_next(
	struct governor *g, double cost_percent, double max_percent, uint32_t requested_hz);

#endif
