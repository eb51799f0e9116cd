/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/analyze.h"

#include <errno.h>
#include <stdlib.h>

#include "analyze/slices.h"

/* The rows of the tally that the report's rows are, [r->n_rows] to be freed; NULL with `*rc`. */
static uint32_t *find_rows(const struct tally *t, const struct report *r, int *rc)
{
	uint32_t *rows = calloc(r->n_rows + 1, sizeof(*rows));

	*rc = rows ? 0 : -ENOMEM;
	for (size_t i = 0; *rc == 0 && i < r->n_rows; i++) {
		uint32_t frame = r->rows[i].frame;

		rows[i] = frame < t->p->n_frames ? t->row_of[frame] : NO_ROW;
		if (rows[i] == NO_ROW)
			*rc = -EINVAL;
	}
	if (*rc == 0)
		return rows;
	free(rows);
	return NULL;
}

/* The shares of one slice: every `step`th value from `to` on is one row's. */
static void put(const uint64_t *samples, const uint32_t *rows, size_t n_rows, uint64_t n, float *to,
	size_t step)
{
	for (size_t i = 0; i < n_rows; i++)
		to[i * step] = n ? (float)((double)samples[rows[i]] / (double)n) : 0;
}

int analyze_trends(const struct profile *p, const struct report *r, float *self, float *total)
{
	struct slices s = {0};
	uint32_t *rows = NULL;
	struct tally t;
	uint64_t n;
	int rc = tally_make(&t, p, r->by);

	if (rc == 0)
		rows = find_rows(&t, r, &rc);
	if (rc == 0)
		rc = slices_init(&s, &t);
	for (size_t i = 0; rc == 0 && i < p->n_slices; i++) {
		rc = slices_count(&s, i, &n);
		if (rc == 0 && self)
			put(tally_is_by_root(r->by) ? s.total : s.self, rows, r->n_rows, n,
				self + i, p->n_slices);
		if (rc == 0 && total)
			put(s.total, rows, r->n_rows, n, total + i, p->n_slices);
	}
	slices_clear(&s);
	free(rows);
	tally_clear(&t);
	return rc;
}
