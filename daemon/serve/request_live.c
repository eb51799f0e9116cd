/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for a live view. */
#include "serve/member.h"

json_t *serve_encode_live(const struct live_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:i}}", "id", (json_int_t)r->id, "live", "interval_s",
		json_real(r->interval_s), "pids", member_encode_pids(r->pids, r->n_pids), "limit",
		(int)r->limit);
}

#define FIELD(field) MEMBER_FIELD(struct live_request, field)
static const struct member members[] = {
	{FIELD(interval_s), .decode = member_interval},
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct live_request, n_pids),
		.most = SERVE_PIDS_MAX},
	{FIELD(limit), .decode = member_count, .least = 1, .most = SERVE_LIVE_ROWS_MAX},
};

int serve_decode_live(const json_t *message, struct live_request *r, struct err *err)
{
	const struct members all = MEMBERS(members, 0);

	*r = (struct live_request){0};
	return members_decode(message, "live", &all, 1, r, &r->id, err);
}
