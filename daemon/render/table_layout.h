/* SPDX-License-Identifier: BSD-2-Clause */
/* Which columns a table has and how wide they are, and the texts of its numbers. */
#ifndef PROFD_RENDER_TABLE_LAYOUT_H
#define PROFD_RENDER_TABLE_LAYOUT_H

#include "render/table.h"

enum {
	COLUMNS_MIN = 24,   /* the narrowest table; a narrower terminal gets this one */
	COLUMNS_MAX = 4096, /* of one cell, where nothing else limits it */
	PAD_MAX = 64, /* to which cells are filled up there: a longer one moves only its own line */
	NAME_MIN = 16, /* columns below which others are left out, so that this one gets them */
	WHERE_MIN = 16,
	WHERE_BYTES = 16384,
	FACTS_BYTES = 16384,
	NUMBER_BYTES = 32,
};

/* What a row shows in its columns of numbers. */
struct numbers {
	char self[NUMBER_BYTES], self_error[NUMBER_BYTES];
	char total[NUMBER_BYTES], total_error[NUMBER_BYTES];
	char samples[NUMBER_BYTES];
};

/* Widths are columns; 0 is a column that is left out. Errors stand one blank behind their share,
 * all others two behind what is before them. */
struct layout {
	const struct report *r;
	const struct table_style *style;
	int self_digits, total_digits; /* behind the point */
	unsigned self, self_error, total, total_error, samples, name, where, kind;
};

static inline unsigned wider(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static inline unsigned narrower(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* For those self and total are one. */
static inline bool layout_is_by_root(const struct layout *l)
{
	return l->r->by == REPORT_PROCESS || l->r->by == REPORT_THREAD ||
	       l->r->by == REPORT_CONTAINER;
}

unsigned layout_columns(const char *s);        /* of a text, at most COLUMNS_MAX */
unsigned layout_limit(const struct layout *l); /* columns that a line may have */

/* By `l->r` and `l->style`. `scratch` is for layout_where(). */
void layout_make(struct layout *l, struct buf *scratch);
void layout_numbers(const struct layout *l, const struct report_row *row, struct numbers *n);

/* "file:line", or the module where there is no file. Holds until the next call with `scratch`,
 * which has room for WHERE_BYTES. */
const char *layout_where(const struct report_row *row, struct buf *scratch);

const char *layout_title(enum report_by by); /* "FUNCTION" */
const char *layout_many(enum report_by by);  /* "functions" */

#endif
