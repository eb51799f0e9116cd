/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that lives for a given CPU time (first argument, in ms; 50) and ends: what a daemon has
 * to account for although it is gone before anybody looks. Its work is in burst_work() below
 * main(). Tells nobody that it is ready, and writes nothing. */
#include "truth.h"

static volatile uint64_t sink;

static NOINLINE void burst_work(uint64_t rounds)
{
	uint64_t x = sink + 1;

	for (uint64_t i = 0; i < rounds; i++)
		x = x * 6364136223846793005ULL + i;
	sink = x;
}

static uint64_t process_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t end_ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 50) * 1000000;

	while (process_ns() < end_ns)
		burst_work(200000);
	return 0;
}
