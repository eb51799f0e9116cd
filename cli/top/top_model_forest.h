/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the model of `profd top`: every stack that was seen, known by its content. Whatever
 * numbers a receiver has for a name, a frame or a node, here the same stack is always the same
 * node.
 *
 *     nodes      as in a profile: what stands on the stacks, lines and all
 *     branches   the same tree with the lines of a function as one: what people unfold
 *
 * Nothing is ever taken out; where it has become too much, top_model_prune() plants a new one. */
#ifndef PROFD_CLI_TOP_MODEL_FOREST_H
#define PROFD_CLI_TOP_MODEL_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/intern.h"
#include "base/map.h"
#include "flow/profile.h"

enum { TOP_DEPTH_MAX = 2048 }; /* what lies deeper counts for the node at this depth */

/* What a frame is a part of. Functions and lines are those of a report; each goes by the first
 * frame that was seen of it. */
struct top_frame {
	uint64_t function_key, line_key;
	uint32_t function, line; /* numbers of frames */
};

struct top_node {
	uint32_t branch;
	uint32_t process, thread; /* nodes: the PROCESS and the THREAD that it stands under, or is;
				     0: none */
	uint16_t depth;
	bool new_function, new_line; /* none of its kind stands above it: a stack counts here */
};

struct top_branch {
	uint32_t parent; /* a branch of a smaller number */
	uint32_t frame;  /* its function */
	uint64_t key;    /* of its whole path; 0: the root */
};

struct top_forest {
	struct intern *strings;
	/* Strings belong to `strings`. What the nodes hold are samples since the reset */
	struct profile p;
	struct top_frame *frames; /* [p.n_frames] */
	struct top_node *nodes;   /* [p.n_nodes] */
	struct top_branch *branches;
	uint32_t n_branches;
	size_t text_bytes;
	uint32_t cap_strings, cap_frames, cap_nodes, cap_branches;
	struct map *by_frame, *by_row, *by_node, *by_branch;
};

/* With nothing but the root. 0 or -ENOMEM; to be cleared in any case. */
int top_forest_init(struct top_forest *f);
void top_forest_clear(struct top_forest *f);

/* The number of a text, a frame (of texts of this forest), a node, added where it is new. 0 or
 * -ENOMEM. */
int top_forest_text(struct top_forest *f, const char *text, uint32_t *number);
int top_forest_frame(struct top_forest *f, const struct frame *content, uint32_t *number);
int top_forest_node(struct top_forest *f, uint32_t parent, uint32_t frame, uint32_t *number);

/* The frame that a function, a line goes by, or the branch, by its key; 0: there is none. */
uint32_t top_forest_function(const struct top_forest *f, uint64_t key);
uint32_t top_forest_line(const struct top_forest *f, uint64_t key);
uint32_t top_forest_branch(const struct top_forest *f, uint64_t key);

/* A text of a frame. */
static inline const char *top_forest_name(const struct top_forest *f, uint32_t number)
{
	return f->p.strings[number];
}

#endif
