/* SPDX-License-Identifier: BSD-2-Clause */
/* Truth: in step with a clock of the period given as the second argument (in ns), the first fifth
 * of each period is burnt in on_beat and the rest in off_beat. A sampler of the same period without
 * jitter would see one of them alone; the truth is 20 % against 80 %. */
#include "truth.h"

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

NOINLINE static void on_beat(uint64_t until_ns)
{
	while (wall_ns() < until_ns)
		burn(1);
}

NOINLINE static void off_beat(uint64_t until_ns)
{
	while (wall_ns() < until_ns)
		burn(1);
}

int main(int argc, char **argv)
{
	uint64_t period_ns = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000, next;
	struct truth t;

	if (!period_ns)
		return 2;
	truth_ready(argc, argv);
	truth_begin(&t, 10);
	next = wall_ns();
	while (!truth_stopped) {
		uint64_t begin = next;

		next += period_ns;
		if (wall_ns() > next)
			continue; /* another process had the CPU: the period is lost, the beat is
				     kept */
		TRUTH_BURST(&t, 0, "on_beat", on_beat(begin + period_ns / 5));
		TRUTH_BURST(&t, 1, "off_beat", off_beat(next));
	}
	truth_print(&t, "TRUTH");
	return 0;
}
