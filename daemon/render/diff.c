/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/diff.h"

#include <string.h>

#include "render/table_layout.h"
#include "render/text.h"

enum { TITLE_BYTES = 512 }; /* of one side */

static const struct diff_format formats[] = {
	{
		.name = "table",
		.extension = "txt",
		.help = "columns for people",
		.render = diff_render_text,
	},
	{
		.name = "json",
		.extension = "json",
		.help = "one JSON object on one line, with all rows and all numbers",
		.render = diff_render_json,
	},
	{
		.name = "csv",
		.extension = "csv",
		.help = "a header and one line per row, for spreadsheets",
		.render = diff_render_csv,
	},
	{
		.name = "flamegraph",
		.extension = "svg",
		.help = "one SVG file for any browser: the frames of both sides, red grew, blue shrank",
		.render = diff_render_flamegraph,
	},
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

const struct diff_format *diff_format_at(size_t i)
{
	return i < FORMATS ? &formats[i] : NULL;
}

const struct diff_format *diff_format_find(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

bool diff_has_interval(const struct diff_share *s)
{
	return s->low < s->high && (s->low > -1 || s->high < 1);
}

const char *diff_verdict_name(enum diff_verdict verdict)
{
	switch (verdict) {
	case DIFF_CHANGED:
		return "changed";
	case DIFF_SAME:
		return "same";
	default:
		return "not enough data";
	}
}

static void title_put(const struct profile *p, const char *nameless, struct buf *out)
{
	const char *title = p->title && *p->title ? p->title : nameless;

	buf_add(out, title, strnlen(title, TITLE_BYTES));
}

void diff_title_put(const struct profile *before, const struct profile *after, struct buf *out)
{
	title_put(before, "before", out);
	buf_puts(out, " \u2192 ");
	title_put(after, "after", out);
}

/* How many of the significant rows grew; -1 where the limit has cut some of them off. */
static long count_grown(const struct diff *d)
{
	long grown = 0;

	if (d->n_significant > d->n_rows)
		return -1;
	for (size_t i = 0; i < d->n_rows; i++) {
		const struct diff_share *s = diff_sorted(d, &d->rows[i]);

		if (!s->significant)
			s = diff_other(d, &d->rows[i]);
		grown += s->significant && s->after > s->before;
	}
	return grown;
}

void diff_verdict_put(const struct diff *d, struct buf *out)
{
	long grown = count_grown(d);

	if (d->verdict == DIFF_NOT_ENOUGH) {
		buf_printf(out, "not enough data: %s", d->why);
	} else if (d->verdict == DIFF_SAME) {
		buf_puts(out, "nothing changed that can be told from chance");
	} else {
		text_count(out, d->n_significant);
		buf_printf(out, " %s changed",
			d->n_significant == 1 ? layout_one(d->by) : layout_many(d->by));
		if (grown >= 0)
			buf_printf(out, ": %ld grew, %ld shrank", grown,
				(long)d->n_significant - grown);
	}
}

static void points_put(double share, struct buf *out)
{
	buf_printf(out, "%.*f", 100 * share < 1 ? 2 : 1, 100 * share);
}

void diff_detectable_put(const struct diff *d, struct buf *out)
{
	if (!(d->detectable >= 0) || d->detectable >= 1)
		return;
	buf_puts(out, "four of five comparisons like this one would find a change by ");
	points_put(d->detectable, out);
	buf_printf(out, " points of share in a middling %s", layout_one(d->by));
	if (d->detectable_largest >= 0 && d->detectable_largest < 1) {
		buf_puts(out, ", by ");
		points_put(d->detectable_largest, out);
		buf_puts(out, " in the largest");
	}
}
