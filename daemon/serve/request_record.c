/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for a recording. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "render/render.h"
#include "serve/channel.h"
#include "serve/member.h"

enum { ELLIPSIS_BYTES = 3 };

/* Replacing what is not UTF-8 makes a title longer, and it has to fit on the other side. */
static json_t *encode_title(const char *title)
{
	const size_t most = sizeof(((struct record_request *)NULL)->title) - 1;
	json_t *text = serve_text(title);

	if (!text || json_string_length(text) <= most)
		return text;
	json_decref(text);
	return serve_text_cut(title, most - ELLIPSIS_BYTES);
}

json_t *serve_encode_record(const struct record_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:i, s:o, s:b, s:b, s:b, s:b, s:o, s:b, s:o}}", "id",
		(json_int_t)r->id, "record", "pids", member_encode_pids(r->pids, r->n_pids),
		"duration_s", r->duration_s > 0 ? json_real(r->duration_s) : json_null(), "rate_hz",
		(int)r->rate_hz, "format", serve_text(r->format), "subprocesses", r->subprocesses,
		"threads", r->threads, "kernel", r->kernel, "native", r->native, "source",
		serve_text(r->source), "on_exec", r->on_exec, "title", encode_title(r->title));
}

static int decode_duration(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	struct record_request *r = request;
	double s = json_number_value(value);

	if (json_is_null(value))
		return 0;
	if (!json_is_number(value) || !isfinite(s) || s <= 0 || s > SERVE_DURATION_MAX_S)
		return err_set(err, -EINVAL,
			"`%s` is neither null nor a number of seconds above 0 and at most %.0f",
			m->name, SERVE_DURATION_MAX_S);
	r->duration_s = s;
	return 0;
}

static int decode_format(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct record_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || render_format_find(r->format) || !strcmp(r->format, SERVE_FORMAT_PROFD))
		return rc;
	return err_set(err, -EINVAL, "this daemon cannot write the `%s` `%s`", m->name, r->format);
}

static int decode_source(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct record_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || !strcmp(r->source, "auto") || !strcmp(r->source, "ebpf"))
		return rc;
	return err_set(err, -EINVAL, "this daemon has no `%s` `%s`; it has auto and ebpf", m->name,
		r->source);
}

#define FIELD(field) MEMBER_FIELD(struct record_request, field)
static const struct member members[] = {
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct record_request, n_pids),
		.least = 1, .most = SERVE_PIDS_MAX},
	{FIELD(duration_s), .decode = decode_duration},
	{FIELD(rate_hz), .decode = member_count, .least = 1, .most = SERVE_RATE_MAX_HZ},
	{FIELD(format), .decode = decode_format},
	{FIELD(subprocesses), .decode = member_bool},
	{FIELD(threads), .decode = member_bool},
	{FIELD(kernel), .decode = member_bool},
	{FIELD(native), .decode = member_bool},
	{FIELD(source), .decode = decode_source},
	{FIELD(on_exec), .decode = member_bool},
	{FIELD(title), .decode = member_text},
};

int serve_decode_record(const json_t *message, struct record_request *r, struct err *err)
{
	const struct members all = MEMBERS(members, 0);

	*r = (struct record_request){0};
	return members_decode(message, "record", &all, 1, r, &r->id, err);
}
