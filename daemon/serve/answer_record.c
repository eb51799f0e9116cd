/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers to a request for a recording. */
#include <errno.h>

#include "serve/member.h"
#include "serve/pack.h"

static json_t *encode_started(uint64_t id, const struct serve_started *s)
{
	return json_pack("{s:o, s:{s:o, s:o, s:o, s:o}}", "id", pack_count(id), "started", "source",
		serve_text(s->source), "note", pack_text(s->note), "title", pack_text(s->title),
		"pids", member_encode_pids(s->pids, s->n_pids));
}

int serve_send_started(struct channel *ch, uint64_t id, const struct serve_started *s)
{
	return channel_send(ch, encode_started(id, s), -1, NULL);
}

int serve_queue_started(struct channel *ch, uint64_t id, const struct serve_started *s)
{
	return channel_queue(ch, encode_started(id, s), NULL);
}

int serve_send_progress(
	struct channel *ch, uint64_t id, double elapsed_s, uint64_t samples, uint64_t lost)
{
	return channel_offer(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o}}", "id", pack_count(id), "progress", "elapsed_s",
			pack_number(elapsed_s), "samples", pack_count(samples), "lost",
			pack_count(lost)),
		NULL);
}

static const char *ended_name(enum serve_ended ended)
{
	switch (ended) {
	case ENDED_DURATION:
		return "duration";
	case ENDED_STOPPED:
		return "stopped";
	case ENDED_EXITED:
		break;
	}
	return "exited";
}

int serve_send_finished(struct channel *ch, uint64_t id, const struct serve_finished *f)
{
	const struct profile_quality *q = &f->profile->quality;
	json_t *rate = json_pack("{s:o, s:o}", "requested", pack_number(q->requested_hz),
		"achieved", pack_number(q->achieved_hz));
	json_t *profiler =
		json_pack("{s:o, s:o, s:o}", "cpu_s", pack_number((double)q->profiler_cpu_ns / 1e9),
			"kernel_cpu_s", pack_number((double)q->profiler_kernel_ns / 1e9),
			"rss_bytes", pack_count(q->profiler_rss_bytes));

	return channel_send(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}}", "id",
			pack_count(id), "finished", "source",
			serve_text(f->profile->source ? f->profile->source : ""), "duration_s",
			pack_number((double)q->duration_ns / 1e9), "rate_hz", rate, "samples",
			pack_count(q->samples), "lost", pack_count(q->lost), "truncated",
			pack_count(q->truncated), "failed", pack_failures(q), "profiler", profiler,
			"top", pack_rows(f->profile, f->top, f->n_top), "ended",
			ended_name(f->ended), "notes", pack_texts(f->notes, f->n_notes)),
		-1, NULL);
}
