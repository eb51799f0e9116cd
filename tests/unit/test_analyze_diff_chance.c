/* SPDX-License-Identifier: BSD-2-Clause */
/* What analyze_diff() is worth, by many comparisons of made-up processes: how often it finds a
 * change where there is none, and where there is one. Seeds are fixed: each run is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/diff_process.h"

/* The most of `n` trials that would come out by chance in one of a thousand runs, where each does
 * with probability `p` at most. */
static unsigned at_most(unsigned n, double p)
{
	return (unsigned)(n * p + 3.1 * sqrt(n * p * (1 - p)) + 1);
}

static unsigned at_least(unsigned n, double p)
{
	return (unsigned)(n * p - 3.1 * sqrt(n * p * (1 - p)));
}

struct tally_of_trials {
	unsigned wolf, not_enough, intervals, held;
	double detectable;
};

static struct diff compare(const struct profile *before, const struct profile *after)
{
	struct diff d;

	assert_int_equal(analyze_diff(before, after, REPORT_FUNCTION, REPORT_SELF, 0, &d), 0);
	assert_int_equal(d.verdict == DIFF_CHANGED, d.n_significant > 0);
	return d;
}

/* `before` and `after` have the same truth: everything significant is a false alarm. */
static void trial_of_equals(const struct process_model *before, unsigned slices_before,
	const struct process_model *after, unsigned slices_after, uint64_t seed,
	struct tally_of_trials *out)
{
	struct profile *p = process_profile(before, seed, slices_before);
	struct profile *q = process_profile(after, ~seed, slices_after);
	struct diff d = compare(p, q);

	out->wolf += d.n_significant > 0;
	out->not_enough += d.verdict == DIFF_NOT_ENOUGH;
	for (size_t i = 0; i < d.n_rows; i++) {
		const struct diff_share *s = &d.rows[i].total;

		out->intervals++;
		out->held += s->low <= 0 && s->high >= 0;
	}
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

/* `spread`: mean bursts are between it and 1 times the model's. */
static struct tally_of_trials equals(const char *what, const struct process_model *model,
	double spread, unsigned slices_min, unsigned slices_max, unsigned trials)
{
	struct tally_of_trials out = {0};
	uint64_t chance = trials + slices_max;

	for (unsigned i = 0; i < trials; i++) {
		struct process_model m = *model;
		unsigned range = slices_max - slices_min + 1;
		unsigned before = slices_min + dice(&chance, range);
		unsigned after = slices_min + dice(&chance, range);

		m.burst_s *= spread + (1 - spread) * chance_unit(&chance);
		trial_of_equals(&m, before, &m, after, 1000003ULL * (i + 1), &out);
	}
	print_message("%s: %u of %u comparisons of equals found something, %.1f %% of intervals "
		      "held the truth\n",
		what, out.wolf, trials, 100.0 * out.held / out.intervals);
	return out;
}

/* Bursts of 50 to 500 ms on average, slices of one second. */
static void equals_in_bursts_are_not_told_apart(void **state)
{
	static const struct {
		const char *what;
		struct process_model model;
	} kinds[] = {
		{"exponential", {BURST_EXPONENTIAL, 0.5, 0, 99, 1, 0}},
		{"with sleep", {BURST_EXPONENTIAL, 0.5, 0.3, 99, 1, 0}},
		{"uniform", {BURST_UNIFORM, 0.5, 0.2, 99, 1, 0}},
		{"mostly asleep", {BURST_EXPONENTIAL, 0.5, 2, 99, 1, 0}},
		{"few samples", {BURST_EXPONENTIAL, 0.5, 0.5, 19, 1, 0}},
	};
	enum { TRIALS = 400 };
	unsigned wolf = 0, n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct tally_of_trials t =
			equals(kinds[i].what, &kinds[i].model, 0.1, 20, 60, TRIALS);

		assert_in_range(t.wolf, 0, at_most(TRIALS, DIFF_LEVEL));
		assert_true(t.held >= 0.94 * t.intervals);
		assert_in_range(t.not_enough, 0, TRIALS / 4);
		wolf += t.wolf;
		n += TRIALS;
	}
	assert_in_range(wolf, 1, n * DIFF_LEVEL); /* of 2,000: not merely within the bound */
}

/* Bursts much longer than a slice: neighbours go together, and blocks have to be joined. */
static void equals_in_long_bursts_are_not_told_apart(void **state)
{
	static const struct {
		const char *what;
		struct process_model model;
	} kinds[] = {
		{"heavy tails", {BURST_HEAVY, 0.5, 0.2, 99, 1, 0}},
		{"bursts of 2 s", {BURST_EXPONENTIAL, 2, 0.2, 99, 1, 0}},
		{"bursts of 5 s", {BURST_EXPONENTIAL, 5, 0.2, 99, 1, 0}},
	};
	enum { TRIALS = 300 };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct tally_of_trials t =
			equals(kinds[i].what, &kinds[i].model, 0.99, 40, 80, TRIALS);

		assert_in_range(t.wolf, 0, at_most(TRIALS, DIFF_LEVEL));
	}
}

static void few_slices_are_no_excuse(void **state)
{
	static const struct process_model model = {BURST_EXPONENTIAL, 0.2, 0.1, 99, 2, 0};
	enum { TRIALS = 400 };
	struct tally_of_trials t = equals("5 to 8 slices", &model, 0.5, 5, 8, TRIALS);

	(void)state;
	assert_in_range(t.wolf, 0, at_most(TRIALS, DIFF_LEVEL));
}

/* Windows of 10 s on one side and of a minute on the other; another rate; a short side and a long
 * one. */
static void sides_need_not_be_alike(void **state)
{
	static const struct {
		const char *what;
		struct process_model before, after;
		unsigned slices_before, slices_after;
	} kinds[] = {
		{"windows of 10 s and 60 s", {BURST_EXPONENTIAL, 0.3, 0.1, 19, 10, 0},
			{BURST_EXPONENTIAL, 0.3, 0.1, 19, 60, 0}, 60, 20},
		{"19 Hz and 99 Hz", {BURST_EXPONENTIAL, 0.3, 0.1, 19, 1, 0},
			{BURST_EXPONENTIAL, 0.3, 0.1, 99, 1, 0}, 40, 40},
		{"20 slices and 200", {BURST_EXPONENTIAL, 0.3, 0.1, 99, 1, 0},
			{BURST_EXPONENTIAL, 0.3, 0.1, 99, 1, 0}, 20, 200},
	};
	enum { TRIALS = 200 };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct tally_of_trials t = {0};

		for (unsigned k = 0; k < TRIALS; k++)
			trial_of_equals(&kinds[i].before, kinds[i].slices_before, &kinds[i].after,
				kinds[i].slices_after, 7000003ULL * (k + 1), &t);
		print_message("%s: %u of %d comparisons of equals found something\n", kinds[i].what,
			t.wolf, TRIALS);
		assert_in_range(t.wolf, 0, at_most(TRIALS, DIFF_LEVEL));
	}
}

/* Comparisons in which leaf 0, a third of the process, takes so much longer: in how many its own
 * share is found to have grown. */
static unsigned found(double slower, unsigned slices, unsigned trials, double *detectable)
{
	struct process_model before = {BURST_EXPONENTIAL, 0.2, 0.1, 99, 1, 0}, after = before;
	unsigned n = 0;

	after.slower = slower;
	*detectable = 0;
	for (unsigned i = 0; i < trials; i++) {
		struct profile *p = process_profile(&before, 1000003ULL * (i + 1), slices);
		struct profile *q = process_profile(&after, 9000011ULL * (i + 1), slices);
		struct diff d = compare(p, q);
		const struct diff_share *s = &diff_find(&d, "leaf0")->self;

		n += s->significant && s->after > s->before;
		*detectable += d.detectable_largest / trials;
		diff_clear(&d);
		profile_free(p);
		profile_free(q);
	}
	print_message(
		"%2.0f %% slower, %u slices a side: found in %u of %u, detectable on average: "
		"%.1f points\n",
		100 * slower, slices, n, trials, 100 * *detectable);
	return n;
}

static void a_slower_function_is_found(void **state)
{
	enum { TRIALS = 200 };
	double detectable;

	(void)state;
	assert_in_range(found(0.2, 300, TRIALS, &detectable), at_least(TRIALS, 0.95), TRIALS);
}

/* Less change or less time: found less often, never of a sudden; and the printed smallest change is
 * the one that four of five comparisons find. */
static void power_falls_gracefully(void **state)
{
	enum { TRIALS = 200 };
	static const double slower[] = {0.4, 0.3, 0.2, 0.1, 0.05, 0};
	static const unsigned slices[] = {300, 150, 75, 40, 20};
	unsigned last = TRIALS;
	double detectable, share = 0.33;

	(void)state;
	for (size_t i = 0; i < sizeof(slower) / sizeof(slower[0]); i++) {
		unsigned n = found(slower[i], 100, TRIALS, &detectable);
		double change = share * (1 + slower[i]) / (1 + share * slower[i]) - share;

		assert_in_range(n, 0, last + TRIALS / 20);
		if (change > 1.25 * detectable)
			assert_in_range(n, at_least(TRIALS, 0.8), TRIALS);
		if (change < 0.8 * detectable)
			assert_in_range(n, 0, at_most(TRIALS, 0.8));
		last = n;
	}
	assert_in_range(last, 0, at_most(TRIALS, DIFF_LEVEL));
	last = TRIALS;
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		unsigned n = found(0.2, slices[i], TRIALS, &detectable);

		assert_in_range(n, 0, last + TRIALS / 20);
		last = n;
	}
	assert_in_range(last, 1, TRIALS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_in_bursts_are_not_told_apart),
		cmocka_unit_test(equals_in_long_bursts_are_not_told_apart),
		cmocka_unit_test(few_slices_are_no_excuse),
		cmocka_unit_test(sides_need_not_be_alike),
		cmocka_unit_test(a_slower_function_is_found),
		cmocka_unit_test(power_falls_gracefully),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
