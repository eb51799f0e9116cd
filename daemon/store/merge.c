/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of one minute, or hour, into one of the next tier, in one transaction. The samples of all
 * are merged as sorted streams, so that memory does not grow with their number. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/inner.h"
#include "store/statements.h"

/* A minute has 60 windows of a second at most, unless the clock went back; more are merged into
 * another one of the same minute. */
enum { GROUP_MAX = 128 };

static const char counts_sql[] =
	"SELECT series_first, data FROM counts "
	"WHERE id >= (?1 << 20) AND id < ((?1 + 1) << 20) AND period_ns = ?2 ORDER BY id";

/* The samples of one window and period, in order. */
struct stream {
	sqlite3_stmt *rows;
	struct unpacker u;
	struct pack_entry before;
	int64_t window;
	size_t output;
};

/* The merged samples of one period. */
struct output {
	struct counts_row row;
	struct packer packer;
	struct pack_entry open; /* samples 0: none */
};

struct merging {
	struct store *s;
	int64_t ids[GROUP_MAX];
	size_t n;
	enum tier to;
	struct window_row row;
	double requested, achieved;
	struct stream **heap; /* [n_heap] the lowest entry first */
	size_t n_heap, cap_heap;
	struct output **outputs;
	size_t n_outputs;
	uint32_t n_rows; /* of the new window's counts */
	struct rollup *rollup;
	struct err *err;
};

static int no_memory(struct merging *m)
{
	return err_set(m->err, -ENOMEM, "out of memory for merging windows");
}

/* ---- one stream --------------------------------------------------------------------------------
 */

/* 1: the next entry stands in u.now; 0: the end. */
static int stream_next(struct merging *m, struct stream *in)
{
	int rc = unpacker_next(&in->u);

	while (!rc) {
		rc = db_step(&m->s->db, in->rows, m->err);
		if (rc <= 0)
			return rc;
		unpacker_init(&in->u, (uint64_t)sqlite3_column_int64(in->rows, 0),
			sqlite3_column_blob(in->rows, 1),
			(size_t)sqlite3_column_bytes(in->rows, 1));
		rc = unpacker_next(&in->u);
	}
	/* What is out of order could not be packed again. */
	if (rc < 0 || (in->before.samples && pack_compare(&in->before, &in->u.now) >= 0))
		return store_damaged(m->s, in->window, m->err);
	in->before = in->u.now;
	return 1;
}

static void stream_free(struct stream *in)
{
	if (in)
		sqlite3_finalize(in->rows);
	free(in);
}

static bool is_before(const struct stream *a, const struct stream *b)
{
	return pack_compare(&a->u.now, &b->u.now) < 0;
}

static void heap_down(struct merging *m, size_t i)
{
	for (;;) {
		size_t least = i, child = 2 * i + 1;
		struct stream *swap;

		if (child < m->n_heap && is_before(m->heap[child], m->heap[least]))
			least = child;
		if (child + 1 < m->n_heap && is_before(m->heap[child + 1], m->heap[least]))
			least = child + 1;
		if (least == i)
			return;
		swap = m->heap[i];
		m->heap[i] = m->heap[least];
		m->heap[least] = swap;
		i = least;
	}
}

/* ---- outputs -----------------------------------------------------------------------------------
 */

static int output_find(struct merging *m, uint64_t period_ns, size_t *number)
{
	struct output **outputs, *out;

	for (*number = 0; *number < m->n_outputs; ++*number)
		if (m->outputs[*number]->row.period_ns == period_ns)
			return 0;
	outputs = realloc(m->outputs, (m->n_outputs + 1) * sizeof(struct output *));
	if (!outputs)
		return no_memory(m);
	m->outputs = outputs;
	out = calloc(1, sizeof(*out));
	if (!out)
		return no_memory(m);
	out->row = (struct counts_row){m->s, m->row.id, period_ns, &m->n_rows, m->err};
	packer_init(&out->packer, counts_put, &out->row);
	m->outputs[m->n_outputs++] = out;
	return 0;
}

static int output_close(struct merging *m, struct output *out)
{
	int rc = out->open.samples ? packer_add(&out->packer, &out->open) : 0;

	out->open.samples = 0;
	return rc == -ENOMEM ? no_memory(m) : rc;
}

static int output_take(struct merging *m, struct output *out, const struct stream *in)
{
	const struct pack_entry *e = &in->u.now;
	int rc = 0;

	if (out->open.samples && !pack_compare(&out->open, e)) {
		out->open.samples += e->samples;
	} else {
		rc = output_close(m, out);
		out->open = *e;
	}
	if (out->open.samples > PACK_NUMBER_MAX)
		return store_damaged(m->s, in->window, m->err);
	return rc < 0 ? rc : rollup_add(m->rollup, e, out->row.period_ns, m->err);
}

static int outputs_end(struct merging *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->n_outputs && !rc; i++) {
		rc = output_close(m, m->outputs[i]);
		if (!rc)
			rc = packer_end(&m->outputs[i]->packer);
	}
	return rc < 0 ? rc : rollup_end(m->rollup, m->err);
}

/* ---- a group of windows ------------------------------------------------------------------------
 */

static int stream_open(struct merging *m, int64_t window, int64_t period_ns)
{
	struct stream *in = calloc(1, sizeof(*in));
	int rc;

	if (in && m->n_heap == m->cap_heap) {
		size_t cap = m->cap_heap ? m->cap_heap * 2 : 16;
		struct stream **heap = realloc(m->heap, cap * sizeof(struct stream *));

		if (heap) {
			m->heap = heap;
			m->cap_heap = cap;
		}
	}
	if (!in || m->n_heap == m->cap_heap) {
		free(in);
		return no_memory(m);
	}
	in->window = window;
	rc = sqlite3_prepare_v2(m->s->db.handle, counts_sql, -1, &in->rows, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(in->rows, 1, window);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(in->rows, 2, period_ns);
	rc = rc == SQLITE_OK ? output_find(m, (uint64_t)period_ns, &in->output)
			     : db_fail(&m->s->db, rc, m->err);
	if (!rc)
		rc = stream_next(m, in);
	if (rc == 1)
		m->heap[m->n_heap++] = in;
	else
		stream_free(in);
	return rc < 0 ? rc : 0;
}

static int streams_open(struct merging *m, int64_t window)
{
	sqlite3_stmt *s;
	int rc = db_use(&m->s->db, PERIODS_LIST, &s, m->err, "i", window);

	while (!rc && (rc = db_step(&m->s->db, s, m->err)) == 1) {
		int64_t period_ns = sqlite3_column_int64(s, 0);

		rc = period_ns > 0 && (uint64_t)period_ns <= PACK_NUMBER_MAX
			     ? stream_open(m, window, period_ns)
			     : store_damaged(m->s, window, m->err);
		if (rc < 0)
			db_done(s);
	}
	return rc;
}

static int counts_merge(struct merging *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->n && !rc; i++)
		rc = streams_open(m, m->ids[i]);
	for (size_t i = m->n_heap; i-- > 0 && !rc;)
		heap_down(m, i);
	while (!rc && m->n_heap) {
		struct stream *in = m->heap[0];

		rc = output_take(m, m->outputs[in->output], in);
		if (rc < 0)
			break;
		rc = stream_next(m, in);
		if (!rc) {
			stream_free(in);
			m->heap[0] = m->heap[--m->n_heap];
		}
		heap_down(m, 0);
		rc = rc < 0 ? rc : 0;
	}
	return rc < 0 ? rc : outputs_end(m);
}

static uint64_t column(sqlite3_stmt *s, int i)
{
	int64_t value = sqlite3_column_int64(s, i);

	return value > 0 ? (uint64_t)value : 0;
}

/* Sums; the rates weigh as much as their windows are long, of the profiler's memory the most. */
static int quality_add(struct merging *m, int64_t window, bool first)
{
	struct profile_quality *q = &m->row.quality;
	uint64_t start, duration, period;
	sqlite3_stmt *s;
	int rc = db_use(&m->s->db, WINDOW_GET, &s, m->err, "i", window);

	if (!rc)
		rc = db_step(&m->s->db, s, m->err);
	if (rc <= 0)
		return rc < 0 ? rc : store_damaged(m->s, window, m->err);
	start = column(s, 0);
	duration = column(s, 1);
	period = column(s, 2);
	if (first) {
		m->row.start_unix_ns = start;
		m->row.period_ns = period;
	}
	m->row.duration_ns += duration;
	m->row.period_ns = m->row.period_ns == period ? period : 0;
	q->samples += column(s, 3);
	q->lost += column(s, 4);
	q->truncated += column(s, 5);
	q->unmerged += column(s, 6);
	q->frames_seen += column(s, 7);
	q->unsymbolized_frames += column(s, 8);
	m->requested += sqlite3_column_double(s, 9) * (double)duration;
	m->achieved += sqlite3_column_double(s, 10) * (double)duration;
	q->profiler_cpu_ns += column(s, 11);
	q->profiler_kernel_ns += column(s, 12);
	if (column(s, 13) > q->profiler_rss_bytes)
		q->profiler_rss_bytes = column(s, 13);
	db_done(s);
	return 0;
}

static int group_merge(struct merging *m)
{
	struct db *db = &m->s->db;
	int rc = 0;

	m->row.tier = m->to;
	for (size_t i = 0; i < m->n && !rc; i++)
		rc = quality_add(m, m->ids[i], !i);
	if (m->row.duration_ns) {
		m->row.quality.requested_hz = m->requested / (double)m->row.duration_ns;
		m->row.quality.achieved_hz = m->achieved / (double)m->row.duration_ns;
	}
	if (!rc)
		rc = window_put(m->s, &m->row, m->err);
	if (rc < 0)
		return rc;
	m->rollup = rollup_new(m->s, m->row.id, m->to, m->row.quality.samples);
	rc = m->rollup ? counts_merge(m) : no_memory(m);
	for (size_t i = 0; i < m->n && !rc; i++) {
		rc = db_run(db, WALKS_MERGE, m->err, "ii", m->row.id, m->ids[i]);
		if (!rc)
			rc = db_run(db, USAGE_MERGE, m->err, "ii", m->row.id, m->ids[i]);
		if (!rc)
			rc = window_drop(m->s, m->ids[i], m->err);
	}
	return rc;
}

static void merging_free(struct merging *m)
{
	for (size_t i = 0; i < m->n_heap; i++)
		stream_free(m->heap[i]);
	for (size_t i = 0; i < m->n_outputs; i++) {
		packer_free(&m->outputs[i]->packer);
		free(m->outputs[i]);
	}
	free(m->heap);
	free(m->outputs);
	rollup_free(m->rollup);
}

/* The windows that started in the oldest minute, or hour, if all of that has passed. */
static int group_find(struct merging *m, enum tier from, uint64_t older_than_unix_ns)
{
	uint64_t span = (from == TIER_FINE ? 60 : 3600) * NS_PER_S;
	struct db *db = &m->s->db;
	int64_t oldest;
	sqlite3_stmt *s;
	int rc = db_find(db, GROUP_OLDEST, &oldest, m->err, "i", (int64_t)from);

	if (rc <= 0)
		return rc;
	oldest -= oldest % (int64_t)span;
	if (oldest < 0 || (uint64_t)oldest + span > older_than_unix_ns)
		return 0;
	rc = db_use(db, GROUP_LIST, &s, m->err, "iiii", (int64_t)from, oldest,
		oldest + (int64_t)span, (int64_t)GROUP_MAX);
	while (!rc && (rc = db_step(db, s, m->err)) == 1) {
		if (m->n < GROUP_MAX)
			m->ids[m->n++] = sqlite3_column_int64(s, 0);
		rc = 0;
	}
	return rc;
}

int merge_step(struct store *s, enum tier from, uint64_t older_than_unix_ns, struct err *err)
{
	struct merging m = {.s = s, .to = from + 1, .err = err};
	int rc = group_find(&m, from, older_than_unix_ns);

	if (rc < 0 || !m.n)
		return rc;
	rc = db_begin(&s->db, err);
	if (!rc) {
		rc = group_merge(&m);
		/* Its statements have to end before the transaction does. */
		merging_free(&m);
		rc = store_end(s, rc, err);
	}
	return rc < 0 ? rc : 1;
}
