/* SPDX-License-Identifier: BSD-2-Clause */
/* What processes used in a window. Most do next to nothing most of the time; a row of each in every
 * window would be the largest part of the store. A row is written of a process that was sampled,
 * that used more than a thousandth of a CPU, that read or wrote, or whose memory or threads changed
 * by an eighth; of any other once in a while, so that its memory is known at any time. */
#include <errno.h>
#include <stdlib.h>

#include "base/map.h"
#include "store/inner.h"
#include "store/statements.h"

enum {
	BUSY_SHARE = 1000, /* of the window's duration */
	IO_BYTES = 64 << 10,
	CHANGE_SHARE = 8,
	SILENT_WINDOWS = 180, /* half an hour */
	LEVELS_MAX = 1 << 15,
};

struct process_key {
	uint64_t pid, start_ticks;
};

struct level {
	uint64_t rss_kib, threads, n_written;
};

static bool differs(uint64_t a, uint64_t b)
{
	uint64_t larger = a > b ? a : b, smaller = a > b ? b : a;

	return larger - smaller > larger / CHANGE_SHARE;
}

/* Whether a row is due; remembers what it says. */
static bool is_due(struct store *s, const struct window *w, size_t i, bool sampled)
{
	const struct series_usage *u = &w->usage[i];
	struct process_key key = {w->series[i].pid, w->series[i].start_ticks};
	bool due = sampled || u->user_ns + u->system_ns > w->duration_ns / BUSY_SHARE ||
		   u->read_bytes + u->written_bytes >= IO_BYTES,
	     fresh = true;
	struct level *level;

	if (s->levels && map_count(s->levels) >= LEVELS_MAX) {
		map_free(s->levels);
		s->levels = NULL;
	}
	if (!s->levels)
		s->levels = map_new(sizeof(struct process_key), sizeof(struct level));
	level = s->levels ? map_put(s->levels, &key, &fresh) : NULL;
	if (!level)
		return true;
	due = due || fresh || differs(level->rss_kib, u->rss_bytes >> 10) ||
	      differs(level->threads, u->threads) ||
	      s->n_written - level->n_written >= SILENT_WINDOWS;
	if (due)
		*level = (struct level){u->rss_bytes >> 10, u->threads, s->n_written};
	return due;
}

static int64_t rounded_us(uint64_t ns)
{
	return (int64_t)(ns / 1000 + (ns % 1000 >= 500));
}

static int row_write(struct store *s, int64_t window, int64_t series, const struct series_usage *u,
	struct err *err)
{
	return db_run(&s->db, USAGE_ADD, err, "iiiiiiiiii", window, series, rounded_us(u->user_ns),
		rounded_us(u->system_ns), (int64_t)(u->rss_bytes >> 10), (int64_t)u->threads,
		(int64_t)u->voluntary_switches, (int64_t)u->involuntary_switches,
		(int64_t)u->read_bytes, (int64_t)u->written_bytes);
}

int usage_write(struct store *s, const struct window *w, int64_t window, int64_t *series_ids,
	const bool *sampled, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; w->usage && i < w->n_series && !rc; i++) {
		if (!is_due(s, w, i, sampled[i]))
			continue;
		if (!series_ids[i])
			rc = dict_series(&s->dict, &w->series[i], &series_ids[i], err);
		if (!rc)
			rc = row_write(s, window, series_ids[i], &w->usage[i], err);
	}
	return rc;
}
