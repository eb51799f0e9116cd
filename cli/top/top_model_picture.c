/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks of a span as a profile of their own, for the formats of render/. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "render/render.h"

struct picture {
	struct top_model *m;
	const struct top_span *v;
	struct top_tree_branch *b;
	struct stack_node *nodes; /* [n_nodes] those of the picture */
	uint64_t *below;          /* [n_nodes] samples, and more where there are none but weight */
	uint32_t *moved;          /* [n_nodes] node of the view -> of the picture */
	bool filtered;
};

/* Whether stacks that end here are in it. */
static bool is_in(const struct picture *p, uint32_t i)
{
	const struct top_tree_branch *b = &p->b[p->m->forest.nodes[i].branch];

	return !p->filtered || b->matches || b->follows;
}

static void sum_up(struct picture *p)
{
	const struct stack_node *nodes = p->v->p.nodes;

	for (uint32_t i = p->v->p.n_nodes; i-- > 0;) {
		if (is_in(p, i))
			p->below[i] += nodes[i].self_samples + (nodes[i].self_weight_ns > 0);
		if (i)
			p->below[nodes[i].parent] += p->below[i];
	}
}

/* Processes and threads are left out where the tree leaves them out. */
static void move_nodes(struct picture *p, struct profile *out)
{
	const struct stack_node *nodes = p->v->p.nodes;

	out->nodes = p->nodes;
	for (uint32_t i = 0; i < p->v->p.n_nodes; i++) {
		uint32_t to = i ? p->moved[nodes[i].parent] : 0;

		p->moved[i] = to;
		if (!p->below[i] && i)
			continue;
		if (!i || !p->b[p->m->forest.nodes[i].branch].skipped) {
			p->moved[i] = out->n_nodes;
			p->nodes[out->n_nodes++] =
				(struct stack_node){.parent = to, .frame = nodes[i].frame};
		}
		if (!is_in(p, i))
			continue;
		p->nodes[p->moved[i]].self_samples += nodes[i].self_samples;
		p->nodes[p->moved[i]].self_weight_ns += nodes[i].self_weight_ns;
	}
}

/* By the names that profd gives to what has none. */
static bool has_no_symbol(const struct profile *p, const struct frame *f)
{
	const char *name = p->strings[f->name];

	return f->kind == FRAME_PYTHON ? name[0] == '<' && name[1] == 'u' : *name == '[';
}

static void count_symbols(const struct profile *p, struct profile_quality *q, uint64_t *below)
{
	for (uint32_t i = 0; i < p->n_nodes; i++)
		below[i] = p->nodes[i].self_samples;
	for (uint32_t i = p->n_nodes; i-- > 1;) {
		const struct frame *f = &p->frames[p->nodes[i].frame];

		below[p->nodes[i].parent] += below[i];
		if (f->kind != FRAME_NATIVE && f->kind != FRAME_KERNEL && f->kind != FRAME_JIT &&
			f->kind != FRAME_PYTHON)
			continue;
		q->frames_seen += below[i];
		if (has_no_symbol(p, f))
			q->unsymbolized_frames += below[i];
	}
	q->samples = below[0];
}

static uint64_t in_ns(double seconds)
{
	return seconds > 0 && seconds < 1e9 ? (uint64_t)llround(seconds * 1e9) : 0;
}

static void tell_quality(struct picture *p, struct profile *out)
{
	const struct top_totals *t = &p->v->totals;
	double rate_hz = p->m->last.rate_hz > 0 ? p->m->last.rate_hz : 0;
	double start_unix_s = t->start_unix_s;

	out->quality = (struct profile_quality){
		.requested_hz = rate_hz,
		.achieved_hz = rate_hz,
		.duration_ns = in_ns(t->seconds),
		.lost = t->lost,
		.truncated = t->truncated,
		.failed_otherwise = t->failed,
		.profiler_cpu_ns = in_ns(t->cpu_s),
		.profiler_kernel_ns = in_ns(t->kernel_cpu_s),
		.profiler_rss_bytes = p->m->last.rss_bytes,
	};
	if (start_unix_s > 0 && start_unix_s < 18e9) /* what fits 64 bits of ns */
		out->start_unix_ns = (uint64_t)(start_unix_s * 1e9);
	count_symbols(out, &out->quality, p->below);
}

static int draw(struct picture *p, const struct render_format *format, const char *title,
	struct buf *out, struct err *err)
{
	/* Nothing of it is written to */
	struct profile profile = {.strings = p->v->p.strings,
		.n_strings = p->v->p.n_strings,
		.frames = p->v->p.frames,
		.n_frames = p->v->p.n_frames,
		.title = (char *)title};

	sum_up(p);
	move_nodes(p, &profile);
	tell_quality(p, &profile);
	return format->render(&profile, out, err);
}

static int make_picture(struct top_model *m, const struct top_span *v,
	const struct render_format *format, const char *title, struct buf *out, struct err *err)
{
	uint32_t n = v->p.n_nodes;
	struct picture p = {.m = m,
		.v = v,
		.b = top_tree_make(m, v),
		.nodes = calloc(n, sizeof(*p.nodes)),
		.below = calloc(n, sizeof(*p.below)),
		.moved = calloc(n, sizeof(*p.moved)),
		.filtered = top_filter_is_on(&m->filter)};
	int rc = p.b && p.nodes && p.below && p.moved
			 ? draw(&p, format, title, out, err)
			 : err_set(err, -ENOMEM, "not enough memory for the picture");

	free(p.b);
	free(p.nodes);
	free(p.below);
	free(p.moved);
	return rc;
}

int top_model_render(struct top_model *m, const struct top_query *q, const char *format,
	const char *title, struct buf *out, struct err *err)
{
	const struct render_format *f = render_format_find(format);
	struct top_span v = {0};
	int rc;

	if (!f)
		return err_set(err, -EINVAL, "there is no format '%.60s'", format);
	rc = top_filter_set(&m->filter, q->filter, err);
	if (rc < 0)
		return rc;
	rc = top_span_make(m, q->span_s, &v);
	if (rc < 0)
		err_set(err, rc, "not enough memory for the picture");
	else
		rc = make_picture(m, &v, f, title, out, err);
	top_span_clear(&v);
	return rc;
}
