/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: every burst runs at the bottom of a recursion: main > descend (times N, second argument,
 * 250 by default) > bottom. So a whole stack has exactly N frames `descend`. descend also spends a
 * little on its way down and up, where fewer frames are right. */
#include "truth.h"

NOINLINE static uint64_t bottom(uint64_t units)
{
	burn(units);
	return units;
}

/* The array makes frames of different sizes; the addition keeps the call from being a tail call. */
NOINLINE static uint64_t descend(int depth, uint64_t units)
{
	volatile char room[64];

	room[depth & 63] = (char)depth;
	if (depth <= 1)
		return bottom(units) + (uint64_t)room[depth & 63];
	return descend(depth - 1, units) + (uint64_t)room[depth & 63];
}

int main(int argc, char **argv)
{
	int depth = argc > 2 ? atoi(argv[2]) : 250;
	struct truth t;
	uint64_t sum = 0;

	truth_ready(argc, argv);
	truth_begin(&t, 6);
	while (!truth_stopped)
		TRUTH_BURST(&t, 0, "bottom", sum += descend(depth, 2000));
	truth_print(&t, "TRUTH");
	return sum ? 0 : 1;
}
