/* SPDX-License-Identifier: BSD-2-Clause */
/* The question to a store. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "render/render.h"
#include "serve/member.h"

enum {
	ROWS_MAX = 1000000,
	COLUMNS_MAX = 65535,
};

/* A path has to arrive whole, so it is not serve_text(): NULL also where it is not UTF-8. */
json_t *serve_encode_report(const struct report_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:b,"
			 " s:b, s:o}}",
		"id", (json_int_t)r->id, "report", "since_unix_s",
		r->since_unix_s > 0 ? json_real(r->since_unix_s) : json_null(), "until_unix_s",
		r->until_unix_s > 0 ? json_real(r->until_unix_s) : json_null(), "pids",
		member_encode_pids(r->pids, r->n_pids), "comms",
		member_encode_texts(r->comms, r->n_comms), "containers",
		member_encode_texts(r->containers, r->n_containers), "users",
		member_encode_texts(r->users, r->n_users), "threads",
		member_encode_texts(r->threads, r->n_threads), "by", serve_text(r->by), "sort",
		serve_text(r->sort), "format", serve_text(r->format), "limit", (int)r->limit,
		"columns", (int)r->columns, "colours", r->colours, "kernel", r->kernel, "store",
		json_string(r->store));
}

/* Seconds of the day 9999-12-31: what is above that cannot be meant, and would not fit ns. */
#define TIME_MAX_S 253402300799.0

static int decode_time(const json_t *value, const struct member *m, void *request, struct err *err)
{
	double s = json_number_value(value);

	if (json_is_null(value))
		return 0;
	if (!json_is_number(value) || !isfinite(s) || s <= 0 || s > TIME_MAX_S)
		return err_set(err, -EINVAL,
			"`%s` is neither null nor a time in seconds since 1970 (above 0)", m->name);
	memcpy((char *)request + m->at, &s, sizeof(s));
	return 0;
}

static int decode_by(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct report_request *r = request;
	int rc = member_text(value, m, request, err);
	enum report_by by;

	if (rc < 0 || report_by_find(r->by, &by))
		return rc;
	return err_set(err, -EINVAL, "`%s` cannot be `%s`: there are no such rows", m->name, r->by);
}

static int decode_sort(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct report_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || !strcmp(r->sort, "self") || !strcmp(r->sort, "total"))
		return rc;
	return err_set(err, -EINVAL, "`%s` is neither self nor total", m->name);
}

static int decode_format(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct report_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || table_format_find(r->format) || render_format_find(r->format))
		return rc;
	return err_set(err, -EINVAL, "this daemon cannot write the `%s` `%s`", m->name, r->format);
}

/* Whoever reads it has a working directory of its own. */
static int decode_store(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct report_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || !*r->store || *r->store == '/')
		return rc;
	return err_set(err, -EINVAL, "`%s` is not an absolute path", m->name);
}

#define FIELD(field) MEMBER_FIELD(struct report_request, field)
#define TEXTS(list)                                                                                \
	FIELD(list), .decode = member_texts,                                                       \
		     .count_at = offsetof(struct report_request, n_##list),                        \
		     .most = SERVE_TEXTS_MAX
static const struct member members[] = {
	{FIELD(since_unix_s), .decode = decode_time},
	{FIELD(until_unix_s), .decode = decode_time},
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct report_request, n_pids),
		.most = SERVE_PIDS_MAX},
	{TEXTS(comms)},
	{TEXTS(containers)},
	{TEXTS(users)},
	{TEXTS(threads)},
	{FIELD(by), .decode = decode_by},
	{FIELD(sort), .decode = decode_sort},
	{FIELD(format), .decode = decode_format},
	{FIELD(limit), .decode = member_count, .most = ROWS_MAX},
	{FIELD(columns), .decode = member_count, .most = COLUMNS_MAX},
	{FIELD(colours), .decode = member_bool},
	{FIELD(kernel), .decode = member_bool},
	{FIELD(store), .decode = decode_store},
};

int serve_decode_report(const json_t *message, struct report_request *r, struct err *err)
{
	int rc;

	*r = (struct report_request){0};
	rc = members_decode(
		message, "report", members, sizeof(members) / sizeof(members[0]), r, &r->id, err);
	if (rc < 0 || !(r->until_unix_s > 0) || r->until_unix_s > r->since_unix_s)
		return rc;
	return err_set(err, -EINVAL, "`until_unix_s` is not after `since_unix_s`");
}

static void texts_clear(char ***texts, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*texts)[i]);
	free(*texts);
	*texts = NULL;
	*n = 0;
}

void report_request_clear(struct report_request *r)
{
	texts_clear(&r->comms, &r->n_comms);
	texts_clear(&r->containers, &r->n_containers);
	texts_clear(&r->users, &r->n_users);
	texts_clear(&r->threads, &r->n_threads);
}

int serve_send_report(
	struct channel *ch, const struct report_request *r, int output_fd, struct err *err)
{
	json_t *path = json_string(r->store);

	if (!path)
		return err_set(err, -EILSEQ,
			"the path of the store is not UTF-8; name it by a path that is, for example a symbolic link");
	json_decref(path);
	return channel_send(ch, serve_encode_report(r), output_fd, err);
}
