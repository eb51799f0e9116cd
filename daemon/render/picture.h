/* SPDX-License-Identifier: BSD-2-Clause */
/* The flamegraph SVG in parts, in the order in which they stand in the file:
 *
 *   <style>      flamegraph.css
 *   <g>          still.c: the first view, drawn, for viewers that run no script (and <img>)
 *   <metadata>   data.c: all names, frames and nodes, compact
 *   <script>     flamegraph_data.js (reads the metadata), flamegraph_draw.js, flamegraph.js
 * (listens, starts)
 *
 * A picture of two profiles has flamegraph_diff.css, diff_picture.c's metadata and
 * flamegraph_diff.js between them.
 *
 * The script draws only what is wide enough to be seen, from the data, and takes the still view
 * away. */
#ifndef PROFD_RENDER_PICTURE_H
#define PROFD_RENDER_PICTURE_H

#include <stdbool.h>

#include "base/buf.h"
#include "render/quality.h"
#include "render/tree.h"

struct diff_picture;

struct picture {
	const struct profile *profile;
	struct ranks ranks;
	struct tree tree;   /* siblings in the order of their names */
	bool weighted;      /* widths are ns; false: samples, as no sample has a weight */
	uint64_t total;     /* of the root, in that unit */
	struct buf quality; /* quality_write() */
	const struct diff_picture *diff; /* of two profiles (diff_picture.h); else NULL */
};

enum {
	COLOUR_VARIANTS = 4,
	QUALITY_LINE_MAX = 1024,
	DATA_CHUNK_BYTES = 2 << 20, /* of one element; about */
};

static inline uint64_t picture_value(const struct picture *pic, const struct tree_node *node)
{
	return pic->weighted ? node->weight_ns : node->samples;
}

static inline const struct frame *picture_frame(
	const struct picture *pic, const struct tree_node *node)
{
	return &pic->profile->frames[pic->ranks.frame[node->rank]];
}

/* Containers, processes and threads are drawn and counted alike. */
static inline bool picture_is_root(uint32_t kind)
{
	return kind == FRAME_PROCESS || kind == FRAME_THREAD || kind == FRAME_CONTAINER;
}

/* The line in the source; 0 where there is none. The `line` of a root is another number. */
static inline uint32_t picture_line(const struct frame *f)
{
	return picture_is_root(f->kind) ? 0 : f->line;
}

/* The CSS class of a kind of frame, without the digit of the variant; and the variant, by the name.
 */
char picture_class(uint32_t kind);
unsigned picture_variant(const char *name);

/* Height of the first view in px, and the view itself. 0 or -ENOMEM. */
uint32_t still_height(const struct picture *pic);
int still_write(const struct picture *pic, struct buf *out, struct err *err);

int data_write(const struct picture *pic, struct buf *out, struct err *err);
void data_number_put(struct buf *b, uint64_t value); /* as data.c says */

/* The whole file. 0, or negative errno with a text. */
int picture_write(const struct picture *pic, struct buf *out, struct err *err);

#endif
