/* SPDX-License-Identifier: BSD-2-Clause */
/* The error bars of analyze_report(): by hand, at their edges, and whether they hold the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <math.h>

#include "analyze/report.h"
#include "tests/unit/report_rows.h"
#include "tests/web/samples.h"

static struct report report(const struct profile *p)
{
	struct report r;

	assert_int_equal(analyze_report(p, REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
	return r;
}

static void quantiles_of_student(void **state)
{
	static const struct {
		uint32_t freedom;
		double t;
	} known[] = {{4, 2.776445}, {5, 2.570582}, {6, 2.446912}, {8, 2.306004}, {10, 2.228139},
		{20, 2.085963}, {30, 2.042272}, {60, 2.000298}, {120, 1.979930}, {1000, 1.962339}};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(fabs(report_student(known[i].freedom) - known[i].t) < 0.001);
	assert_true(fabs(report_student(UINT32_MAX) - 1.959964) < 0.000001);
}

/* Leaves a and b, by `x` and `n - x` samples in each slice. */
static struct profile *two_leaves(const uint32_t (*slices)[2], size_t n)
{
	struct builder b;
	struct profile *p;

	builder_start(&b, "two");
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "a", NULL, 0, "x"});
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "b", NULL, 0, "x"});
	p = builder_end(&b);
	for (size_t i = 0; i < n; i++) {
		const uint32_t samples[] = {0, slices[i][0], slices[i][1]};

		add_slice(p, samples, 3);
		for (unsigned leaf = 1; leaf < 3; leaf++) {
			p->nodes[leaf].self_samples += samples[leaf];
			p->nodes[leaf].self_weight_ns += (uint64_t)samples[leaf] * PERIOD_NS;
		}
	}
	return p;
}

/* p = 1/2, N = 500; the deviations are 40, -40, 20, -20, 0: 4,000 in squares. */
static void an_error_reckoned_by_hand(void **state)
{
	static const uint32_t slices[][2] = {{90, 10}, {10, 90}, {70, 30}, {30, 70}, {50, 50}};
	struct profile *p = two_leaves(slices, 5);
	struct report r = report(p);
	double expected = 2.776445 * sqrt(5.0 / 4 * 4000) / 500;

	(void)state;
	assert_true(r.has_errors);
	assert_true(r.rows[0].self == 0.5);
	assert_true(fabs(r.rows[0].self_error - expected) < 0.001);
	assert_true(r.rows[0].self_error == r.rows[0].total_error);
	report_clear(&r);
	profile_free(p);
}

/* Slices without a sample say nothing: neither do they count for the five, nor as a deviation. */
static void empty_slices_do_not_count(void **state)
{
	static const uint32_t full[][2] = {{9, 1}, {1, 9}, {7, 3}, {3, 7}, {5, 5}};
	static const uint32_t holes[][2] = {
		{9, 1}, {0, 0}, {1, 9}, {7, 3}, {0, 0}, {0, 0}, {3, 7}, {5, 5}, {0, 0}};
	struct profile *p = two_leaves(full, 5), *q = two_leaves(holes, 9);
	struct profile *few = two_leaves(holes, 7); /* 4 of them hold samples */
	struct report r = report(p);
	struct report s = report(q);
	struct report unknown = report(few);

	(void)state;
	assert_true(r.rows[0].self_error > 0);
	assert_true(r.rows[0].self_error == s.rows[0].self_error);
	assert_true(unknown.rows[0].self_error == -1 && unknown.rows[0].total_error == -1);
	assert_false(unknown.has_errors);
	report_clear(&r);
	report_clear(&s);
	report_clear(&unknown);
	profile_free(p);
	profile_free(q);
	profile_free(few);
}

/* Slices that are all alike do not make a share certain, nor does one that was always 0 or 1. */
static void an_error_is_never_below_that_of_chance(void **state)
{
	static const uint32_t alike[][2] = {{3, 7}, {3, 7}, {3, 7}, {3, 7}, {3, 7}};
	static const uint32_t never[][2] = {{0, 10}, {0, 10}, {0, 10}, {0, 10}, {0, 9}};
	struct profile *p = two_leaves(alike, 5), *q = two_leaves(never, 5);
	struct report r = report(p);
	struct report s = report(q);

	(void)state;
	assert_true(find(&r, "a")->self_error >= 1.9599 * sqrt(0.3 * 0.7 / 50));
	assert_true(find(&r, "a")->self_error < 1.1 * 1.96 * sqrt(0.3 * 0.7 / 50));
	assert_int_equal(s.n_rows, 1); /* a was never seen */
	assert_true(fabs(find(&s, "b")->self_error - 3.8415 / (49 + 3.8415)) < 0.0001);
	assert_true(report_binomial(0, 1) > 0.7 && report_binomial(1, 1) > 0.7);
	assert_true(report_binomial(0, 0) == 1);
	for (uint64_t n = 1; n < 100; n++)
		for (uint64_t x = 0; x <= n; x++) {
			double share = (double)x / (double)n, error = report_binomial(x, n);

			assert_true(error > 0 && error <= 1);
			assert_true(error >= 1.9599 * sqrt(share * (1 - share) / (double)n));
			assert_true(fabs(error - report_binomial(n - x, n)) < 1e-12);
		}
	report_clear(&r);
	report_clear(&s);
	profile_free(p);
	profile_free(q);
}

static double exponential(uint64_t *chance, double mean)
{
	return -mean * log((dice(chance, 1u << 30) + 0.5) / (1u << 30));
}

/* A program that is now in a, now in b, for 50 to 500 ms on average, looked at 50 times a second
 * in windows of 10 s. Fills in how many samples of each window fell on a and on b. */
static void simulate(uint64_t *chance, double share, uint32_t (*slices)[2], size_t n)
{
	double burst_s = 0.05 + 0.45 * (double)dice(chance, 1000) / 1000;
	double mean_s[] = {burst_s, burst_s * (1 - share) / share};
	unsigned now = dice(chance, 1000) < 1000 * share ? 0 : 1;
	double left_s = exponential(chance, mean_s[now]);

	for (size_t i = 0; i < n; i++) {
		slices[i][0] = slices[i][1] = 0;
		for (unsigned k = 0; k < 500; k++) {
			for (left_s -= 0.02; left_s < 0; left_s += exponential(chance, mean_s[now]))
				now = !now;
			slices[i][now]++;
		}
	}
}

/* What the errors are for: 95 of 100 intervals hold the truth, although samples come in bursts.
 * Those of independent samples do not. */
static void intervals_hold_the_truth_of_bursts(void **state)
{
	enum { TRIALS = 400, WINDOWS = 30 };
	const double share = 0.3;
	unsigned held = 0, held_binomial = 0;
	uint64_t chance = 20;

	(void)state;
	for (unsigned trial = 0; trial < TRIALS; trial++) {
		uint32_t slices[WINDOWS][2];
		struct profile *p;
		struct report r;
		const struct report_row *a;

		simulate(&chance, share, slices, WINDOWS);
		p = two_leaves((const uint32_t(*)[2])slices, WINDOWS);
		r = report(p);
		a = find(&r, "a");
		held += fabs(a->self - share) <= a->self_error;
		held_binomial +=
			fabs(a->self - share) <= report_binomial(a->self_samples, r.samples);
		report_clear(&r);
		profile_free(p);
	}
	print_message("truth within the interval: %u of %d, within the binomial one: %u\n", held,
		TRIALS, held_binomial);
	assert_in_range(held, TRIALS * 90 / 100, TRIALS * 99 / 100);
	assert_in_range(held_binomial, 0, TRIALS * 75 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_of_student),
		cmocka_unit_test(an_error_reckoned_by_hand),
		cmocka_unit_test(empty_slices_do_not_count),
		cmocka_unit_test(an_error_is_never_below_that_of_chance),
		cmocka_unit_test(intervals_hold_the_truth_of_bursts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
