/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of reports share: rows by their names, profiles with slices. */
#ifndef PROFD_TESTS_REPORT_ROWS_H
#define PROFD_TESTS_REPORT_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/analyze.h"

enum { PERIOD_NS = 10000000 };

static inline const struct report_row *find(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->n_rows; i++)
		if (!strcmp(r->rows[i].name, name))
			return &r->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

/* Puts the counts of one more slice behind those that are there: of the nodes 0 to n - 1. */
static inline void add_slice(struct profile *p, const uint32_t *samples, uint32_t n)
{
	struct profile_slice slice = {.first = p->n_counts};

	p->slices = realloc(p->slices, (p->n_slices + 1) * sizeof(*p->slices));
	p->counts = realloc(p->counts, (p->n_counts + n + 1) * sizeof(*p->counts));
	assert_true(p->slices && p->counts);
	for (uint32_t i = 0; i < n; i++)
		if (samples[i])
			p->counts[p->n_counts++] = (struct profile_count){i, samples[i]};
	slice.n = p->n_counts - slice.first;
	p->slices[p->n_slices++] = slice;
}

#endif
