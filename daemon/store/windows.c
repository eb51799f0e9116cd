/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/windows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/pack.h"

enum { WINDOWS_MAX = 1 << 24 };

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM,
		"not enough memory for the answer; ask for a shorter time or fewer processes");
}

void windows_free(struct read_windows *w)
{
	free(w->list);
	*w = (struct read_windows){0};
}

/* ---- windows -----------------------------------------------------------------------------------
 */

static int window_add(struct read_windows *w, const struct read_window *one)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		struct read_window *list;

		if (cap > WINDOWS_MAX)
			return -E2BIG;
		list = realloc(w->list, cap * sizeof(*list));
		if (!list)
			return -ENOMEM;
		w->list = list;
		w->cap = cap;
	}
	w->list[w->n++] = *one;
	return 0;
}

static uint64_t column(sqlite3_stmt *s, int i)
{
	int64_t value = sqlite3_column_int64(s, i);

	return value > 0 ? (uint64_t)value : 0;
}

/* Threads run for a part of a window only, and in some for none of it: so the rate while they ran
 * is not a mean by the windows' durations. */
static void rate_add(struct read_windows *w, double achieved_hz, uint64_t samples)
{
	if (!samples || !(achieved_hz > 0))
		return;
	w->timed_samples += (double)samples;
	w->timed_s += (double)samples / achieved_hz;
}

static void quality_add(
	struct read_windows *w, sqlite3_stmt *s, uint64_t duration_ns, struct profile_quality *q)
{
	uint64_t rss = column(s, 12);

	q->duration_ns += duration_ns;
	rate_add(w, sqlite3_column_double(s, 9), column(s, 13));
	q->lost += column(s, 3);
	q->truncated += column(s, 4);
	q->unmerged += column(s, 5);
	q->frames_seen += column(s, 6);
	q->unsymbolized_frames += column(s, 7);
	w->requested += sqlite3_column_double(s, 8) * (double)duration_ns;
	q->profiler_cpu_ns += column(s, 10);
	q->profiler_kernel_ns += column(s, 11);
	if (rss > q->profiler_rss_bytes)
		q->profiler_rss_bytes = rss;
}

static int64_t bound(uint64_t unix_ns, int64_t none)
{
	return !unix_ns ? none : unix_ns > INT64_MAX ? INT64_MAX : (int64_t)unix_ns;
}

static int rows_read(struct read_windows *w, struct db *db, const struct store_query *q,
	struct profile_quality *quality, struct err *err)
{
	sqlite3_stmt *s;
	int rc = db_use(db, READ_WINDOWS, &s, err, "ii", bound(q->since_unix_ns, -1),
		bound(q->until_unix_ns, INT64_MAX));

	while (!rc && (rc = db_step(db, s, err)) == 1) {
		struct read_window one = {sqlite3_column_int64(s, 0), column(s, 1), column(s, 2),
			.of = {.lost = column(s, 3),
				.truncated = column(s, 4),
				.failed = column(s, 5), /* and by the walks */
				.requested_hz = sqlite3_column_double(s, 8),
				.profiler_cpu_ns = column(s, 10),
				.profiler_kernel_ns = column(s, 11),
				.profiler_rss_bytes = column(s, 12)}};

		rc = 0;
		if (one.start_unix_ns > INT64_MAX / 2 || one.duration_ns > PACK_NUMBER_MAX) {
			db_done(s);
			return reader_damaged(db, err, "a window's time makes no sense", one.id);
		}
		quality_add(w, s, one.duration_ns, quality);
		if (window_add(w, &one) < 0) {
			db_done(s);
			return no_memory(err);
		}
	}
	if (quality->duration_ns)
		quality->requested_hz = w->requested / (double)quality->duration_ns;
	if (w->timed_s > 0)
		quality->achieved_hz = w->timed_samples / w->timed_s;
	return rc;
}

/* ---- how their walks ended ---------------------------------------------------------------------
 */

static void walk_take(struct profile_quality *q, const char *cause, uint64_t samples)
{
	bool native = !strncmp(cause, "native-", 7), python = !strncmp(cause, "python-", 7);

	for (enum walk_end end = 0; end < WALK_ENDS && (native || python); end++)
		if (!strcmp(cause + 7, walk_end_name(end)))
			(native ? q->native_end : q->python_end)[end] += samples;
}

static void failure_add(void *arg, const char *cause, uint64_t n)
{
	uint64_t *sum = arg;

	(void)cause;
	*sum += n;
}

/* The failures of one window's one cause. */
static uint64_t failed_samples(const char *cause, uint64_t samples)
{
	struct profile_quality one = {0};
	uint64_t failed = 0;

	walk_take(&one, cause, samples);
	profile_failures(&one, failure_add, &failed);
	return failed;
}

/* Window by window where slices are asked for. */
static int walks_read(struct read_windows *w, struct db *db, const struct store_query *q,
	struct profile_quality *quality, struct err *err)
{
	enum read_statement which = q->slices_max ? READ_WALKS_EACH : READ_WALKS;
	sqlite3_stmt *s;
	size_t at = 0;
	int rc = db_use(db, which, &s, err, "ii", bound(q->since_unix_ns, -1),
		bound(q->until_unix_ns, INT64_MAX));

	while (!rc && (rc = db_step(db, s, err)) == 1) {
		const char *cause = (const char *)sqlite3_column_text(s, 0);

		rc = 0;
		if (cause)
			walk_take(quality, cause, column(s, 1));
		if (!cause || which == READ_WALKS)
			continue;
		while (at < w->n && w->list[at].id != sqlite3_column_int64(s, 2))
			at++;
		if (at < w->n)
			w->list[at].of.failed += failed_samples(cause, column(s, 1));
	}
	return rc;
}

int windows_read(struct read_windows *w, struct db *db, const struct store_query *q,
	struct profile_quality *quality, struct err *err)
{
	int rc = rows_read(w, db, q, quality, err);

	return rc ? rc : walks_read(w, db, q, quality, err);
}

/* ---- what they have in common ------------------------------------------------------------------
 */

void windows_span(const struct read_windows *w, struct store_span *out)
{
	*out = (struct store_span){.windows = w->n};
	for (size_t i = 0; i < w->n; i++) {
		const struct read_window *one = &w->list[i];

		if (one->start_unix_ns + one->duration_ns > out->last_unix_ns)
			out->last_unix_ns = one->start_unix_ns + one->duration_ns;
		if (one->duration_ns > out->longest_ns)
			out->longest_ns = one->duration_ns;
		out->covered_ns += one->duration_ns;
	}
	out->first_unix_ns = w->n ? w->list[0].start_unix_ns : 0;
}

void windows_sum(const struct read_window *list, size_t n, struct store_slice *sum)
{
	double duration_s = 0, requested = 0;

	for (size_t i = 0; i < n; i++) {
		const struct store_slice *of = &list[i].of;

		sum->lost += of->lost;
		sum->truncated += of->truncated;
		sum->failed += of->failed;
		sum->profiler_cpu_ns += of->profiler_cpu_ns;
		sum->profiler_kernel_ns += of->profiler_kernel_ns;
		if (of->profiler_rss_bytes > sum->profiler_rss_bytes)
			sum->profiler_rss_bytes = of->profiler_rss_bytes;
		requested += of->requested_hz * (double)list[i].duration_ns;
		duration_s += (double)list[i].duration_ns;
	}
	if (duration_s > 0)
		sum->requested_hz = requested / duration_s;
}
