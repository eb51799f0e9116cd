/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/table_layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/text.h"

enum {
	PAD_MAX = 64,  /* to which cells are filled up without a limit: a longer one moves only its
			  own line */
	NAME_MIN = 16, /* columns below which others are left out, so that this one gets them */
	WHERE_MIN = 16,
	WHERE_TITLE = 9, /* "FILE:LINE" */
	WHERE_BYTES = 16384,
	LEAVES_MAX = 2, /* of struct layout_column */
};

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

const char *layout_one(enum report_by by)
{
	return report_by_name(by);
}

/* ---- texts of numbers --------------------------------------------------------------------------
 */

void layout_share(char *to, double share, int digits)
{
	double step = digits == 1 ? 0.1 : 0.01;

	if (share > 0 && 100 * share < step / 2)
		snprintf(to, NUMBER_BYTES, "<%.*f%%", digits, step);
	else
		snprintf(to, NUMBER_BYTES, "%.*f%%", digits, 100 * share);
}

void layout_error(char *to, double error, int digits)
{
	double scale = digits == 1 ? 10 : 100;

	to[0] = '\0';
	if (error >= 0)
		snprintf(to, NUMBER_BYTES, "\u00b1%.*f", digits,
			ceil(100 * error * scale - 1e-6) / scale);
}

void layout_count(char *to, uint64_t n)
{
	struct buf b;

	buf_init(&b, NUMBER_BYTES);
	text_count(&b, n);
	snprintf(to, NUMBER_BYTES, "%s", b.data ? b.data : "");
	buf_free(&b);
}

int layout_digits(double largest_share)
{
	return largest_share < 0.1 ? 2 : 1;
}

/* ---- widths ------------------------------------------------------------------------------------
 */

static unsigned columns_of(const char *s)
{
	return cell_width(s, COLUMNS_MAX);
}

static unsigned limit_of(const struct table_style *style)
{
	return style->columns ? wider(style->columns, COLUMNS_MIN) : COLUMNS_MAX;
}

/* "file:line", or the module where there is no file. Holds until the next call. */
static const char *where_of(struct layout *l, const struct layout_cells *c)
{
	struct buf *b = &l->where_text;

	buf_reset(b);
	if (!*c->file) {
		buf_add(b, c->module, strnlen(c->module, WHERE_BYTES - 1));
	} else {
		buf_add(b, c->file, strnlen(c->file, WHERE_BYTES - 64));
		if (c->line)
			buf_printf(b, ":%u", c->line);
	}
	return b->data ? b->data : "";
}

/* The columns that the rows would like to have. */
static void measure(struct layout *l)
{
	enum frame_kind first = FRAME_ROOT;
	struct layout_cells c;
	bool mixed = false;

	for (size_t i = 0; i < l->n_rows; i++) {
		l->cells(l, i, &c);
		if (!i)
			first = c.kind;
		for (int k = 0; k < LAYOUT_NUMBERS; k++)
			if (l->numbers[k].title)
				l->numbers[k].width =
					wider(l->numbers[k].width, columns_of(c.numbers[k]));
		l->name = wider(l->name, columns_of(c.name));
		l->where = wider(l->where, columns_of(where_of(l, &c)));
		l->kind = wider(l->kind, columns_of(frame_kind_name(c.kind)));
		mixed |= c.kind != first;
	}
	if (!mixed)
		l->kind = 0;
}

/* No column that is there is narrower than its title. */
static void add_titles(struct layout *l)
{
	for (int k = 0; k < LAYOUT_NUMBERS; k++) {
		struct layout_column *column = &l->numbers[k];

		if (column->title && (column->width || column->least))
			column->width = wider(
				column->width, wider(column->least, columns_of(column->title)));
	}
	l->name = wider(l->name, columns_of(l->title));
	l->where = l->where ? wider(l->where, WHERE_TITLE) : 0;
}

static unsigned with_gap(unsigned width, unsigned gap)
{
	return width ? width + gap : 0;
}

/* What the numbers and the kind take. */
static unsigned fixed(const struct layout *l)
{
	unsigned sum = with_gap(l->kind, 2) + 2;

	for (int k = 0; k < LAYOUT_NUMBERS; k++)
		sum += with_gap(l->numbers[k].width, l->numbers[k].gap);
	return sum;
}

/* Names and places may be cut, but not to less than says something. */
static unsigned least(const struct layout *l)
{
	return fixed(l) + narrower(l->name, NAME_MIN) + with_gap(narrower(l->where, WHERE_MIN), 2);
}

static void leave_out(struct layout *l, unsigned columns)
{
	if (least(l) > columns)
		l->kind = 0;
	if (least(l) > columns)
		l->where = 0;
	for (unsigned leaves = 1; leaves <= LEAVES_MAX && least(l) > columns; leaves++)
		for (int k = 0; k < LAYOUT_NUMBERS; k++)
			if (l->numbers[k].leaves == leaves)
				l->numbers[k].width = 0;
}

static void fit(struct layout *l, unsigned columns)
{
	unsigned rest;

	leave_out(l, columns);
	rest = columns - narrower(columns, fixed(l));
	if (l->where && l->name + 2 + l->where > rest) {
		/* A name says more than a place, but two fifths show what file it is. */
		unsigned where = wider(WHERE_MIN, rest * 2 / 5);

		where = wider(where, rest - narrower(rest, l->name + 2));
		l->where = narrower(l->where, where);
	}
	l->name = narrower(l->name, wider(1, rest - narrower(rest, with_gap(l->where, 2))));
}

void layout_make(struct layout *l)
{
	buf_init(&l->where_text, WHERE_BYTES + 1);
	measure(l);
	add_titles(l);
	if (l->style->columns)
		fit(l, limit_of(l->style));
}

void layout_free(struct layout *l)
{
	buf_free(&l->where_text);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

/* Close to the colours of the flamegraph. */
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
		return LAYOUT_DIM;
	default:
		return "";
	}
}

static void colour_on(const struct table_style *style, const char *sgr, struct buf *out)
{
	if (style->colours && *sgr)
		buf_printf(out, "\x1b[%sm", sgr);
}

static void colour_off(const struct table_style *style, const char *sgr, struct buf *out)
{
	if (style->colours && *sgr)
		buf_puts(out, "\x1b[0m");
}

static void put_blanks(struct buf *out, unsigned n)
{
	while (n--)
		buf_putc(out, ' ');
}

/* Fills a cell up that others follow. */
static unsigned missing(const struct layout *l, unsigned column, unsigned used)
{
	unsigned width = l->style->columns ? column : narrower(column, PAD_MAX);

	return width - narrower(width, used) + 2;
}

/* `line_colour`: one that is on already, so that none is turned on within. */
static void put_numbers(
	const struct layout *l, const char *const *numbers, bool line_colour, struct buf *out)
{
	for (int k = 0; k < LAYOUT_NUMBERS; k++) {
		const struct layout_column *column = &l->numbers[k];
		const char *sgr = column->dim && !line_colour ? LAYOUT_DIM : "";

		if (!column->width)
			continue;
		colour_on(l->style, sgr, out);
		put_blanks(out, column->gap + column->width -
					narrower(column->width, columns_of(numbers[k])));
		buf_puts(out, numbers[k]);
		colour_off(l->style, sgr, out);
	}
}

static unsigned put_cell(struct buf *out, const char *s, bool is_path, unsigned columns)
{
	return is_path ? cell_put_end(out, s, columns) : cell_put(out, s, columns);
}

/* What stands behind the numbers of a line. */
struct texts {
	const char *name, *where, *kind, *colour;
	bool name_is_path, where_is_path; /* cut at the front */
};

/* No line ends in blanks. */
static void put_texts(const struct layout *l, const struct texts *t, struct buf *out)
{
	bool open = !l->style->columns;
	unsigned used, blanks;

	buf_puts(out, "  ");
	colour_on(l->style, t->colour, out);
	used = put_cell(out, t->name, t->name_is_path, open ? COLUMNS_MAX : l->name);
	colour_off(l->style, t->colour, out);
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

void layout_put_titles(const struct layout *l, struct buf *out)
{
	const struct texts texts = {l->title, "FILE:LINE", "KIND", "", false, false};
	const char *titles[LAYOUT_NUMBERS];

	for (int k = 0; k < LAYOUT_NUMBERS; k++)
		titles[k] = l->numbers[k].title;
	colour_on(l->style, LAYOUT_BOLD, out);
	put_numbers(l, titles, true, out);
	put_texts(l, &texts, out);
	colour_off(l->style, LAYOUT_BOLD, out);
	buf_putc(out, '\n');
}

static void put_row(struct layout *l, size_t i, struct buf *out)
{
	const char *numbers[LAYOUT_NUMBERS];
	struct layout_cells c;
	struct texts texts;

	l->cells(l, i, &c);
	for (int k = 0; k < LAYOUT_NUMBERS; k++)
		numbers[k] = c.numbers[k];
	texts = (struct texts){c.name, where_of(l, &c), frame_kind_name(c.kind),
		*c.colour ? "" : colour_of(c.kind), c.name_is_path, *c.file != 0};
	colour_on(l->style, c.colour, out);
	put_numbers(l, numbers, *c.colour, out);
	put_texts(l, &texts, out);
	colour_off(l->style, c.colour, out);
	buf_putc(out, '\n');
}

void layout_put_rows(struct layout *l, struct buf *out)
{
	for (size_t i = 0; i < l->n_rows && !buf_failed(out); i++)
		put_row(l, i, out);
}

/* ---- lines above and below ---------------------------------------------------------------------
 */

void layout_put_line(
	const struct table_style *style, const char *text, const char *sgr, struct buf *out)
{
	colour_on(style, sgr, out);
	cell_put(out, text, limit_of(style));
	colour_off(style, sgr, out);
	buf_putc(out, '\n');
}

void layout_put_wrapped(const struct table_style *style, char *text, struct buf *out)
{
	while (columns_of(text) > limit_of(style)) {
		char *cut = text + limit_of(style); /* a column is a byte or more */

		while (cut > text && *cut != ' ')
			cut--;
		if (cut == text)
			break;
		*cut = '\0';
		layout_put_line(style, text, LAYOUT_DIM, out);
		text = cut + 1;
	}
	layout_put_line(style, text, LAYOUT_DIM, out);
}

void layout_put_facts(const struct table_style *style, char *facts, struct buf *out)
{
	struct buf line;

	buf_init(&line, FACTS_BYTES);
	for (char *s = facts, *end; s && (end = strchr(s, '\n')); s = end + 1) {
		*end = '\0';
		if (line.len && columns_of(line.data) + 3 + columns_of(s) > limit_of(style)) {
			layout_put_wrapped(style, line.data, out);
			buf_reset(&line);
		}
		if (line.len)
			buf_puts(&line, " \u00b7 ");
		buf_puts(&line, s);
	}
	if (line.len)
		layout_put_wrapped(style, line.data, out);
	buf_free(&line);
}

void layout_put_limit(const struct table_style *style, size_t n_rows, size_t n_all,
	enum report_by by, struct buf *out)
{
	struct buf line;

	if (n_rows == n_all)
		return;
	buf_init(&line, FACTS_BYTES);
	text_count(&line, n_rows);
	buf_puts(&line, " of ");
	text_count(&line, n_all);
	buf_printf(&line, " %s; --limit 0 shows all", layout_many(by));
	if (line.data)
		layout_put_wrapped(style, line.data, out);
	buf_free(&line);
}
