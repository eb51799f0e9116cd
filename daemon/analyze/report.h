/* SPDX-License-Identifier: BSD-2-Clause */
/* How sure a share is. Samples of one function come in bursts, so that they tell less than as many
 * independent ones would. What happens in one slice says little about the next as long as a slice
 * spans several bursts: so the slices are the independent observations. The share of a row is a
 * ratio of two sums over slices,
 *
 *     p = X / N,  X = sum x_i (samples of the row),  N = sum n_i (all samples),
 *
 * and its variance, with W slices, that of the ratio estimator (Cochran, Sampling Techniques,
 * chapter 6): W / (W - 1) * sum (x_i - p n_i)^2 / N^2. The sum is taken apart into
 * sum x_i^2 - 2 p sum x_i n_i + p^2 sum n_i^2, so that one pass over the samples will do. */
#ifndef PROFD_ANALYZE_REPORT_H
#define PROFD_ANALYZE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/tally.h"

/* All slices, and one row in them. Slices without a sample do not count. */
struct slice_sums {
	uint32_t slices;
	uint64_t n;
	double n_n; /* sum of squares */
};
struct row_sums {
	uint64_t x;
	double x_x, x_n;
};

/* The 97.5 % quantile of Student's distribution; `freedom` of 4 and more. */
double report_student(uint32_t freedom);

/* Half the width of the 95 % interval of a share: that of the ratio, at least that of independent
 * samples (so never 0), at most 1. Negative: too few slices. */
double report_half_width(const struct slice_sums *all, const struct row_sums *row);

/* Half the width of that of `x` among `n` independent samples: the farther end of Wilson's
 * interval, which is there for 0 of n, too, and at least 1.96 sqrt(p (1 - p) / n). */
double report_binomial(uint64_t x, uint64_t n);

struct row_error {
	double self, total; /* negative: not known */
};

/* Errors of all rows, [t->n_rows] to be freed; `*known` whether slices were enough. 0, -ENOMEM, or
 * -EINVAL for slices that do not hold together. */
int report_errors(const struct tally *t, struct row_error **errors, bool *known);

/* Numbers of the rows that were seen at all, in order, into `order` (room for all); how many. */
size_t report_order(const struct tally *t, enum report_sort sort, uint32_t *order);

/* A row of the tally as one of a report. */
void report_row_fill(struct report_row *out, const struct tally *t, uint32_t number,
	const struct row_error *error);

#endif
