/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Above this correlation of neighbours blocks are joined rather than their errors widened: the
 * factor below is exact only where it fades from block to block. */
static const double JOIN_ABOVE = 0.15;
static const double CORRELATION_MAX = 0.8;
static const double KENDALL_MAX = 1.25; /* no more of a correction that few blocks blow up */
/* A row's own correlation counts like its blocks, that of all rows on its side like so many. */
static const double BLOCKS_OF_ALL = 60;
static const double POWER = 0.8416212335729143; /* 80 % quantile of the normal distribution */

/* ---- one vector of counts ----------------------------------------------------------------------
 */

/* A share on one side. */
struct part {
	double x, n, share, variance;
	double squares;  /* of the blocks' deviations from that share */
	double products; /* of neighbouring deviations */
};

/* Sums for all that is told of a vector. */
struct vector {
	struct part parts[DIFF_SIDES];
	double share; /* of both sides */
};

static size_t first_of(const struct diff_blocks *b, unsigned side)
{
	return side == DIFF_BEFORE ? 0 : b->n[DIFF_BEFORE];
}

static void part_sum(struct part *part, const struct diff_blocks *b, unsigned side, const float *x)
{
	size_t first = first_of(b, side);

	*part = (struct part){0};
	for (size_t i = first; i < first + b->n[side]; i++) {
		part->x += (double)x[i];
		part->n += (double)b->samples[i];
	}
	part->share = part->x / part->n;
}

/* Deviations add up to 0, so that each takes back a little of its neighbours': of W blocks the
 * estimate of a correlation r is too low by about (1 + 3 r) / W (Kendall). */
static void part_deviate(
	struct vector *v, const struct diff_blocks *b, unsigned side, const float *x)
{
	struct part *part = &v->parts[side];
	size_t first = first_of(b, side);
	double w = (double)b->n[side], squares = 0, products = 0, last = 0;

	for (size_t i = first; i < first + b->n[side]; i++) {
		double e = (double)x[i] - part->share * (double)b->samples[i];

		squares += e * e;
		products += e * last;
		last = e;
	}
	part->variance = w / (w - 1) * squares / (part->n * part->n);
	part->squares = squares;
	part->products = (products + squares / w) * fmin(w / (w - 3), KENDALL_MAX);
}

static void vector_sum(struct vector *v, const struct diff_blocks *b, const float *x)
{
	*v = (struct vector){0};
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		part_sum(&v->parts[side], b, side, x);
	v->share = (v->parts[0].x + v->parts[1].x) / (v->parts[0].n + v->parts[1].n);
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		part_deviate(v, b, side, x);
}

/* A share of 0 or of 1 everywhere cannot differ. */
static bool can_differ(const struct vector *v)
{
	return v->parts[0].x + v->parts[1].x >= DIFF_SAMPLES_MIN && v->share < 1 &&
	       v->parts[0].squares + v->parts[1].squares > 0;
}

/* ---- neighbours that go together ---------------------------------------------------------------
 */

/* Of all rows: on each side, and both sides together. */
struct correlation {
	double of_side[DIFF_SIDES], of_all;
};

static double ratio(double products, double squares)
{
	return squares > 0 ? products / squares : 0;
}

/* Each row counts by how much more it varies than independent samples would, as only that can go
 * together. */
static struct correlation correlate(const struct diff_blocks *b)
{
	double squares[DIFF_SIDES] = {0}, products[DIFF_SIDES] = {0};

	for (uint32_t i = 0; i < b->n_tested * DIFF_SHARES; i++) {
		struct vector v;

		vector_sum(&v, b, diff_blocks_row(b, i / DIFF_SHARES, i % DIFF_SHARES));
		if (!can_differ(&v))
			continue;
		for (unsigned side = 0; side < DIFF_SIDES; side++) {
			squares[side] += v.parts[side].squares / (v.share * (1 - v.share));
			products[side] += v.parts[side].products / (v.share * (1 - v.share));
		}
	}
	return (struct correlation){
		.of_side = {ratio(products[0], squares[0]), ratio(products[1], squares[1])},
		.of_all = ratio(products[0] + products[1], squares[0] + squares[1]),
	};
}

/* Factor of a variance. Neighbours that avoid each other are taken for chance. */
static double spread_of(double correlation)
{
	double r = fmin(fmax(correlation, 0), CORRELATION_MAX);

	return (1 + r) / (1 - r);
}

static double part_spread(const struct vector *v, const struct diff_blocks *b, unsigned side,
	const struct correlation *c)
{
	const struct part *part = &v->parts[side];
	double blocks = (double)b->n[side], own = ratio(part->products, part->squares);
	double drawn = (own * blocks + c->of_side[side] * BLOCKS_OF_ALL) / (blocks + BLOCKS_OF_ALL);

	return spread_of(fmax(drawn, c->of_all));
}

/* ---- the tests ---------------------------------------------------------------------------------
 */

double diff_half_width(const struct slice_sums *all, const struct row_sums *before,
	const struct row_sums *after, double spread)
{
	double one = report_half_width(&all[DIFF_BEFORE], before);
	double other = report_half_width(&all[DIFF_AFTER], after);

	return one < 0 || other < 0 ? -1 : fmin(1, spread * hypot(one, other));
}

static double half_width(const struct diff_blocks *b, const float *x, double spread)
{
	struct slice_sums all[DIFF_SIDES] = {{0}};
	struct row_sums rows[DIFF_SIDES] = {{0}};

	for (size_t i = 0; i < b->n_all; i++) {
		unsigned side = i < b->n[DIFF_BEFORE] ? DIFF_BEFORE : DIFF_AFTER;
		double n = (double)b->samples[i], count = (double)x[i];

		all[side].slices++;
		all[side].n += (uint64_t)n;
		all[side].n_n += n * n;
		rows[side].x += (uint64_t)count;
		rows[side].x_x += count * count;
		rows[side].x_n += count * n;
	}
	return diff_half_width(all, &rows[DIFF_BEFORE], &rows[DIFF_AFTER], spread);
}

static void test_fill(struct diff_test *test, const struct diff_blocks *b, const struct vector *v,
	const float *x, const struct correlation *c)
{
	const struct part *before = &v->parts[DIFF_BEFORE], *after = &v->parts[DIFF_AFTER];
	double chance = v->share * (1 - v->share) * (1 / before->n + 1 / after->n);
	double plain = before->variance + after->variance;
	double wide = before->variance * part_spread(v, b, DIFF_BEFORE, c) +
		      after->variance * part_spread(v, b, DIFF_AFTER, c);

	*test = (struct diff_test){.x = x, .share = v->share, .p = 1};
	test->error = sqrt(fmax(plain, chance) * wide / plain);
	test->statistic = (after->share - before->share) / test->error;
	test->half_width = half_width(b, x, sqrt(wide / plain));
}

static void make_list(
	struct diff_tests *t, const struct diff_blocks *b, const struct correlation *c)
{
	for (uint32_t i = 0; i < b->n_tested; i++)
		for (unsigned share = DIFF_SHARES; share-- > 0;) {
			const float *x = diff_blocks_row(b, i, share);
			struct vector v;

			t->of[i][share] = NO_ROW;
			if (share == DIFF_SELF && !memcmp(x, diff_blocks_row(b, i, DIFF_TOTAL),
							  b->n_all * sizeof(*x))) {
				t->of[i][share] = t->of[i][DIFF_TOTAL];
				continue;
			}
			vector_sum(&v, b, x);
			if (!can_differ(&v))
				continue;
			t->of[i][share] = t->n;
			test_fill(&t->list[t->n++], b, &v, x, c);
		}
}

int diff_tests_make(struct diff_tests *t, struct diff_blocks *b)
{
	struct correlation c;

	*t = (struct diff_tests){.critical = -1, .spread = 1};
	if (!b->n_tested)
		return 0;
	t->list = calloc((size_t)b->n_tested * DIFF_SHARES, sizeof(*t->list));
	t->of = calloc(b->n_tested, sizeof(*t->of));
	if (!t->list || !t->of)
		return -ENOMEM;
	do
		c = correlate(b);
	while (c.of_all > JOIN_ABOVE && diff_blocks_join(b));
	t->spread = sqrt(spread_of(c.of_all));
	make_list(t, b, &c);
	return t->n ? diff_tests_deal(t, b) : 0;
}

void diff_tests_clear(struct diff_tests *t)
{
	free(t->list);
	free(t->of);
	*t = (struct diff_tests){0};
}

double diff_test_detectable(const struct diff_tests *t, const struct diff_test *test)
{
	double least = fmax(DIFF_POINTS_MIN, DIFF_RELATIVE_MIN * test->share);

	return t->critical < 0 ? -1 : fmax((t->critical + POWER) * test->error, least);
}
