/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/formats.h"

#include <stdlib.h>
#include <string.h>

#include "render/diff_picture.h"
#include "render/picture.h"
#include "render/text.h"

#include "flamegraph.css.h"
#include "flamegraph.js.h"
#include "flamegraph_data.js.h"
#include "flamegraph_diff.css.h"
#include "flamegraph_diff.js.h"
#include "flamegraph_draw.js.h"

char picture_class(uint32_t kind)
{
	switch (kind) {
	case FRAME_PYTHON:
		return 'p';
	case FRAME_NATIVE:
		return 'n';
	case FRAME_INLINED:
		return 'i';
	case FRAME_JIT:
		return 'j';
	case FRAME_KERNEL:
		return 'k';
	case FRAME_NOTE:
		return 'o';
	default:
		return 't';
	}
}

/* FNV-1a (public domain): the same name has the same shade in every picture. */
unsigned picture_variant(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return (h ^ h >> 16) % COLOUR_VARIANTS;
}

static int compare_numbers(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int compare_frames(const void *a, const void *b, void *arg)
{
	const struct profile *p = arg;
	const struct frame *f = &p->frames[*(const uint32_t *)a],
			   *g = &p->frames[*(const uint32_t *)b];
	int order = strcmp(text_of(p, f->name), text_of(p, g->name));

	if (!order)
		order = strcmp(text_of(p, f->file), text_of(p, g->file));
	if (!order)
		order = compare_numbers(picture_line(f), picture_line(g));
	if (!order)
		order = strcmp(text_of(p, f->module), text_of(p, g->module));
	return order ? order : compare_numbers(f->kind, g->kind);
}

static void scripts_write(const struct picture *pic, struct buf *out)
{
	buf_puts(out, "<script><![CDATA[\n(function () {\n'use strict';\n");
	buf_add(out, flamegraph_data_js, sizeof(flamegraph_data_js));
	buf_add(out, flamegraph_draw_js, sizeof(flamegraph_draw_js));
	if (pic->diff)
		buf_add(out, flamegraph_diff_js, sizeof(flamegraph_diff_js));
	buf_add(out, flamegraph_js, sizeof(flamegraph_js));
	buf_puts(out, "})();\n]]></script>\n");
}

int picture_write(const struct picture *pic, struct buf *out, struct err *err)
{
	uint32_t height = still_height(pic);
	int rc;

	buf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"profd\" width=\"1200\" height=\"%u\" "
		"viewBox=\"0 0 1200 %u\">\n<title>",
		height, height);
	text_xml(
		out, pic->profile->title && *pic->profile->title ? pic->profile->title : "profile");
	buf_puts(out, "</title>\n<desc>Flamegraph by profd " PROFD_VERSION "</desc>\n<style>\n");
	buf_add(out, flamegraph_css, sizeof(flamegraph_css));
	if (pic->diff)
		buf_add(out, flamegraph_diff_css, sizeof(flamegraph_diff_css));
	buf_puts(out,
		"</style>\n"
		"<defs><pattern id=\"profd-narrow\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
		"patternTransform=\"rotate(45)\"><rect class=\"narrow-ground\" width=\"5\" height=\"5\"/>"
		"<rect class=\"narrow-stripe\" width=\"2\" height=\"5\"/></pattern></defs>\n"
		"<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
	rc = still_write(pic, out, err);
	if (rc == 0)
		rc = data_write(pic, out, err);
	if (rc < 0)
		return rc;
	scripts_write(pic, out);
	buf_puts(out, "</svg>\n");
	return text_result(out, err);
}

int render_flamegraph(const struct profile *p, struct buf *out, struct err *err)
{
	struct picture pic = {.profile = p};
	int rc;

	buf_init(&pic.quality, 1 << 16);
	rc = ranks_make(&pic.ranks, p->n_frames, compare_frames, (void *)p, err);
	if (rc == 0)
		rc = tree_make(&pic.tree, p, &pic.ranks, err);
	if (rc == 0) {
		pic.weighted = pic.tree.nodes[0].weight_ns > 0;
		pic.total = picture_value(&pic, &pic.tree.nodes[0]);
		quality_write(p, pic.weighted, &pic.quality);
		rc = text_result(&pic.quality, err);
	}
	if (rc == 0)
		rc = picture_write(&pic, out, err);
	buf_free(&pic.quality);
	tree_free(&pic.tree);
	ranks_free(&pic.ranks);
	return rc;
}
