/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages that are not requests to record. */
#include "serve/channel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	enum serve_kind kind;
} kinds[] = {
	{"hello", SERVE_HELLO},
	{"record", SERVE_RECORD},
	{"stop", SERVE_STOP},
	{"started", SERVE_STARTED},
	{"progress", SERVE_PROGRESS},
	{"finished", SERVE_FINISHED},
	{"error", SERVE_ERROR},
};

enum serve_kind serve_message_kind(const json_t *message, uint64_t *id)
{
	json_int_t number = json_integer_value(json_object_get(message, "id"));

	*id = number > 0 ? (uint64_t)number : 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (json_is_object(json_object_get(message, kinds[i].name)))
			return kinds[i].kind;
	return SERVE_UNKNOWN;
}

/* JSON has no NaN and no infinity. */
static json_t *number(double value)
{
	return json_real(isfinite(value) ? value : 0);
}

static json_t *count(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? serve_text(s) : json_null();
}

/* ---- the server's ------------------------------------------------------------------------------
 */

int serve_send_started(struct channel *ch, uint64_t id, const struct serve_started *s)
{
	json_t *pids = json_array();

	for (size_t i = 0; i < s->n_pids; i++)
		if (json_array_append_new(pids, json_integer(s->pids[i])) < 0) {
			json_decref(pids);
			return -ENOMEM;
		}
	return channel_send(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o, s:o}}", "id", count(id), "started", "source",
			serve_text(s->source), "note", text_or_null(s->note), "title",
			text_or_null(s->title), "pids", pids),
		-1, NULL);
}

int serve_send_progress(
	struct channel *ch, uint64_t id, double elapsed_s, uint64_t samples, uint64_t lost)
{
	return channel_offer(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o}}", "id", count(id), "progress", "elapsed_s",
			number(elapsed_s), "samples", count(samples), "lost", count(lost)),
		NULL);
}

static void add_failure(void *arg, const char *cause, uint64_t n)
{
	json_object_set_new(arg, cause, count(n));
}

static json_t *pack_failures(const struct profile_quality *q)
{
	json_t *failed = json_object();

	if (failed)
		profile_failures(q, add_failure, failed);
	return failed;
}

static json_t *pack_row(const struct profile *p, const struct top_row *row)
{
	const struct frame *f = &p->frames[row->frame];

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "function",
		serve_text(p->strings[f->name]), "file", text_or_null(p->strings[f->file]), "line",
		f->line ? json_integer(f->line) : json_null(), "module",
		text_or_null(p->strings[f->module]), "kind",
		frame_kind_name((enum frame_kind)f->kind), "self", number(row->self), "total",
		number(row->total));
}

static json_t *pack_top(const struct serve_finished *f)
{
	json_t *top = json_array();

	for (size_t i = 0; i < f->n_top; i++)
		if (json_array_append_new(top, pack_row(f->profile, &f->top[i])) < 0) {
			json_decref(top);
			return NULL;
		}
	return top;
}

static json_t *pack_notes(const struct serve_finished *f)
{
	json_t *notes = json_array();

	for (size_t i = 0; i < f->n_notes; i++)
		if (json_array_append_new(notes, serve_text(f->notes[i])) < 0) {
			json_decref(notes);
			return NULL;
		}
	return notes;
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
	json_t *rate = json_pack("{s:o, s:o}", "requested", number(q->requested_hz), "achieved",
		number(q->achieved_hz));
	json_t *profiler =
		json_pack("{s:o, s:o, s:o}", "cpu_s", number((double)q->profiler_cpu_ns / 1e9),
			"kernel_cpu_s", number((double)q->profiler_kernel_ns / 1e9), "rss_bytes",
			count(q->profiler_rss_bytes));

	return channel_send(ch,
		json_pack("{s:o, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}}", "id",
			count(id), "finished", "source",
			serve_text(f->profile->source ? f->profile->source : ""), "duration_s",
			number((double)q->duration_ns / 1e9), "rate_hz", rate, "samples",
			count(q->samples), "lost", count(q->lost), "truncated", count(q->truncated),
			"failed", pack_failures(q), "profiler", profiler, "top", pack_top(f),
			"ended", ended_name(f->ended), "notes", pack_notes(f)),
		-1, NULL);
}

json_t *serve_encode_error(uint64_t id, const struct err *error)
{
	int code = error->code < 0 ? -error->code : EIO;

	return json_pack("{s:o, s:{s:i, s:o}}", "id", id ? count(id) : json_null(), "error", "code",
		code, "text", serve_text(error->text[0] ? error->text : strerror(code)));
}

int serve_send_error(struct channel *ch, uint64_t id, const struct err *error)
{
	return channel_send(ch, serve_encode_error(id, error), -1, NULL);
}

/* ---- the client's ------------------------------------------------------------------------------
 */

int serve_send_hello(struct channel *ch, struct err *err)
{
	return channel_send(ch,
		json_pack("{s:{s:i, s:s}}", "hello", "protocol", (int)SERVE_PROTOCOL, "version",
			PROFD_VERSION),
		-1, err);
}

int serve_check_hello(const json_t *message, struct err *err)
{
	const json_t *hello = json_object_get(message, "hello");
	const json_t *protocol = json_object_get(hello, "protocol");
	const char *version = json_string_value(json_object_get(hello, "version"));

	if (!json_is_integer(protocol))
		return err_set(err, -EPROTO, "the greeting names no protocol");
	if (json_integer_value(protocol) == SERVE_PROTOCOL)
		return 0;
	return err_set(err, -EPROTONOSUPPORT,
		"the other side (profd %.40s) speaks protocol %lld, this one (profd %s) protocol %d; "
		"use the same version of profd on both sides",
		version ? version : "of unknown version", (long long)json_integer_value(protocol),
		PROFD_VERSION, SERVE_PROTOCOL);
}

int serve_send_record(
	struct channel *ch, const struct record_request *r, int output_fd, struct err *err)
{
	return channel_send(ch, serve_encode_record(r), output_fd, err);
}

int serve_send_stop(struct channel *ch, uint64_t id, struct err *err)
{
	return channel_send(ch, json_pack("{s:o, s:{}}", "id", count(id), "stop"), -1, err);
}

int serve_get_error(const json_t *message, struct err *err)
{
	const json_t *error = json_object_get(message, "error");
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));
	int errnum = code > 0 && code < 4096 ? (int)code : EIO;

	return err_set(err, -errnum, "%s", text && *text ? text : strerror(errnum));
}
