/* SPDX-License-Identifier: BSD-2-Clause */
/* Inner: one function per format of rows; the table of them is in table.c. */
#ifndef PROFD_RENDER_TABLE_H
#define PROFD_RENDER_TABLE_H

#include <stdbool.h>

#include "analyze/analyze.h"
#include "render/render.h"

int table_render_text(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err);
int table_render_json(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err);
int table_render_csv(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err);

/* Hostile bytes as cells of a terminal: what must not reach one becomes U+FFFD, also marks without
 * end on one letter. Width in columns; counting stops above `most`. */
unsigned cell_width(const char *s, unsigned most);

/* Writes it in at most `columns`. What does not fit is cut off at the end, or at the front, where a
 * path keeps whole names if it can; an ellipsis shows it. Returns the columns it took. */
unsigned cell_put(struct buf *b, const char *s, unsigned columns);
unsigned cell_put_end(struct buf *b, const char *s, unsigned columns);

#endif
