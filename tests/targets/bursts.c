/* SPDX-License-Identifier: BSD-2-Clause */
/* Works in bursts of 50 to 500 ms of CPU time and sleeps in between, as a back end does that waits
 * for requests: what the comparisons of tests/bench/diff.py are made of.
 *
 *     bursts SECONDS [SEED [DUTY [SLOWER]]]
 *
 * DUTY: percent of a CPU (15). SLOWER: how many percent longer bursts_rank() takes (0).
 *
 *     main -> bursts_serve | bursts_batch -> bursts_rank     about half of every burst
 *                                         -> bursts_parse, bursts_hash, bursts_pack
 *
 * How the three share the other half differs widely from burst to burst, so that samples of a burst
 * go together. A call burns a number of rounds, 0.5 to 1.5 ms by a calibration at the start; no
 * clock decides how long it takes. */
#include "truth.h"

enum { BURST_MIN_US = 50000, BURST_MAX_US = 500000, CALL_MIN_US = 500, CALL_MAX_US = 1500 };

struct work {
	struct truth random;
	double units_per_us, slower;
	unsigned duty;
	unsigned mix[4]; /* of the burst, in 1,000: rank, parse, hash, pack, each with those before
			  */
};

static volatile uint64_t calls;

static NOINLINE void bursts_rank(uint64_t units)
{
	burn(units);
	calls++;
}

static NOINLINE void bursts_parse(uint64_t units)
{
	burn(units);
	calls++;
}

static NOINLINE void bursts_hash(uint64_t units)
{
	burn(units);
	calls++;
}

static NOINLINE void bursts_pack(uint64_t units)
{
	burn(units);
	calls++;
}

static uint64_t between(struct work *w, uint64_t low, uint64_t high)
{
	return low + truth_random(&w->random, high - low + 1);
}

static inline __attribute__((always_inline)) void call_one(struct work *w, uint64_t us)
{
	uint64_t units = (uint64_t)((double)us * w->units_per_us);
	unsigned which = (unsigned)truth_random(&w->random, 1000);

	if (which < w->mix[0])
		bursts_rank((uint64_t)((double)units * w->slower));
	else if (which < w->mix[1])
		bursts_parse(units);
	else if (which < w->mix[2])
		bursts_hash(units);
	else
		bursts_pack(units);
}

static NOINLINE void bursts_serve(struct work *w, uint64_t us)
{
	for (uint64_t spent = 0; spent < us && !truth_stopped;) {
		uint64_t call = between(w, CALL_MIN_US, CALL_MAX_US);

		call_one(w, call);
		spent += call;
	}
	calls++;
}

static NOINLINE void bursts_batch(struct work *w, uint64_t us)
{
	for (uint64_t spent = 0; spent < us && !truth_stopped;) {
		uint64_t call = between(w, CALL_MIN_US, CALL_MAX_US);

		call_one(w, call);
		spent += call;
	}
	calls++;
}

/* 42 to 58 % for rank; where two marks fall in the rest decides about the others. */
static void choose_mix(struct work *w)
{
	uint64_t rank = between(w, 420, 580), one = between(w, rank, 1000),
		 other = between(w, rank, 1000);

	w->mix[0] = (unsigned)rank;
	w->mix[1] = (unsigned)(one < other ? one : other);
	w->mix[2] = (unsigned)(one < other ? other : one);
	w->mix[3] = 1000;
}

static void sleep_us(uint64_t us)
{
	struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	nanosleep(&t, NULL); /* a signal that ends it early ends the program */
}

static void calibrate(struct work *w)
{
	enum { UNITS = 20000 };
	uint64_t from_ns = truth_clock_ns();

	burn(UNITS);
	w->units_per_us = UNITS / ((double)(truth_clock_ns() - from_ns) / 1000);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	struct work w = {.duty = argc > 3 ? (unsigned)atoi(argv[3]) : 15,
		.slower = 1 + (argc > 4 ? atof(argv[4]) : 0) / 100};

	if (w.duty < 1 || w.duty > 100)
		return 2;
	truth_begin(&w.random, seed);
	calibrate(&w);
	truth_ready(argc, argv);
	while (!truth_stopped) {
		uint64_t us = between(&w, BURST_MIN_US, BURST_MAX_US);
		uint64_t idle_us = us * (100 - w.duty) / w.duty;

		choose_mix(&w);
		if (truth_random(&w.random, 3))
			bursts_serve(&w, us);
		else
			bursts_batch(&w, us);
		if (!truth_stopped && idle_us)
			sleep_us(between(&w, idle_us / 2, idle_us + idle_us / 2));
	}
	return 0;
}
