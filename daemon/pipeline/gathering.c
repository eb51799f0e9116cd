/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/gathering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct gathering {
	aggregate_name_fn *name;
	void *arg;
	struct aggregate *tree; /* of locations that `name` can name now */
	/* What was named before, NULL as a rule. Its locations stand for frames: scope is the
	 * number below, the kind that of the frame. */
	struct aggregate *held;
	struct intern *strings; /* of the frames */
	struct map *numbers;    /* struct frame -> uint32_t */
	struct frame *frames;
	uint32_t n_frames, cap_frames;
	size_t text_bytes;
	uint64_t lost;
};

struct gathering *gathering_new(aggregate_name_fn *name, void *arg, struct err *err)
{
	struct gathering *g = calloc(1, sizeof(*g));

	if (!g) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	g->name = name;
	g->arg = arg;
	g->tree = aggregate_new(err);
	if (g->tree)
		return g;
	free(g);
	return NULL;
}

/* ---- what is held ------------------------------------------------------------------------------
 */

static void held_free(struct gathering *g)
{
	aggregate_free(g->held);
	intern_free(g->strings);
	map_free(g->numbers);
	free(g->frames);
	g->held = NULL;
	g->strings = NULL;
	g->numbers = NULL;
	g->frames = NULL;
	g->n_frames = g->cap_frames = 0;
	g->text_bytes = 0;
}

void gathering_free(struct gathering *g)
{
	if (!g)
		return;
	held_free(g);
	aggregate_free(g->tree);
	free(g);
}

static int held_begin(struct gathering *g)
{
	g->held = aggregate_new(NULL);
	g->strings = intern_new();
	g->numbers = map_new(sizeof(struct frame), sizeof(uint32_t));
	if (g->held && g->strings && g->numbers)
		return 0;
	held_free(g);
	return -ENOMEM;
}

/* A string of a profile as one of ours. */
static int text_hold(struct gathering *g, const struct profile *p, uint32_t number, uint32_t *own)
{
	const char *text = p->strings[number];
	uint32_t before = intern_count(g->strings);

	*own = intern(g->strings, text);
	if (!*own && *text)
		return -ENOMEM;
	if (intern_count(g->strings) > before)
		g->text_bytes += strlen(text) + 1;
	return g->text_bytes > GATHERING_TEXT_BYTES_MAX ? -E2BIG : 0;
}

static int frame_number(struct gathering *g, const struct frame *frame, uint32_t *number)
{
	bool fresh;
	uint32_t *slot = map_put(g->numbers, frame, &fresh);

	if (!slot)
		return -ENOMEM;
	if (fresh && g->n_frames == g->cap_frames) {
		uint32_t cap = g->cap_frames ? g->cap_frames * 2 : 256;
		struct frame *frames = realloc(g->frames, cap * sizeof(*frames));

		if (!frames) {
			map_del(g->numbers, frame);
			return -ENOMEM;
		}
		g->frames = frames;
		g->cap_frames = cap;
	}
	if (fresh) {
		*slot = g->n_frames;
		g->frames[g->n_frames++] = *frame;
	}
	*number = *slot;
	return 0;
}

/* The location that stands for a frame of a profile. */
static int frame_hold(
	struct gathering *g, const struct profile *p, uint32_t index, struct location *out)
{
	const struct frame *given = &p->frames[index];
	struct frame frame = {.kind = given->kind, .line = given->line};
	uint32_t number = 0;
	int rc = text_hold(g, p, given->name, &frame.name);

	if (!rc)
		rc = text_hold(g, p, given->file, &frame.file);
	if (!rc)
		rc = text_hold(g, p, given->module, &frame.module);
	if (!rc)
		rc = frame_number(g, &frame, &number);
	*out = (struct location){.kind = given->kind, .scope = number};
	return rc;
}

/* A node's samples; the first of them takes all the weight along. */
static int node_hold(
	struct gathering *g, const struct stack_node *node, const struct location *stack, size_t n)
{
	uint64_t weight_ns = node->self_weight_ns;
	int rc = aggregate_nodes(g->held) >= GATHERING_NODES_MAX ? -E2BIG : 0;

	for (uint64_t i = 0; i < node->self_samples && !rc; i++, weight_ns = 0)
		rc = aggregate_add(g->held, stack, n, weight_ns);
	if (rc)
		g->lost += node->self_samples;
	return rc;
}

/* Each node's own samples with the path that leads to it: `locations` are those of the profile's
 * frames, or of kind FRAME_ROOT where there was no room for the frame. */
static void nodes_hold(struct gathering *g, const struct profile *p,
	const struct location *locations, struct location *path)
{
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		size_t at = p->n_nodes;
		bool whole = true;

		if (!p->nodes[i].self_samples)
			continue;
		for (uint32_t node = i; node; node = p->nodes[node].parent) {
			path[--at] = locations[p->nodes[node].frame];
			whole &= path[at].kind != FRAME_ROOT;
		}
		if (whole)
			node_hold(g, &p->nodes[i], path + at, p->n_nodes - at);
		else
			g->lost += p->nodes[i].self_samples;
	}
	g->lost += p->nodes[0].self_samples;
}

static int profile_hold(struct gathering *g, const struct profile *p)
{
	struct location *locations = calloc(p->n_frames, sizeof(*locations)),
			*path = calloc(p->n_nodes, sizeof(*path));
	int rc = locations && path ? 0 : -ENOMEM;

	if (!rc && !g->held)
		rc = held_begin(g);
	for (uint32_t i = 0; i < p->n_frames && !rc; i++)
		if (frame_hold(g, p, i, &locations[i]) < 0)
			locations[i].kind = FRAME_ROOT;
	if (!rc)
		nodes_hold(g, p, locations, path);
	free(locations);
	free(path);
	return rc;
}

void gathering_settle(struct gathering *g)
{
	struct aggregate *fresh;
	struct profile *p;

	if (aggregate_nodes(g->tree) <= 1)
		return;
	/* Without memory for this the tree stays: better a name that may be wrong than no samples.
	 */
	fresh = aggregate_new(NULL);
	p = fresh ? aggregate_profile(g->tree, g->name, g->arg, NULL) : NULL;
	if (p && profile_hold(g, p) == 0) {
		aggregate_free(g->tree);
		g->tree = fresh;
		fresh = NULL;
	}
	profile_free(p);
	aggregate_free(fresh);
}

/* ---- in and out --------------------------------------------------------------------------------
 */

void gathering_add(struct gathering *g, const struct location *stack, size_t n, uint64_t weight_ns)
{
	if (aggregate_nodes(g->tree) >= GATHERING_NODES_MAX)
		gathering_settle(g);
	if (aggregate_nodes(g->tree) >= GATHERING_NODES_MAX ||
		aggregate_add(g->tree, stack, n, weight_ns) < 0)
		g->lost++;
}

static bool name_held(
	void *arg, const struct location *location, struct intern *strings, struct frame *out)
{
	const struct gathering *g = arg;
	const struct frame *frame = &g->frames[location->scope];

	*out = (struct frame){.kind = frame->kind,
		.name = intern(strings, intern_text(g->strings, frame->name)),
		.file = intern(strings, intern_text(g->strings, frame->file)),
		.line = frame->line,
		.module = intern(strings, intern_text(g->strings, frame->module))};
	return true;
}

static struct profile *held_take(struct gathering *g)
{
	struct profile *p;

	gathering_settle(g);
	p = aggregate_profile(g->held, name_held, g, NULL);
	if (p)
		held_free(g);
	return p;
}

static struct profile *tree_take(struct gathering *g)
{
	struct aggregate *fresh = aggregate_new(NULL);
	struct profile *p = fresh ? aggregate_profile(g->tree, g->name, g->arg, NULL) : NULL;

	if (!p) {
		aggregate_free(fresh);
		return NULL;
	}
	aggregate_free(g->tree);
	g->tree = fresh;
	return p;
}

struct profile *gathering_take(struct gathering *g, uint64_t *lost)
{
	struct profile *p = g->held ? held_take(g) : tree_take(g);

	if (!p)
		return NULL;
	*lost = g->lost;
	g->lost = 0;
	return p;
}
