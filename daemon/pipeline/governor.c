/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/governor.h"

#include <stdbool.h>

enum { WINDOWS_OVER = 2, WINDOWS_BELOW = 6 };

static const double aim = 0.8; /* of the limit: so that the next window is not over it again */

/* A higher rate is tried only if its cost would still leave some room. */
static bool has_room(
	const struct governor *g, double cost_percent, double max_percent, uint32_t next)
{
	return cost_percent * next / g->rate_hz < max_percent * aim;
}

static uint32_t rate_above(uint32_t rate_hz, uint32_t requested_hz)
{
	uint32_t next = rate_hz + rate_hz / 2 + (rate_hz == 1);

	return next < requested_hz ? next : requested_hz;
}

uint32_t governor_next(
	struct governor *g, double cost_percent, double max_percent, uint32_t requested_hz)
{
	uint32_t next = rate_above(g->rate_hz, requested_hz);

	if (max_percent <= 0 || g->rate_hz > requested_hz || !g->rate_hz) {
		*g = (struct governor){.rate_hz = requested_hz};
		return g->rate_hz;
	}
	g->over = cost_percent > max_percent ? g->over + 1 : 0;
	g->below = g->rate_hz < requested_hz && has_room(g, cost_percent, max_percent, next)
			   ? g->below + 1
			   : 0;
	if (g->over >= WINDOWS_OVER && g->rate_hz > 1) {
		uint32_t lower = (uint32_t)(g->rate_hz * max_percent * aim / cost_percent);

		*g = (struct governor){.rate_hz = lower ? lower : 1};
	} else if (g->below >= WINDOWS_BELOW)
		*g = (struct governor){.rate_hz = next};
	return g->rate_hz;
}
