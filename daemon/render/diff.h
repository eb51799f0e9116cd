/* SPDX-License-Identifier: BSD-2-Clause */
/* Inner: one function per format of what changed, and what they say alike. The table of formats is
 * in diff.c. */
#ifndef PROFD_RENDER_DIFF_H
#define PROFD_RENDER_DIFF_H

#include "analyze/analyze.h"
#include "render/render.h"

/* Contract: struct diff_format.render. */
int diff_render_text(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err);
int diff_render_json(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err);
int diff_render_csv(const struct profile *before, const struct profile *after, const struct diff *d,
	const struct table_style *style, struct buf *out, struct err *err);
int diff_render_flamegraph(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err);

/* The share that the order goes by, and the other one. */
static inline const struct diff_share *diff_sorted(const struct diff *d, const struct diff_row *row)
{
	return d->sort == REPORT_SELF ? &row->self : &row->total;
}

static inline const struct diff_share *diff_other(const struct diff *d, const struct diff_row *row)
{
	return d->sort == REPORT_SELF ? &row->total : &row->self;
}

/* Whether low and high are an interval. */
bool diff_has_interval(const struct diff_share *s);

const char *diff_verdict_name(enum diff_verdict verdict); /* as in the protocol: "same", ... */

/* "TITLE -> TITLE" of the two sides, with an arrow; hostile as they are. */
void diff_title_put(const struct profile *before, const struct profile *after, struct buf *out);

/* "3 functions changed: 2 grew, 1 shrank" */
void diff_verdict_put(const struct diff *d, struct buf *out);

/* How small a change would have been found; nothing where that is not known. */
void diff_detectable_put(const struct diff *d, struct buf *out);

#endif
