/* SPDX-License-Identifier: BSD-2-Clause */
/* The flamegraph SVG in parts, in the order in which they stand in the file:
 *
 *   <style>      flamegraph.css
 *   <g>          still.c: the first view, drawn, for viewers that run no script (and <img>)
 *   <metadata>   data.c: all names, frames and nodes, compact
 *   <script>     flamegraph_data.js (reads the metadata), flamegraph_draw.js, flamegraph.js
 * (listens, starts)
 *
 * The script draws only what is wide enough to be seen, from the data, and takes the still view
 * away. */
#ifndef PROFD_RENDER_PICTURE_H
#define PROFD_RENDER_PICTURE_H

#include <stdbool.h>

#include "base/buf.h"
#include "render/tree.h"

struct picture {
	const struct profile *profile;
	struct ranks ranks;
	struct tree tree;   /* siblings in the order of their names */
	bool weighted;      /* widths are ns; false: samples, as no sample has a weight */
	uint64_t total;     /* of the root, in that unit */
	struct buf quality; /* short texts on how good the profile is, one per line */
};

enum { COLOUR_VARIANTS = 4, QUALITY_LINE_MAX = 1024 };

static inline uint64_t picture_value(const struct picture *pic, const struct tree_node *node)
{
	return pic->weighted ? node->weight_ns : node->samples;
}

static inline const struct frame *picture_frame(
	const struct picture *pic, const struct tree_node *node)
{
	return &pic->profile->frames[pic->ranks.frame[node->rank]];
}

/* The CSS class of a kind of frame, without the digit of the variant; and the variant, by the name.
 */
char picture_class(uint32_t kind);
unsigned picture_variant(const char *name);

/* Writes the texts of picture.quality. */
void quality_write(const struct profile *p, bool weighted, struct buf *out);

/* Height of the first view in px, and the view itself. 0 or -ENOMEM. */
uint32_t still_height(const struct picture *pic);
int still_write(const struct picture *pic, struct buf *out, struct err *err);

int data_write(const struct picture *pic, struct buf *out, struct err *err);

#endif
