/* SPDX-License-Identifier: BSD-2-Clause */
/* The stack tree in the order in which it is written: every node right before its children,
 * siblings by the rank of their frames, nodes of equal rank under one parent merged. So equal
 * profiles give equal bytes, whatever order their nodes came in.
 *
 *   nodes:  0 all      end 5          [i + 1, end) is what stands below node i;
 *           1   a      end 4          the next sibling of i is nodes[i].end, if that is still
 *           2     b    end 3          below nodes[i].parent
 *           3     c    end 4
 *           4   d      end 5
 */
#ifndef PROFD_RENDER_TREE_H
#define PROFD_RENDER_TREE_H

#include "base/err.h"
#include "flow/profile.h"

struct tree_node {
	uint32_t rank; /* of its frame; without meaning for the root */
	uint32_t parent, end, depth;
	uint64_t self_samples, self_weight_ns;
	uint64_t samples, weight_ns; /* self and all below */
};

struct tree {
	struct tree_node *nodes;
	uint32_t n_nodes; /* at least 1 */
	uint32_t depth;   /* the largest; 0 where there is only the root */
};

/* Ranks of the frames of a profile: equal by `compare` is equal in rank, less is less. */
struct ranks {
	uint32_t *rank;  /* [n_frames of the profile] */
	uint32_t *frame; /* [n] one frame of each rank */
	uint32_t n;
};

/* `compare` gets pointers to two frame numbers (uint32_t), and `arg`. 0 or -ENOMEM. */
int ranks_make(struct ranks *r, uint32_t n_frames,
	int (*compare)(const void *, const void *, void *), void *arg, struct err *err);
void ranks_free(struct ranks *r);

/* 0, -ENOMEM, or -EINVAL for a profile whose indices do not hold together. */
int tree_make(struct tree *t, const struct profile *p, const struct ranks *r, struct err *err);
void tree_free(struct tree *t);

#endif
