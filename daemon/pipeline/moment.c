/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/moment.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "pipeline/cost.h"

/* Of too little time no rate can be told. */
enum { RATE_SAMPLES_MIN = 20 };

/* The CPU time that the host's CPUs did not idle, in clock ticks: what could have been sampled. */
static uint64_t busy_ticks(void)
{
	unsigned long long user, nice, system, idle, iowait, irq = 0, softirq = 0, steal = 0;
	uint64_t busy = 0;
	struct buf text;

	buf_init(&text, 4 << 20);
	if (!file_read("/proc/stat", &text) &&
		sscanf(text.data, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			&system, &idle, &iowait, &irq, &softirq, &steal) >= 4)
		busy = user + nice + system + irq + softirq;
	buf_free(&text);
	return busy;
}

struct moment moment_now(const struct collect *c)
{
	struct moment m = {
		.ns = clock_now_ns(), .busy_ticks = busy_ticks(), .cpu_ns = cost_cpu_ns()};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	m.unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	collect_stats(c, &m.stats);
	return m;
}

/* Of each CPU that ran something. */
static double achieved_by_cpus(
	const struct moment *start, const struct moment *end, const struct profile_quality *q)
{
	double busy_s =
		(double)(end->busy_ticks - start->busy_ticks) / (double)sysconf(_SC_CLK_TCK);

	return busy_s * q->requested_hz >= RATE_SAMPLES_MIN
		       ? (double)(end->stats.runs - start->stats.runs) / busy_s
		       : 0;
}

/* A second that the threads really ran; where that is not known, what was not lost. */
static double achieved_by_threads(
	const struct moment *start, const struct moment *end, const struct profile_quality *q)
{
	double running_s = (double)(end->stats.running_ns - start->stats.running_ns) / NS_PER_S;
	uint64_t taken = q->samples + q->lost;

	if (end->stats.running_ns)
		return running_s * q->requested_hz >= RATE_SAMPLES_MIN
			       ? (double)q->samples / running_s
			       : 0;
	return taken ? q->requested_hz * (double)q->samples / (double)taken : 0;
}

void moment_quality(const struct moment *start, const struct moment *end, bool by_threads,
	struct profile_quality *q)
{
	q->duration_ns = end->ns - start->ns;
	q->lost += end->stats.lost - start->stats.lost;
	q->achieved_hz =
		by_threads ? achieved_by_threads(start, end, q) : achieved_by_cpus(start, end, q);
	q->profiler_cpu_ns = end->cpu_ns - start->cpu_ns;
	q->profiler_kernel_ns = end->stats.run_ns - start->stats.run_ns;
	q->profiler_rss_bytes = cost_rss_bytes();
}
