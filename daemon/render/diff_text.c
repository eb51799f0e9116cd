/* SPDX-License-Identifier: BSD-2-Clause */
/* What changed, for people:
 *
 *     web (4711) → web (4902): functions by change of total share
 *     before: 2026-03-01 03:12:00 UTC · 60.00 s · 5,922 samples · ... · 60 windows
 *     after: 2026-03-02 03:12:00 UTC · 60.00 s · 5,871 samples · ... · 60 windows
 *
 *     BEFORE  AFTER  CHANGE          FUNCTION    FILE:LINE
 *      12.1%  15.3%   +3.20 ±1.10 *  parse       /app/parse.py:31
 *      40.0%  39.1%   -0.90 ±2.05    Worker.run  /app/worker.py:12
 *
 * In a terminal with colours red grew, blue shrank, and what may be chance is dim. */
#include "render/diff.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/quality.h"
#include "render/table_layout.h"
#include "render/text.h"

/* The columns of numbers. */
enum { BEFORE, AFTER, CHANGE, ERROR, MARK };

#define GREW   "31"
#define SHRANK "34"

struct text_table {
	const struct diff *d;
	int share_digits, change_digits; /* behind the point */
	bool marks_other; /* some row is significant by the share that is not shown alone */
};

static const uint64_t *samples_of(const struct diff *d, const struct diff_row *row)
{
	return d->sort == REPORT_SELF ? row->self_samples : row->total_samples;
}

static const char *other_mark(const struct diff *d)
{
	return d->sort == REPORT_SELF ? "t" : "s";
}

static const char *mark_of(const struct diff *d, const struct diff_row *row)
{
	if (diff_sorted(d, row)->significant)
		return "*";
	return diff_other(d, row)->significant ? other_mark(d) : "";
}

static const char *colour_of(const struct diff *d, const struct diff_row *row)
{
	const struct diff_share *s = diff_sorted(d, row);

	if (!s->significant)
		s = diff_other(d, row);
	if (!s->significant)
		return LAYOUT_DIM;
	return s->after > s->before ? GREW : SHRANK;
}

/* "-": the function is not there at all. */
static void share_text(char *to, double share, uint64_t samples, int digits)
{
	if (samples)
		layout_share(to, share, digits);
	else
		snprintf(to, NUMBER_BYTES, "-");
}

static void change_text(char *to, double change, int digits)
{
	const double step = digits == 1 ? 0.1 : 0.01;

	if (fabs(100 * change) < step / 2)
		snprintf(to, NUMBER_BYTES, "%.*f", digits, 0.0);
	else
		snprintf(to, NUMBER_BYTES, "%+.*f", digits, 100 * change);
}

static void cells(const struct layout *l, size_t i, struct layout_cells *c)
{
	const struct text_table *t = l->of;
	const struct diff_row *row = &t->d->rows[i];
	const struct diff_share *s = diff_sorted(t->d, row);
	const uint64_t *samples = samples_of(t->d, row);

	*c = (struct layout_cells){
		.name = row->name,
		.file = row->file,
		.module = row->module,
		.line = row->line,
		.kind = row->kind,
		.name_is_path = t->d->by == REPORT_MODULE && row->kind == FRAME_PYTHON,
		.colour = colour_of(t->d, row),
	};
	share_text(c->numbers[BEFORE], s->before, samples[0], t->share_digits);
	share_text(c->numbers[AFTER], s->after, samples[1], t->share_digits);
	change_text(c->numbers[CHANGE], s->after - s->before, t->change_digits);
	layout_error(c->numbers[ERROR], diff_has_interval(s) ? (s->high - s->low) / 2 : -1,
		t->change_digits);
	snprintf(c->numbers[MARK], NUMBER_BYTES, "%s", mark_of(t->d, row));
}

static void look_over(struct text_table *t)
{
	double share = 0, change = 0;

	for (size_t i = 0; i < t->d->n_rows; i++) {
		const struct diff_row *row = &t->d->rows[i];
		const struct diff_share *s = diff_sorted(t->d, row);

		share = fmax(share, fmax(s->before, s->after));
		change = fmax(change, fabs(s->after - s->before));
		t->marks_other |= !s->significant && diff_other(t->d, row)->significant;
	}
	t->share_digits = layout_digits(share);
	t->change_digits = layout_digits(change);
}

static void put_table(const struct text_table *t, const struct table_style *style, struct buf *out)
{
	struct layout l = {
		.style = style,
		.numbers =
			{
				[BEFORE] = {"BEFORE", 5, 0, 2, false, 0},
				[AFTER] = {"AFTER", 5, 2, 2, false, 0},
				[CHANGE] = {"CHANGE", 6, 2, 0, false, 0},
				[ERROR] = {"", 0, 1, 1, true, 0},
				[MARK] = {"", 0, 1, 0, false, 0},
			},
		.title = layout_title(t->d->by),
		.n_rows = t->d->n_rows,
		.cells = cells,
		.of = t,
	};

	layout_make(&l);
	layout_put_titles(&l, out);
	layout_put_rows(&l, out);
	layout_free(&l);
}

/* ---- what stands above and below ---------------------------------------------------------------
 */

static void put_side(const char *word, const struct profile *p, size_t slices,
	const struct table_style *style, struct buf *out)
{
	struct buf facts;

	buf_init(&facts, FACTS_BYTES);
	buf_printf(&facts, "%s: ", word);
	quality_counts_write(p, &facts);
	text_count(&facts, slices);
	buf_puts(&facts, slices == 1 ? " window\n" : " windows\n");
	layout_put_facts(style, facts.data, out);
	buf_free(&facts);
}

static void put_head(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out)
{
	struct buf line;

	buf_init(&line, FACTS_BYTES);
	diff_title_put(before, after, &line);
	buf_printf(&line, ": %s by change of %s share", layout_many(d->by),
		d->sort == REPORT_SELF ? "self" : "total");
	layout_put_line(style, line.data ? line.data : "", LAYOUT_BOLD, out);
	buf_free(&line);
	put_side("before", before, d->slices[0], style, out);
	put_side("after", after, d->slices[1], style, out);
	buf_putc(out, '\n');
}

static void put_legend(const struct text_table *t, const struct table_style *style, struct buf *out)
{
	char text[200];

	snprintf(text, sizeof(text),
		"CHANGE is in points of share, \u00b1 half its 95 %% interval, for that %s alone",
		layout_one(t->d->by));
	layout_put_wrapped(style, text, out);
	if (t->d->verdict != DIFF_CHANGED)
		return;
	snprintf(text, sizeof(text),
		"* changed; the others may be chance, with all of them taken into account%s",
		!t->marks_other             ? ""
		: t->d->sort == REPORT_SELF ? "; t: its total share changed"
					    : "; s: its self share changed");
	layout_put_wrapped(style, text, out);
}

static void put_outcome(const struct diff *d, const struct table_style *style, struct buf *out)
{
	struct buf line;

	buf_init(&line, FACTS_BYTES);
	diff_detectable_put(d, &line);
	if (line.len)
		layout_put_wrapped(style, line.data, out);
	buf_reset(&line);
	diff_verdict_put(d, &line);
	layout_put_line(style, line.data ? line.data : "", LAYOUT_BOLD, out);
	buf_free(&line);
}

int diff_render_text(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err)
{
	struct text_table t = {.d = d};

	look_over(&t);
	put_head(before, after, d, style, out);
	if (d->n_rows) {
		put_table(&t, style, out);
		buf_putc(out, '\n');
		layout_put_limit(style, d->n_rows, d->n_all, d->by, out);
		put_legend(&t, style, out);
	}
	put_outcome(d, style, out);
	return text_result(out, err);
}
