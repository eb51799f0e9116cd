/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/table_layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/text.h"

static const struct {
	const char *title, *many;
} words[REPORT_BYS] = {
	[REPORT_FUNCTION] = {"FUNCTION", "functions"},
	[REPORT_LINE] = {"FUNCTION", "lines"},
	[REPORT_MODULE] = {"MODULE", "modules"},
	[REPORT_PROCESS] = {"PROCESS", "processes"},
	[REPORT_THREAD] = {"THREAD", "threads"},
	[REPORT_CONTAINER] = {"CONTAINER", "containers"},
};

const char *layout_title(enum report_by by)
{
	return words[by].title;
}

const char *layout_many(enum report_by by)
{
	return words[by].many;
}

/* "41.2%"; what is there but would be rounded away is "<0.1%". */
static void share_text(char *to, double share, int digits)
{
	double step = digits == 1 ? 0.1 : 0.01;

	if (share > 0 && 100 * share < step / 2)
		snprintf(to, NUMBER_BYTES, "<%.*f%%", digits, step);
	else
		snprintf(to, NUMBER_BYTES, "%.*f%%", digits, 100 * share);
}

/* Rounded up: an error is never shown as less than it is. */
static void error_text(char *to, double error, int digits)
{
	double scale = digits == 1 ? 10 : 100;

	to[0] = '\0';
	if (error >= 0)
		snprintf(to, NUMBER_BYTES, "\u00b1%.*f", digits,
			ceil(100 * error * scale - 1e-6) / scale);
}

static void count_text(char *to, uint64_t n)
{
	struct buf b;

	buf_init(&b, NUMBER_BYTES);
	text_count(&b, n);
	snprintf(to, NUMBER_BYTES, "%s", b.data ? b.data : "");
	buf_free(&b);
}

void layout_numbers(const struct layout *l, const struct report_row *row, struct numbers *n)
{
	bool by_self = l->r->sort == REPORT_SELF;

	share_text(n->self, row->self, l->self_digits);
	error_text(n->self_error, row->self_error, l->self_digits);
	share_text(n->total, row->total, l->total_digits);
	error_text(n->total_error, row->total_error, l->total_digits);
	count_text(n->samples, by_self ? row->self_samples : row->total_samples);
}

const char *layout_where(const struct report_row *row, struct buf *b)
{
	buf_reset(b);
	if (!*row->file) {
		buf_add(b, row->module, strnlen(row->module, WHERE_BYTES - 1));
	} else {
		buf_add(b, row->file, strnlen(row->file, WHERE_BYTES - 64));
		if (row->line)
			buf_printf(b, ":%u", row->line);
	}
	return b->data ? b->data : "";
}

unsigned layout_columns(const char *s)
{
	return cell_width(s, COLUMNS_MAX);
}

unsigned layout_limit(const struct layout *l)
{
	return l->style->columns ? wider(l->style->columns, COLUMNS_MIN) : COLUMNS_MAX;
}

/* Two digits where one would make all shares look alike. */
static void layout_choose_digits(struct layout *l)
{
	double self = 0, total = 0;

	for (size_t i = 0; i < l->r->n_rows; i++) {
		self = fmax(self, l->r->rows[i].self);
		total = fmax(total, l->r->rows[i].total);
	}
	l->self_digits = self < 0.1 ? 2 : 1;
	l->total_digits = total < 0.1 ? 2 : 1;
}

/* The columns that the rows would like to have. */
static void layout_measure(struct layout *l, struct buf *b)
{
	const struct report_row *rows = l->r->rows;
	bool mixed = false;
	struct numbers n;

	for (size_t i = 0; i < l->r->n_rows; i++) {
		layout_numbers(l, &rows[i], &n);
		l->self = wider(l->self, layout_columns(n.self));
		l->self_error = wider(l->self_error, layout_columns(n.self_error));
		l->total = wider(l->total, layout_columns(n.total));
		l->total_error = wider(l->total_error, layout_columns(n.total_error));
		l->samples = wider(l->samples, layout_columns(n.samples));
		l->name = wider(l->name, layout_columns(rows[i].name));
		l->where = wider(l->where, layout_columns(layout_where(&rows[i], b)));
		l->kind = wider(l->kind, layout_columns(frame_kind_name(rows[i].kind)));
		mixed |= rows[i].kind != rows[0].kind;
	}
	if (!mixed)
		l->kind = 0;
	if (layout_is_by_root(l))
		l->total = l->total_error = 0;
}

/* No column that is there is narrower than its title. */
static void layout_add_titles(struct layout *l)
{
	l->self = wider(l->self, 5);
	l->total = l->total ? wider(l->total, 5) : 0;
	l->samples = wider(l->samples, 7);
	l->name = wider(l->name, layout_columns(layout_title(l->r->by)));
	l->where = l->where ? wider(l->where, 9) : 0;
}

static unsigned with_gap(unsigned width, unsigned gap)
{
	return width ? width + gap : 0;
}

/* What the numbers and the kind take. */
static unsigned layout_fixed(const struct layout *l)
{
	return l->self + with_gap(l->self_error, 1) + with_gap(l->total, 2) +
	       with_gap(l->total_error, 1) + with_gap(l->samples, 2) + with_gap(l->kind, 2) + 2;
}

/* Names and places may be cut, but not to less than says something. */
static unsigned layout_least(const struct layout *l)
{
	return layout_fixed(l) + narrower(l->name, NAME_MIN) +
	       with_gap(narrower(l->where, WHERE_MIN), 2);
}

static void layout_fit(struct layout *l, unsigned columns)
{
	unsigned rest;

	if (layout_least(l) > columns)
		l->kind = 0;
	if (layout_least(l) > columns)
		l->where = 0;
	if (layout_least(l) > columns)
		l->samples = 0;
	if (layout_least(l) > columns)
		l->total = l->total_error = 0;
	rest = columns - narrower(columns, layout_fixed(l));
	if (l->where && l->name + 2 + l->where > rest) {
		/* A name says more than a place, but two fifths show what file it is. */
		unsigned where = wider(WHERE_MIN, rest * 2 / 5);

		where = wider(where, rest - narrower(rest, l->name + 2));
		l->where = narrower(l->where, where);
	}
	l->name = narrower(l->name, wider(1, rest - narrower(rest, with_gap(l->where, 2))));
}

void layout_make(struct layout *l, struct buf *b)
{
	layout_choose_digits(l);
	layout_measure(l, b);
	layout_add_titles(l);
	if (l->style->columns)
		layout_fit(l, layout_limit(l));
}
