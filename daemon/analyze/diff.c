/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/diff.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that a comparison works with. */
struct work {
	struct diff_joint joint;
	struct diff_blocks blocks;
	struct diff_tests tests;
	bool weighted; /* shares are of weights, as in reports; else of samples */
};

/* ---- rows --------------------------------------------------------------------------------------
 */

static uint64_t value_of(const struct work *w, unsigned share, const struct diff_amount *amount)
{
	if (w->weighted)
		return share == DIFF_SELF ? amount->self_weight_ns : amount->total_weight_ns;
	return share == DIFF_SELF ? amount->self_samples : amount->total_samples;
}

static double share_of(const struct work *w, uint32_t row, unsigned share, unsigned side)
{
	const struct diff_joint *j = &w->joint;
	uint64_t whole = w->weighted ? j->weight_ns[side] : j->samples[side];

	return whole ? (double)value_of(w, share, &j->amounts[row][side]) / (double)whole : 0;
}

/* A finding counts where it matters, and where the row's own interval and the weights (which
 * windows of different rates may pull away from the samples) say the same. */
static bool is_finding(const struct diff_share *s, const struct diff_test *test)
{
	double change = s->after - s->before, size = fabs(change);

	return s->p <= DIFF_LEVEL && size >= DIFF_POINTS_MIN &&
	       size >= DIFF_RELATIVE_MIN * fmax(s->before, s->after) &&
	       (s->low > 0 || s->high < 0) && (change > 0) == (test->statistic > 0);
}

static void fill_share(struct diff_share *out, const struct work *w, uint32_t row, unsigned share,
	const struct diff_test *test)
{
	const struct diff_sums *sums = w->blocks.sums[row];
	double half, change;

	out->before = share_of(w, row, share, DIFF_BEFORE);
	out->after = share_of(w, row, share, DIFF_AFTER);
	change = out->after - out->before;
	half = test ? test->half_width
		    : diff_half_width(w->blocks.all, &sums[DIFF_BEFORE].of[share],
			      &sums[DIFF_AFTER].of[share], w->tests.spread);
	out->low = half < 0 ? -1 : fmax(change - half, -1);
	out->high = half < 0 ? 1 : fmin(change + half, 1);
	out->p = test ? test->p : 1;
	out->significant = test && is_finding(out, test);
}

static const struct diff_test *test_of(const struct work *w, uint32_t tested, unsigned share)
{
	uint32_t number = tested == NO_ROW ? NO_ROW : w->tests.of[tested][share];

	return number == NO_ROW ? NULL : &w->tests.list[number];
}

static void fill_row(struct diff_row *out, const struct work *w, uint32_t number, uint32_t tested)
{
	const struct diff_amount *amounts = w->joint.amounts[number];
	struct report_row row;

	report_row_fill(&row, &w->joint.t, number, &(struct row_error){-1, -1});
	*out = (struct diff_row){
		.name = row.name,
		.file = row.file,
		.module = row.module,
		.line = row.line,
		.kind = row.kind,
		.self_samples = {amounts[0].self_samples, amounts[1].self_samples},
		.total_samples = {amounts[0].total_samples, amounts[1].total_samples},
	};
	fill_share(&out->self, w, number, DIFF_SELF, test_of(w, tested, DIFF_SELF));
	fill_share(&out->total, w, number, DIFF_TOTAL, test_of(w, tested, DIFF_TOTAL));
}

/* ---- their order -------------------------------------------------------------------------------
 */

static int compare_numbers(double a, double b)
{
	return (a > b) - (a < b);
}

/* The larger change first. */
static int compare_changes(const struct diff_share *a, const struct diff_share *b)
{
	return compare_numbers(fabs(b->after - b->before), fabs(a->after - a->before));
}

static int compare_places(const struct diff_row *a, const struct diff_row *b)
{
	int order = strcmp(a->name, b->name);

	if (!order)
		order = strcmp(a->file, b->file);
	if (!order)
		order = strcmp(a->module, b->module);
	if (!order)
		order = compare_numbers(a->kind, b->kind);
	return order ? order : compare_numbers(a->line, b->line);
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct diff_row *ra = a, *rb = b;
	bool by_self = *(const enum report_sort *)arg == REPORT_SELF;
	const struct diff_share *fa = by_self ? &ra->self : &ra->total;
	const struct diff_share *fb = by_self ? &rb->self : &rb->total;
	const struct diff_share *sa = by_self ? &ra->total : &ra->self;
	const struct diff_share *sb = by_self ? &rb->total : &rb->self;
	int order = compare_numbers(fb->significant, fa->significant);

	if (!order)
		order = compare_numbers(sb->significant, sa->significant);
	if (!order)
		order = compare_changes(fa, fb);
	if (!order)
		order = compare_changes(sa, sb);
	return order ? order : compare_places(ra, rb);
}

static bool was_seen(const struct diff_amount *amounts)
{
	return amounts[0].total_samples || amounts[1].total_samples || amounts[0].total_weight_ns ||
	       amounts[1].total_weight_ns;
}

static int make_rows(struct diff *out, const struct work *w, size_t limit)
{
	uint32_t n = w->joint.t.n_rows;
	uint32_t *tested = malloc(((size_t)n + 1) * sizeof(*tested));

	out->rows = calloc((size_t)n + 1, sizeof(*out->rows));
	if (!tested || !out->rows) {
		free(tested);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		tested[i] = NO_ROW;
	for (uint32_t i = 0; i < w->blocks.n_tested; i++)
		tested[w->blocks.tested[i]] = i;
	for (uint32_t i = 0; i < n; i++) {
		struct diff_row *row = &out->rows[out->n_all];

		if (!was_seen(w->joint.amounts[i]))
			continue;
		fill_row(row, w, i, tested[i]);
		out->n_significant += row->self.significant || row->total.significant;
		out->n_all++;
	}
	free(tested);
	qsort_r(out->rows, out->n_all, sizeof(*out->rows), compare_rows, &out->sort);
	out->n_rows = limit && limit < out->n_all ? limit : out->n_all;
	return 0;
}

/* ---- what can be told --------------------------------------------------------------------------
 */

/* A share near 1 is as easy to tell as one near 0. */
static double size_of(const struct diff_test *test)
{
	return fmin(test->share, 1 - test->share);
}

static int compare_sizes(const void *a, const void *b)
{
	return compare_numbers(size_of(*(const struct diff_test *const *)a),
		size_of(*(const struct diff_test *const *)b));
}

/* Tests of that share of the rows that had enough samples. */
static size_t list_tests(const struct diff_test **list, const struct work *w, unsigned share)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->blocks.n_tested && w->tests.n; i++) {
		list[n] = test_of(w, i, share);
		n += list[n] != NULL;
	}
	return n;
}

/* `*blind`: not even a function that vanished would be found. */
static int find_detectable(struct diff *out, const struct work *w, bool *blind)
{
	const struct diff_tests *t = &w->tests;
	unsigned share = out->sort == REPORT_SELF ? DIFF_SELF : DIFF_TOTAL;
	const struct diff_test **list = calloc((size_t)w->blocks.n_tested + 1, sizeof(*list));
	size_t n;

	*blind = t->n > 0;
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n; i++)
		if (diff_test_detectable(t, &t->list[i]) <= size_of(&t->list[i]))
			*blind = false;
	n = list_tests(list, w, share);
	if (!n)
		n = list_tests(list, w, DIFF_SHARES - 1 - share);
	qsort(list, n, sizeof(*list), compare_sizes);
	out->detectable = n ? diff_test_detectable(t, list[n / 2]) : -1;
	out->detectable_largest = n ? diff_test_detectable(t, list[n - 1]) : -1;
	free(list);
	return 0;
}

static void tell_too_few(struct diff *out)
{
	static const char *const words[DIFF_SIDES] = {"before", "after"};

	for (unsigned side = 0; side < DIFF_SIDES; side++)
		if (!out->samples[side]) {
			snprintf(out->why, sizeof(out->why), "there is no sample %s", words[side]);
			return;
		}
	snprintf(out->why, sizeof(out->why),
		"%zu windows with samples before and %zu after; it takes %d on either side",
		out->slices[DIFF_BEFORE], out->slices[DIFF_AFTER], DIFF_SLICES_MIN);
}

/* Whether there was nothing that could have changed: each row had all samples, or none. */
static bool is_all_one(const struct work *w)
{
	const struct diff_joint *j = &w->joint;
	uint64_t all = j->samples[DIFF_BEFORE] + j->samples[DIFF_AFTER];

	for (uint32_t i = 0; i < j->t.n_rows; i++) {
		const struct tally_row *row = &j->t.rows[i];

		if ((row->self_samples && row->self_samples != all) ||
			(row->total_samples && row->total_samples != all))
			return false;
	}
	return all >= DIFF_SAMPLES_MIN;
}

static int judge(struct diff *out, const struct work *w)
{
	bool blind;
	int rc = find_detectable(out, w, &blind);

	if (rc < 0)
		return rc;
	out->verdict = DIFF_NOT_ENOUGH;
	if (!w->blocks.n_all)
		tell_too_few(out);
	else if (!w->tests.n && !is_all_one(w))
		snprintf(out->why, sizeof(out->why), "no %s has %d samples on both sides together",
			report_by_name(out->by), DIFF_SAMPLES_MIN);
	else if (out->n_significant)
		out->verdict = DIFF_CHANGED;
	else if (blind)
		snprintf(out->why, sizeof(out->why),
			"windows of one side differ so much from each other that even a %s which "
			"vanished would not stand out",
			report_by_name(out->by));
	else
		out->verdict = DIFF_SAME;
	return 0;
}

static void describe(struct diff *out, const struct work *w)
{
	for (unsigned side = 0; side < DIFF_SIDES; side++) {
		const struct diff_joint *j = &w->joint;
		uint64_t kept_ns = w->blocks.duration_ns[side];

		out->samples[side] = j->samples[side];
		out->weight_ns[side] = j->weight_ns[side];
		out->duration_ns[side] = kept_ns ? kept_ns : j->sides[side]->quality.duration_ns;
		out->slices[side] = w->blocks.slices[side];
		out->blocks[side] = w->blocks.n[side];
	}
	out->n_tested = w->tests.n;
}

static bool is_weighted(const struct diff_joint *j)
{
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		if (j->samples[side] && !j->weight_ns[side])
			return false;
	return j->weight_ns[DIFF_BEFORE] || j->weight_ns[DIFF_AFTER];
}

int analyze_diff(const struct profile *before, const struct profile *after, enum report_by by,
	enum report_sort sort, size_t limit, struct diff *out)
{
	struct work w = {.tests = {.critical = -1, .spread = 1}};
	int rc;

	*out = (struct diff){.by = by, .sort = sort, .detectable = -1, .detectable_largest = -1};
	if (by != REPORT_FUNCTION && by != REPORT_LINE && by != REPORT_MODULE)
		return -EINVAL;
	rc = diff_joint_make(&w.joint, before, after, by);
	if (rc == 0)
		rc = diff_blocks_make(&w.blocks, &w.joint);
	if (rc == 0)
		rc = diff_tests_make(&w.tests, &w.blocks);
	if (rc == 0) {
		w.weighted = is_weighted(&w.joint);
		describe(out, &w);
		rc = make_rows(out, &w, limit);
	}
	if (rc == 0)
		rc = judge(out, &w);
	diff_tests_clear(&w.tests);
	diff_blocks_clear(&w.blocks);
	diff_joint_clear(&w.joint);
	if (rc < 0)
		diff_clear(out);
	return rc;
}

void diff_clear(struct diff *d)
{
	free(d->rows);
	*d = (struct diff){0};
}
