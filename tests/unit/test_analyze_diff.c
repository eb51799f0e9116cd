/* SPDX-License-Identifier: BSD-2-Clause */
/* analyze_diff(): rows of two profiles, their order, what is refused, and the method's parts
 * against numbers reckoned another way. How often it errs is in test_analyze_diff_chance.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>

#include "analyze/diff.h"
#include "tests/unit/diff_process.h"

static struct diff compare(const struct profile *before, const struct profile *after)
{
	struct diff d;

	assert_int_equal(analyze_diff(before, after, REPORT_FUNCTION, REPORT_SELF, 0, &d), 0);
	return d;
}

/* A profile whose leaves, functions of their own below main(), have so many samples per slice. */
static struct profile *leaves(
	const char *const *names, unsigned n, const uint32_t *counts, unsigned slices)
{
	struct builder b;
	struct profile *p;

	builder_start(&b, "leaves");
	BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "main", NULL, 0, "app"});
	for (unsigned i = 0; i < n; i++)
		BUILDER_ADD(&b, 0, 0, {FRAME_NATIVE, "main", NULL, 0, "app"},
			{FRAME_NATIVE, names[i], NULL, 0, "app"});
	p = builder_end(&b);
	for (unsigned s = 0; s < slices; s++) {
		uint32_t of_nodes[16] = {0};

		for (unsigned i = 0; i < n; i++) {
			of_nodes[2 + i] = counts[s * n + i];
			p->nodes[2 + i].self_samples += counts[s * n + i];
			p->nodes[2 + i].self_weight_ns += counts[s * n + i] * (uint64_t)PERIOD_NS;
		}
		add_slice(p, of_nodes, 2 + n);
	}
	return p;
}

static const char *const ABC[] = {"a", "b", "c"};

/* The same share of each leaf in all slices, but for a little that repeats. */
static struct profile *steady(const char *const *names, uint32_t a, uint32_t b, uint32_t c)
{
	enum { SLICES = 12 };
	uint32_t counts[SLICES][3];

	for (unsigned i = 0; i < SLICES; i++) {
		counts[i][0] = a ? a + i * 5 % 7 : 0;
		counts[i][1] = b ? b + i * 3 % 7 : 0;
		counts[i][2] = c ? c + i * 2 % 7 : 0;
	}
	return leaves(names, 3, &counts[0][0], SLICES);
}

static void equal_profiles_do_not_differ(void **state)
{
	static const struct process_model model = {BURST_EXPONENTIAL, 0.2, 0.1, 99, 1, 0};
	struct profile *p = process_profile(&model, 5, 40);
	struct diff d = compare(p, p);

	(void)state;
	assert_int_equal(d.verdict, DIFF_SAME);
	assert_int_equal(d.n_significant, 0);
	assert_int_equal(d.n_rows, 2 + ACTIVITIES + LEAVES);
	assert_int_equal(d.samples[0], d.samples[1]);
	assert_int_equal(d.slices[0], 40);
	assert_int_equal(d.duration_ns[1], 40000000000);
	assert_true(d.n_tested > 0 && d.detectable > 0 && d.detectable_largest > 0);
	assert_string_equal(d.why, "");
	for (size_t i = 0; i < d.n_rows; i++) {
		const struct diff_row *row = &d.rows[i];

		assert_int_equal(row->self_samples[0], row->self_samples[1]);
		assert_true(row->self.before == row->self.after && row->self.p == 1);
		assert_true(row->total.before == row->total.after && row->total.p == 1);
		assert_true(row->self.low < 0 && row->self.high > 0);
		assert_false(row->self.significant || row->total.significant);
	}
	diff_clear(&d);
	profile_free(p);
}

static void shares_are_those_of_reports(void **state)
{
	static const struct process_model model = {BURST_UNIFORM, 0.2, 0.1, 99, 1, 0};
	struct profile *sides[2] = {process_profile(&model, 5, 30), process_profile(&model, 6, 50)};
	struct diff d = compare(sides[0], sides[1]);

	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		struct report r;

		assert_int_equal(
			analyze_report(sides[side], REPORT_FUNCTION, REPORT_SELF, 0, &r), 0);
		assert_int_equal(d.samples[side], r.samples);
		assert_int_equal(d.weight_ns[side], r.weight_ns);
		for (size_t i = 0; i < r.n_rows; i++) {
			const struct diff_row *row = diff_find(&d, r.rows[i].name);

			assert_int_equal(row->self_samples[side], r.rows[i].self_samples);
			assert_int_equal(row->total_samples[side], r.rows[i].total_samples);
			assert_true((side ? row->self.after : row->self.before) == r.rows[i].self);
			assert_true(
				(side ? row->total.after : row->total.before) == r.rows[i].total);
			assert_string_equal(row->module, r.rows[i].module);
			assert_int_equal(row->kind, r.rows[i].kind);
		}
		report_clear(&r);
	}
	diff_clear(&d);
	profile_free(sides[0]);
	profile_free(sides[1]);
}

/* A window of half the rate counts half as many samples of twice the weight. */
static void shares_are_of_weight(void **state)
{
	struct profile *p = steady(ABC, 50, 30, 20), *q = steady(ABC, 50, 30, 20);
	struct diff d;

	(void)state;
	q->nodes[2].self_weight_ns *= 2;
	d = compare(p, q);
	assert_int_equal(diff_find(&d, "a")->self_samples[0], diff_find(&d, "a")->self_samples[1]);
	assert_true(diff_find(&d, "a")->self.after > diff_find(&d, "a")->self.before + 0.1);
	assert_false(diff_find(&d, "a")->self.significant); /* the samples know nothing of it */
	diff_clear(&d);
	for (uint32_t i = 0; i < q->n_nodes; i++)
		q->nodes[i].self_weight_ns = 0;
	d = compare(p, q); /* no weights on one side: samples on both */
	assert_true(diff_find(&d, "a")->self.after == diff_find(&d, "a")->self.before);
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

static void new_and_vanished_functions_are_found(void **state)
{
	static const char *const later[] = {"a", "b", "d"};
	struct profile *p = steady(ABC, 50, 30, 20), *q = steady(later, 50, 30, 20);
	struct diff d = compare(p, q);
	const struct diff_row *c = diff_find(&d, "c"), *e = diff_find(&d, "d");

	(void)state;
	assert_int_equal(d.verdict, DIFF_CHANGED);
	assert_int_equal(d.n_significant, 2);
	assert_true(c->self.significant && c->self.after == 0 && c->self.high < 0);
	assert_true(e->self.significant && e->self.before == 0 && e->self.low > 0);
	assert_true(e->total.significant && e->total.p <= DIFF_LEVEL && e->total.p > 0);
	assert_int_equal(e->self_samples[0], 0);
	assert_true(c->total_samples[0] > 0 && c->total_samples[1] == 0);
	assert_false(diff_find(&d, "a")->self.significant);
	/* the larger change first, by name where there is none between them */
	assert_string_equal(d.rows[0].name, "c");
	assert_string_equal(d.rows[1].name, "d");
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

/* Strings, frames and nodes have other numbers on the other side. */
static void rows_are_found_by_their_names(void **state)
{
	static const char *const turned[] = {"c", "a", "b"};
	struct profile *p = steady(ABC, 50, 30, 20), *q = steady(turned, 20, 50, 30);
	struct diff d = compare(p, q);

	(void)state;
	assert_int_equal(d.n_rows, 4);
	for (size_t i = 0; i < d.n_rows; i++)
		assert_true(fabs(d.rows[i].self.after - d.rows[i].self.before) < 0.02);
	assert_true(diff_find(&d, "main")->total.before == 1);
	assert_true(diff_find(&d, "main")->total.after == 1);
	assert_true(diff_find(&d, "main")->total.p == 1); /* not tested: it cannot differ */
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

/* Significant by the chosen share, then by the other, then by change, then by name. */
static void rows_have_one_order(void **state)
{
	static const struct process_model model = {BURST_UNIFORM, 0.1, 0, 99, 1, 0};
	struct process_model slower = model;
	struct profile *p, *q;

	(void)state;
	slower.slower = 1;
	p = process_profile(&model, 1, 60);
	q = process_profile(&slower, 2, 60);
	for (enum report_sort sort = REPORT_SELF; sort <= REPORT_TOTAL; sort++) {
		struct diff d, few;
		size_t significant = 0;

		assert_int_equal(analyze_diff(p, q, REPORT_FUNCTION, sort, 0, &d), 0);
		assert_int_equal(analyze_diff(p, q, REPORT_FUNCTION, sort, 3, &few), 0);
		assert_string_equal(d.rows[0].name, "leaf0");
		assert_int_equal(few.n_rows, 3);
		assert_int_equal(few.n_all, d.n_rows);
		assert_int_equal(few.n_significant, d.n_significant);
		assert_true(few.detectable == d.detectable);
		for (size_t i = 0; i < d.n_rows; i++) {
			const struct diff_row *row = &d.rows[i], *next = row + 1;
			const struct diff_share *s = sort == REPORT_SELF ? &row->self : &row->total;
			const struct diff_share *t =
				sort == REPORT_SELF ? &next->self : &next->total;

			significant += row->self.significant || row->total.significant;
			if (i < 3)
				assert_string_equal(few.rows[i].name, row->name);
			if (i + 1 == d.n_rows)
				break;
			assert_true(s->significant >= t->significant);
			if (s->significant && t->significant)
				assert_true(
					fabs(s->after - s->before) >= fabs(t->after - t->before));
		}
		assert_int_equal(significant, d.n_significant);
		diff_clear(&d);
		diff_clear(&few);
	}
	profile_free(p);
	profile_free(q);
}

static void the_answer_is_always_the_same(void **state)
{
	static const struct process_model model = {BURST_HEAVY, 0.3, 0.1, 99, 1, 0};
	struct profile *p = process_profile(&model, 3, 40), *q = process_profile(&model, 4, 40);
	struct diff d = compare(p, q), again = compare(p, q), back = compare(q, p);

	(void)state;
	for (size_t i = 0; i < d.n_rows; i++) {
		const struct diff_row *row = &d.rows[i], *same = &again.rows[i];
		const struct diff_row *other = diff_find(&back, row->name);

		assert_string_equal(row->name, same->name);
		assert_memory_equal(&row->self, &same->self, sizeof(row->self));
		assert_memory_equal(&row->total, &same->total, sizeof(row->total));
		assert_true(fabs(row->self.low + other->self.high) < 1e-9);
		assert_true(fabs(row->self.p - other->self.p) < 0.1); /* other deals */
	}
	diff_clear(&d);
	diff_clear(&again);
	diff_clear(&back);
	profile_free(p);
	profile_free(q);
}

static void too_little_is_said_to_be(void **state)
{
	static const uint32_t few[6][3] = {
		{1, 1, 0}, {1, 1, 0}, {0, 1, 1}, {1, 1, 0}, {0, 1, 1}, {1, 1, 0}};
	struct profile *enough = steady(ABC, 50, 30, 20), *empty = leaves(ABC, 3, NULL, 0);
	struct profile *short_one = steady(ABC, 50, 30, 20), *thin = leaves(ABC, 3, &few[0][0], 6);
	struct diff d;

	(void)state;
	d = compare(enough, empty);
	assert_int_equal(d.verdict, DIFF_NOT_ENOUGH);
	assert_string_equal(d.why, "there is no sample after");
	assert_int_equal(d.n_rows, 4);
	assert_true(d.rows[0].total.low == -1 && d.rows[0].total.high == 1);
	assert_true(d.detectable < 0 && d.detectable_largest < 0);
	assert_true(diff_find(&d, "a")->self.before > 0.4);
	diff_clear(&d);
	d = compare(empty, empty);
	assert_int_equal(d.verdict, DIFF_NOT_ENOUGH);
	assert_string_equal(d.why, "there is no sample before");
	assert_int_equal(d.n_rows, 0);
	diff_clear(&d);
	short_one->n_slices = DIFF_SLICES_MIN - 1;
	d = compare(short_one, enough);
	assert_int_equal(d.verdict, DIFF_NOT_ENOUGH);
	assert_string_equal(d.why, "4 windows with samples before and 12 after; it takes 5 on "
				   "either side");
	diff_clear(&d);
	short_one->n_slices = DIFF_SLICES_MIN;
	d = compare(short_one, enough);
	assert_int_equal(d.verdict, DIFF_SAME);
	diff_clear(&d);
	d = compare(thin, thin); /* main has 24, but all of them; b has 12 */
	assert_int_equal(d.verdict, DIFF_NOT_ENOUGH);
	assert_string_equal(d.why, "no function has 20 samples on both sides together");
	diff_clear(&d);
	profile_free(enough);
	profile_free(empty);
	profile_free(short_one);
	profile_free(thin);
}

/* Each slice is all a or all b. */
static void windows_that_differ_too_much_are_said_to(void **state)
{
	static const uint32_t wild[6][2] = {{50, 0}, {0, 50}, {0, 50}, {50, 0}, {50, 0}, {0, 50}};
	struct profile *p = leaves(ABC, 2, &wild[0][0], 6), *q = leaves(ABC, 2, &wild[0][0], 6);
	struct diff d = compare(p, q);

	(void)state;
	assert_int_equal(d.verdict, DIFF_NOT_ENOUGH);
	assert_non_null(strstr(d.why, "differ so much"));
	assert_true(d.detectable > 0.5);
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

/* One function has everything: there is nothing that could have changed. */
static void a_single_function_stays_the_same(void **state)
{
	static const uint32_t all[6] = {10, 20, 10, 20, 10, 20};
	struct profile *p = leaves(ABC, 1, all, 6);
	struct diff d = compare(p, p);

	(void)state;
	assert_int_equal(d.verdict, DIFF_SAME);
	assert_int_equal(d.n_tested, 0);
	assert_true(d.detectable < 0);
	diff_clear(&d);
	profile_free(p);
}

static void other_rows_are_compared_likewise(void **state)
{
	static const struct process_model model = {BURST_UNIFORM, 0.1, 0, 99, 1, 0};
	struct process_model slower = model;
	struct profile *p, *q;
	struct diff d;

	(void)state;
	slower.slower = 1;
	p = process_profile(&model, 1, 60);
	q = process_profile(&slower, 2, 60);
	assert_int_equal(analyze_diff(p, q, REPORT_MODULE, REPORT_TOTAL, 0, &d), 0);
	assert_int_equal(d.n_rows, 2);
	assert_true(diff_find(&d, "lib")->self.before == 1);
	assert_string_equal(d.rows[0].file, "");
	diff_clear(&d);
	for (uint32_t i = 0; i < p->n_frames; i++)
		p->frames[i].line = q->frames[i].line = 7 + i % 2;
	assert_int_equal(analyze_diff(p, q, REPORT_LINE, REPORT_SELF, 0, &d), 0);
	assert_int_equal(diff_find(&d, "leaf0")->line, diff_find(&d, "leaf2")->line);
	assert_true(diff_find(&d, "leaf0")->self.significant);
	diff_clear(&d);
	assert_int_equal(analyze_diff(p, q, REPORT_PROCESS, REPORT_SELF, 0, &d), -EINVAL);
	assert_int_equal(analyze_diff(p, q, REPORT_BYS, REPORT_SELF, 0, &d), -EINVAL);
	profile_free(p);
	profile_free(q);
}

/* On either side, also where the number would be one of the other side's. */
static void indices_that_do_not_hold_are_refused(void **state)
{
	struct profile *fine = steady(ABC, 50, 30, 20), *p = steady(ABC, 50, 30, 20);
	const uint32_t nodes = p->n_nodes, frames = p->n_frames;
	struct {
		void *at;
		size_t size;
		uint64_t wrong;
	} places[] = {
		{&p->nodes[2].parent, sizeof(uint32_t), 2},
		{&p->nodes[2].parent, sizeof(uint32_t), UINT32_MAX},
		{&p->nodes[2].frame, sizeof(uint32_t), frames},
		{&p->nodes[2].frame, sizeof(uint32_t), UINT32_MAX},
		{&p->counts[3].node, sizeof(uint32_t), nodes},
		{&p->counts[3].node, sizeof(uint32_t), UINT32_MAX},
		{&p->slices[1].first, sizeof(size_t), p->n_counts},
		{&p->slices[1].first, sizeof(size_t), SIZE_MAX},
		{&p->slices[1].n, sizeof(size_t), p->n_counts},
		{&p->slices[1].n, sizeof(size_t), SIZE_MAX},
		{&p->n_nodes, sizeof(uint32_t), 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		unsigned char kept[8];
		struct diff d;

		memcpy(kept, places[i].at, places[i].size);
		memcpy(places[i].at, &places[i].wrong, places[i].size);
		assert_int_equal(
			analyze_diff(p, fine, REPORT_FUNCTION, REPORT_SELF, 0, &d), -EINVAL);
		assert_null(d.rows);
		assert_int_equal(
			analyze_diff(fine, p, REPORT_FUNCTION, REPORT_SELF, 0, &d), -EINVAL);
		memcpy(places[i].at, kept, places[i].size);
	}
	p->frames[1].name = UINT32_MAX; /* a text that is none is no text */
	p->frames[1].kind = UINT32_MAX;
	{
		struct diff d = compare(p, fine);

		diff_clear(&d);
	}
	profile_free(fine);
	profile_free(p);
}

/* Slices that last for ever, and counts that overflow what is exact. */
static void large_numbers_do_no_harm(void **state)
{
	struct profile *p = steady(ABC, 50, 30, 20), *q = steady(ABC, 50, 30, 20);
	struct diff d;

	(void)state;
	for (size_t i = 0; i < p->n_slices; i++)
		p->slices[i].duration_ns = UINT64_MAX - i;
	for (size_t i = 0; i < p->n_counts; i++)
		p->counts[i].samples = UINT32_MAX - p->counts[i].samples;
	p->nodes[1].self_samples = UINT64_MAX / 2;
	p->nodes[2].self_weight_ns = UINT64_MAX;
	d = compare(p, q);
	for (size_t i = 0; i < d.n_rows; i++)
		assert_true(d.rows[i].self.low >= -1 && d.rows[i].self.high <= 1);
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

/* A chain of functions, each called by the one before, in one of two branches; all of them are one
 * share, so that all are found or none. */
static void more_rows_than_are_tested(void **state)
{
	enum { DEPTH = DIFF_ROWS_MAX + 500, SLICES = 8 };
	struct profile *sides[2];
	struct diff d;

	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		struct builder b;
		uint32_t node = 0, other;
		struct profile *p;

		builder_start(&b, "deep");
		for (unsigned i = 0; i < DEPTH; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%05u", i);
			node = builder_node(&b, node,
				builder_frame(
					&b, &(struct spec){FRAME_NATIVE, name, NULL, 0, "x"}));
		}
		other = builder_node(
			&b, 0, builder_frame(&b, &(struct spec){FRAME_NATIVE, "g", NULL, 0, "x"}));
		p = sides[side] = builder_end(&b);
		p->slices = calloc(SLICES, sizeof(*p->slices));
		p->counts = calloc(2 * SLICES, sizeof(*p->counts));
		assert_true(p->slices && p->counts);
		for (uint32_t i = 0; i < SLICES; i++) {
			uint32_t n = 100 + 100 * side + i % 3;

			p->slices[p->n_slices++] = (struct profile_slice){0, 0, p->n_counts, 2};
			p->counts[p->n_counts++] = (struct profile_count){node, n};
			p->counts[p->n_counts++] = (struct profile_count){other, 300 - n};
			p->nodes[node].self_samples += n;
			p->nodes[other].self_samples += 300 - n;
		}
	}
	d = compare(sides[0], sides[1]);
	assert_int_equal(d.n_rows, DEPTH + 1);
	assert_in_range(d.n_significant, DIFF_ROWS_MAX - 1, DIFF_ROWS_MAX);
	assert_int_equal(d.verdict, DIFF_CHANGED);
	diff_clear(&d);
	profile_free(sides[0]);
	profile_free(sides[1]);
}

/* ---- the parts ---------------------------------------------------------------------------------
 */

/* Half the width of a difference is that of two independent reports. */
static void intervals_agree_with_those_of_reports(void **state)
{
	struct profile *p = steady(ABC, 50, 30, 20), *q = steady(ABC, 20, 60, 20);
	struct diff d = compare(p, q);
	struct report rp, rq;

	(void)state;
	assert_int_equal(analyze_report(p, REPORT_FUNCTION, REPORT_SELF, 0, &rp), 0);
	assert_int_equal(analyze_report(q, REPORT_FUNCTION, REPORT_SELF, 0, &rq), 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct diff_share *s = &diff_find(&d, ABC[i])->self;
		double half = hypot(find(&rp, ABC[i])->self_error, find(&rq, ABC[i])->self_error);

		assert_true(fabs((s->low + s->high) / 2 - (s->after - s->before)) < 1e-9);
		assert_true((s->high - s->low) / 2 >= half * 0.999);
		assert_true((s->high - s->low) / 2 <= half * 1.5); /* neighbours may widen it */
	}
	report_clear(&rp);
	report_clear(&rq);
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
}

enum { SMALL = 5, BOTH = 2 * SMALL, LEAVES_3 = 3 };

/* The largest |t| of leaves `from` and up, with the slices of `mask` on the first side. */
static double largest_of(
	const uint32_t (*counts)[LEAVES_3], unsigned mask, const unsigned *order, unsigned from)
{
	double largest = 0;

	for (unsigned k = from; k < LEAVES_3; k++) {
		double x[2] = {0}, n[2] = {0}, squares[2] = {0}, share[2], least, var = 0;

		for (unsigned i = 0; i < BOTH; i++) {
			x[mask >> i & 1] += counts[i][order[k]];
			n[mask >> i & 1] += counts[i][0] + counts[i][1] + counts[i][2];
		}
		for (unsigned s = 0; s < 2; s++)
			share[s] = x[s] / n[s];
		for (unsigned i = 0; i < BOTH; i++) {
			double all = counts[i][0] + counts[i][1] + counts[i][2];

			squares[mask >> i & 1] +=
				pow(counts[i][order[k]] - share[mask >> i & 1] * all, 2);
		}
		for (unsigned s = 0; s < 2; s++)
			var += SMALL / (SMALL - 1.0) * squares[s] / (n[s] * n[s]);
		least = (x[0] + x[1]) / (n[0] + n[1]);
		least *= (1 - least) * (1 / n[0] + 1 / n[1]);
		largest = fmax(largest, fabs(share[1] - share[0]) / sqrt(fmax(var, least)));
	}
	return largest;
}

static double share_of(const uint32_t (*counts)[LEAVES_3], unsigned leaf)
{
	double x = 0, n = 0;

	for (unsigned i = 0; i < BOTH; i++) {
		x += counts[i][leaf];
		n += counts[i][0] + counts[i][1] + counts[i][2];
	}
	return x / n;
}

/* All 252 ways to deal ten slices, instead of some 2,000 by chance; errors that neighbours widened
 * are narrowed again. */
static void p_values_are_those_of_all_deals(void **state)
{
	static const uint32_t counts[BOTH][LEAVES_3] = {{50, 31, 20}, {44, 35, 19}, {53, 22, 26},
		{47, 30, 22}, {51, 26, 20}, {40, 33, 23}, {49, 39, 29}, {38, 30, 20}, {46, 37, 27},
		{39, 33, 22}};
	const unsigned seen = ((1u << SMALL) - 1) << SMALL; /* the second side: bits set */
	struct profile *p = leaves(ABC, 3, &counts[0][0], SMALL);
	struct profile *q = leaves(ABC, 3, &counts[SMALL][0], SMALL);
	struct diff_joint j;
	struct diff_blocks b;
	struct diff_tests t;
	double statistics[LEAVES_3], last = 0;
	unsigned order[LEAVES_3] = {0, 1, 2};

	(void)state;
	assert_int_equal(diff_joint_make(&j, p, q, REPORT_FUNCTION), 0);
	assert_int_equal(diff_blocks_make(&b, &j), 0);
	assert_int_equal(diff_tests_make(&t, &b), 0);
	assert_int_equal(t.n, 3);
	for (unsigned k = 0; k < 3; k++) {
		unsigned only[LEAVES_3] = {k, k, k};

		statistics[k] = largest_of(counts, seen, only, 2);
	}
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = i + 1; k < 3; k++)
			if (statistics[order[k]] > statistics[order[i]]) {
				unsigned kept = order[i];

				order[i] = order[k];
				order[k] = kept;
			}
	for (unsigned i = 0; i < 3; i++) {
		unsigned reached = 0, deals = 0;
		const struct diff_test *test = NULL;
		double p_all, tolerance;

		for (uint32_t k = 0; k < t.n; k++)
			if (fabs(t.list[k].share - share_of(counts, order[i])) < 1e-6)
				test = &t.list[k]; /* their shares tell the leaves apart */
		assert_non_null(test);
		for (unsigned mask = 0; mask < 1u << BOTH; mask++) {
			if (__builtin_popcount(mask) != SMALL)
				continue;
			deals++;
			reached += largest_of(counts, mask, order, i) >=
				   fabs(test->statistic) * 0.9999;
		}
		assert_int_equal(deals, 252);
		p_all = fmax(last, (double)reached / deals);
		last = p_all;
		tolerance = 4 * sqrt(p_all * (1 - p_all) / t.deals) + 2.0 / t.deals;
		print_message("%s: p %.4f, of all deals %.4f\n", ABC[order[i]], test->p, p_all);
		assert_true(fabs(test->p - p_all) <= tolerance);
		assert_true(fabs(test->statistic) <= statistics[order[i]] * 1.0001);
	}
	diff_tests_clear(&t);
	diff_blocks_clear(&b);
	diff_joint_clear(&j);
	profile_free(p);
	profile_free(q);
}

/* Slices of 1 s and of 10 s become blocks of 10 s; many slices become few blocks. */
static void blocks_are_alike_on_both_sides(void **state)
{
	static const struct process_model second = {BURST_UNIFORM, 0.05, 0, 29, 1, 0};
	static const struct process_model ten = {BURST_UNIFORM, 0.05, 0, 29, 10, 0};
	struct profile *p = process_profile(&second, 1, 400), *q = process_profile(&ten, 2, 40);
	struct profile *r = process_profile(&second, 3, 1000);
	struct diff d = compare(p, q);

	(void)state;
	assert_int_equal(d.slices[0], 400);
	assert_int_equal(d.blocks[0], 40);
	assert_int_equal(d.blocks[1], 40);
	diff_clear(&d);
	d = compare(p, r);
	assert_int_equal(d.blocks[0], DIFF_BLOCKS_MAX);
	assert_int_equal(d.blocks[1], DIFF_BLOCKS_MAX * 1000 / 400);
	diff_clear(&d);
	profile_free(p);
	profile_free(q);
	profile_free(r);
}

/* Activities that last for several slices: blocks of several slices. */
static void neighbours_that_go_together_are_joined(void **state)
{
	static const struct process_model slow = {BURST_UNIFORM, 4, 0, 99, 1, 0};
	static const struct process_model quick = {BURST_UNIFORM, 0.05, 0, 99, 1, 0};
	struct profile *p = process_profile(&slow, 1, 60), *q = process_profile(&slow, 2, 60);
	struct profile *r = process_profile(&quick, 1, 60), *s = process_profile(&quick, 2, 60);
	struct diff d = compare(p, q), e = compare(r, s);

	(void)state;
	assert_in_range(d.blocks[0], DIFF_BLOCKS_FEW, 15);
	assert_int_equal(d.blocks[0], d.blocks[1]);
	assert_int_equal(e.blocks[0], 60);
	assert_true(d.detectable_largest > e.detectable_largest);
	diff_clear(&d);
	diff_clear(&e);
	profile_free(p);
	profile_free(q);
	profile_free(r);
	profile_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_profiles_do_not_differ),
		cmocka_unit_test(shares_are_those_of_reports),
		cmocka_unit_test(shares_are_of_weight),
		cmocka_unit_test(new_and_vanished_functions_are_found),
		cmocka_unit_test(rows_are_found_by_their_names),
		cmocka_unit_test(rows_have_one_order),
		cmocka_unit_test(the_answer_is_always_the_same),
		cmocka_unit_test(too_little_is_said_to_be),
		cmocka_unit_test(windows_that_differ_too_much_are_said_to),
		cmocka_unit_test(a_single_function_stays_the_same),
		cmocka_unit_test(other_rows_are_compared_likewise),
		cmocka_unit_test(indices_that_do_not_hold_are_refused),
		cmocka_unit_test(large_numbers_do_no_harm),
		cmocka_unit_test(more_rows_than_are_tested),
		cmocka_unit_test(intervals_agree_with_those_of_reports),
		cmocka_unit_test(p_values_are_those_of_all_deals),
		cmocka_unit_test(blocks_are_alike_on_both_sides),
		cmocka_unit_test(neighbours_that_go_together_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
