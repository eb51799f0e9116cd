/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analyze/slices.h"

/* ---- which rows are tested ---------------------------------------------------------------------
 */

static uint64_t both(const struct diff_joint *j, uint32_t row)
{
	return j->amounts[row][DIFF_BEFORE].total_samples +
	       j->amounts[row][DIFF_AFTER].total_samples;
}

static int compare_samples(const void *a, const void *b, void *arg)
{
	const struct diff_joint *j = arg;
	uint32_t ra = *(const uint32_t *)a, rb = *(const uint32_t *)b;
	uint64_t na = both(j, ra), nb = both(j, rb);

	if (na != nb)
		return na < nb ? 1 : -1;
	return (ra > rb) - (ra < rb);
}

/* Of which side the samples are must not matter here: only then are both still alike by chance. */
static int choose_rows(struct diff_blocks *b, const struct diff_joint *j)
{
	double fewer = (double)(j->samples[0] < j->samples[1] ? j->samples[0] : j->samples[1]);

	b->tested = calloc((size_t)j->t.n_rows + 1, sizeof(*b->tested));
	if (!b->tested)
		return -ENOMEM;
	for (uint32_t row = 0; row < j->t.n_rows; row++) {
		uint64_t n = both(j, row);

		if (n >= DIFF_SAMPLES_MIN && (double)n >= DIFF_POINTS_MIN * fewer)
			b->tested[b->n_tested++] = row;
	}
	qsort_r(b->tested, b->n_tested, sizeof(*b->tested), compare_samples, (void *)j);
	if (b->n_tested > DIFF_ROWS_MAX)
		b->n_tested = DIFF_ROWS_MAX;
	return 0;
}

/* ---- how many blocks ---------------------------------------------------------------------------
 */

static uint64_t slice_samples(const struct profile *p, const struct profile_slice *slice)
{
	uint64_t n = 0;

	for (size_t i = slice->first; i < slice->first + slice->n; i++)
		n += p->counts[i].samples;
	return n;
}

/* `*used_ns`: how long the slices with samples are together. */
static void count_slices(
	struct diff_blocks *b, const struct profile *p, unsigned side, double *used_ns)
{
	*used_ns = 0;
	for (size_t i = 0; i < p->n_slices; i++) {
		b->duration_ns[side] += p->slices[i].duration_ns;
		if (!slice_samples(p, &p->slices[i]))
			continue;
		b->slices[side]++;
		*used_ns += (double)p->slices[i].duration_ns;
	}
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* As many blocks on the side with less time as there may be, and equally long ones on the other:
 * only blocks that are alike can change sides. */
static void choose_blocks(struct diff_blocks *b, const double *used_ns)
{
	double block_ns = INFINITY;

	for (unsigned side = 0; side < DIFF_SIDES; side++) {
		b->n[side] = smaller(b->slices[side], DIFF_BLOCKS_MAX);
		block_ns = fmin(block_ns, used_ns[side] / (double)b->n[side]);
	}
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		block_ns = fmax(block_ns,
			used_ns[side] / (double)smaller(b->slices[side], DIFF_BLOCKS_LIMIT));
	for (unsigned side = 0; side < DIFF_SIDES && block_ns > 0; side++) {
		size_t least = smaller(b->slices[side], DIFF_BLOCKS_ENOUGH);
		double alike = floor(used_ns[side] / block_ns + 0.5);

		b->n[side] = smaller(b->slices[side], DIFF_BLOCKS_LIMIT);
		if (alike < (double)b->n[side])
			b->n[side] = alike > (double)least ? (size_t)alike : least;
	}
	b->n_all = b->n[DIFF_BEFORE] + b->n[DIFF_AFTER];
}

/* ---- the samples of rows in blocks -------------------------------------------------------------
 */

/* Working memory of the pass over all slices. */
struct pass {
	struct diff_blocks *b;
	const struct diff_joint *j;
	struct slices slices;
	uint64_t (*in_block)[DIFF_SHARES]; /* [n_rows] samples of the block so far */
	uint32_t *place;                   /* [n_rows] in `tested`, or NO_ROW */
};

static void pass_clear(struct pass *s)
{
	slices_clear(&s->slices);
	free(s->in_block);
	free(s->place);
}

static int pass_make(struct pass *s)
{
	size_t rows = (size_t)s->j->t.n_rows + 1;
	int rc = slices_init(&s->slices, &s->j->t);

	s->in_block = calloc(rows, sizeof(*s->in_block));
	s->place = calloc(rows, sizeof(*s->place));
	if (rc < 0 || !s->in_block || !s->place)
		return -ENOMEM;
	for (size_t i = 0; i < rows; i++)
		s->place[i] = NO_ROW;
	for (uint32_t i = 0; i < s->b->n_tested; i++)
		s->place[s->b->tested[i]] = i;
	return 0;
}

static void end_row(struct pass *s, uint32_t row, unsigned side, size_t block, double n)
{
	for (unsigned share = 0; share < DIFF_SHARES; share++) {
		struct row_sums *sums = &s->b->sums[row][side].of[share];
		uint64_t count = s->in_block[row][share];
		double x = (double)count;

		sums->x += count;
		sums->x_x += x * x;
		sums->x_n += x * n;
		if (s->place[row] != NO_ROW)
			diff_blocks_row(s->b, s->place[row], share)[block] = (float)x;
		s->in_block[row][share] = 0;
	}
}

static void end_block(struct pass *s, unsigned side, size_t block, uint64_t samples)
{
	struct slice_sums *all = &s->b->all[side];
	double n = (double)samples;

	s->b->samples[block] = (float)n;
	all->slices++;
	all->n += samples;
	all->n_n += n * n;
	for (uint32_t row = 0; row < s->j->t.n_rows; row++)
		end_row(s, row, side, block, n);
}

/* The i-th of W slices with samples belongs to block i * B / W: sizes differ by one slice at most.
 */
static int add_side(struct pass *s, unsigned side)
{
	size_t first = side == DIFF_BEFORE ? 0 : s->j->sides[DIFF_BEFORE]->n_slices;
	size_t at = side == DIFF_BEFORE ? 0 : s->b->n[DIFF_BEFORE], block = 0, seen = 0;
	uint64_t samples = 0;

	for (size_t i = first; i < first + s->j->sides[side]->n_slices; i++) {
		uint64_t n;
		int rc = slices_count(&s->slices, i, &n);

		if (rc < 0)
			return rc;
		if (!n)
			continue;
		for (uint32_t row = 0; row < s->j->t.n_rows; row++) {
			s->in_block[row][DIFF_SELF] += s->slices.self[row];
			s->in_block[row][DIFF_TOTAL] += s->slices.total[row];
		}
		samples += n;
		if (++seen * s->b->n[side] / s->b->slices[side] == block)
			continue;
		end_block(s, side, at + block++, samples);
		samples = 0;
	}
	return 0;
}

static int fill(struct diff_blocks *b, const struct diff_joint *j)
{
	struct pass s = {.b = b, .j = j};
	int rc = pass_make(&s);

	b->samples = calloc(b->n_all, sizeof(*b->samples));
	b->x = calloc(((size_t)b->n_tested + 1) * DIFF_SHARES * b->n_all, sizeof(*b->x));
	if (!b->samples || !b->x)
		rc = -ENOMEM;
	for (unsigned side = 0; rc == 0 && side < DIFF_SIDES; side++)
		rc = add_side(&s, side);
	pass_clear(&s);
	return rc;
}

int diff_blocks_make(struct diff_blocks *b, const struct diff_joint *j)
{
	double used_ns[DIFF_SIDES];
	int rc;

	*b = (struct diff_blocks){0};
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		count_slices(b, j->sides[side], side, &used_ns[side]);
	b->sums = calloc((size_t)j->t.n_rows + 1, sizeof(*b->sums));
	if (!b->sums)
		return -ENOMEM;
	if (b->slices[DIFF_BEFORE] < DIFF_SLICES_MIN || b->slices[DIFF_AFTER] < DIFF_SLICES_MIN)
		return 0;
	rc = choose_rows(b, j);
	if (rc < 0)
		return rc;
	choose_blocks(b, used_ns);
	return fill(b, j);
}

/* Adds up neighbours, so that `left` blocks of each side are left. `out` may be `x`, or lie before
 * it: what is written never overtakes what is still to be read. */
static void join_floats(const struct diff_blocks *b, const size_t *left, const float *x, float *out)
{
	size_t at = 0, to = 0;

	for (unsigned side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0, end = to + left[side]; to < end; to++) {
			size_t block = i * left[side] / b->n[side];
			float sum = 0;

			for (; i < b->n[side] && i * left[side] / b->n[side] == block; i++)
				sum += x[at++];
			out[to] = sum;
		}
}

bool diff_blocks_join(struct diff_blocks *b)
{
	const size_t left[DIFF_SIDES] = {b->n[DIFF_BEFORE] / 2, b->n[DIFF_AFTER] / 2};
	size_t n_left = left[DIFF_BEFORE] + left[DIFF_AFTER];

	if (left[DIFF_BEFORE] < DIFF_BLOCKS_FEW || left[DIFF_AFTER] < DIFF_BLOCKS_FEW)
		return false;
	for (size_t i = 0; i < (size_t)b->n_tested * DIFF_SHARES; i++)
		join_floats(b, left, b->x + i * b->n_all, b->x + i * n_left);
	join_floats(b, left, b->samples, b->samples);
	for (unsigned side = 0; side < DIFF_SIDES; side++)
		b->n[side] = left[side];
	b->n_all = n_left;
	return true;
}

void diff_blocks_clear(struct diff_blocks *b)
{
	free(b->samples);
	free(b->sums);
	free(b->tested);
	free(b->x);
	*b = (struct diff_blocks){0};
}
