/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/aggregate.h"
#include "base/map.h"

enum { MAX_NODES = 16 << 20 };

struct node {
	uint32_t parent, location; /* indices */
	uint64_t samples, weight_ns;
};

/* A child of a node, as a key of the map. */
struct edge {
	uint32_t parent, child;
};

struct aggregate {
	struct map *location_numbers; /* struct location -> uint32_t */
	struct location *locations;
	uint32_t n_locations, cap_locations;
	struct map *children; /* struct edge (parent node, location) -> node */
	struct node *nodes;
	uint32_t n_nodes, cap_nodes;
};

static int grow(void **array, uint32_t *cap, size_t element_bytes)
{
	uint32_t more = *cap ? *cap * 2 : 256;
	void *p = realloc(*array, more * element_bytes);

	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = more;
	return 0;
}

struct aggregate *aggregate_new(struct err *err)
{
	struct aggregate *a = calloc(1, sizeof(*a));

	if (a) {
		a->location_numbers = map_new(sizeof(struct location), sizeof(uint32_t));
		a->children = map_new(sizeof(struct edge), sizeof(uint32_t));
	}
	if (!a || !a->location_numbers || !a->children ||
		grow((void **)&a->nodes, &a->cap_nodes, sizeof(*a->nodes)) < 0) {
		aggregate_free(a);
		err_set(err, -ENOMEM, "out of memory for the stack tree");
		return NULL;
	}
	a->nodes[a->n_nodes++] = (struct node){0};
	return a;
}

void aggregate_free(struct aggregate *a)
{
	if (!a)
		return;
	map_free(a->location_numbers);
	map_free(a->children);
	free(a->locations);
	free(a->nodes);
	free(a);
}

static int location_number(struct aggregate *a, const struct location *location, uint32_t *number)
{
	bool fresh;
	uint32_t *slot = map_put(a->location_numbers, location, &fresh);

	if (!slot)
		return -ENOMEM;
	if (fresh) {
		if (a->n_locations == a->cap_locations &&
			grow((void **)&a->locations, &a->cap_locations, sizeof(*a->locations)) <
				0) {
			map_del(a->location_numbers, location);
			return -ENOMEM;
		}
		*slot = a->n_locations;
		a->locations[a->n_locations++] = *location;
	}
	*number = *slot;
	return 0;
}

static int node_child(struct aggregate *a, uint32_t parent, uint32_t location, uint32_t *node)
{
	struct edge edge = {parent, location};
	uint32_t *slot = map_get(a->children, &edge);

	if (slot) {
		*node = *slot;
		return 0;
	}
	if (a->n_nodes == MAX_NODES)
		return -E2BIG;
	if (a->n_nodes == a->cap_nodes &&
		grow((void **)&a->nodes, &a->cap_nodes, sizeof(*a->nodes)) < 0)
		return -ENOMEM;
	slot = map_put(a->children, &edge, NULL);
	if (!slot)
		return -ENOMEM;
	a->nodes[a->n_nodes] = (struct node){.parent = parent, .location = location};
	*node = *slot = a->n_nodes++;
	return 0;
}

int aggregate_add(struct aggregate *a, const struct location *stack, size_t n, uint64_t weight_ns)
{
	uint32_t node = 0, location;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		rc = location_number(a, &stack[i], &location);
		if (!rc)
			rc = node_child(a, node, location, &node);
	}
	if (rc < 0)
		return rc;
	a->nodes[node].samples++;
	a->nodes[node].weight_ns += weight_ns;
	return 0;
}

size_t aggregate_nodes(const struct aggregate *a)
{
	return a->n_nodes;
}

/* ---- the profile -------------------------------------------------------------------------------
 */

/* What it takes to turn locations into frames and equal frames into one node. */
struct naming {
	const struct aggregate *a;
	struct profile *p;
	struct intern *strings;
	struct map *frame_numbers; /* struct frame -> uint32_t */
	struct map *edges;         /* struct edge (profile node, frame) -> profile node */
	uint32_t *frame_of;        /* [n_locations] */
	bool *has_symbol;          /* [n_locations] */
	uint32_t *node_of;         /* [n_nodes] */
};

static int frames_name(struct naming *n, aggregate_name_fn *name, void *arg)
{
	for (uint32_t i = 0; i < n->a->n_locations; i++) {
		struct frame frame = {.kind = n->a->locations[i].kind};
		uint32_t *number;
		bool fresh;

		n->has_symbol[i] = name(arg, &n->a->locations[i], n->strings, &frame);
		number = map_put(n->frame_numbers, &frame, &fresh);
		if (!number)
			return -ENOMEM;
		if (fresh) {
			*number = n->p->n_frames;
			n->p->frames[n->p->n_frames++] = frame;
		}
		n->frame_of[i] = *number;
	}
	return 0;
}

static int nodes_merge(struct naming *n)
{
	struct profile *p = n->p;

	p->n_nodes = 1;
	for (uint32_t i = 1; i < n->a->n_nodes; i++) {
		const struct node *node = &n->a->nodes[i];
		struct edge edge = {n->node_of[node->parent], n->frame_of[node->location]};
		bool fresh;
		uint32_t *slot = map_put(n->edges, &edge, &fresh);

		if (!slot)
			return -ENOMEM;
		if (fresh) {
			*slot = p->n_nodes;
			p->nodes[p->n_nodes++] =
				(struct stack_node){.parent = edge.parent, .frame = edge.child};
		}
		n->node_of[i] = *slot;
	}
	for (uint32_t i = 0; i < n->a->n_nodes; i++) {
		p->nodes[n->node_of[i]].self_samples += n->a->nodes[i].samples;
		p->nodes[n->node_of[i]].self_weight_ns += n->a->nodes[i].weight_ns;
	}
	return 0;
}

static bool kind_has_symbols(uint32_t kind)
{
	return kind == FRAME_NATIVE || kind == FRAME_KERNEL || kind == FRAME_JIT ||
	       kind == FRAME_PYTHON;
}

/* Frames seen and frames without a symbol, each as often as a sample had it. */
static int symbols_count(struct naming *n)
{
	const struct aggregate *a = n->a;
	uint64_t *total = calloc(a->n_nodes, sizeof(*total));

	if (!total)
		return -ENOMEM;
	for (uint32_t i = a->n_nodes; i-- > 1;) {
		const struct node *node = &a->nodes[i];

		total[i] += node->samples;
		total[node->parent] += total[i];
		if (!kind_has_symbols(a->locations[node->location].kind))
			continue;
		n->p->quality.frames_seen += total[i];
		if (!n->has_symbol[node->location])
			n->p->quality.unsymbolized_frames += total[i];
	}
	n->p->quality.samples = total[0] + a->nodes[0].samples;
	free(total);
	return 0;
}

static int strings_move(struct naming *n)
{
	uint32_t count = intern_count(n->strings);

	n->p->strings = calloc(count, sizeof(*n->p->strings));
	if (!n->p->strings)
		return -ENOMEM;
	for (n->p->n_strings = 0; n->p->n_strings < count; n->p->n_strings++) {
		n->p->strings[n->p->n_strings] = strdup(intern_text(n->strings, n->p->n_strings));
		if (!n->p->strings[n->p->n_strings])
			return -ENOMEM;
	}
	return 0;
}

static int naming_start(struct naming *n, const struct aggregate *a)
{
	*n = (struct naming){
		.a = a,
		.p = calloc(1, sizeof(*n->p)),
		.strings = intern_new(),
		.frame_numbers = map_new(sizeof(struct frame), sizeof(uint32_t)),
		.edges = map_new(sizeof(struct edge), sizeof(uint32_t)),
		.frame_of = calloc(a->n_locations + 1, sizeof(*n->frame_of)),
		.has_symbol = calloc(a->n_locations + 1, sizeof(*n->has_symbol)),
		.node_of = calloc(a->n_nodes, sizeof(*n->node_of)),
	};
	if (!n->p || !n->strings || !n->frame_numbers || !n->edges || !n->frame_of ||
		!n->has_symbol || !n->node_of)
		return -ENOMEM;
	n->p->frames = calloc(a->n_locations + 1, sizeof(*n->p->frames));
	n->p->nodes = calloc(a->n_nodes, sizeof(*n->p->nodes));
	if (!n->p->frames || !n->p->nodes)
		return -ENOMEM;
	n->p->frames[n->p->n_frames++] =
		(struct frame){.kind = FRAME_ROOT, .name = intern(n->strings, "all")};
	return 0;
}

struct profile *aggregate_profile(
	const struct aggregate *a, aggregate_name_fn *name, void *arg, struct err *err)
{
	struct naming n;
	int rc = naming_start(&n, a);

	if (!rc)
		rc = frames_name(&n, name, arg);
	if (!rc)
		rc = nodes_merge(&n);
	if (!rc)
		rc = symbols_count(&n);
	if (!rc)
		rc = strings_move(&n);
	intern_free(n.strings);
	map_free(n.frame_numbers);
	map_free(n.edges);
	free(n.frame_of);
	free(n.has_symbol);
	free(n.node_of);
	if (!rc)
		return n.p;
	profile_free(n.p);
	err_set(err, rc, "out of memory for the profile");
	return NULL;
}
