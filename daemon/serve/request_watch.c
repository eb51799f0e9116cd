/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for a watch. */
#include <errno.h>
#include <string.h>

#include "serve/selection.h"

/* NULL also where the store's path is not UTF-8. */
json_t *serve_encode_watch(const struct watch_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o}}", "id",
		(json_int_t)r->id, "watch", "interval_s", json_real(r->interval_s), "pids",
		member_encode_pids(r->pids, r->n_pids), "comms",
		member_encode_texts(r->comms, r->n_comms), "containers",
		member_encode_texts(r->containers, r->n_containers), "users",
		member_encode_texts(r->users, r->n_users), "rate_hz",
		r->rate_hz ? json_integer(r->rate_hz) : json_null(), "subprocesses",
		r->subprocesses, "kernel", r->kernel, "native", r->native, "on_exec", r->on_exec,
		"store", json_string(r->store));
}

static int decode_rate(const json_t *value, const struct member *m, void *request, struct err *err)
{
	return json_is_null(value) ? 0 : member_count(value, m, request, err);
}

#define FIELD(field) MEMBER_FIELD(struct watch_request, field)
#define TEXTS(list)                                                                                \
	FIELD(list), .decode = member_texts, .count_at = offsetof(struct watch_request, n_##list), \
		     .most = SERVE_TEXTS_MAX
static const struct member members[] = {
	{FIELD(interval_s), .decode = member_interval},
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct watch_request, n_pids),
		.most = SERVE_PIDS_MAX},
	{TEXTS(comms)},
	{TEXTS(containers)},
	{TEXTS(users)},
	{FIELD(rate_hz), .decode = decode_rate, .least = 1, .most = SERVE_RATE_MAX_HZ},
	{FIELD(subprocesses), .decode = member_bool},
	{FIELD(kernel), .decode = member_bool},
	{FIELD(native), .decode = member_bool},
	{FIELD(on_exec), .decode = member_bool},
	{FIELD(store), .decode = selection_store},
};

int serve_decode_watch(const json_t *message, struct watch_request *r, struct err *err)
{
	const struct members all = MEMBERS(members, 0);
	int rc;

	*r = (struct watch_request){0};
	rc = members_decode(message, "watch", &all, 1, r, &r->id, err);
	if (rc < 0 || !r->on_exec || (r->n_pids == 1 && r->rate_hz))
		return rc;
	return err_set(err, -EINVAL,
		"`on_exec` needs one process in `pids`, and a rate of its own (`rate_hz`)");
}

void watch_request_clear(struct watch_request *r)
{
	member_texts_clear(&r->comms, &r->n_comms);
	member_texts_clear(&r->containers, &r->n_containers);
	member_texts_clear(&r->users, &r->n_users);
}

int serve_send_watch_request(struct channel *ch, const struct watch_request *r, struct err *err)
{
	int rc = selection_check_path(r->store, err);

	return rc < 0 ? rc : channel_send(ch, serve_encode_watch(r), -1, err);
}
