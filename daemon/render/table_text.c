/* SPDX-License-Identifier: BSD-2-Clause */
/* Columns for people:
 *
 *     python3 (4711): functions, most self time first
 *     2026-03-01 03:12:00 UTC · 60.00 s · 5,922 samples · 0 lost · 0 truncated · failed: 0
 *
 *      SELF        TOTAL        SAMPLES  FUNCTION    FILE:LINE          KIND
 *     41.2% ±1.3   98.0% ±0.4     2,440  Worker.run  /app/worker.py:31  python
 *
 * Errors stand one blank behind their share. */
#include "render/table_layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/quality.h"
#include "render/text.h"

/* The columns of numbers. */
enum { SELF, SELF_ERROR, TOTAL, TOTAL_ERROR, SAMPLES };

struct text_table {
	const struct report *r;
	int self_digits, total_digits; /* behind the point */
};

/* For those self and total are one. */
static bool is_by_root(const struct report *r)
{
	return r->by == REPORT_PROCESS || r->by == REPORT_THREAD || r->by == REPORT_CONTAINER;
}

static void cells(const struct layout *l, size_t i, struct layout_cells *c)
{
	const struct text_table *t = l->of;
	const struct report_row *row = &t->r->rows[i];
	bool by_self = t->r->sort == REPORT_SELF;

	*c = (struct layout_cells){
		.name = row->name,
		.file = row->file,
		.module = row->module,
		.line = row->line,
		.kind = row->kind,
		.name_is_path = t->r->by == REPORT_MODULE && row->kind == FRAME_PYTHON,
		.colour = "",
	};
	layout_share(c->numbers[SELF], row->self, t->self_digits);
	layout_error(c->numbers[SELF_ERROR], row->self_error, t->self_digits);
	layout_share(c->numbers[TOTAL], row->total, t->total_digits);
	layout_error(c->numbers[TOTAL_ERROR], row->total_error, t->total_digits);
	layout_count(c->numbers[SAMPLES], by_self ? row->self_samples : row->total_samples);
}

static void choose_digits(struct text_table *t)
{
	double self = 0, total = 0;

	for (size_t i = 0; i < t->r->n_rows; i++) {
		self = fmax(self, t->r->rows[i].self);
		total = fmax(total, t->r->rows[i].total);
	}
	t->self_digits = layout_digits(self);
	t->total_digits = layout_digits(total);
}

static void put_table(const struct report *r, const struct table_style *style, struct buf *out)
{
	struct text_table t = {.r = r};
	bool by_root = is_by_root(r);
	struct layout l = {
		.style = style,
		.numbers =
			{
				[SELF] = {by_root ? "SHARE" : "SELF", 5, 0, 0, false, 0},
				[SELF_ERROR] = {"", 0, 1, 0, true, 0},
				[TOTAL] = {by_root ? NULL : "TOTAL", 5, 2, 2, false, 0},
				[TOTAL_ERROR] = {by_root ? NULL : "", 0, 1, 2, true, 0},
				[SAMPLES] = {"SAMPLES", 7, 2, 1, false, 0},
			},
		.title = layout_title(r->by),
		.n_rows = r->n_rows,
		.cells = cells,
		.of = &t,
	};

	choose_digits(&t);
	layout_make(&l);
	layout_put_titles(&l, out);
	layout_put_rows(&l, out);
	layout_free(&l);
}

/* ---- what stands above and below ---------------------------------------------------------------
 */

static void put_subject(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out)
{
	struct buf line;

	buf_init(&line, FACTS_BYTES);
	if (p->title && *p->title) {
		buf_add(&line, p->title, strnlen(p->title, FACTS_BYTES / 2));
		buf_puts(&line, ": ");
	}
	buf_puts(&line, layout_many(r->by));
	if (is_by_root(r))
		buf_puts(&line, ", busiest first");
	else
		buf_printf(
			&line, ", most %s time first", r->sort == REPORT_SELF ? "self" : "total");
	layout_put_line(style, line.data ? line.data : "", LAYOUT_BOLD, out);
	buf_free(&line);
}

static void put_facts(const struct profile *p, const struct table_style *style, struct buf *out)
{
	struct buf facts;

	buf_init(&facts, FACTS_BYTES);
	quality_counts_write(p, &facts);
	layout_put_facts(style, facts.data, out);
	buf_free(&facts);
}

static void put_footer(const struct report *r, const struct table_style *style, struct buf *out)
{
	char text[100];

	buf_putc(out, '\n');
	layout_put_limit(style, r->n_rows, r->n_all, r->by, out);
	if (r->has_errors)
		snprintf(text, sizeof(text),
			"\u00b1 is half the 95 %% interval, as the shares vary over time");
	else
		snprintf(text, sizeof(text),
			"no error bars: samples in fewer than %d spans of time", REPORT_SLICES_MIN);
	layout_put_wrapped(style, text, out);
}

static void put_nothing(const struct report *r, const struct table_style *style, struct buf *out)
{
	char text[100];

	if (r->samples)
		snprintf(
			text, sizeof(text), "no %s are known in these samples", layout_many(r->by));
	else
		snprintf(text, sizeof(text), "no samples: nothing ran on a CPU in this time");
	layout_put_wrapped(style, text, out);
}

int table_render_text(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err)
{
	put_subject(p, r, style, out);
	put_facts(p, style, out);
	buf_putc(out, '\n');
	if (r->n_rows) {
		put_table(r, style, out);
		put_footer(r, style, out);
	} else {
		put_nothing(r, style, out);
	}
	return text_result(out, err);
}
