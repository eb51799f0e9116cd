/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes ran a function, or a line. Each stack counts where the function stands outermost
 * on it; those places are put into buckets by function, and each bucket is summed up by process. */
#include "cli/top/top_model_inner.h"

#include <stdlib.h>

struct places {
	struct top_model *m;
	const struct top_span *v;
	bool by_line;
	uint32_t *end;   /* [n_frames + 1] where the bucket of a function ends in `nodes` */
	uint32_t *nodes; /* the outermost ones that have samples, bucket by bucket */
	uint64_t *sum;   /* [n_nodes] by process; all 0 between buckets */
};

static bool counts(const struct places *p, uint32_t i)
{
	const struct top_node *node = &p->m->forest.nodes[i];

	return (p->by_line ? node->new_line : node->new_function) &&
	       (p->v->below[i].samples || p->v->below[i].weight_ns);
}

static uint32_t function_of(const struct places *p, uint32_t i)
{
	const struct top_frame *frame = &p->m->forest.frames[p->v->p.nodes[i].frame];

	return p->by_line ? frame->line : frame->function;
}

static void fill_buckets(struct places *p)
{
	for (uint32_t i = 1; i < p->v->p.n_nodes; i++)
		if (counts(p, i))
			p->end[function_of(p, i) + 1]++;
	for (uint32_t i = 0; i < p->v->p.n_frames; i++)
		p->end[i + 1] += p->end[i];
	/* end[f] is where the bucket of f begins until it is full, and is its end then */
	for (uint32_t i = 1; i < p->v->p.n_nodes; i++)
		if (counts(p, i))
			p->nodes[p->end[function_of(p, i)]++] = i;
}

/* Who is not known any more had ended. */
bool top_pid_ended(const struct top_model *m, uint32_t pid)
{
	const struct top_process *p = top_model_process(m, pid);

	return p ? p->ended : pid && m->n_forgotten;
}

bool top_node_ended(const struct top_model *m, uint32_t process)
{
	const struct profile *p = &m->forest.p;

	return top_pid_ended(m, p->frames[p->nodes[process].frame].line);
}

static bool node_matches(const struct places *p, uint32_t process)
{
	const struct top_forest *f = &p->m->forest;

	return top_filter_is_on(&p->m->filter) &&
	       top_filter_text(&p->m->filter, f, f->p.frames[f->p.nodes[process].frame].name);
}

/* A process with some of the function in it. */
static void add_process(const struct places *p, uint32_t process, struct top_place *to)
{
	if (!process)
		return;
	if (!to->process) {
		to->ended = true;
		to->process = process;
	} else {
		to->more++;
		if (p->sum[process] > p->sum[to->process])
			to->process = process;
	}
	to->ended = to->ended && top_node_ended(p->m, process);
	to->matches = to->matches || node_matches(p, process);
}

static void sum_bucket(struct places *p, uint32_t from, uint32_t to, struct top_place *place)
{
	const struct top_node *nodes = p->m->forest.nodes;

	for (uint32_t i = from; i < to; i++) {
		const struct top_amount *below = &p->v->below[p->nodes[i]];

		p->sum[nodes[p->nodes[i]].process] +=
			top_span_value(p->v, below->samples, below->weight_ns);
	}
	/* Each process once: what has been looked at is 0, but for the one that is ahead */
	for (uint32_t i = from; i < to; i++) {
		uint32_t process = nodes[p->nodes[i]].process, ahead = place->process;

		if (!p->sum[process] || process == ahead)
			continue;
		add_process(p, process, place);
		if (place->process != process)
			p->sum[process] = 0;
		else if (ahead)
			p->sum[ahead] = 0;
	}
	if (from < to) {
		p->sum[place->process] = 0;
		p->sum[0] = 0;
	}
}

struct top_place *top_places_make(struct top_model *m, const struct top_span *v, bool by_line)
{
	struct places p = {.m = m, .v = v, .by_line = by_line};
	struct top_place *places = calloc((size_t)v->p.n_frames + 1, sizeof(*places));

	p.end = calloc((size_t)v->p.n_frames + 1, sizeof(*p.end));
	p.nodes = calloc(v->p.n_nodes, sizeof(*p.nodes));
	p.sum = calloc(v->p.n_nodes, sizeof(*p.sum));
	if (places && p.end && p.nodes && p.sum) {
		fill_buckets(&p);
		for (uint32_t f = 0; f < v->p.n_frames; f++)
			sum_bucket(&p, f ? p.end[f - 1] : 0, p.end[f], &places[f]);
	} else {
		free(places);
		places = NULL;
	}
	free(p.end);
	free(p.nodes);
	free(p.sum);
	return places;
}
