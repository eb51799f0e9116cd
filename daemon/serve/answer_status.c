/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers about the daemon itself: status, done. */
#include <errno.h>

#include "serve/pack.h"

static json_t *pack_last_window(const struct profile_quality *q)
{
	if (!q)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "duration_s",
		pack_number((double)q->duration_ns / 1e9), "samples", pack_count(q->samples),
		"lost", pack_count(q->lost), "truncated", pack_count(q->truncated), "failed",
		pack_failures(q), "unsymbolized",
		q->frames_seen
			? pack_number((double)q->unsymbolized_frames / (double)q->frames_seen)
			: json_null());
}

static json_t *pack_store(const struct serve_status *s)
{
	json_t *windows = json_pack("{s:o, s:o, s:o}", "fine", pack_count(s->store_windows[0]),
		"minute", pack_count(s->store_windows[1]), "hour", pack_count(s->store_windows[2]));

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path", pack_text(s->store),
		"error", pack_text(s->store_error), "bytes", pack_count(s->store_bytes),
		"max_bytes", s->store_max_bytes ? pack_count(s->store_max_bytes) : json_null(),
		"samples", pack_count(s->store_samples), "windows", windows, "first_unix_s",
		pack_above_zero(s->store_first_unix_s), "last_unix_s",
		pack_above_zero(s->store_last_unix_s));
}

static json_t *pack_profiler(const struct serve_status *s)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cpu_percent", pack_known(s->cpu_percent),
		"kernel_cpu_percent", pack_known(s->kernel_cpu_percent), "max_cpu_percent",
		pack_above_zero(s->max_cpu_percent), "rss_bytes",
		s->rss_bytes ? pack_count(s->rss_bytes) : json_null());
}

int serve_send_status(struct channel *ch, uint64_t id, const struct serve_status *s)
{
	json_t *rate = json_pack("{s:o, s:o, s:o}", "requested", pack_known(s->requested_hz),
		"current", pack_known(s->current_hz), "achieved", pack_known(s->achieved_hz));
	json_t *windows = json_pack("{s:o, s:o, s:o}", "closed", pack_count(s->windows), "waiting",
		pack_count(s->windows_waiting), "lost", pack_count(s->windows_lost));

	return channel_queue(ch,
		json_pack(
			"{s:o, s:{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
			" s:o, s:o, s:o, s:o}}",
			"id", pack_count(id), "status", "version", pack_text(s->version), "source",
			pack_text(s->source), "uptime_s", pack_number(s->uptime_s), "paused",
			s->paused, "selection", pack_text(s->selection), "rate_hz", rate,
			"window_s", pack_known(s->window_s), "samples", pack_count(s->samples),
			"lost", pack_count(s->lost), "truncated", pack_count(s->truncated),
			"windows", windows, "last_window", pack_last_window(s->quality), "profiler",
			pack_profiler(s), "processes", json_integer(s->processes), "clients",
			json_integer(s->clients), "store", pack_store(s), "notes",
			pack_texts(s->notes, s->n_notes)),
		NULL);
}

int serve_send_done(struct channel *ch, uint64_t id, const char *what)
{
	return channel_queue(ch,
		json_pack("{s:o, s:{s:o}}", "id", pack_count(id), "done", "text", serve_text(what)),
		NULL);
}
