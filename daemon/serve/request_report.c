/* SPDX-License-Identifier: BSD-2-Clause */
/* The question to a store. */
#include <errno.h>
#include <string.h>

#include "analyze/analyze.h"
#include "render/render.h"
#include "serve/selection.h"

/* A path has to arrive whole, so it is not serve_text(): NULL also where it is not UTF-8. */
json_t *serve_encode_report(const struct report_request *r)
{
	json_t *message = json_pack(
		"{s:I, s:o}", "id", (json_int_t)r->id, "report", selection_encode(&r->of));
	json_t *rest = json_pack("{s:o, s:o, s:o, s:i, s:i, s:b, s:b}", "by", serve_text(r->by),
		"sort", serve_text(r->sort), "format", serve_text(r->format), "limit",
		(int)r->limit, "columns", (int)r->columns, "colours", r->colours, "kernel",
		r->kernel);

	if (!rest || json_object_update(json_object_get(message, "report"), rest) < 0) {
		json_decref(message);
		message = NULL;
	}
	json_decref(rest);
	return message;
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

static int decode_format(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct report_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || table_format_find(r->format) || render_format_find(r->format))
		return rc;
	return err_set(err, -EINVAL, "this daemon cannot write the `%s` `%s`", m->name, r->format);
}

#define FIELD(field) MEMBER_FIELD(struct report_request, field)
static const struct member members[] = {
	{FIELD(by), .decode = decode_by},
	{FIELD(sort), .decode = member_choice, .choices = selection_sorts},
	{FIELD(format), .decode = decode_format},
	{FIELD(limit), .decode = member_count, .most = SELECTION_ROWS_MAX},
	{FIELD(columns), .decode = member_count, .most = SELECTION_COLUMNS_MAX},
	{FIELD(colours), .decode = member_bool},
	{FIELD(kernel), .decode = member_bool},
};

int serve_decode_report(const json_t *message, struct report_request *r, struct err *err)
{
	const struct members all[] = {
		MEMBERS(selection_members, offsetof(struct report_request, of)),
		MEMBERS(members, 0)};
	int rc;

	*r = (struct report_request){0};
	rc = members_decode(message, "report", all, 2, r, &r->id, err);
	return rc < 0 ? rc : selection_check(&r->of, err);
}

void report_request_clear(struct report_request *r)
{
	report_selection_clear(&r->of);
}

int serve_send_report(
	struct channel *ch, const struct report_request *r, int output_fd, struct err *err)
{
	int rc = selection_check_path(r->of.store, err);

	return rc < 0 ? rc : channel_send(ch, serve_encode_report(r), output_fd, err);
}
