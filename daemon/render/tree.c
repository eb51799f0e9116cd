/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/map.h"

#define NO_NODE UINT32_MAX

static int no_memory(struct err *err)
{
	return err_set(
		err, -ENOMEM, "not enough memory to draw the profile; record for a shorter time");
}

int ranks_make(struct ranks *r, uint32_t n_frames,
	int (*compare)(const void *, const void *, void *), void *arg, struct err *err)
{
	uint32_t *order = calloc((size_t)n_frames + 1, sizeof(*order));

	*r = (struct ranks){
		.rank = calloc((size_t)n_frames + 1, sizeof(*r->rank)),
		.frame = calloc((size_t)n_frames + 1, sizeof(*r->frame)),
	};
	if (!order || !r->rank || !r->frame) {
		free(order);
		ranks_free(r);
		return no_memory(err);
	}
	for (uint32_t i = 0; i < n_frames; i++)
		order[i] = i;
	qsort_r(order, n_frames, sizeof(*order), compare, arg);
	for (uint32_t i = 0; i < n_frames; i++) {
		if (!i || compare(&order[i - 1], &order[i], arg) != 0)
			r->frame[r->n++] = order[i];
		r->rank[order[i]] = r->n - 1;
	}
	free(order);
	return 0;
}

void ranks_free(struct ranks *r)
{
	free(r->rank);
	free(r->frame);
	*r = (struct ranks){0};
}

/* The merged nodes in the order of their first sight: parents before children. */
struct merged {
	struct tree_node *nodes;  /* .end is not set yet */
	uint32_t *below, *beside; /* first child, next sibling; NO_NODE: none */
	uint32_t n;
};

static void merged_free(struct merged *m)
{
	free(m->nodes);
	free(m->below);
	free(m->beside);
}

static int merged_alloc(struct merged *m, uint32_t n)
{
	*m = (struct merged){
		.nodes = calloc(n, sizeof(*m->nodes)),
		.below = calloc(n, sizeof(*m->below)),
		.beside = calloc(n, sizeof(*m->beside)),
	};
	return m->nodes && m->below && m->beside ? 0 : -ENOMEM;
}

static void node_add(struct tree_node *to, const struct stack_node *from)
{
	to->self_samples += from->self_samples;
	to->self_weight_ns += from->self_weight_ns;
}

/* Gives every node of the profile its merged node, by (merged parent, rank). */
static int merge_nodes(struct merged *m, const struct profile *p, const struct ranks *r,
	uint32_t *merged_of, struct map *known, struct err *err)
{
	node_add(&m->nodes[0], &p->nodes[0]);
	m->n = 1;
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		const struct stack_node *node = &p->nodes[i];
		uint32_t key[2], *at;
		bool fresh;

		if (node->parent >= i || node->frame >= p->n_frames)
			return err_set(err, -EINVAL,
				"the profile is damaged at stack node %u; record again", i);
		key[0] = merged_of[node->parent];
		key[1] = r->rank[node->frame];
		at = map_put(known, key, &fresh);
		if (!at)
			return no_memory(err);
		if (fresh) {
			*at = m->n++;
			m->nodes[*at].parent = key[0];
			m->nodes[*at].rank = key[1];
		}
		merged_of[i] = *at;
		node_add(&m->nodes[*at], node);
	}
	return 0;
}

/* Links children to parents in ascending rank: a bucket per rank, emptied from the highest on, each
 * node put in front of its siblings. */
static int link_children(struct merged *m, uint32_t n_ranks)
{
	uint32_t *bucket = malloc(((size_t)n_ranks + 1) * sizeof(*bucket));

	if (!bucket)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_ranks; i++)
		bucket[i] = NO_NODE;
	for (uint32_t i = 0; i < m->n; i++)
		m->below[i] = NO_NODE;
	m->beside[0] = NO_NODE;
	for (uint32_t i = 1; i < m->n; i++) {
		m->beside[i] = bucket[m->nodes[i].rank];
		bucket[m->nodes[i].rank] = i;
	}
	for (uint32_t rank = n_ranks; rank-- > 0;) {
		for (uint32_t i = bucket[rank], next; i != NO_NODE; i = next) {
			uint32_t parent = m->nodes[i].parent;

			next = m->beside[i];
			m->beside[i] = m->below[parent];
			m->below[parent] = i;
		}
	}
	free(bucket);
	return 0;
}

/* Depth first, without recursion: the tree may be as deep as it likes. */
static void write_in_order(struct tree *t, const struct merged *m)
{
	uint32_t at = 0, parent = 0, depth = 0; /* `parent` is a place in t, `at` one in m */

	for (;;) {
		uint32_t i = t->n_nodes++;

		t->nodes[i] = m->nodes[at];
		t->nodes[i].parent = parent;
		t->nodes[i].depth = depth;
		if (depth > t->depth)
			t->depth = depth;
		if (m->below[at] != NO_NODE) {
			at = m->below[at];
			parent = i;
			depth++;
			continue;
		}
		t->nodes[i].end = t->n_nodes;
		while (at && m->beside[at] == NO_NODE) {
			t->nodes[parent].end = t->n_nodes;
			parent = t->nodes[parent].parent;
			at = m->nodes[at].parent;
			depth--;
		}
		if (!at)
			return;
		at = m->beside[at];
	}
}

static void add_totals(struct tree *t)
{
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		t->nodes[i].samples = t->nodes[i].self_samples;
		t->nodes[i].weight_ns = t->nodes[i].self_weight_ns;
	}
	for (uint32_t i = t->n_nodes - 1; i > 0; i--) {
		struct tree_node *parent = &t->nodes[t->nodes[i].parent];

		parent->samples += t->nodes[i].samples;
		parent->weight_ns += t->nodes[i].weight_ns;
	}
}

int tree_make(struct tree *t, const struct profile *p, const struct ranks *r, struct err *err)
{
	struct map *known = map_new(2 * sizeof(uint32_t), sizeof(uint32_t));
	uint32_t *merged_of = calloc((size_t)p->n_nodes + 1, sizeof(*merged_of));
	struct merged m = {0};
	int rc;

	*t = (struct tree){0};
	if (!p->n_nodes)
		rc = err_set(err, -EINVAL, "the profile is damaged: it has no root; record again");
	else if (!known || !merged_of || merged_alloc(&m, p->n_nodes) < 0)
		rc = no_memory(err);
	else
		rc = merge_nodes(&m, p, r, merged_of, known, err);
	map_free(known);
	free(merged_of);
	if (rc == 0 && link_children(&m, r->n) < 0)
		rc = no_memory(err);
	if (rc == 0) {
		t->nodes = calloc(m.n, sizeof(*t->nodes));
		if (!t->nodes)
			rc = no_memory(err);
	}
	if (rc == 0) {
		write_in_order(t, &m);
		add_totals(t);
	}
	merged_free(&m);
	return rc;
}

void tree_free(struct tree *t)
{
	free(t->nodes);
	*t = (struct tree){0};
}
