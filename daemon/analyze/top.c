/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/analyze.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* What makes two frames one function. All members are 32 bits wide: no padding in a map key. */
struct function_key {
	uint32_t kind, name, file, module;
};

struct function {
	uint64_t self_samples, total_samples;
	uint64_t self_weight_ns, total_weight_ns;
	uint32_t frame;        /* the one with the most total weight so far */
	uint32_t counted_node; /* last node whose stack was counted in `total`, plus 1 */
};

/* Working memory of one call. */
struct tally {
	const struct profile *p;
	uint32_t *function_of;      /* [n_frames]: index into functions, or NO_FUNCTION */
	uint64_t *frame_weight_ns;  /* [n_frames]: total weight, to choose a function's line */
	struct function *functions; /* [n_functions], at most n_frames */
	uint32_t n_functions;
};

static const uint32_t NO_FUNCTION = UINT32_MAX;

static bool is_function(uint32_t kind)
{
	return kind != FRAME_ROOT && kind != FRAME_PROCESS && kind != FRAME_THREAD &&
	       kind != FRAME_NOTE && kind < FRAME_KINDS;
}

static int number_functions(struct tally *t)
{
	const struct profile *p = t->p;
	struct map *seen = map_new(sizeof(struct function_key), sizeof(uint32_t));

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_frames; i++) {
		const struct frame *f = &p->frames[i];
		struct function_key key = {f->kind, f->name, f->file, f->file ? 0 : f->module};
		uint32_t *number;
		bool fresh;

		t->function_of[i] = NO_FUNCTION;
		if (!is_function(f->kind))
			continue;
		number = map_put(seen, &key, &fresh);
		if (!number) {
			map_free(seen);
			return -ENOMEM;
		}
		if (fresh) {
			*number = t->n_functions++;
			t->functions[*number].frame = i;
		}
		t->function_of[i] = *number;
	}
	map_free(seen);
	return 0;
}

/* Adds one stack, given by its innermost node, to the totals of every function in it, once each. */
static void count_stack(struct tally *t, uint32_t leaf)
{
	const struct stack_node *node = &t->p->nodes[leaf];

	for (uint32_t at = leaf; at; at = t->p->nodes[at].parent) {
		uint32_t frame = t->p->nodes[at].frame;
		uint32_t number = t->function_of[frame];
		struct function *f;

		if (number == NO_FUNCTION)
			continue;
		f = &t->functions[number];
		t->frame_weight_ns[frame] += node->self_weight_ns;
		if (f->counted_node == leaf + 1)
			continue;
		f->counted_node = leaf + 1;
		f->total_samples += node->self_samples;
		f->total_weight_ns += node->self_weight_ns;
	}
}

static void choose_lines(struct tally *t)
{
	for (uint32_t i = 0; i < t->p->n_frames; i++) {
		uint32_t number = t->function_of[i];

		if (number != NO_FUNCTION &&
			t->frame_weight_ns[i] > t->frame_weight_ns[t->functions[number].frame])
			t->functions[number].frame = i;
	}
}

static uint64_t count_all(struct tally *t)
{
	uint64_t whole_ns = 0;

	for (uint32_t i = 1; i < t->p->n_nodes; i++) {
		const struct stack_node *node = &t->p->nodes[i];
		uint32_t number = t->function_of[node->frame];

		if (!node->self_samples && !node->self_weight_ns)
			continue;
		whole_ns += node->self_weight_ns;
		count_stack(t, i);
		if (number != NO_FUNCTION) {
			t->functions[number].self_samples += node->self_samples;
			t->functions[number].self_weight_ns += node->self_weight_ns;
		}
	}
	choose_lines(t);
	return whole_ns;
}

static int compare_text(const struct profile *p, uint32_t a, uint32_t b)
{
	return a == b ? 0 : strcmp(p->strings[a], p->strings[b]);
}

/* Whether function `a` stands before `b`: a total order, down to what tells two functions apart. */
static bool is_hotter(const struct profile *p, const struct function *a, const struct function *b)
{
	const struct frame *fa = &p->frames[a->frame], *fb = &p->frames[b->frame];
	int order;

	if (a->self_weight_ns != b->self_weight_ns)
		return a->self_weight_ns > b->self_weight_ns;
	if (a->total_weight_ns != b->total_weight_ns)
		return a->total_weight_ns > b->total_weight_ns;
	order = compare_text(p, fa->name, fb->name);
	if (!order)
		order = compare_text(p, fa->file, fb->file);
	if (!order)
		order = compare_text(p, fa->module, fb->module);
	return order ? order < 0 : fa->kind < fb->kind;
}

/* Keeps the best `n` in order by insertion: n is small (a handful of rows), functions are many. */
static size_t select_hottest(const struct tally *t, size_t n, uint32_t *best)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < t->n_functions; i++) {
		size_t at = kept;

		if (!t->functions[i].self_samples && !t->functions[i].self_weight_ns)
			continue;
		while (at && is_hotter(t->p, &t->functions[i], &t->functions[best[at - 1]]))
			at--;
		if (at == n)
			continue;
		if (kept < n)
			kept++;
		memmove(&best[at + 1], &best[at], (kept - at - 1) * sizeof(*best));
		best[at] = i;
	}
	return kept;
}

static void fill_row(struct top_row *row, const struct function *f, uint64_t whole_ns)
{
	row->frame = f->frame;
	row->self_samples = f->self_samples;
	row->total_samples = f->total_samples;
	row->self_weight_ns = f->self_weight_ns;
	row->total_weight_ns = f->total_weight_ns;
	row->self = whole_ns ? (double)f->self_weight_ns / (double)whole_ns : 0;
	row->total = whole_ns ? (double)f->total_weight_ns / (double)whole_ns : 0;
}

int analyze_top(const struct profile *p, size_t n, struct top_row *rows, size_t *n_rows)
{
	struct tally t = {.p = p};
	uint32_t *best = NULL;
	uint64_t whole_ns;
	int rc = -ENOMEM;

	*n_rows = 0;
	if (!n || !p->n_frames)
		return 0;
	t.function_of = calloc(p->n_frames, sizeof(*t.function_of));
	t.frame_weight_ns = calloc(p->n_frames, sizeof(*t.frame_weight_ns));
	t.functions = calloc(p->n_frames, sizeof(*t.functions));
	best = calloc(n, sizeof(*best));
	if (!t.function_of || !t.frame_weight_ns || !t.functions || !best)
		goto out;
	rc = number_functions(&t);
	if (rc < 0)
		goto out;
	whole_ns = count_all(&t);
	*n_rows = select_hottest(&t, n, best);
	for (size_t i = 0; i < *n_rows; i++)
		fill_row(&rows[i], &t.functions[best[i]], whole_ns);
out:
	free(t.function_of);
	free(t.frame_weight_ns);
	free(t.functions);
	free(best);
	return rc;
}
