/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles for the tests of render/: a builder, and a make-believe web back end. Header only,
 * because the unit test and make_svg.c are programs of their own. */
#ifndef PROFD_TESTS_SAMPLES_H
#define PROFD_TESTS_SAMPLES_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"
#include "flow/profile.h"

struct spec {
	uint32_t kind;
	const char *name, *file;
	uint32_t line;
	const char *module;
};

struct builder {
	struct intern *strings;
	struct map *frames; /* struct frame -> index */
	struct map *nodes;  /* (parent, frame) -> index */
	struct profile *p;
	uint32_t frames_cap, nodes_cap;
};

static inline uint32_t builder_node(struct builder *b, uint32_t parent, uint32_t frame)
{
	uint32_t key[2] = {parent, frame}, *at;
	bool fresh;

	at = map_put(b->nodes, key, &fresh);
	assert(at);
	if (!fresh)
		return *at;
	if (b->p->n_nodes == b->nodes_cap) {
		b->nodes_cap = b->nodes_cap ? b->nodes_cap * 2 : 64;
		b->p->nodes = realloc(b->p->nodes, b->nodes_cap * sizeof(*b->p->nodes));
		assert(b->p->nodes);
	}
	*at = b->p->n_nodes++;
	b->p->nodes[*at] = (struct stack_node){.parent = parent, .frame = frame};
	return *at;
}

static inline uint32_t builder_frame(struct builder *b, const struct spec *s)
{
	struct frame frame = {
		.kind = s->kind,
		.name = intern(b->strings, s->name),
		.file = intern(b->strings, s->file ? s->file : ""),
		.line = s->line,
		.module = intern(b->strings, s->module ? s->module : ""),
	};
	bool fresh;
	uint32_t *at = map_put(b->frames, &frame, &fresh);

	assert(at);
	if (!fresh)
		return *at;
	if (b->p->n_frames == b->frames_cap) {
		b->frames_cap = b->frames_cap ? b->frames_cap * 2 : 64;
		b->p->frames = realloc(b->p->frames, b->frames_cap * sizeof(*b->p->frames));
		assert(b->p->frames);
	}
	*at = b->p->n_frames++;
	b->p->frames[*at] = frame;
	return *at;
}

static inline void builder_start(struct builder *b, const char *title)
{
	*b = (struct builder){
		.strings = intern_new(),
		.frames = map_new(sizeof(struct frame), sizeof(uint32_t)),
		.nodes = map_new(2 * sizeof(uint32_t), sizeof(uint32_t)),
		.p = calloc(1, sizeof(struct profile)),
	};
	assert(b->strings && b->frames && b->nodes && b->p);
	b->p->title = strdup(title);
	b->p->source = strdup("ebpf");
	builder_node(b, 0, builder_frame(b, &(struct spec){.kind = FRAME_ROOT, .name = "all"}));
}

/* Adds samples of one stack, root first; returns the node of its leaf. */
static inline uint32_t builder_add(
	struct builder *b, const struct spec *stack, size_t n, uint64_t samples, uint64_t weight_ns)
{
	uint32_t node = 0;

	for (size_t i = 0; i < n; i++)
		node = builder_node(b, node, builder_frame(b, &stack[i]));
	b->p->nodes[node].self_samples += samples;
	b->p->nodes[node].self_weight_ns += weight_ns;
	b->p->quality.samples += samples;
	return node;
}

#define BUILDER_ADD(b, samples, weight_ns, ...)                                                    \
	builder_add(b, (const struct spec[]){__VA_ARGS__},                                         \
		sizeof((const struct spec[]){__VA_ARGS__}) / sizeof(struct spec), samples,         \
		weight_ns)

/* The profile is the caller's: profile_free(). */
static inline struct profile *builder_end(struct builder *b)
{
	struct profile *p = b->p;

	p->n_strings = intern_count(b->strings);
	p->strings = calloc(p->n_strings, sizeof(*p->strings));
	assert(p->strings);
	for (uint32_t i = 0; i < p->n_strings; i++)
		p->strings[i] = strdup(intern_text(b->strings, i));
	intern_free(b->strings);
	map_free(b->frames);
	map_free(b->nodes);
	return p;
}

/* The same numbers on every run and machine. */
static inline uint32_t dice(uint64_t *state, uint32_t sides)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33) % sides;
}

#endif
