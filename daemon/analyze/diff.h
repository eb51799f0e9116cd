/* SPDX-License-Identifier: BSD-2-Clause */
/* What changed between two profiles, without crying wolf.
 *
 * Samples are no independent observations: a program that works in bursts of 200 ms gives 20
 * samples of the same burst at 100 Hz, and a test that takes each for a witness of its own finds
 * "changes" in every second comparison of a program with itself. What happens in one window says
 * little about another, so windows are the observations, and all is reckoned from them:
 *
 *     before  |  slices with samples  |     1. slices -> blocks
 *     after   |  slices with samples  |     2. blocks -> one statistic per row and share
 *                                           3. blocks change sides -> what chance can do
 *
 * 1. Blocks (diff_blocks.c). Slices in a row are joined to at most DIFF_BLOCKS_MAX blocks on
 *    the side with less time, and to blocks as long on the other. Where neighbours go together
 *    (an activity longer than a block, or one that two blocks share), blocks are joined
 *    further, as long as enough remain. What is left of it widens the errors: for a
 *    correlation r of neighbours the variance of a mean is (1 + r) / (1 - r) times what
 *    independent blocks would have. r is estimated per row and side, drawn towards that of all
 *    rows, as a single one is known badly, and is never below that of everything together.
 *
 * 2. Statistic (diff_test.c). Rows are those of a report (tally.h), self and total. A share is
 *    the ratio of two sums over blocks and has the variance of the ratio estimator (report.h),
 *    so that blocks of many samples count for more; the difference of both sides' shares is
 *    divided by its standard error, which is at least that of independent samples. Rows that
 *    no outcome could make significant are not tested: fewer than DIFF_SAMPLES_MIN samples on
 *    both sides together, or less than DIFF_POINTS_MIN even if all of them were on one side.
 *    Neither rule looks at which side has them.
 *
 * 3. Chance (diff_deal.c). Were both sides alike, any block could as well have been on the
 *    other side. So blocks are dealt to the sides anew, DIFF_DEALS times, and each time the
 *    largest statistic of all rows is noted. A row is significant where what it shows is rarely
 *    reached by the largest of all (Westfall and Young's step-down max-T: rows are judged from
 *    the largest on, each against those not yet judged). This bounds the chance of any false
 *    finding in a whole comparison by DIFF_LEVEL, also for rows that depend on each other, as a
 *    function and its callers do; rows that are the same thing twice cost nothing.
 *    Benjamini and Hochberg's procedure promises less (a share of false ones among the
 *    findings), is proven for rows that are independent or go up together, while shares push
 *    each other down, and needs p values down to 0.05 / rows, which some ten blocks do not give
 *    and some 2,000 deals do not resolve for hundreds of rows.
 *    Dealing stops when as many deals have reached the largest statistic as a significant row
 *    may not have: nothing can be significant any more.
 *
 * A finding also has to matter: DIFF_POINTS_MIN of share, below which nobody would act, and
 * DIFF_RELATIVE_MIN of the larger of both shares, so that main() at 97 instead of 99 % is no
 * news; where a day is compared with a day, less than that is significant everywhere. And the
 * row's own interval has to leave out zero.
 *
 * In the simulations of tests/unit/test_analyze_diff_chance.c 3 % of comparisons of equals find
 * anything with bursts of 50 to 500 ms and slices of a second (20 to 60 a side), and 3 to 7 %
 * where bursts last for several slices or have heavy tails; `make bench-diff` does the same with
 * real processes. Sides that share a truth but not a rhythm (bursts of 100 ms before and of
 * 500 ms after) have been told apart in 7 %.
 *
 * What it cannot know: whether a change comes from the program or from its load. Shares add up
 * to 1, so where one function takes more, others take less. */
#ifndef PROFD_ANALYZE_DIFF_H
#define PROFD_ANALYZE_DIFF_H

#include "analyze/report.h"
#include "analyze/tally.h"

enum { DIFF_BEFORE, DIFF_AFTER, DIFF_SIDES };

enum {
	DIFF_SAMPLES_MIN = 20,
	DIFF_BLOCKS_MAX = 64,    /* of the side with less time: more tell hardly more, but cost */
	DIFF_BLOCKS_LIMIT = 256, /* of the other side */
	DIFF_BLOCKS_ENOUGH = 20, /* never fewer only to be as long as the other side's */
	DIFF_BLOCKS_FEW = 12,    /* never fewer only because neighbours go together */
	DIFF_ROWS_MAX = 5000,    /* tested: those with the most samples */
	DIFF_DEALS = 2000,
	DIFF_DEALS_MIN = 400, /* for the critical value, also where nothing is significant */
};
#define DIFF_POINTS_MIN   0.003
#define DIFF_RELATIVE_MIN 0.03

/* ---- both profiles in one (diff_joint.c) -------------------------------------------------------
 */

struct diff_amount {
	uint64_t self_samples, total_samples;
	uint64_t self_weight_ns, total_weight_ns;
};

/* A tree with the stacks of both sides, first those of `before`, so that rows are common to both;
 * and likewise the slices. Its strings are those of the two profiles. */
struct diff_joint {
	const struct profile *sides[DIFF_SIDES];
	struct profile p;
	struct tally t;
	uint32_t shift[DIFF_SIDES];                /* of a side's node in the joint tree */
	struct diff_amount (*amounts)[DIFF_SIDES]; /* [t.n_rows] */
	uint64_t samples[DIFF_SIDES], weight_ns[DIFF_SIDES];
};

/* 0, -ENOMEM, or -EINVAL for indices that do not hold together. To be cleared in any case. */
int diff_joint_make(struct diff_joint *j, const struct profile *before, const struct profile *after,
	enum report_by by);
void diff_joint_clear(struct diff_joint *j);

static inline uint32_t diff_joint_node(const struct diff_joint *j, unsigned side, uint32_t node)
{
	return node ? node + j->shift[side] : 0;
}

/* ---- slices to blocks (diff_blocks.c) ----------------------------------------------------------
 */

enum { DIFF_SELF, DIFF_TOTAL, DIFF_SHARES };

struct diff_sums {
	struct row_sums of[DIFF_SHARES];
};

struct diff_blocks {
	size_t slices[DIFF_SIDES]; /* with samples */
	uint64_t duration_ns[DIFF_SIDES];
	size_t n[DIFF_SIDES]; /* blocks; 0 where there are too few slices */
	size_t n_all;         /* of both sides */
	float *samples;       /* [n_all], all of a block; `before` first */
	/* Over the blocks as they were made, also after diff_blocks_join. */
	struct slice_sums all[DIFF_SIDES];
	struct diff_sums (*sums)[DIFF_SIDES]; /* [n_rows] */
	uint32_t *tested;                     /* [n_tested] rows with enough samples */
	uint32_t n_tested;
	float *x; /* [n_tested][DIFF_SHARES][n_all] samples of a row in a block */
};

/* 0, -ENOMEM, or -EINVAL. To be cleared in any case. With too few slices on a side there are no
 * blocks. */
int diff_blocks_make(struct diff_blocks *b, const struct diff_joint *j);
void diff_blocks_clear(struct diff_blocks *b);

/* Joins two or three neighbours to one on both sides, so that blocks stay alike. False: it would
 * leave fewer than DIFF_BLOCKS_FEW on one of them. */
bool diff_blocks_join(struct diff_blocks *b);

static inline float *diff_blocks_row(const struct diff_blocks *b, uint32_t tested, unsigned share)
{
	return b->x + ((size_t)tested * DIFF_SHARES + share) * b->n_all;
}

/* ---- what chance can do (diff_test.c) ----------------------------------------------------------
 */

/* One share of one row. */
struct diff_test {
	const float *x;    /* [n_all] of the blocks */
	double share;      /* of both sides together */
	double error;      /* standard error of the difference */
	double statistic;  /* the difference by its error */
	double half_width; /* of the difference's 95 % interval */
	double p;          /* corrected */
};

struct diff_tests {
	struct diff_test *list;
	uint32_t n;
	/* [n_tested][DIFF_SHARES] number in `list`, or NO_ROW; both the same where self is all that
	 * a row has */
	uint32_t (*of)[DIFF_SHARES];
	double critical; /* what a statistic has to exceed; negative: not known */
	double spread;   /* factor of standard errors by neighbours that go together, of all rows */
	unsigned deals;
};

/* Half the width of the 95 % interval of a difference of shares, both errors squared and added.
 * `spread` as below. Negative: not known. */
double diff_half_width(const struct slice_sums *all, const struct row_sums *before,
	const struct row_sums *after, double spread);

/* May join blocks further. 0 or -ENOMEM. To be cleared in any case, and before the blocks. */
int diff_tests_make(struct diff_tests *t, struct diff_blocks *b);
void diff_tests_clear(struct diff_tests *t);

/* Fills in the p of each test, and the critical value (diff_deal.c). 0 or -ENOMEM. */
int diff_tests_deal(struct diff_tests *t, const struct diff_blocks *b);

/* The change of share that four of five such comparisons would find. */
double diff_test_detectable(const struct diff_tests *t, const struct diff_test *test);

#endif
