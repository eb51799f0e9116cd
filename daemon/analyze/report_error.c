/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyze/slices.h"

static const double Z = 1.959963984540054; /* 97.5 % quantile of the normal distribution */

/* Expansion around the normal quantile in powers of 1 / freedom (Abramowitz and Stegun, 26.7.5).
 * Less than 0.001 too small from 4 degrees of freedom on. */
double report_student(uint32_t freedom)
{
	double v = freedom, z2 = Z * Z;
	double a = Z * (z2 + 1) / 4;
	double b = Z * ((5 * z2 + 16) * z2 + 3) / 96;
	double c = Z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
	double d = Z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;

	return Z + (a + (b + (c + d / v) / v) / v) / v;
}

double report_binomial(uint64_t x, uint64_t n)
{
	double count = (double)n, p, plain, middle, half;

	if (!n)
		return 1;
	p = (double)x / count;
	plain = Z * sqrt(p * (1 - p) / count);
	middle = (p + Z * Z / (2 * count)) / (1 + Z * Z / count);
	half = Z * sqrt(p * (1 - p) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count);
	return fmin(1, fmax(plain, half + fabs(middle - p)));
}

double report_half_width(const struct slice_sums *all, const struct row_sums *row)
{
	double n = (double)all->n, w = all->slices, p, squares, ratio;

	if (all->slices < REPORT_SLICES_MIN)
		return -1;
	p = (double)row->x / n;
	squares = row->x_x - 2 * p * row->x_n + p * p * all->n_n;
	ratio = report_student(all->slices - 1) * sqrt(fmax(squares, 0) * w / (w - 1)) / n;
	return fmin(1, fmax(ratio, report_binomial(row->x, all->n)));
}

/* A pass over the slices. */
struct pass {
	struct slices slices;
	struct row_sums *self, *total; /* [n_rows] */
	struct slice_sums all;
};

static void pass_clear(struct pass *s)
{
	slices_clear(&s->slices);
	free(s->self);
	free(s->total);
}

static int pass_alloc(struct pass *s, const struct tally *t)
{
	size_t rows = (size_t)t->n_rows + 1;

	s->self = calloc(rows, sizeof(*s->self));
	s->total = calloc(rows, sizeof(*s->total));
	return s->self && s->total ? slices_init(&s->slices, t) : -ENOMEM;
}

static void sums_add(struct row_sums *sums, uint64_t x, double n)
{
	sums->x += x;
	sums->x_x += (double)x * (double)x;
	sums->x_n += (double)x * n;
}

static int slice_add(struct pass *s, size_t i)
{
	uint64_t n;
	int rc = slices_count(&s->slices, i, &n);

	if (rc < 0 || !n)
		return rc;
	s->all.slices++;
	s->all.n += n;
	s->all.n_n += (double)n * (double)n;
	for (uint32_t row = 0; row < s->slices.t->n_rows; row++) {
		sums_add(&s->self[row], s->slices.self[row], (double)n);
		sums_add(&s->total[row], s->slices.total[row], (double)n);
	}
	return 0;
}

int report_errors(const struct tally *t, struct row_error **errors, bool *known)
{
	struct pass s = {0};
	int rc = pass_alloc(&s, t);

	*known = false;
	*errors = calloc((size_t)t->n_rows + 1, sizeof(**errors));
	if (!*errors)
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < t->p->n_slices; i++)
		rc = slice_add(&s, i);
	for (uint32_t i = 0; rc == 0 && i < t->n_rows; i++) {
		const struct row_sums *self = tally_is_by_root(t->by) ? s.total : s.self;

		(*errors)[i].self = report_half_width(&s.all, &self[i]);
		(*errors)[i].total = report_half_width(&s.all, &s.total[i]);
	}
	*known = rc == 0 && s.all.slices >= REPORT_SLICES_MIN;
	pass_clear(&s);
	if (rc < 0) {
		free(*errors);
		*errors = NULL;
	}
	return rc;
}
