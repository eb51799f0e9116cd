/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

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

/* Working memory of a pass over the slices. */
struct pass {
	const struct tally *t;
	uint64_t *below;        /* [n_nodes] samples of the slice; all 0 between slices */
	uint64_t *marked;       /* [n_words] a bit per node that has some */
	uint64_t *self, *total; /* [n_rows] of the slice; all 0 between slices */
	struct row_sums *self_sums, *total_sums; /* [n_rows] */
	struct slice_sums all;
	size_t n_words;
};

static void pass_clear(struct pass *s)
{
	free(s->below);
	free(s->marked);
	free(s->self);
	free(s->total);
	free(s->self_sums);
	free(s->total_sums);
}

static int pass_alloc(struct pass *s)
{
	size_t rows = (size_t)s->t->n_rows + 1;

	s->n_words = s->t->p->n_nodes / 64 + 1;
	s->below = calloc(s->t->p->n_nodes, sizeof(*s->below));
	s->marked = calloc(s->n_words, sizeof(*s->marked));
	s->self = calloc(rows, sizeof(*s->self));
	s->total = calloc(rows, sizeof(*s->total));
	s->self_sums = calloc(rows, sizeof(*s->self_sums));
	s->total_sums = calloc(rows, sizeof(*s->total_sums));
	if (!s->below || !s->marked || !s->self || !s->total || !s->self_sums || !s->total_sums)
		return -ENOMEM;
	return 0;
}

/* Hands on what the marked nodes of one word have, last to first: all that lies above a node has
 * been added to it by then, as that goes to smaller numbers only, perhaps of this very word. */
static void collect_word(struct pass *s, uint32_t word)
{
	uint64_t bits = s->marked[word];

	while (bits) {
		uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits), i = word * 64 + bit;
		const struct tally_node *node = &s->t->nodes[i];

		bits ^= 1ULL << bit;
		if (i) { /* the root is where everything ends */
			s->total[node->row] += s->below[i];
			s->below[node->up] += s->below[i];
			if (node->up / 64 == word)
				bits |= 1ULL << node->up % 64;
			else
				s->marked[node->up / 64] |= 1ULL << node->up % 64;
		}
		s->below[i] = 0;
	}
	s->marked[word] = 0;
}

static void sums_add(struct row_sums *sums, uint64_t x, double n)
{
	sums->x += x;
	sums->x_x += (double)x * (double)x;
	sums->x_n += (double)x * n;
}

/* Gives nodes and rows what the slice counted right there. `*n`: all its samples. 0 or -EINVAL. */
static int spread(struct pass *s, const struct profile_slice *slice, uint64_t *n)
{
	const struct profile *p = s->t->p;

	*n = 0;
	if (slice->first > p->n_counts || slice->n > p->n_counts - slice->first)
		return -EINVAL;
	for (size_t i = slice->first; i < slice->first + slice->n; i++) {
		const struct profile_count *count = &p->counts[i];
		uint32_t first;

		if (count->node >= p->n_nodes)
			return -EINVAL;
		first = tally_first(s->t, count->node);
		*n += count->samples;
		s->below[first] += count->samples;
		s->marked[first / 64] |= 1ULL << first % 64;
		if (s->t->nodes[count->node].row != NO_ROW)
			s->self[s->t->nodes[count->node].row] += count->samples;
	}
	return 0;
}

static int slice_add(struct pass *s, const struct profile_slice *slice)
{
	uint64_t n;
	int rc = spread(s, slice, &n);

	if (rc < 0 || !n)
		return rc;
	for (size_t word = s->n_words; word-- > 0;)
		if (s->marked[word])
			collect_word(s, (uint32_t)word);
	s->all.slices++;
	s->all.n += n;
	s->all.n_n += (double)n * (double)n;
	for (uint32_t row = 0; row < s->t->n_rows; row++) {
		sums_add(&s->self_sums[row], s->self[row], (double)n);
		sums_add(&s->total_sums[row], s->total[row], (double)n);
		s->self[row] = s->total[row] = 0;
	}
	return 0;
}

int report_errors(const struct tally *t, struct row_error **errors, bool *known)
{
	struct pass s = {.t = t};
	int rc = pass_alloc(&s);

	*known = false;
	*errors = calloc((size_t)t->n_rows + 1, sizeof(**errors));
	if (!*errors)
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < t->p->n_slices; i++)
		rc = slice_add(&s, &t->p->slices[i]);
	for (uint32_t i = 0; rc == 0 && i < t->n_rows; i++) {
		const struct row_sums *self = tally_is_by_root(t->by) ? s.total_sums : s.self_sums;

		(*errors)[i].self = report_half_width(&s.all, &self[i]);
		(*errors)[i].total = report_half_width(&s.all, &s.total_sums[i]);
	}
	*known = rc == 0 && s.all.slices >= REPORT_SLICES_MIN;
	pass_clear(&s);
	if (rc < 0) {
		free(*errors);
		*errors = NULL;
	}
	return rc;
}
