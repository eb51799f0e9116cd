/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to a store: windows of a time, the samples in them, one profile. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/pack.h"
#include "store/reader.h"
#include "store/roots.h"
#include "store/forest.h"
#include "store/windows.h"

enum { TITLE_BYTES_MAX = 256 };

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM,
		"not enough memory for the answer; ask for a shorter time or fewer processes");
}

/* ---- the parts of a read -----------------------------------------------------------------------
 */

struct reading {
	struct store_reader *r;
	const struct store_query *q;
	struct profile *p;
	struct read_windows windows;
	struct chosen chosen;
	struct forest forest;
	struct roots roots;
	/* counts of the open slice by node, and which of them are not 0 */
	uint32_t *slice_counts, *touched;
	size_t n_slice_counts, n_touched, cap_counts;
	struct err *err;
};

static void reading_free(struct reading *g)
{
	windows_free(&g->windows);
	chosen_free(&g->chosen);
	forest_free(&g->forest);
	roots_free(&g->roots);
	free(g->slice_counts);
	free(g->touched);
}

/* ---- samples -----------------------------------------------------------------------------------
 */

/* Room for the counts of every node there is. */
static int counts_room(struct reading *g)
{
	size_t cap = g->forest.cap_nodes;
	uint32_t *counts, *touched;

	if (g->n_slice_counts >= g->forest.n_nodes)
		return 0;
	counts = realloc(g->slice_counts, cap * sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	memset(counts + g->n_slice_counts, 0, (cap - g->n_slice_counts) * sizeof(*counts));
	g->slice_counts = counts;
	touched = realloc(g->touched, cap * sizeof(*touched));
	if (!touched)
		return -ENOMEM;
	g->touched = touched;
	g->n_slice_counts = cap;
	return 0;
}

static int sample_take(struct reading *g, uint32_t node, uint64_t samples, uint64_t period_ns)
{
	struct stack_node *n = &g->forest.nodes[node];
	uint64_t weight;

	if (__builtin_mul_overflow(samples, period_ns, &weight) ||
		__builtin_add_overflow(n->self_weight_ns, weight, &n->self_weight_ns))
		return -EUCLEAN;
	n->self_samples += samples;
	g->p->quality.samples += samples;
	if (!g->q->slices_max)
		return 0;
	if (counts_room(g) < 0)
		return -ENOMEM;
	if (!g->slice_counts[node])
		g->touched[g->n_touched++] = node;
	if (__builtin_add_overflow(g->slice_counts[node], samples, &g->slice_counts[node]))
		g->slice_counts[node] = UINT32_MAX;
	return 0;
}

static int row_decode(struct reading *g, int64_t window, uint64_t period_ns, struct unpacker *u)
{
	struct pack_entry of = {0}; /* whose root it is */
	uint32_t root = ROOTS_NO_MATCH, node;
	int rc;

	while ((rc = unpacker_next(u)) == 1) {
		if (u->now.series != of.series || u->now.thread != of.thread) {
			of = u->now;
			rc = roots_find(&g->roots, &of, &root, g->err);
			if (rc < 0)
				return rc;
		}
		if (root == ROOTS_NO_MATCH)
			continue;
		rc = forest_node(&g->forest, root, u->now.stack, &node, g->err);
		if (rc < 0)
			return rc;
		rc = sample_take(g, node, u->now.samples, period_ns);
		if (rc == -ENOMEM)
			return no_memory(g->err);
		if (rc < 0)
			break;
	}
	return rc < 0 ? reader_damaged(
				&g->r->db, g->err, "the samples make no sense of window", window)
		      : 0;
}

static int window_decode(struct reading *g, const struct read_window *w)
{
	struct db *db = &g->r->db;
	sqlite3_stmt *s;
	int rc = db_use(db, READ_COUNTS, &s, g->err, "i", w->id);

	while (!rc && (rc = db_step(db, s, g->err)) == 1) {
		int64_t period_ns = sqlite3_column_int64(s, 0), first = sqlite3_column_int64(s, 1);
		struct unpacker u;

		rc = 0;
		if (!chosen_any(&g->chosen, first, sqlite3_column_int64(s, 2)))
			continue;
		unpacker_init(&u, (uint64_t)first, sqlite3_column_blob(s, 3),
			(size_t)sqlite3_column_bytes(s, 3));
		if (first < 0 || period_ns <= 0 || (uint64_t)period_ns > PACK_NUMBER_MAX)
			rc = reader_damaged(
				db, g->err, "the samples make no sense of window", w->id);
		else
			rc = row_decode(g, w->id, (uint64_t)period_ns, &u);
		if (rc < 0)
			db_done(s);
	}
	return rc;
}

/* ---- slices ------------------------------------------------------------------------------------
 */

static int compare_nodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int slice_end(struct reading *g, const struct read_window *first, uint64_t duration_ns)
{
	struct profile *p = g->p;
	size_t need = p->n_counts + g->n_touched;

	if (need > g->cap_counts) {
		size_t cap = need + need / 2;
		struct profile_count *counts = realloc(p->counts, cap * sizeof(*counts));

		if (!counts)
			return no_memory(g->err);
		p->counts = counts;
		g->cap_counts = cap;
	}
	p->slices[p->n_slices++] = (struct profile_slice){.start_unix_ns = first->start_unix_ns,
		.duration_ns = duration_ns,
		.first = p->n_counts,
		.n = g->n_touched};
	if (g->n_touched)
		qsort(g->touched, g->n_touched, sizeof(*g->touched), compare_nodes);
	for (size_t i = 0; i < g->n_touched; i++) {
		uint32_t node = g->touched[i];

		p->counts[p->n_counts++] = (struct profile_count){node, g->slice_counts[node]};
		g->slice_counts[node] = 0;
	}
	g->n_touched = 0;
	return 0;
}

/* A slice is closed as soon as it has its share of the time; so there are `slices_max` at most. */
static int windows_decode(struct reading *g)
{
	size_t max = g->q->slices_max, first = 0;
	uint64_t share = 0, duration_ns = 0;
	int rc = 0;

	if (max > g->windows.n)
		max = g->windows.n;
	else if (max)
		share = (g->p->quality.duration_ns + max - 1) / max;
	free(g->r->slices);
	g->r->slices = NULL;
	if (max) {
		g->p->slices = calloc(max, sizeof(*g->p->slices));
		g->r->slices = calloc(max, sizeof(*g->r->slices));
		if (!g->p->slices || !g->r->slices)
			return no_memory(g->err);
	}
	for (size_t i = 0; i < g->windows.n && !rc; i++) {
		rc = window_decode(g, &g->windows.list[i]);
		duration_ns += g->windows.list[i].duration_ns;
		if (!max || rc < 0)
			continue;
		if (i + 1 < g->windows.n && (duration_ns < share || g->p->n_slices + 1 == max))
			continue;
		windows_sum(&g->windows.list[first], i + 1 - first, &g->r->slices[g->p->n_slices]);
		rc = slice_end(g, &g->windows.list[first], duration_ns);
		first = i + 1;
		duration_ns = 0;
	}
	return rc;
}

/* ---- the profile -------------------------------------------------------------------------------
 */

static void title_list(struct buf *b, const char *one, const struct store_texts *texts)
{
	if (!texts->n)
		return;
	buf_printf(b, "%s%s %.64s", b->len ? ", " : "", one, texts->list[0]);
	if (texts->n > 1)
		buf_printf(b, " and %zu more", texts->n - 1);
}

static int title_make(struct reading *g)
{
	const struct store_about *about = &g->r->about;
	const struct store_query *q = g->q;
	struct buf b;

	buf_init(&b, 8 * TITLE_BYTES_MAX);
	buf_puts(&b, about->title);
	if (q->n_pids)
		buf_printf(&b, "%sPID %u", b.len ? ", " : "", q->pids[0]);
	if (q->n_pids > 1)
		buf_printf(&b, " and %zu more", q->n_pids - 1);
	title_list(&b, "command", &q->comms);
	title_list(&b, "container", &q->containers);
	title_list(&b, "user", &q->users);
	title_list(&b, "thread", &q->threads);
	if (!b.len)
		buf_puts(&b, q->one_uid ? "all processes of the user" : "all processes");
	if (b.error) {
		buf_free(&b);
		return no_memory(g->err);
	}
	g->p->title = b.data;
	g->p->source = strdup(about->is_recording && *about->source ? about->source : "store");
	return g->p->source ? 0 : no_memory(g->err);
}

static int read_all(struct reading *g)
{
	int rc = forest_init(&g->forest, &g->r->db, g->q->kernel, g->err);

	if (!rc)
		rc = title_make(g);
	if (!rc)
		rc = chosen_make(&g->chosen, &g->r->db, g->q, g->err);
	if (!rc)
		rc = windows_read(&g->windows, &g->r->db, g->q, &g->p->quality, g->err);
	if (!rc)
		rc = windows_decode(g);
	if (!rc)
		rc = forest_move(&g->forest, g->p, g->err);
	if (rc < 0)
		return rc;
	windows_span(&g->windows, &g->r->span);
	g->p->start_unix_ns = g->r->span.first_unix_ns;
	return 0;
}

int store_read(
	struct store_reader *r, const struct store_query *q, struct profile **out, struct err *err)
{
	struct reading g = {.r = r, .q = q, .err = err};
	int rc;

	g.p = calloc(1, sizeof(*g.p));
	g.roots =
		(struct roots){.db = &r->db, .query = q, .chosen = &g.chosen, .forest = &g.forest};
	if (!g.p || roots_init(&g.roots) < 0)
		rc = no_memory(err);
	else
		rc = db_exec(&r->db, "BEGIN", err);
	if (!rc) {
		rc = read_all(&g);
		db_rollback(&r->db);
	}
	reading_free(&g);
	*out = rc ? NULL : g.p;
	if (rc)
		profile_free(g.p);
	return rc;
}
