/* SPDX-License-Identifier: BSD-2-Clause */
/* When there are more stacks than memory is meant for. A new forest is planted of the heaviest
 * ones; what the others have goes to a note right below where they stood. So every share of what is
 * left stays what it was, and a watch of weeks takes no more memory than one of an hour. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RARE_STACKS "[rare stacks]"

struct pruning {
	struct top_model *m;
	struct top_interval *taken; /* belongs to nobody yet; or NULL */
	uint64_t *below;            /* [n_nodes] samples of the node and all below it */
	uint32_t *moved;            /* [n_nodes] its number in the new forest */
	bool *stays;                /* [n_nodes] it is no part of a note */
	struct top_forest forest;
};

/* All intervals there are, each once. */
static void each_interval(
	struct pruning *p, void (*each)(struct pruning *p, const struct top_interval *i))
{
	for (size_t i = 0; i < p->m->n_kept; i++)
		each(p, p->m->kept[i]);
	for (size_t i = 0; i < p->m->n_recent; i++)
		if (!top_model_recent(p->m, i)->kept)
			each(p, top_model_recent(p->m, i));
	if (p->taken)
		each(p, p->taken);
}

static void add_interval(struct pruning *p, const struct top_interval *i)
{
	for (size_t k = 0; k < i->n_counts; k++)
		p->below[i->counts[k].node] += i->counts[k].samples;
}

/* What was shown counts twice where it is recent: the better for it. */
static void sum_up(struct pruning *p)
{
	const struct profile *old = &p->m->forest.p;

	each_interval(p, add_interval);
	for (uint32_t i = old->n_nodes; i-- > 0;) {
		p->below[i] += old->nodes[i].self_samples;
		if (i)
			p->below[old->nodes[i].parent] += p->below[i];
	}
}

/* The least number of samples that at most `most` nodes have. */
static uint64_t find_least(const struct pruning *p, uint32_t most)
{
	uint64_t least = 1;

	for (;; least *= 2) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < p->m->forest.p.n_nodes; i++)
			n += p->below[i] >= least;
		if (n <= most || least > UINT64_MAX / 4)
			return least;
	}
}

static int move_frame(struct pruning *p, uint32_t frame, uint32_t *number)
{
	const struct top_forest *old = &p->m->forest;
	struct frame content = old->p.frames[frame];
	uint32_t *texts[] = {&content.name, &content.file, &content.module};

	for (size_t i = 0; i < 3; i++)
		if (top_forest_text(&p->forest, top_forest_name(old, *texts[i]), texts[i]) < 0)
			return -ENOMEM;
	return top_forest_frame(&p->forest, &content, number);
}

static int make_note(struct pruning *p, uint32_t parent, uint32_t *number)
{
	struct frame content = {.kind = FRAME_NOTE};
	uint32_t frame;

	if (top_forest_text(&p->forest, RARE_STACKS, &content.name) < 0 ||
		top_forest_frame(&p->forest, &content, &frame) < 0)
		return -ENOMEM;
	return top_forest_node(&p->forest, parent, frame, number);
}

static int move_node(struct pruning *p, uint32_t i, uint64_t least)
{
	const struct stack_node *node = &p->m->forest.p.nodes[i];
	uint32_t parent = p->moved[node->parent], frame;

	p->moved[i] = parent;
	p->stays[i] = p->below[i] >= least;
	if (p->stays[i])
		return move_frame(p, node->frame, &frame) < 0
			       ? -ENOMEM
			       : top_forest_node(&p->forest, parent, frame, &p->moved[i]);
	if (!p->below[i] || !p->stays[node->parent])
		return 0;
	return make_note(p, parent, &p->moved[i]);
}

/* A forest of at most `most` nodes, and as many notes. */
static int plant(struct pruning *p, uint32_t most)
{
	const struct profile *old = &p->m->forest.p;
	uint64_t least = find_least(p, most);
	int rc = top_forest_init(&p->forest);

	p->moved[0] = 0;
	p->stays[0] = true;
	for (uint32_t i = 1; rc == 0 && i < old->n_nodes; i++)
		rc = move_node(p, i, least);
	for (uint32_t i = 0; rc == 0 && i < old->n_nodes; i++) {
		struct stack_node *to = &p->forest.p.nodes[p->moved[i]];

		to->self_samples += old->nodes[i].self_samples;
		to->self_weight_ns += old->nodes[i].self_weight_ns;
	}
	return rc;
}

static void renumber(struct pruning *p, const struct top_interval *i)
{
	for (size_t k = 0; k < i->n_counts; k++)
		i->counts[k].node = p->moved[i->counts[k].node];
}

static int prune(struct pruning *p)
{
	struct top_model *m = p->m;
	uint32_t most = m->nodes_max / 4;
	int rc;

	sum_up(p);
	for (;;) {
		rc = plant(p, most);
		if (rc < 0 || p->forest.text_bytes <= m->text_bytes_max / 2 || most < 16)
			break;
		most /= 4;
		top_forest_clear(&p->forest);
	}
	if (rc < 0) {
		top_forest_clear(&p->forest);
		return rc;
	}
	each_interval(p, renumber);
	top_filter_forget(&m->filter);
	top_forest_clear(&m->forest);
	m->forest = p->forest;
	return 0;
}

int top_model_prune(struct top_model *m, struct top_interval *taken)
{
	uint32_t n = m->forest.p.n_nodes;
	struct pruning p = {.m = m,
		.taken = taken,
		.below = calloc(n, sizeof(*p.below)),
		.moved = calloc(n, sizeof(*p.moved)),
		.stays = calloc(n, sizeof(*p.stays))};
	int rc = p.below && p.moved && p.stays ? prune(&p) : -ENOMEM;

	free(p.below);
	free(p.moved);
	free(p.stays);
	return rc;
}
