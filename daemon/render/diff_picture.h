/* SPDX-License-Identifier: BSD-2-Clause */
/* What the picture of two profiles has beside that of one. Both are one tree, of the frames of
 * either (diff_tree.c); its first widths are those of AFTER, and the script can turn to BEFORE.
 *
 * The colour of a frame: its hue by how the share of this very frame changed, blue less, red more,
 * in three steps of the ratio (STEPS in diff_picture.c); small shares are damped, as both get
 * 0.1 % of the whole added before they are divided. It has a hue only where the row of its function
 * is significant, by its self or total share; else it is grey: what may be chance looks like it. */
#ifndef PROFD_RENDER_DIFF_PICTURE_H
#define PROFD_RENDER_DIFF_PICTURE_H

#include "analyze/analyze.h"
#include "render/picture.h"

struct diff_picture {
	const struct diff *diff;
	struct tree before;    /* node by node that of the picture, with the values of BEFORE */
	uint64_t total_before; /* in the picture's unit */
	uint32_t *row;         /* [pic->ranks.n] number of the row of diff; DIFF_NO_ROW */
};

#define DIFF_NO_ROW UINT32_MAX

/* The tree of both, the rows of its frames, and `joined`, a profile that has their names and frames
 * (its strings are theirs). To be cleared by diff_tree_clear() in any case. 0, -ENOMEM, or -EINVAL
 * for a profile whose indices do not hold together. */
struct diff_tree {
	struct profile joined;
	struct ranks ranks;
	struct tree before, after;
	uint32_t *row;
};
int diff_tree_make(struct diff_tree *t, const struct profile *before, const struct profile *after,
	const struct diff *d, struct err *err);
void diff_tree_clear(struct diff_tree *t);

/* The CSS class of a node, into `to`. */
void diff_picture_class(const struct picture *pic, uint32_t node, char *to, size_t bytes);
/* Both shares, the change, and what is known of the function. */
void diff_picture_amount(const struct picture *pic, uint32_t node, struct buf *out);
void diff_picture_legend(const struct picture *pic, struct buf *out, unsigned x, unsigned y);
void diff_picture_data(const struct picture *pic, struct buf *out);

#endif
