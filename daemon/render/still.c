/* SPDX-License-Identifier: BSD-2-Clause */
/* The first view, 1,200 px wide, root at the bottom. Lengths are counted in thousandths of a px,
 * and an edge is where the sum of all before it lies: so neighbours touch, and the widths below one
 * frame add up to its own without a gap. */
#include "render/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/diff_picture.h"
#include "render/text.h"

enum {
	WIDTH = 1200,
	MARGIN = 10,
	PLOT_MILLI = (WIDTH - 2 * MARGIN) * 1000,
	ROW = 18,
	BAR = 17, /* a row less the line between two */
	TITLE_Y = 30,
	LINE = 17,
	NARROW_MILLI = 300, /* below this nothing can be seen */
	FRAMES_MAX =
		20000, /* more make a browser slow: the limit on width is doubled until they fit */
	CELL_MILLI = 6650,  /* 11 px of a fixed-width font: 0.6 em, and some reserve */
	SMALL_MILLI = 6200, /* 12 px of the proportional font, on average, with reserve */
	TITLE_FROM_MILLI = 6000,
	EDGE_MILLI = 2000, /* narrower bars have no line between them: it would hide them */
};

struct still {
	const struct picture *pic;
	struct buf *out;
	uint64_t narrow_milli;
	uint32_t bottom; /* y of the root row's lower edge */
	uint64_t *
		edge; /* [depth] where the next frame of that depth begins, in the picture's unit */
	uint32_t *before; /* [depth] rank of the sibling before; UINT32_MAX: none */
	struct buf texts; /* labels, drawn after all bars */
};

static void milli_put(struct buf *b, uint64_t milli)
{
	unsigned rest = (unsigned)(milli % 1000);

	buf_u64(b, milli / 1000);
	if (!rest)
		return;
	if (rest % 100 == 0)
		buf_printf(b, ".%u", rest / 100);
	else if (rest % 10 == 0)
		buf_printf(b, ".%02u", rest / 10);
	else
		buf_printf(b, ".%03u", rest);
}

/* Where a sum of values lies in the plot. */
static uint64_t milli_of(const struct picture *pic, uint64_t value)
{
	return pic->total ? (uint64_t)((__uint128_t)value * PLOT_MILLI / pic->total) : 0;
}

/* Whether it is at least that wide: by its exact width, not by where its edges fall. */
static bool wide_enough(const struct picture *pic, uint64_t value, uint64_t milli)
{
	return (__uint128_t)value * PLOT_MILLI >= (__uint128_t)milli * pic->total && value;
}

static uint64_t narrow_limit(const struct picture *pic)
{
	for (uint64_t milli = NARROW_MILLI;; milli *= 2) {
		uint32_t wide = 0;

		for (uint32_t i = 0; i < pic->tree.n_nodes; i++)
			wide += wide_enough(pic, picture_value(pic, &pic->tree.nodes[i]), milli);
		if (wide <= FRAMES_MAX || milli > PLOT_MILLI)
			return milli;
	}
}

/* ---- head: title, quality, legend ---------------------------------------------------------------
 */

static void text_open(struct buf *b, const char *class, uint64_t x, uint32_t y)
{
	buf_printf(b, "<text class=\"%s\" x=\"%llu\" y=\"%u\">", class, (unsigned long long)x, y);
}

/* Writes the quality texts in lines of the picture's width; with `out` NULL only counts the lines.
 */
static uint32_t quality_lines(const struct picture *pic, struct buf *out)
{
	uint32_t lines = 0, used = 0;
	const char *s = pic->quality.data ? pic->quality.data : "";

	while (*s) {
		size_t n = strcspn(s, "\n");
		uint32_t width = (uint32_t)(n + 3) * SMALL_MILLI / 1000;
		char text[QUALITY_LINE_MAX];

		if (!lines || used + width > WIDTH - 2 * MARGIN) {
			if (lines && out)
				buf_puts(out, "</text>\n");
			if (out)
				text_open(out, "small", MARGIN, TITLE_Y + 22 + lines * LINE);
			lines++;
			used = 0;
		} else if (out) {
			buf_puts(out, " \xc2\xb7 ");
		}
		if (out) {
			snprintf(text, sizeof(text), "%.*s",
				(int)(n < sizeof(text) ? n : sizeof(text) - 1), s);
			text_xml(out, text);
		}
		used += width;
		s += n + (s[n] == '\n');
	}
	if (lines && out)
		buf_puts(out, "</text>\n");
	return lines;
}

static const struct {
	uint32_t kind;
	const char *text;
} legend[] = {
	{FRAME_PYTHON, "python"},
	{FRAME_NATIVE, "native"},
	{FRAME_INLINED, "inlined"},
	{FRAME_JIT, "jit"},
	{FRAME_KERNEL, "kernel"},
	{FRAME_NOTE, "note"},
	{FRAME_THREAD, "process, thread"},
	{FRAME_CONTAINER, "container, process, thread"},
};

/* Roots have one colour, so they are one entry: which text, depends on whether there are
 * containers. */
static void legend_join_roots(uint64_t *self, bool *seen)
{
	uint32_t to = seen[FRAME_CONTAINER] ? FRAME_CONTAINER : FRAME_THREAD;

	for (uint32_t kind = 0; kind < FRAME_KINDS; kind++) {
		if (kind == to || !picture_is_root(kind))
			continue;
		seen[to] |= seen[kind];
		self[to] += self[kind];
		seen[kind] = false;
	}
}

static void legend_write(const struct picture *pic, struct buf *out, uint32_t y)
{
	uint64_t self[FRAME_KINDS] = {0}, x = MARGIN;
	bool seen[FRAME_KINDS] = {false};

	for (uint32_t i = 1; i < pic->tree.n_nodes; i++) {
		const struct tree_node *node = &pic->tree.nodes[i];
		uint32_t kind = picture_frame(pic, node)->kind;

		if (kind >= FRAME_KINDS)
			continue;
		seen[kind] = true;
		self[kind] += pic->weighted ? node->self_weight_ns : node->self_samples;
	}
	legend_join_roots(self, seen);
	for (size_t i = 0; i < sizeof(legend) / sizeof(legend[0]); i++) {
		uint32_t kind = legend[i].kind;
		char text[64];

		if (!seen[kind])
			continue;
		if (self[kind] && pic->total)
			snprintf(text, sizeof(text), "%s %.1f %%", legend[i].text,
				100.0 * (double)self[kind] / (double)pic->total);
		else
			snprintf(text, sizeof(text), "%s", legend[i].text);
		buf_printf(out,
			"<rect class=\"%c1\" x=\"%llu\" y=\"%u\" width=\"12\" height=\"12\"/>",
			picture_class(kind), (unsigned long long)x, y - 10);
		text_open(out, "small", x + 18, y);
		buf_printf(out, "%s</text>\n", text);
		x += 18 + strlen(text) * SMALL_MILLI / 1000 + 22;
	}
}

static uint32_t head_height(const struct picture *pic)
{
	return TITLE_Y + 22 + quality_lines(pic, NULL) * LINE + 20;
}

static void head_write(const struct picture *pic, struct buf *out)
{
	const char *title = pic->profile->title;

	text_open(out, "title", MARGIN, TITLE_Y);
	text_xml_cut(out, title && *title ? title : "profile", 110);
	buf_puts(out, "</text>\n");
	quality_lines(pic, out);
	if (pic->diff)
		diff_picture_legend(pic, out, MARGIN, head_height(pic) - 14);
	else
		legend_write(pic, out, head_height(pic) - 14);
}

/* ---- bars -------------------------------------------------------------------------------------
 */

static void bar_open(struct still *s, const char *class, uint32_t depth, uint64_t from, uint64_t to)
{
	buf_puts(s->out, "<rect class=\"");
	buf_puts(s->out, class);
	if (to - from >= EDGE_MILLI)
		buf_puts(s->out, " e");
	buf_puts(s->out, "\" x=\"");
	milli_put(s->out, from + MARGIN * 1000);
	buf_puts(s->out, "\" y=\"");
	buf_u64(s->out, s->bottom - (depth + 1) * ROW);
	buf_puts(s->out, "\" width=\"");
	milli_put(s->out, to - from);
	buf_puts(s->out, "\" height=\"17\"");
}

static void amount_write(const struct still *s, uint64_t value, uint64_t samples, struct buf *out)
{
	if (s->pic->weighted) {
		text_time(out, value);
		buf_puts(out, ", ");
	}
	text_count(out, samples);
	buf_printf(out, " samples, %.2f %%", 100.0 * (double)value / (double)s->pic->total);
}

static void tip_write(
	struct still *s, const struct tree_node *node, const char *name, uint64_t value)
{
	const struct profile *p = s->pic->profile;

	buf_puts(s->out, "><title>");
	text_xml(s->out, name);
	if (node->depth) {
		const struct frame *f = picture_frame(s->pic, node);
		const char *file = text_of(p, f->file), *module = text_of(p, f->module);

		if (*file) {
			buf_puts(s->out, " (");
			text_xml(s->out, file);
			if (picture_line(f))
				buf_printf(s->out, ":%u", picture_line(f));
			buf_putc(s->out, ')');
		} else if (*module) {
			buf_puts(s->out, " in ");
			text_xml(s->out, module);
		}
	}
	buf_puts(s->out, ": ");
	if (s->pic->diff)
		diff_picture_amount(s->pic, (uint32_t)(node - s->pic->tree.nodes), s->out);
	else
		amount_write(s, value, node->samples, s->out);
	buf_puts(s->out, "</title></rect>\n");
}

/* Whether a sibling has the same name: then the label tells the line, too. */
static bool is_twin(const struct still *s, uint32_t i)
{
	const struct tree *t = &s->pic->tree;
	const struct tree_node *node = &t->nodes[i];
	const struct frame *f = picture_frame(s->pic, node), *other;
	const char *name = text_of(s->pic->profile, f->name);

	if (s->before[node->depth] != UINT32_MAX) {
		other = &s->pic->profile->frames[s->pic->ranks.frame[s->before[node->depth]]];
		if (!strcmp(name, text_of(s->pic->profile, other->name)))
			return true;
	}
	if (node->end >= t->nodes[node->parent].end)
		return false;
	other = picture_frame(s->pic, &t->nodes[node->end]);
	return !strcmp(name, text_of(s->pic->profile, other->name));
}

static void label_write(struct still *s, uint32_t i, const char *name, uint64_t from, uint64_t to)
{
	const struct tree_node *node = &s->pic->tree.nodes[i];
	struct buf *b = &s->texts;
	struct buf label;
	uint64_t cells = to - from > 8000 ? (to - from - 8000) / CELL_MILLI : 0;

	if (cells < 3)
		return;
	buf_init(&label, 1 << 16);
	buf_add(&label, name, strnlen(name, 4096));
	if (node->depth && picture_line(picture_frame(s->pic, node)) && is_twin(s, i))
		buf_printf(&label, ":%u", picture_line(picture_frame(s->pic, node)));
	buf_puts(b, "<text x=\"");
	milli_put(b, from + MARGIN * 1000 + 4000);
	buf_puts(b, "\" y=\"");
	buf_u64(b, s->bottom - node->depth * ROW - 6);
	buf_puts(b, "\">");
	text_xml_cut(b, label.data ? label.data : "", (unsigned)cells);
	buf_puts(b, "</text>\n");
	buf_free(&label);
}

static void bar_write(struct still *s, uint32_t i, uint64_t start, uint64_t value)
{
	const struct tree_node *node = &s->pic->tree.nodes[i];
	uint64_t from = milli_of(s->pic, start), to = milli_of(s->pic, start + value);
	const char *name = "all";
	char class[8] = "t0";

	if (node->depth) {
		const struct frame *f = picture_frame(s->pic, node);

		name = text_of(s->pic->profile, f->name);
		if (s->pic->diff)
			diff_picture_class(s->pic, i, class, sizeof(class));
		else
			snprintf(class, sizeof(class), "%c%u", picture_class(f->kind),
				picture_variant(name));
	}
	bar_open(s, class, node->depth, from, to);
	if (to - from >= TITLE_FROM_MILLI)
		tip_write(s, node, name, value);
	else
		buf_puts(s->out, "/>\n");
	label_write(s, i, name, from, to);
}

/* Siblings side by side that are too narrow: one bar of their summed width. Returns where the run
 * ends. */
static uint32_t narrow_write(struct still *s, uint32_t i)
{
	const struct tree_node *nodes = s->pic->tree.nodes;
	uint32_t depth = nodes[i].depth, end = nodes[nodes[i].parent].end, first = i, frames = 0;
	uint64_t start = s->edge[depth], value = 0, samples = 0, from, to;

	for (; i < end; i = nodes[i].end, frames++) {
		uint64_t v = picture_value(s->pic, &nodes[i]);

		if (wide_enough(s->pic, v, s->narrow_milli))
			break;
		value += v;
		samples += nodes[i].samples;
		s->before[depth] = nodes[i].rank;
	}
	s->edge[depth] = start + value;
	from = milli_of(s->pic, start);
	to = milli_of(s->pic, start + value);
	if (from == to)
		return i;
	bar_open(s, "f", depth, from, to);
	buf_printf(s->out, "><title>%u frame%s too narrow to draw, %u with all above: ", frames,
		frames == 1 ? "" : "s", i - first);
	amount_write(s, value, samples, s->out);
	buf_puts(s->out, "</title></rect>\n");
	return i;
}

static void bars_write(struct still *s)
{
	const struct tree *t = &s->pic->tree;

	for (uint32_t i = 0; i < t->n_nodes && !buf_failed(s->out);) {
		const struct tree_node *node = &t->nodes[i];
		uint64_t value = picture_value(s->pic, node), start;

		if (!wide_enough(s->pic, value, s->narrow_milli)) {
			i = narrow_write(s, i);
			continue;
		}
		start = s->edge[node->depth];
		bar_write(s, i, start, value);
		s->edge[node->depth] = start + value;
		s->before[node->depth] = node->rank;
		s->edge[node->depth + 1] = start;
		s->before[node->depth + 1] = UINT32_MAX;
		i++;
	}
}

uint32_t still_height(const struct picture *pic)
{
	uint32_t rows = pic->total ? pic->tree.depth + 1 : 5;

	return head_height(pic) + rows * ROW + MARGIN;
}

static void empty_write(const struct picture *pic, struct buf *out)
{
	uint32_t y = head_height(pic) + 40;

	text_open(out, "title middle", WIDTH / 2, y);
	buf_puts(out, "No samples</text>\n");
	text_open(out, "small middle", WIDTH / 2, y + 22);
	buf_puts(out, "Nothing ran on a CPU while profd was looking.</text>\n");
}

int still_write(const struct picture *pic, struct buf *out, struct err *err)
{
	struct still s = {
		.pic = pic,
		.out = out,
		.narrow_milli = narrow_limit(pic),
		.bottom = still_height(pic) - MARGIN,
		.edge = calloc((size_t)pic->tree.depth + 2, sizeof(*s.edge)),
		.before = calloc((size_t)pic->tree.depth + 2, sizeof(*s.before)),
	};
	int rc = 0;

	buf_init(&s.texts, out->max);
	if (!s.edge || !s.before) {
		rc = err_set(err, -ENOMEM, "not enough memory to draw %u levels", pic->tree.depth);
	} else {
		buf_puts(out, "<g class=\"still\">\n");
		head_write(pic, out);
		if (!pic->total)
			empty_write(pic, out);
		buf_puts(out, "<g class=\"bars\">\n");
		if (pic->total)
			bars_write(&s);
		buf_puts(out, "</g>\n<g class=\"labels\">\n");
		buf_add(out, s.texts.data, s.texts.len);
		buf_puts(out, "</g>\n</g>\n");
		rc = text_result(&s.texts, err);
	}
	free(s.edge);
	free(s.before);
	buf_free(&s.texts);
	return rc;
}
