/* SPDX-License-Identifier: BSD-2-Clause */
#include "analyze/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* What makes two frames one row. All members are 32 bits wide: no padding in a map key. */
struct row_key {
	uint32_t kind, name, file, module, line;
};

static bool is_root(uint32_t kind)
{
	return kind == FRAME_ROOT || kind == FRAME_PROCESS || kind == FRAME_THREAD ||
	       kind == FRAME_CONTAINER;
}

/* A Python file is what a shared object is for native code. Inlined code lies in its object. */
static void key_of_module(struct row_key *key, const struct frame *f)
{
	if (f->kind == FRAME_PYTHON)
		*key = (struct row_key){.kind = FRAME_PYTHON, .file = f->file};
	else if (f->kind == FRAME_INLINED)
		*key = (struct row_key){.kind = FRAME_NATIVE, .module = f->module};
	else
		*key = (struct row_key){.kind = f->kind, .module = f->module};
}

/* False: the frame belongs to no row. */
static bool key_of(struct row_key *key, const struct frame *f, enum report_by by)
{
	static const uint32_t roots[REPORT_BYS] = {[REPORT_PROCESS] = FRAME_PROCESS,
		[REPORT_THREAD] = FRAME_THREAD,
		[REPORT_CONTAINER] = FRAME_CONTAINER};

	if (roots[by]) {
		*key = (struct row_key){.kind = f->kind, .name = f->name};
		return f->kind == roots[by];
	}
	if (is_root(f->kind) || f->kind >= FRAME_KINDS)
		return false;
	if (by == REPORT_MODULE) {
		key_of_module(key, f);
		return f->kind != FRAME_NOTE;
	}
	*key = (struct row_key){f->kind, f->name, f->file, f->file ? 0 : f->module,
		by == REPORT_LINE ? f->line : 0};
	return true;
}

static int number_rows(struct tally *t)
{
	const struct profile *p = t->p;
	struct map *seen = map_new(sizeof(struct row_key), sizeof(uint32_t));

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_frames; i++) {
		struct row_key key;
		uint32_t *number;
		bool fresh;

		t->row_of[i] = NO_ROW;
		if (!key_of(&key, &p->frames[i], t->by))
			continue;
		number = map_put(seen, &key, &fresh);
		if (!number) {
			map_free(seen);
			return -ENOMEM;
		}
		if (fresh) {
			*number = t->n_rows++;
			t->rows[*number].frame = i;
			t->rows[*number].kind = key.kind;
		}
		t->row_of[i] = *number;
	}
	map_free(seen);
	return 0;
}

/* Children of every node: the first, and the next beside it; 0 is none, as the root is no child. */
struct links {
	uint32_t *below, *beside; /* [n_nodes] */
	uint32_t *open;           /* [n_rows] nodes of the row on the path to where we are */
};

static void enter(struct tally *t, struct links *l, uint32_t i)
{
	struct tally_node *node = &t->nodes[i];
	uint32_t parent = t->p->nodes[i].parent;

	node->row = i ? t->row_of[t->p->nodes[i].frame] : NO_ROW;
	node->up = i ? tally_first(t, parent) : 0;
	node->outermost = node->row != NO_ROW && l->open[node->row]++ == 0;
}

static void leave(const struct tally *t, struct links *l, uint32_t i)
{
	const struct tally_node *node = &t->nodes[i];

	if (node->row != NO_ROW)
		l->open[node->row]--;
}

/* Depth first, without recursion: the tree may be as deep as it likes. */
static void walk(struct tally *t, struct links *l)
{
	uint32_t at = 0;

	for (;;) {
		enter(t, l, at);
		if (l->below[at]) {
			at = l->below[at];
			continue;
		}
		leave(t, l, at);
		while (at && !l->beside[at]) {
			at = t->p->nodes[at].parent;
			leave(t, l, at);
		}
		if (!at)
			return;
		at = l->beside[at];
	}
}

static int find_outermost(struct tally *t)
{
	const struct profile *p = t->p;
	struct links l = {
		.below = calloc(p->n_nodes, sizeof(*l.below)),
		.beside = calloc(p->n_nodes, sizeof(*l.beside)),
		.open = calloc((size_t)t->n_rows + 1, sizeof(*l.open)),
	};
	int rc = l.below && l.beside && l.open ? 0 : -ENOMEM;

	for (uint32_t i = p->n_nodes; rc == 0 && i-- > 1;) {
		const struct stack_node *node = &p->nodes[i];

		if (node->parent >= i || node->frame >= p->n_frames) {
			rc = -EINVAL;
			break;
		}
		l.beside[i] = l.below[node->parent];
		l.below[node->parent] = i;
	}
	if (rc == 0)
		walk(t, &l);
	free(l.below);
	free(l.beside);
	free(l.open);
	return rc;
}

struct amount {
	uint64_t samples, weight_ns;
};

static void add_node(struct tally *t, uint32_t i, const struct amount *all, uint64_t *frame_value)
{
	const struct stack_node *node = &t->p->nodes[i];
	struct tally_row *row;

	if (t->nodes[i].row == NO_ROW)
		return;
	row = &t->rows[t->nodes[i].row];
	row->self_samples += node->self_samples;
	row->self_weight_ns += node->self_weight_ns;
	frame_value[node->frame] += tally_value(t, all->samples, all->weight_ns);
	if (!t->nodes[i].outermost)
		return;
	row->total_samples += all->samples;
	row->total_weight_ns += all->weight_ns;
}

/* Sums up what lies below each node, last to first: children stand behind their parents. */
static int add_up(struct tally *t)
{
	const struct profile *p = t->p;
	struct amount *all = calloc(p->n_nodes, sizeof(*all));
	uint64_t *frame_value = calloc((size_t)p->n_frames + 1, sizeof(*frame_value));
	int rc = all && frame_value ? 0 : -ENOMEM;

	for (uint32_t i = p->n_nodes; rc == 0 && i-- > 0;) {
		const struct stack_node *node = &p->nodes[i];

		all[i].samples += node->self_samples;
		all[i].weight_ns += node->self_weight_ns;
		add_node(t, i, &all[i], frame_value);
		if (i) {
			all[node->parent].samples += all[i].samples;
			all[node->parent].weight_ns += all[i].weight_ns;
		}
	}
	for (uint32_t i = 0; rc == 0 && i < p->n_frames; i++) {
		uint32_t row = t->row_of[i];

		if (row != NO_ROW && frame_value[i] > frame_value[t->rows[row].frame])
			t->rows[row].frame = i;
	}
	free(all);
	free(frame_value);
	return rc;
}

static void make_roots_whole(struct tally *t)
{
	if (!tally_is_by_root(t->by))
		return;
	for (uint32_t i = 0; i < t->n_rows; i++) {
		t->rows[i].self_samples = t->rows[i].total_samples;
		t->rows[i].self_weight_ns = t->rows[i].total_weight_ns;
	}
}

int tally_make(struct tally *t, const struct profile *p, enum report_by by)
{
	int rc;

	*t = (struct tally){.p = p, .by = by};
	if (!p->n_nodes)
		return -EINVAL;
	t->row_of = calloc((size_t)p->n_frames + 1, sizeof(*t->row_of));
	t->rows = calloc((size_t)p->n_frames + 1, sizeof(*t->rows));
	t->nodes = calloc(p->n_nodes, sizeof(*t->nodes));
	if (!t->row_of || !t->rows || !t->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		t->samples += p->nodes[i].self_samples;
		t->weight_ns += p->nodes[i].self_weight_ns;
	}
	t->weighted = t->weight_ns > 0;
	rc = number_rows(t);
	if (rc == 0)
		rc = find_outermost(t);
	if (rc == 0)
		rc = add_up(t);
	if (rc == 0)
		make_roots_whole(t);
	return rc;
}

void tally_clear(struct tally *t)
{
	free(t->row_of);
	free(t->rows);
	free(t->nodes);
	*t = (struct tally){0};
}

const char *tally_text(const struct profile *p, uint32_t number)
{
	return number < p->n_strings ? p->strings[number] : "";
}

uint32_t tally_name(const struct tally *t, const struct tally_row *row)
{
	const struct frame *f = &t->p->frames[row->frame];

	if (t->by != REPORT_MODULE)
		return f->name;
	return row->kind == FRAME_PYTHON ? f->file : f->module;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_text(const struct profile *p, uint32_t a, uint32_t b)
{
	return a == b ? 0 : strcmp(tally_text(p, a), tally_text(p, b));
}

static int compare_names(
	const struct tally *t, const struct tally_row *a, const struct tally_row *b)
{
	const struct frame *fa = &t->p->frames[a->frame], *fb = &t->p->frames[b->frame];
	int order = compare_text(t->p, tally_name(t, a), tally_name(t, b));

	if (order || t->by == REPORT_MODULE)
		return order ? order : compare_numbers(a->kind, b->kind);
	order = compare_text(t->p, fa->file, fb->file);
	if (!order)
		order = compare_text(t->p, fa->module, fb->module);
	if (!order)
		order = compare_numbers(a->kind, b->kind);
	return order ? order : compare_numbers(fa->line, fb->line);
}

int tally_compare(const struct tally *t, enum report_sort sort, uint32_t a, uint32_t b)
{
	const struct tally_row *ra = &t->rows[a], *rb = &t->rows[b];
	int self = compare_numbers(tally_value(t, rb->self_samples, rb->self_weight_ns),
		tally_value(t, ra->self_samples, ra->self_weight_ns));
	int total = compare_numbers(tally_value(t, rb->total_samples, rb->total_weight_ns),
		tally_value(t, ra->total_samples, ra->total_weight_ns));
	int first = sort == REPORT_SELF ? self : total, then = sort == REPORT_SELF ? total : self;

	if (first)
		return first;
	return then ? then : compare_names(t, ra, rb);
}
