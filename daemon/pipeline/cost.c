/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/cost.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"

uint64_t cost_cpu_ns(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
}

uint64_t cost_rss_bytes(void)
{
	unsigned long long size, resident = 0;
	struct buf text;

	buf_init(&text, 256);
	if (file_read("/proc/self/statm", &text) < 0 ||
		sscanf(text.data, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	buf_free(&text);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t cost_peak_rss_bytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}
