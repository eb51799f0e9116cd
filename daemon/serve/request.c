/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client asks for, as a message and back. Decoding is driven by a table of members, so that
 * an unknown, missing or mistyped one is found in one place. */
#include "serve/serve.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render/render.h"

json_t *serve_encode_record(const struct record_request *r)
{
	json_t *pids = json_array();

	for (size_t i = 0; pids && i < r->n_pids; i++)
		if (json_array_append_new(pids, json_integer(r->pids[i])) < 0)
			goto failed;
	return json_pack("{s:I, s:{s:o, s:o, s:i, s:o, s:b, s:b, s:b, s:b, s:o, s:b, s:o}}", "id",
		(json_int_t)r->id, "record", "pids", pids, "duration_s",
		r->duration_s > 0 ? json_real(r->duration_s) : json_null(), "rate_hz",
		(int)r->rate_hz, "format", serve_text(r->format), "subprocesses", r->subprocesses,
		"threads", r->threads, "kernel", r->kernel, "native", r->native, "source",
		serve_text(r->source), "on_exec", r->on_exec, "title", serve_text(r->title));
failed:
	json_decref(pids);
	return NULL;
}

/* ---- decoding: one function per member ---------------------------------------------------------
 */

typedef int decode_fn(const json_t *value, struct record_request *r, struct err *err);

static int decode_pids(const json_t *value, struct record_request *r, struct err *err)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || !n || n > SERVE_PIDS_MAX)
		return err_set(err, -EINVAL, "`pids` is not a list of 1 to %d process IDs",
			SERVE_PIDS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(value, i);
		json_int_t pid = json_integer_value(item);

		if (!json_is_integer(item) || pid < 1 || pid > INT32_MAX)
			return err_set(
				err, -EINVAL, "`pids` holds something that is no process ID");
		for (size_t j = 0; j < r->n_pids; j++)
			if (r->pids[j] == (uint32_t)pid)
				return err_set(err, -EINVAL, "`pids` names process %u twice",
					(unsigned)pid);
		r->pids[r->n_pids++] = (uint32_t)pid;
	}
	return 0;
}

static int decode_duration(const json_t *value, struct record_request *r, struct err *err)
{
	double s = json_number_value(value);

	if (json_is_null(value))
		return 0;
	if (!json_is_number(value) || !isfinite(s) || s <= 0 || s > SERVE_DURATION_MAX_S)
		return err_set(err, -EINVAL,
			"`duration_s` is neither null nor a number of seconds above 0");
	r->duration_s = s;
	return 0;
}

static int decode_rate(const json_t *value, struct record_request *r, struct err *err)
{
	json_int_t hz = json_integer_value(value);

	if (!json_is_integer(value) || hz < 1 || hz > SERVE_RATE_MAX_HZ)
		return err_set(err, -EINVAL, "`rate_hz` is not a whole number from 1 to %d",
			SERVE_RATE_MAX_HZ);
	r->rate_hz = (uint32_t)hz;
	return 0;
}

static int decode_string(
	const json_t *value, char *to, size_t bytes, const char *member, struct err *err)
{
	const char *s = json_string_value(value);

	if (!s || strlen(s) >= bytes)
		return err_set(err, -EINVAL, "`%s` is not a string of at most %zu bytes", member,
			bytes - 1);
	memcpy(to, s, strlen(s) + 1);
	return 0;
}

static int decode_format(const json_t *value, struct record_request *r, struct err *err)
{
	int rc = decode_string(value, r->format, sizeof(r->format), "format", err);

	if (rc < 0 || render_format_find(r->format))
		return rc;
	return err_set(err, -EINVAL, "this daemon cannot write the format `%s`", r->format);
}

static int decode_source(const json_t *value, struct record_request *r, struct err *err)
{
	int rc = decode_string(value, r->source, sizeof(r->source), "source", err);

	if (rc < 0 || !strcmp(r->source, "auto") || !strcmp(r->source, "ebpf"))
		return rc;
	return err_set(
		err, -EINVAL, "this daemon has no source `%s`; it has auto and ebpf", r->source);
}

static int decode_title(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_string(value, r->title, sizeof(r->title), "title", err);
}

static int decode_bool(const json_t *value, bool *to, const char *member, struct err *err)
{
	if (!json_is_boolean(value))
		return err_set(err, -EINVAL, "`%s` is neither true nor false", member);
	*to = json_is_true(value);
	return 0;
}

static int decode_subprocesses(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_bool(value, &r->subprocesses, "subprocesses", err);
}

static int decode_threads(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_bool(value, &r->threads, "threads", err);
}

static int decode_kernel(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_bool(value, &r->kernel, "kernel", err);
}

static int decode_native(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_bool(value, &r->native, "native", err);
}

static int decode_on_exec(const json_t *value, struct record_request *r, struct err *err)
{
	return decode_bool(value, &r->on_exec, "on_exec", err);
}

static const struct {
	const char *name;
	decode_fn *decode;
} members[] = {
	{"pids", decode_pids},
	{"duration_s", decode_duration},
	{"rate_hz", decode_rate},
	{"format", decode_format},
	{"subprocesses", decode_subprocesses},
	{"threads", decode_threads},
	{"kernel", decode_kernel},
	{"native", decode_native},
	{"source", decode_source},
	{"on_exec", decode_on_exec},
	{"title", decode_title},
};
static const size_t N_MEMBERS = sizeof(members) / sizeof(members[0]);

/* Every member of the table is there by now, so one more than that is one too many. */
static int refuse_unknown(const json_t *record, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)record, key, value)
	{
		size_t i = 0;

		while (i < N_MEMBERS && strcmp(key, members[i].name) != 0)
			i++;
		if (i == N_MEMBERS)
			return err_set(err, -EINVAL, "`record` has an unknown member `%.40s`", key);
	}
	return 0;
}

int serve_decode_record(const json_t *message, struct record_request *r, struct err *err)
{
	const json_t *id = json_object_get(message, "id");
	const json_t *record = json_object_get(message, "record");

	*r = (struct record_request){0};
	if (!json_is_object(record) || json_object_size(message) != 2)
		return err_set(
			err, -EINVAL, "a `record` message holds `id` and the object `record` only");
	if (!json_is_integer(id) || json_integer_value(id) < 1)
		return err_set(err, -EINVAL, "`id` is not a whole number above 0");
	r->id = (uint64_t)json_integer_value(id);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		const json_t *value = json_object_get(record, members[i].name);
		int rc = value ? members[i].decode(value, r, err)
			       : err_set(err, -EINVAL, "`record` lacks its member `%s`",
					 members[i].name);

		if (rc < 0)
			return rc;
	}
	return json_object_size(record) == N_MEMBERS ? 0 : refuse_unknown(record, err);
}
