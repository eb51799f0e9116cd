/* SPDX-License-Identifier: BSD-2-Clause */
/* The differential flamegraph: the data of BEFORE, classes, tooltips and legend. Metadata beside
 * that of data.c, numbers written as there:
 *
 *   before   per node of `nodes`: 2 * self samples + 1 where a weight follows, self weight in ns
 *   shades   per node one digit: STEPS is grey, below it less, above it more
 *   rows     per frame of `frames`: 1 + number of its row below; 0: it has none
 *   changes  per row: flags (below), then of self and total each: share before, share after, low
 *            and high of the interval. Shares in 1 / SHARE_SCALE, low and high plus SHARE_SCALE
 */
#include "render/diff_picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/diff.h"
#include "render/quality.h"
#include "render/text.h"

enum { STEPS = 3, SHARE_SCALE = 10000000, QUALITY_BYTES = 1 << 16 };

enum {
	SELF_SIGNIFICANT = 1,
	TOTAL_SIGNIFICANT = 2,
	SELF_INTERVAL = 4,
	TOTAL_INTERVAL = 8,
};

/* From which ratio on a step begins, and what is added to both shares before they are divided. */
static const double steps[STEPS] = {1.05, 1.25, 2}, damping = 0.001;

static double share_of(const struct picture *pic, const struct tree_node *node, uint64_t whole)
{
	return whole ? (double)picture_value(pic, node) / (double)whole : 0;
}

static double share_before(const struct picture *pic, uint32_t node)
{
	return share_of(pic, &pic->diff->before.nodes[node], pic->diff->total_before);
}

static double share_after(const struct picture *pic, uint32_t node)
{
	return share_of(pic, &pic->tree.nodes[node], pic->total);
}

/* NULL: the frame belongs to none. */
static const struct diff_row *row_of(const struct picture *pic, uint32_t node)
{
	uint32_t row = node ? pic->diff->row[pic->tree.nodes[node].rank] : DIFF_NO_ROW;

	return row != DIFF_NO_ROW ? &pic->diff->diff->rows[row] : NULL;
}

static bool is_significant(const struct diff_row *row)
{
	return row && (row->self.significant || row->total.significant);
}

/* 0 to 2 * STEPS. */
static unsigned shade_of(const struct picture *pic, uint32_t node)
{
	double ratio = (share_after(pic, node) + damping) / (share_before(pic, node) + damping);
	unsigned step = 0;

	if (!is_significant(row_of(pic, node)))
		return STEPS;
	while (step < STEPS && fmax(ratio, 1 / ratio) >= steps[step])
		step++;
	return ratio < 1 ? STEPS - step : STEPS + step;
}

void diff_picture_class(const struct picture *pic, uint32_t node, char *to, size_t bytes)
{
	unsigned shade = shade_of(pic, node);
	const struct frame *f = picture_frame(pic, &pic->tree.nodes[node]);

	if (shade == STEPS)
		snprintf(to, bytes, "g%u", picture_variant(text_of(pic->profile, f->name)));
	else
		snprintf(to, bytes, "c%u", shade);
}

/* ---- words -------------------------------------------------------------------------------------
 */

static void side_put(const struct picture *pic, const char *word, const struct tree_node *node,
	double share, struct buf *out)
{
	buf_printf(out, "%s %.2f %% (", word, 100 * share);
	if (pic->weighted) {
		text_time(out, node->weight_ns);
		buf_puts(out, ", ");
	}
	text_count(out, node->samples);
	buf_puts(out, node->samples == 1 ? " sample)" : " samples)");
}

void diff_picture_amount(const struct picture *pic, uint32_t node, struct buf *out)
{
	double before = share_before(pic, node), after = share_after(pic, node);
	const struct diff_row *row = row_of(pic, node);

	side_put(pic, "after", &pic->tree.nodes[node], after, out);
	side_put(pic, ", before", &pic->diff->before.nodes[node], before, out);
	buf_printf(out, ", change %+.2f points", 100 * (after - before));
	if (row)
		buf_printf(out, "; as a %s: self %+.2f%s, total %+.2f%s",
			report_by_name(pic->diff->diff->by),
			100 * (row->self.after - row->self.before),
			row->self.significant ? " (significant)" : "",
			100 * (row->total.after - row->total.before),
			row->total.significant ? " (significant)" : "");
}

static unsigned legend_item(
	struct buf *out, const char *const *classes, const char *text, unsigned x, unsigned y)
{
	for (; *classes; classes++, x += 14)
		buf_printf(out, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"12\" height=\"12\"/>",
			*classes, x, y - 10);
	buf_printf(out, "<text class=\"small\" x=\"%u\" y=\"%u\">", x + 4, y);
	text_xml(out, text);
	buf_puts(out, "</text>\n");
	return x + 4 + (unsigned)strlen(text) * 31 / 5 + 22;
}

void diff_picture_legend(const struct picture *pic, struct buf *out, unsigned x, unsigned y)
{
	char grey[80];

	snprintf(grey, sizeof(grey), "its %s did not change significantly",
		report_by_name(pic->diff->diff->by));
	x = legend_item(out, (const char *const[]){"c0", "c1", "c2", NULL},
		"shrank to half, by a fifth, a little", x, y);
	x = legend_item(out, (const char *const[]){"g1", NULL}, grey, x, y);
	x = legend_item(out, (const char *const[]){"c4", "c5", "c6", NULL},
		"grew a little, by a quarter, to double", x, y);
	legend_item(out, (const char *const[]){NULL}, "widths: after", x, y);
}

/* One line: all facts of the side with commas. */
static void side_facts(const char *word, const struct profile *p, size_t slices, struct buf *out)
{
	struct buf facts;

	buf_init(&facts, QUALITY_BYTES);
	quality_counts_write(p, &facts);
	buf_printf(out, "%s: ", word);
	for (const char *s = facts.data ? facts.data : ""; *s; s++)
		if (*s == '\n')
			buf_puts(out, ", ");
		else
			buf_putc(out, *s);
	text_count(out, slices);
	buf_puts(out, slices == 1 ? " window\n" : " windows\n");
	buf_free(&facts);
}

static void facts_put(const struct profile *before, const struct profile *after,
	const struct diff *d, bool weighted, struct buf *out)
{
	size_t len;

	side_facts("before", before, d->slices[0], out);
	side_facts("after", after, d->slices[1], out);
	diff_verdict_put(d, out);
	buf_putc(out, '\n');
	len = out->len;
	diff_detectable_put(d, out);
	if (out->len > len)
		buf_putc(out, '\n');
	buf_puts(out, weighted ? "width: share of the sampled time of a side\n"
			       : "width: share of the samples of a side\n");
	buf_puts(out, "order: by name");
}

/* ---- data --------------------------------------------------------------------------------------
 */

/* Begins another element where this one is long. */
static void chunk_next(struct buf *out, const char *name, size_t *start)
{
	if (out->len - *start <= DATA_CHUNK_BYTES)
		return;
	*start = out->len;
	buf_printf(out, "</metadata>\n<metadata class=\"%s\">", name);
}

static size_t chunk_first(struct buf *out, const char *name)
{
	size_t start = out->len;

	buf_printf(out, "<metadata class=\"%s\">", name);
	return start;
}

static void before_write(const struct picture *pic, struct buf *out)
{
	const struct tree *t = &pic->diff->before;
	size_t start = chunk_first(out, "before");

	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct tree_node *node = &t->nodes[i];

		chunk_next(out, "before", &start);
		data_number_put(out, node->self_samples << 1 | (node->self_weight_ns != 0));
		if (node->self_weight_ns)
			data_number_put(out, node->self_weight_ns);
	}
	buf_puts(out, "</metadata>\n");
}

static void shades_write(const struct picture *pic, struct buf *out)
{
	size_t start = chunk_first(out, "shades");

	for (uint32_t i = 0; i < pic->tree.n_nodes; i++) {
		chunk_next(out, "shades", &start);
		buf_putc(out, (char)('0' + (i ? shade_of(pic, i) : STEPS)));
	}
	buf_puts(out, "</metadata>\n");
}

static void rows_write(const struct picture *pic, struct buf *out)
{
	size_t start = chunk_first(out, "rows");

	for (uint32_t i = 0; i < pic->ranks.n; i++) {
		uint32_t row = pic->diff->row[i];

		chunk_next(out, "rows", &start);
		data_number_put(out, row == DIFF_NO_ROW ? 0 : (uint64_t)row + 1);
	}
	buf_puts(out, "</metadata>\n");
}

/* Of a value in -1 to 1, whatever came in. */
static uint64_t scaled(double share, double from)
{
	double value = isfinite(share) ? fmin(fmax(share, from), 1) : 0;

	return (uint64_t)llround((value - from) * SHARE_SCALE);
}

static void change_write(struct buf *out, const struct diff_share *s)
{
	data_number_put(out, scaled(s->before, 0));
	data_number_put(out, scaled(s->after, 0));
	data_number_put(out, scaled(s->low, -1));
	data_number_put(out, scaled(s->high, -1));
}

static void changes_write(const struct diff *d, struct buf *out)
{
	size_t start = chunk_first(out, "changes");

	for (size_t i = 0; i < d->n_rows; i++) {
		const struct diff_row *row = &d->rows[i];

		chunk_next(out, "changes", &start);
		data_number_put(out, (row->self.significant ? SELF_SIGNIFICANT : 0) |
					     (row->total.significant ? TOTAL_SIGNIFICANT : 0) |
					     (diff_has_interval(&row->self) ? SELF_INTERVAL : 0) |
					     (diff_has_interval(&row->total) ? TOTAL_INTERVAL : 0));
		change_write(out, &row->self);
		change_write(out, &row->total);
	}
	buf_puts(out, "</metadata>\n");
}

void diff_picture_data(const struct picture *pic, struct buf *out)
{
	buf_printf(out,
		"<metadata class=\"diff\">{\"by\":\"%s\",\"steps\":%d,\"scale\":%d}</metadata>\n",
		report_by_name(pic->diff->diff->by), STEPS, SHARE_SCALE);
	before_write(pic, out);
	shades_write(pic, out);
	rows_write(pic, out);
	changes_write(pic->diff->diff, out);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* Widths are times where every side that has samples has them with times. */
static bool is_weighted(const struct tree_node *before, const struct tree_node *after)
{
	return (before->weight_ns || after->weight_ns) && (before->weight_ns || !before->samples) &&
	       (after->weight_ns || !after->samples);
}

int diff_render_flamegraph(const struct profile *before, const struct profile *after,
	const struct diff *d, const struct table_style *style, struct buf *out, struct err *err)
{
	struct diff_tree t;
	int rc = diff_tree_make(&t, before, after, d, err);

	(void)style;
	if (!rc) {
		struct diff_picture diff = {.diff = d, .before = t.before, .row = t.row};
		struct picture pic = {
			.profile = &t.joined,
			.ranks = t.ranks,
			.tree = t.after,
			.weighted = is_weighted(&t.before.nodes[0], &t.after.nodes[0]),
			.diff = &diff,
		};

		pic.total = picture_value(&pic, &t.after.nodes[0]);
		diff.total_before = picture_value(&pic, &t.before.nodes[0]);
		buf_init(&pic.quality, QUALITY_BYTES);
		facts_put(before, after, d, pic.weighted, &pic.quality);
		rc = text_result(&pic.quality, err);
		if (!rc)
			rc = picture_write(&pic, out, err);
		buf_free(&pic.quality);
	}
	diff_tree_clear(&t);
	return rc;
}
