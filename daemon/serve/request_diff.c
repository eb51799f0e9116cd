/* SPDX-License-Identifier: BSD-2-Clause */
/* The question what changed from one part of a store to another. */
#include <errno.h>
#include <string.h>

#include "analyze/analyze.h"
#include "render/render.h"
#include "serve/selection.h"

/* NULL also where the path of a store is not UTF-8. */
json_t *serve_encode_diff(const struct diff_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:b, s:b}}", "id",
		(json_int_t)r->id, "diff", "before", selection_encode(&r->before), "after",
		selection_encode(&r->after), "by", serve_text(r->by), "sort", serve_text(r->sort),
		"format", serve_text(r->format), "limit", (int)r->limit, "columns", (int)r->columns,
		"colours", r->colours, "kernel", r->kernel);
}

/* One side. */
static int decode_side(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct members of = MEMBERS(selection_members, 0);
	void *side = (char *)request + m->at;
	int rc;

	if (!json_is_object(value))
		return err_set(err, -EINVAL, "`%s` is not an object", m->name);
	rc = members_decode_body(value, m->name, &of, 1, side, err);
	if (!rc)
		rc = selection_check(side, err);
	if (rc < 0)
		err_prefix(err, "`%s`", m->name);
	return rc;
}

static int decode_by(const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct diff_request *r = request;
	int rc = member_text(value, m, request, err);
	enum report_by by;

	if (rc < 0 || (report_by_find(r->by, &by) && by <= REPORT_MODULE))
		return rc;
	return err_set(err, -EINVAL, "`%s` cannot be `%s`; it is function, line or module", m->name,
		r->by);
}

static int decode_format(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	const struct diff_request *r = request;
	int rc = member_text(value, m, request, err);

	if (rc < 0 || diff_format_find(r->format))
		return rc;
	return err_set(err, -EINVAL, "this daemon cannot write a difference as the `%s` `%s`",
		m->name, r->format);
}

#define FIELD(field) MEMBER_FIELD(struct diff_request, field)
static const struct member members[] = {
	{FIELD(before), .decode = decode_side},
	{FIELD(after), .decode = decode_side},
	{FIELD(by), .decode = decode_by},
	{FIELD(sort), .decode = member_choice, .choices = selection_sorts},
	{FIELD(format), .decode = decode_format},
	{FIELD(limit), .decode = member_count, .most = SELECTION_ROWS_MAX},
	{FIELD(columns), .decode = member_count, .most = SELECTION_COLUMNS_MAX},
	{FIELD(colours), .decode = member_bool},
	{FIELD(kernel), .decode = member_bool},
};

int serve_decode_diff(const json_t *message, struct diff_request *r, struct err *err)
{
	const struct members all = MEMBERS(members, 0);
	int rc;

	*r = (struct diff_request){0};
	rc = members_decode(message, "diff", &all, 1, r, &r->id, err);
	if (rc < 0 || !*r->before.store == !*r->after.store)
		return rc;
	return err_set(err, -EINVAL,
		"`store` of `before` and of `after`: either both name a file or neither does");
}

void diff_request_clear(struct diff_request *r)
{
	report_selection_clear(&r->before);
	report_selection_clear(&r->after);
}

int serve_send_diff(
	struct channel *ch, const struct diff_request *r, int output_fd, struct err *err)
{
	int rc = selection_check_path(r->before.store, err);

	if (!rc)
		rc = selection_check_path(r->after.store, err);
	return rc < 0 ? rc : channel_send(ch, serve_encode_diff(r), output_fd, err);
}
