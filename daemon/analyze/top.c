/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/analyze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/tally.h"

static bool is_hot(const struct tally_row *row)
{
	return (row->self_samples || row->self_weight_ns) && row->kind != FRAME_NOTE;
}

/* Keeps the best `n` in order by insertion: n is small (a handful of rows), functions are many. */
static size_t select_hottest(const struct tally *t, size_t n, uint32_t *best)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < t->n_rows; i++) {
		size_t at = kept;

		if (!is_hot(&t->rows[i]))
			continue;
		while (at && tally_compare(t, REPORT_SELF, i, best[at - 1]) < 0)
			at--;
		if (at == n)
			continue;
		if (kept < n)
			kept++;
		memmove(&best[at + 1], &best[at], (kept - at - 1) * sizeof(*best));
		best[at] = i;
	}
	return kept;
}

static void fill_row(struct top_row *out, const struct tally_row *row, uint64_t whole_ns)
{
	*out = (struct top_row){
		.frame = row->frame,
		.self_samples = row->self_samples,
		.total_samples = row->total_samples,
		.self_weight_ns = row->self_weight_ns,
		.total_weight_ns = row->total_weight_ns,
		.self = whole_ns ? (double)row->self_weight_ns / (double)whole_ns : 0,
		.total = whole_ns ? (double)row->total_weight_ns / (double)whole_ns : 0,
	};
}

int analyze_top(const struct profile *p, size_t n, struct top_row *rows, size_t *n_rows)
{
	struct tally t;
	uint32_t *best;
	int rc;

	*n_rows = 0;
	if (!n || !p->n_frames)
		return 0;
	best = calloc(n, sizeof(*best));
	if (!best)
		return -ENOMEM;
	rc = tally_make(&t, p, REPORT_FUNCTION);
	if (rc == 0) {
		*n_rows = select_hottest(&t, n, best);
		for (size_t i = 0; i < *n_rows; i++)
			fill_row(&rows[i], &t.rows[best[i]], t.weight_ns);
	}
	tally_clear(&t);
	free(best);
	return rc;
}
