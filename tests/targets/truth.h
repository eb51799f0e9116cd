/* SPDX-License-Identifier: BSD-2-Clause */
/* How a target keeps its own account of where its CPU time goes, so that a profile can be compared
 * with it.
 *
 * A target burns CPU in bursts of random length, each within one named part, and reads the thread's
 * CPU clock at the borders of a burst only (0.1 - 1 ms apart, so that the reading itself stays
 * below 0.5 %). The borders lie in the caller: a part's function does nothing but burn.
 *
 * On stdout: `READY PID` when the work begins, and at the end one line
 *   TRUTH {"cpu_ns": N, "parts": {"NAME": {"ns": N, "bursts": N}, ...}}
 * The end comes with SIGTERM, and at the latest after the seconds given as the first argument (20).
 */
#ifndef PROFD_TARGETS_TRUTH_H
#define PROFD_TARGETS_TRUTH_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Calls that stay calls: neither inlined, nor cloned, nor merged with an equal function. */
#if defined(__clang__) || !defined(__GNUC__)
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noipa))
#endif

enum { TRUTH_PARTS = 16, TRUTH_SECONDS = 20 };

struct truth_part {
	const char *name;
	uint64_t ns, bursts;
};

struct truth {
	struct truth_part parts[TRUTH_PARTS];
	uint64_t start_ns; /* of the thread's CPU clock */
	uint64_t random;
};

static volatile sig_atomic_t truth_stopped;

static inline void truth_on_stop(int signal)
{
	(void)signal;
	truth_stopped = 1;
}

static inline uint64_t truth_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* The seed is fixed: every run does the same work. */
static inline void truth_begin(struct truth *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	t->start_ns = truth_clock_ns();
}

static inline uint64_t truth_random(struct truth *t, uint64_t limit)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % limit;
}

static inline void truth_add(struct truth_part *part, const char *name, uint64_t ns)
{
	part->name = name;
	part->ns += ns;
	part->bursts++;
}

static inline void truth_print(const struct truth *t, const char *word)
{
	const char *comma = "";

	printf("%s {\"cpu_ns\": %llu, \"parts\": {", word,
		(unsigned long long)(truth_clock_ns() - t->start_ns));
	for (int i = 0; i < TRUTH_PARTS; i++) {
		const struct truth_part *part = &t->parts[i];

		if (!part->name)
			continue;
		printf("%s\"%s\": {\"ns\": %llu, \"bursts\": %llu}", comma, part->name,
			(unsigned long long)part->ns, (unsigned long long)part->bursts);
		comma = ", ";
	}
	printf("}}\n");
	fflush(stdout);
}

/* Says READY and arranges the end. */
static inline void truth_ready(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : TRUTH_SECONDS;

	signal(SIGTERM, truth_on_stop);
	signal(SIGALRM, truth_on_stop);
	alarm((unsigned)(seconds > 0 ? seconds : TRUTH_SECONDS));
	printf("READY %d\n", (int)getpid());
	fflush(stdout);
}

/* The inner loop of every part: about a microsecond per unit, no memory, no calls. */
static inline __attribute__((always_inline)) void burn(uint64_t units)
{
	uint64_t x = units | 1;

	for (uint64_t i = 0; i < units * 512; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		__asm__ volatile("" : "+r"(x));
	}
}

/* One burst of `call` accounted to part number `i`. */
#define TRUTH_BURST(t, i, name, call)                                                              \
	do {                                                                                       \
		uint64_t truth_from = truth_clock_ns();                                            \
		call;                                                                              \
		truth_add(&(t)->parts[i], name, truth_clock_ns() - truth_from);                    \
	} while (0)

#endif
