/* SPDX-License-Identifier: BSD-2-Clause */
/* Columns for people:
 *
 *     python3 (4711): functions, most self time first
 *     2026-03-01 03:12:00 UTC · 60.00 s · 5,922 samples · 0 lost · 0 truncated · failed: 0
 *
 *      SELF        TOTAL        SAMPLES  FUNCTION    FILE:LINE          KIND
 *     41.2% ±1.3   98.0% ±0.4     2,440  Worker.run  /app/worker.py:31  python
 *
 * What is too wide for the reader's terminal loses first its kind, then its place, samples and
 * total; names and places are cut before that. */
#include "render/table_layout.h"

#include <stdio.h>
#include <string.h>

#include "render/quality.h"
#include "render/text.h"

/* ---- lines -------------------------------------------------------------------------------------
 */

#define BOLD "1"
#define DIM  "2"

/* Parameters of SGR (ECMA-48, 8.3.117): close to the colours of the flamegraph. */
static const char *colour_of(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_PYTHON:
		return "33";
	case FRAME_NATIVE:
		return "31";
	case FRAME_INLINED:
		return "35";
	case FRAME_JIT:
		return "32";
	case FRAME_KERNEL:
		return "36";
	case FRAME_NOTE:
		return DIM;
	default:
		return "";
	}
}

static void colour_on(const struct layout *l, const char *sgr, struct buf *out)
{
	if (l->style->colours && *sgr)
		buf_printf(out, "\x1b[%sm", sgr);
}

static void colour_off(const struct layout *l, const char *sgr, struct buf *out)
{
	if (l->style->colours && *sgr)
		buf_puts(out, "\x1b[0m");
}

static void put_blanks(struct buf *out, unsigned n)
{
	while (n--)
		buf_putc(out, ' ');
}

/* Right-aligned, `gap` blanks before it; nothing where the column is left out. */
static void put_number(struct buf *out, const char *s, unsigned gap, unsigned columns)
{
	if (!columns)
		return;
	put_blanks(out, gap + columns - narrower(columns, layout_columns(s)));
	buf_puts(out, s);
}

static void put_numbers(const struct layout *l, const struct numbers *n, struct buf *out)
{
	put_number(out, n->self, 0, l->self);
	colour_on(l, DIM, out);
	put_number(out, n->self_error, 1, l->self_error);
	colour_off(l, DIM, out);
	put_number(out, n->total, 2, l->total);
	colour_on(l, DIM, out);
	put_number(out, n->total_error, 1, l->total_error);
	colour_off(l, DIM, out);
	put_number(out, n->samples, 2, l->samples);
}

/* Fills a cell up that others follow. */
static unsigned missing(const struct layout *l, unsigned column, unsigned used)
{
	unsigned width = l->style->columns ? column : narrower(column, PAD_MAX);

	return width - narrower(width, used) + 2;
}

/* What stands behind the numbers of a line. */
struct texts {
	const char *name, *where, *kind, *colour;
	bool name_is_path, where_is_path; /* cut at the front */
};

static unsigned put_cell(struct buf *out, const char *s, bool is_path, unsigned columns)
{
	return is_path ? cell_put_end(out, s, columns) : cell_put(out, s, columns);
}

/* No line ends in blanks. */
static void put_texts(const struct layout *l, const struct texts *t, struct buf *out)
{
	bool open = !l->style->columns;
	unsigned used, blanks;

	buf_puts(out, "  ");
	colour_on(l, t->colour, out);
	used = put_cell(out, t->name, t->name_is_path, open ? COLUMNS_MAX : l->name);
	colour_off(l, t->colour, out);
	blanks = missing(l, l->name, used);
	if (l->where && *t->where) {
		put_blanks(out, blanks);
		used = put_cell(out, t->where, t->where_is_path, open ? COLUMNS_MAX : l->where);
		blanks = missing(l, l->where, used);
	} else if (l->where) {
		blanks += missing(l, l->where, 0);
	}
	if (l->kind) {
		put_blanks(out, blanks);
		buf_puts(out, t->kind);
	}
}

static void put_titles(const struct layout *l, struct buf *out)
{
	const struct texts texts = {layout_title(l->r->by), "FILE:LINE", "KIND", "", false, false};

	colour_on(l, BOLD, out);
	put_number(out, layout_is_by_root(l) ? "SHARE" : "SELF", 0, l->self);
	put_number(out, "", 1, l->self_error);
	put_number(out, "TOTAL", 2, l->total);
	put_number(out, "", 1, l->total_error);
	put_number(out, "SAMPLES", 2, l->samples);
	put_texts(l, &texts, out);
	colour_off(l, BOLD, out);
	buf_putc(out, '\n');
}

static void put_rows(const struct layout *l, struct buf *scratch, struct buf *out)
{
	for (size_t i = 0; i < l->r->n_rows && !buf_failed(out); i++) {
		const struct report_row *row = &l->r->rows[i];
		const struct texts texts = {row->name, layout_where(row, scratch),
			frame_kind_name(row->kind), colour_of(row->kind),
			l->r->by == REPORT_MODULE && row->kind == FRAME_PYTHON, *row->file != 0};
		struct numbers n;

		layout_numbers(l, row, &n);
		put_numbers(l, &n, out);
		put_texts(l, &texts, out);
		buf_putc(out, '\n');
	}
}

/* ---- what stands above and below ---------------------------------------------------------------
 */

static void put_line(const struct layout *l, const char *text, const char *sgr, struct buf *out)
{
	colour_on(l, sgr, out);
	cell_put(out, text, layout_limit(l));
	colour_off(l, sgr, out);
	buf_putc(out, '\n');
}

static void put_subject(const struct layout *l, const struct profile *p, struct buf *out)
{
	struct buf line;

	buf_init(&line, FACTS_BYTES);
	if (p->title && *p->title) {
		buf_add(&line, p->title, strnlen(p->title, FACTS_BYTES / 2));
		buf_puts(&line, ": ");
	}
	buf_puts(&line, layout_many(l->r->by));
	if (layout_is_by_root(l))
		buf_puts(&line, ", busiest first");
	else
		buf_printf(&line, ", most %s time first",
			l->r->sort == REPORT_SELF ? "self" : "total");
	put_line(l, line.data ? line.data : "", BOLD, out);
	buf_free(&line);
}

/* Our own words, on as many lines as they need. */
static void put_wrapped(const struct layout *l, char *text, struct buf *out)
{
	while (layout_columns(text) > layout_limit(l)) {
		char *cut = text + layout_limit(l); /* a column is a byte or more */

		while (cut > text && *cut != ' ')
			cut--;
		if (cut == text)
			break;
		*cut = '\0';
		put_line(l, text, DIM, out);
		text = cut + 1;
	}
	put_line(l, text, DIM, out);
}

/* The facts on as few lines as the width allows, each in one piece if it can be. */
static void put_facts(const struct layout *l, const struct profile *p, struct buf *out)
{
	struct buf facts, line;

	buf_init(&facts, FACTS_BYTES);
	buf_init(&line, FACTS_BYTES);
	quality_counts_write(p, &facts);
	for (char *s = facts.data, *end; s && (end = strchr(s, '\n')); s = end + 1) {
		*end = '\0';
		if (line.len &&
			layout_columns(line.data) + 3 + layout_columns(s) > layout_limit(l)) {
			put_wrapped(l, line.data, out);
			buf_reset(&line);
		}
		if (line.len)
			buf_puts(&line, " \u00b7 ");
		buf_puts(&line, s);
	}
	if (line.len)
		put_wrapped(l, line.data, out);
	buf_free(&facts);
	buf_free(&line);
}

static void put_limit(const struct layout *l, struct buf *out)
{
	struct buf line;

	if (l->r->n_rows == l->r->n_all)
		return;
	buf_init(&line, FACTS_BYTES);
	text_count(&line, l->r->n_rows);
	buf_puts(&line, " of ");
	text_count(&line, l->r->n_all);
	buf_printf(&line, " %s; --limit 0 shows all", layout_many(l->r->by));
	if (line.data)
		put_wrapped(l, line.data, out);
	buf_free(&line);
}

static void put_footer(const struct layout *l, struct buf *out)
{
	char text[100];

	buf_putc(out, '\n');
	put_limit(l, out);
	if (l->r->has_errors)
		snprintf(text, sizeof(text),
			"\u00b1 is half the 95 %% interval, as the shares vary over time");
	else
		snprintf(text, sizeof(text),
			"no error bars: samples in fewer than %d spans of time", REPORT_SLICES_MIN);
	put_wrapped(l, text, out);
}

static void put_nothing(const struct layout *l, struct buf *out)
{
	char text[100];

	if (l->r->samples)
		snprintf(text, sizeof(text), "no %s are known in these samples",
			layout_many(l->r->by));
	else
		snprintf(text, sizeof(text), "no samples: nothing ran on a CPU in this time");
	put_wrapped(l, text, out);
}

int table_render_text(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err)
{
	struct layout l = {.r = r, .style = style};
	struct buf scratch;

	buf_init(&scratch, WHERE_BYTES + 1);
	put_subject(&l, p, out);
	put_facts(&l, p, out);
	buf_putc(out, '\n');
	if (r->n_rows) {
		layout_make(&l, &scratch);
		put_titles(&l, out);
		put_rows(&l, &scratch, out);
		put_footer(&l, out);
	} else {
		put_nothing(&l, out);
	}
	buf_free(&scratch);
	return text_result(out, err);
}
