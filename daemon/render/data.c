/* SPDX-License-Identifier: BSD-2-Clause */
/* All of the profile for the script, in <metadata> elements of at most some MB each (XML readers
 * limit the length of one text). Numbers are written in base 32, least digit first, one character
 * per digit: 0 - 31 end a number, 32 - 63 go on. flamegraph_data.js reads this back.
 *
 *   meta    JSON: title, quality, unit, how many frames and nodes there are
 *   names   JSON arrays of strings, numbered from 0 across the elements; 0 is ""
 *   frames  per frame: kind * COLOUR_VARIANTS + variant, name, file, line, module
 *   nodes   per node, parents first: frame, steps up from the node before (0: its child),
 *           2 * self samples + 1 where a weight follows, self weight in ns. The root's frame is 0,
 * unused.
 *
 * Of a picture of two profiles the nodes tell of AFTER, and diff_picture.c writes the rest.
 */
#include "render/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/diff_picture.h"
#include "render/text.h"

void data_number_put(struct buf *b, uint64_t value)
{
	static const char digits[64] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[16];
	size_t n = 0;

	while (value >= 32) {
		text[n++] = digits[32 + (value & 31)];
		value >>= 5;
	}
	text[n++] = digits[value];
	buf_add(b, text, n);
}

/* Strings that the frames use, renumbered by first use. */
struct names {
	uint32_t *number; /* [n_strings] 0: not used, or the empty string */
	uint32_t *used;   /* [n] */
	uint32_t n;
};

static uint32_t name_use(struct names *names, const struct profile *p, uint32_t string)
{
	if (string >= p->n_strings || !p->strings[string][0])
		return 0;
	if (!names->number[string]) {
		names->used[names->n] = string;
		names->number[string] = ++names->n;
	}
	return names->number[string];
}

static void frames_write(const struct picture *pic, struct names *names, struct buf *out)
{
	const struct profile *p = pic->profile;
	size_t start = out->len;

	buf_puts(out, "<metadata class=\"frames\">");
	for (uint32_t i = 0; i < pic->ranks.n; i++) {
		const struct frame *f = &p->frames[pic->ranks.frame[i]];
		uint32_t kind = f->kind < FRAME_KINDS ? f->kind : (uint32_t)FRAME_NOTE;

		if (out->len - start > DATA_CHUNK_BYTES) {
			start = out->len;
			buf_puts(out, "</metadata>\n<metadata class=\"frames\">");
		}
		data_number_put(out, kind * COLOUR_VARIANTS + picture_variant(text_of(p, f->name)));
		data_number_put(out, name_use(names, p, f->name));
		data_number_put(out, name_use(names, p, f->file));
		data_number_put(out, picture_line(f));
		data_number_put(out, name_use(names, p, f->module));
	}
	buf_puts(out, "</metadata>\n");
}

static void names_write(const struct picture *pic, const struct names *names, struct buf *out)
{
	size_t start = out->len;

	buf_puts(out, "<metadata class=\"names\">[\"\"");
	for (uint32_t i = 0; i < names->n; i++) {
		if (out->len - start > DATA_CHUNK_BYTES) {
			start = out->len;
			buf_puts(out, "]</metadata>\n<metadata class=\"names\">[");
		} else {
			buf_putc(out, ',');
		}
		text_json(out, text_of(pic->profile, names->used[i]));
	}
	buf_puts(out, "]</metadata>\n");
}

static void nodes_write(const struct picture *pic, struct buf *out)
{
	const struct tree *t = &pic->tree;
	size_t start = out->len;
	uint32_t depth = 0; /* of the node before, plus 1 */

	buf_puts(out, "<metadata class=\"nodes\">");
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct tree_node *node = &t->nodes[i];

		if (out->len - start > DATA_CHUNK_BYTES) {
			start = out->len;
			buf_puts(out, "</metadata>\n<metadata class=\"nodes\">");
		}
		data_number_put(out, node->depth ? node->rank : 0);
		data_number_put(out, depth - node->depth);
		data_number_put(out, node->self_samples << 1 | (node->self_weight_ns != 0));
		if (node->self_weight_ns)
			data_number_put(out, node->self_weight_ns);
		depth = node->depth + 1;
	}
	buf_puts(out, "</metadata>\n");
}

static void meta_write(const struct picture *pic, struct buf *out)
{
	const char *title = pic->profile->title;

	buf_puts(out, "<metadata class=\"meta\">{\"version\":1,\"title\":");
	text_json(out, title && *title ? title : "profile");
	buf_printf(out, ",\"weighted\":%s,\"frames\":%u,\"nodes\":%u,\"variants\":%d,\"kinds\":[",
		pic->weighted ? "true" : "false", pic->ranks.n, pic->tree.n_nodes, COLOUR_VARIANTS);
	for (uint32_t kind = 0; kind < FRAME_KINDS; kind++)
		buf_printf(out, "%s[\"%s\",\"%c\"]", kind ? "," : "", frame_kind_name(kind),
			picture_class(kind));
	buf_puts(out, "],\"quality\":[");
	for (const char *s = pic->quality.data; s && *s;) {
		size_t n = strcspn(s, "\n");
		char line[QUALITY_LINE_MAX];

		snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
			s);
		text_json(out, line);
		s += n;
		if (*s && *++s)
			buf_putc(out, ',');
	}
	buf_puts(out, "]}</metadata>\n");
}

int data_write(const struct picture *pic, struct buf *out, struct err *err)
{
	struct names names = {
		.number = calloc((size_t)pic->profile->n_strings + 1, sizeof(*names.number)),
		.used = calloc((size_t)pic->profile->n_strings + 1, sizeof(*names.used)),
	};
	int rc = 0;

	if (!names.number || !names.used) {
		rc = err_set(err, -ENOMEM, "not enough memory to write %u names",
			pic->profile->n_strings);
	} else {
		meta_write(pic, out);
		frames_write(pic, &names, out);
		names_write(pic, &names, out);
		nodes_write(pic, out);
		if (pic->diff)
			diff_picture_data(pic, out);
		rc = text_result(out, err);
	}
	free(names.number);
	free(names.used);
	return rc;
}
