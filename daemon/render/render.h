/* SPDX-License-Identifier: BSD-2-Clause */
/* Profile -> bytes. Pure: same profile, same bytes; no I/O but the sink. All names in a profile are
 * hostile and come out escaped or replaced. */
#ifndef PROFD_RENDER_RENDER_H
#define PROFD_RENDER_RENDER_H

#include "base/buf.h"
#include "base/err.h"
#include "flow/profile.h"

/* A format is a row of a table: `name` as in --format, `extension` without the dot. */
struct render_format {
	const char *name;
	const char *extension;
	const char *help;
	/* Appends the rendered profile to `out`. 0 or negative errno with a text. */
	int (*render)(const struct profile *p, struct buf *out, struct err *err);
};

/* The format of that name, or NULL. render_format_at(0), (1), ... lists them, NULL at the end;
 * the first is the default. */
const struct render_format *render_format_find(const char *name);
const struct render_format *render_format_at(size_t i);

/* A frame as the collapsed format writes it (issue text: `qualname (path:line)`, `symbol`,
 * `symbol_[k]`, ...), control characters and `;` replaced. */
int render_frame_label(const struct profile *p, const struct frame *f, struct buf *out);

struct table_style {
	unsigned columns; /* width of the reader's terminal; 0: no limit */
	bool colours;
};

/* A table format: of rows of a report instead of stacks. */
struct report;
struct table_format {
	const char *name; /* "table", "json", "csv" */
	const char *extension, *help;
	int (*render)(const struct profile *p, const struct report *r,
		const struct table_style *style, struct buf *out, struct err *err);
};
const struct table_format *table_format_find(const char *name);
const struct table_format *table_format_at(size_t i);

/* What changed between two profiles: as a table, or as a picture of both. */
struct diff;
struct diff_format {
	const char *name; /* "table", "json", "csv", "flamegraph" */
	const char *extension, *help;
	int (*render)(const struct profile *before, const struct profile *after,
		const struct diff *d, const struct table_style *style, struct buf *out,
		struct err *err);
};
const struct diff_format *diff_format_find(const char *name);
const struct diff_format *diff_format_at(size_t i);

#endif
