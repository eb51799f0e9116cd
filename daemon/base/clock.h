/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROFD_BASE_CLOCK_H
#define PROFD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

/* CLOCK_MONOTONIC in ns: the same clock as bpf_ktime_get_ns() and our perf events' time stamps. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#endif
