/* SPDX-License-Identifier: BSD-2-Clause */
/* A window into the store, in one transaction. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inner.h"
#include "store/marks.h"
#include "store/statements.h"

/* The enum's numbers stand in files. */
_Static_assert(FRAME_PYTHON == 3 && FRAME_NATIVE == 4 && FRAME_INLINED == 5 && FRAME_JIT == 6 &&
		       FRAME_KERNEL == 7 && FRAME_NOTE == 8,
	"see the table kinds in schema/0001_tables.sql");

enum { DEPTH_THREAD = 2, CAUSE_BYTES = 64, COUNTS_BITS = 20 };

/* Each tier has a range of row numbers, so that what is deleted together lies together; all of them
 * take four bytes in a row. */
static const struct {
	int64_t after, before;
} window_ids[TIERS] = {
	[TIER_HOUR] = {0, 1 << 28},
	[TIER_MINUTE] = {1 << 28, 1 << 29},
	[TIER_FINE] = {1 << 29, 1LL << 31},
};

/* Where a node of the profile lies in the store. */
struct place {
	int64_t series, stack;
	uint32_t thread;
	uint32_t depth;   /* 1: a process, 2: a thread, 3: deeper */
	uint32_t process; /* the node of its process */
};

struct writing {
	struct store *s;
	const struct window *w;
	int64_t window;
	int64_t *series_ids; /* [n_series] 0: not in the store yet */
	bool *sampled;       /* [n_series] */
	int64_t *frame_ids;  /* [n_frames] likewise */
	struct place *places;
	uint32_t *order; /* nodes, process by process */
	struct pack_entry *entries;
	size_t n_entries;
	struct err *err;
};

static void writing_free(struct writing *g)
{
	free(g->series_ids);
	free(g->sampled);
	free(g->frame_ids);
	free(g->places);
	free(g->order);
	free(g->entries);
}

static int writing_alloc(struct writing *g)
{
	const struct profile *p = g->w->profile;

	g->series_ids = calloc(g->w->n_series + 1, sizeof(*g->series_ids));
	g->sampled = calloc(g->w->n_series + 1, sizeof(*g->sampled));
	g->frame_ids = calloc((size_t)p->n_frames + 1, sizeof(*g->frame_ids));
	g->places = calloc((size_t)p->n_nodes + 1, sizeof(*g->places));
	g->order = calloc((size_t)p->n_nodes + 1, sizeof(*g->order));
	g->entries = calloc((size_t)p->n_nodes + 1, sizeof(*g->entries));
	if (!g->series_ids || !g->sampled || !g->frame_ids || !g->places || !g->order ||
		!g->entries)
		return err_set(
			g->err, -ENOMEM, "out of memory for a window of %u stacks", p->n_nodes);
	return 0;
}

static int invalid(struct writing *g, const char *what, uint32_t number)
{
	return err_set(
		g->err, -EINVAL, "a window that the store cannot take: %s (%u)", what, number);
}

static const char *text_of(const struct profile *p, uint32_t number)
{
	return number < p->n_strings ? p->strings[number] : "";
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static int place_process(struct writing *g, uint32_t i, const struct frame *f)
{
	struct place *at = &g->places[i];
	int rc = 0;

	if (f->kind != FRAME_PROCESS || f->line >= g->w->n_series)
		return invalid(g, "a stack that does not begin with a process", i);
	if (g->w->profile->nodes[i].self_samples)
		return invalid(g, "samples of a process that are of none of its threads", i);
	if (!g->series_ids[f->line])
		rc = dict_series(
			&g->s->dict, &g->w->series[f->line], &g->series_ids[f->line], g->err);
	g->sampled[f->line] = true;
	at->series = g->series_ids[f->line];
	at->depth = 1;
	return rc;
}

static int place_thread(struct writing *g, uint32_t i, const struct frame *f)
{
	struct place *at = &g->places[i];

	if (f->kind != FRAME_THREAD)
		return invalid(g, "a stack without a thread", i);
	at->series = g->places[g->w->profile->nodes[i].parent].series;
	at->depth = DEPTH_THREAD;
	return dict_thread(&g->s->dict, at->series, f->line, text_of(g->w->profile, f->name),
		&at->thread, g->err);
}

static int frame_number(struct writing *g, uint32_t number, int64_t *id)
{
	const struct profile *p = g->w->profile;
	const struct frame *f = &p->frames[number];
	struct dict *d = &g->s->dict;
	struct dict_function function = {.kind = f->kind};
	int rc;

	if (!g->frame_ids[number]) {
		if (f->kind < FRAME_PYTHON || f->kind > FRAME_NOTE)
			return invalid(g, "a frame of a kind that has no place there", number);
		rc = dict_text(d, text_of(p, f->name), &function.name, g->err);
		if (!rc)
			rc = dict_text(d, text_of(p, f->file), &function.file, g->err);
		if (!rc)
			rc = dict_text(d, text_of(p, f->module), &function.module, g->err);
		if (!rc)
			rc = dict_frame(d, &function, f->line, &g->frame_ids[number], g->err);
		if (rc < 0)
			return rc;
	}
	*id = g->frame_ids[number];
	return 0;
}

static int place_stack(struct writing *g, uint32_t i)
{
	const struct stack_node *node = &g->w->profile->nodes[i];
	struct place *at = &g->places[i];
	int64_t frame = 0;
	int rc = frame_number(g, node->frame, &frame);

	if (rc < 0)
		return rc;
	at->series = g->places[node->parent].series;
	at->thread = g->places[node->parent].thread;
	at->depth = DEPTH_THREAD + 1;
	return dict_stack(&g->s->dict, g->places[node->parent].stack, frame, &at->stack, g->err);
}

static int place_node(struct writing *g, uint32_t i)
{
	const struct profile *p = g->w->profile;
	const struct stack_node *node = &p->nodes[i];

	switch (g->places[node->parent].depth) {
	case 0:
		return place_process(g, i, &p->frames[node->frame]);
	case 1:
		return place_thread(g, i, &p->frames[node->frame]);
	default:
		return place_stack(g, i);
	}
}

static int compare_nodes(const void *a, const void *b, void *arg)
{
	const struct place *places = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (places[x].process != places[y].process)
		return places[x].process < places[y].process ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* New stacks get numbers in the order in which they are placed. Process by process, so that those
 * that are packed together lie close together; a parent still comes before its children. */
static int places_make(struct writing *g)
{
	const struct profile *p = g->w->profile;
	int rc = 0;

	for (uint32_t i = 1; i < p->n_nodes; i++) {
		uint32_t parent = p->nodes[i].parent;

		if (parent >= i || p->nodes[i].frame >= p->n_frames)
			return invalid(g, "a tree in the wrong order", i);
		g->places[i].process = parent ? g->places[parent].process : i;
		g->order[i] = i;
	}
	qsort_r(g->order, p->n_nodes, sizeof(*g->order), compare_nodes, g->places);
	for (uint32_t i = 1; i < p->n_nodes && !rc; i++)
		rc = place_node(g, g->order[i]);
	return rc;
}

static int compare_entries(const void *a, const void *b)
{
	return pack_compare(a, b);
}

/* Nodes that are one in the store become one, as two processes of a window do that are the same. */
static void entries_join(struct writing *g)
{
	size_t n = 0;

	qsort(g->entries, g->n_entries, sizeof(*g->entries), compare_entries);
	for (size_t i = 0; i < g->n_entries; i++)
		if (n && !pack_compare(&g->entries[n - 1], &g->entries[i]))
			g->entries[n - 1].samples += g->entries[i].samples;
		else
			g->entries[n++] = g->entries[i];
	g->n_entries = n;
}

static int entries_make(struct writing *g)
{
	const struct profile *p = g->w->profile;
	int rc;

	if (!p->n_nodes || p->nodes[0].self_samples)
		return invalid(g, "samples at the root", 0);
	rc = places_make(g);
	for (uint32_t i = 1; i < p->n_nodes && !rc; i++) {
		const struct place *at = &g->places[i];

		if (!p->nodes[i].self_samples)
			continue;
		if (p->nodes[i].self_samples > UINT32_MAX)
			return invalid(g, "more samples of a stack than there can be", i);
		g->entries[g->n_entries++] = (struct pack_entry){.series = (uint64_t)at->series,
			.thread = at->thread,
			.stack = (uint64_t)at->stack,
			.samples = p->nodes[i].self_samples};
	}
	entries_join(g);
	return rc;
}

int counts_put(void *arg, uint64_t series_first, uint64_t series_last, const void *data, size_t len)
{
	const struct counts_row *to = arg;
	int64_t id = (to->window << COUNTS_BITS) + *to->n_rows;

	if (++*to->n_rows >> COUNTS_BITS)
		return err_set(
			to->err, -E2BIG, "a window has more samples than the store can take");
	sweep_mark_row(to->s, series_first, data, len);
	return db_run(&to->s->db, COUNTS_ADD, to->err, "iiiib", id, (int64_t)to->period_ns,
		(int64_t)series_first, (int64_t)series_last, data, len);
}

static int counts_write(struct writing *g)
{
	uint32_t n_rows = 0;
	struct counts_row to = {g->s, g->window, g->w->period_ns, &n_rows, g->err};
	struct packer p;
	int rc = 0;

	packer_init(&p, counts_put, &to);
	for (size_t i = 0; i < g->n_entries && !rc; i++)
		rc = packer_add(&p, &g->entries[i]);
	if (!rc)
		rc = packer_end(&p);
	packer_free(&p);
	return rc == -ENOMEM ? err_set(g->err, rc, "out of memory for a window") : rc;
}

/* ---- the window itself -------------------------------------------------------------------------
 */

int window_put(struct store *s, struct window_row *w, struct err *err)
{
	const struct profile_quality *q = &w->quality;
	int rc = db_run(&s->db, WINDOW_ADD, err, "iiiiiiiiiirriiiii", (int64_t)w->tier,
		(int64_t)w->start_unix_ns, (int64_t)w->duration_ns, (int64_t)w->period_ns,
		(int64_t)q->samples, (int64_t)q->lost, (int64_t)q->truncated, (int64_t)q->unmerged,
		(int64_t)q->frames_seen, (int64_t)q->unsymbolized_frames, q->requested_hz,
		q->achieved_hz, (int64_t)q->profiler_cpu_ns, (int64_t)q->profiler_kernel_ns,
		(int64_t)q->profiler_rss_bytes, window_ids[w->tier].after,
		window_ids[w->tier].before);

	w->id = sqlite3_last_insert_rowid(s->db.handle);
	return rc;
}

static int walk_write(struct writing *g, const char *walk, enum walk_end end, uint64_t samples)
{
	char cause[CAUSE_BYTES];
	int64_t text;
	int rc;

	if (!samples)
		return 0;
	snprintf(cause, sizeof(cause), "%s-%s", walk, walk_end_name(end));
	rc = dict_text(&g->s->dict, cause, &text, g->err);
	return rc < 0 ? rc
		      : db_run(&g->s->db, WALK_ADD, g->err, "iii", g->window, text,
				(int64_t)samples);
}

static int quality_write(struct writing *g)
{
	const struct profile_quality *q = &g->w->profile->quality;
	struct window_row row = {.tier = TIER_FINE,
		.start_unix_ns = g->w->start_unix_ns,
		.duration_ns = g->w->duration_ns,
		.period_ns = g->w->period_ns,
		.quality = *q};
	int rc;

	/* What the tree holds is what counts. */
	row.quality.samples = 0;
	for (size_t i = 0; i < g->n_entries; i++)
		row.quality.samples += g->entries[i].samples;
	rc = window_put(g->s, &row, g->err);
	g->window = row.id;
	for (enum walk_end end = 0; end < WALK_ENDS && !rc; end++) {
		rc = walk_write(g, "native", end, q->native_end[end]);
		if (!rc)
			rc = walk_write(g, "python", end, q->python_end[end]);
	}
	return rc;
}

static int write_all(struct writing *g)
{
	int rc = entries_make(g);

	if (!rc)
		rc = quality_write(g);
	if (!rc)
		rc = counts_write(g);
	if (!rc)
		rc = usage_write(g->s, g->w, g->window, g->series_ids, g->sampled, g->err);
	return rc;
}

int store_write(struct store *s, const struct window *w, struct err *err)
{
	struct writing g = {.s = s, .w = w, .err = err};
	int rc;

	if (!w->profile || !w->period_ns || w->period_ns > PACK_NUMBER_MAX ||
		w->duration_ns > PACK_NUMBER_MAX || w->start_unix_ns > INT64_MAX / 2)
		return invalid(&g, "a time, duration or period out of range", 0);
	rc = writing_alloc(&g);
	if (!rc)
		rc = db_begin(&s->db, err);
	if (!rc) {
		rc = store_end(s, write_all(&g), err);
		s->n_written += !rc;
	}
	writing_free(&g);
	return rc;
}
