/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for a live view. */
#include <errno.h>
#include <math.h>

#include "serve/member.h"

#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 60.0

json_t *serve_encode_live(const struct live_request *r)
{
	return json_pack("{s:I, s:{s:o, s:o, s:i}}", "id", (json_int_t)r->id, "live", "interval_s",
		json_real(r->interval_s), "pids", member_encode_pids(r->pids, r->n_pids), "limit",
		(int)r->limit);
}

static int decode_interval(
	const json_t *value, const struct member *m, void *request, struct err *err)
{
	struct live_request *r = request;
	double s = json_number_value(value);

	if (!json_is_number(value) || !isfinite(s) || s < INTERVAL_MIN_S || s > INTERVAL_MAX_S)
		return err_set(err, -EINVAL, "`%s` is not a number of seconds from %.1f to %.0f",
			m->name, INTERVAL_MIN_S, INTERVAL_MAX_S);
	r->interval_s = s;
	return 0;
}

#define FIELD(field) MEMBER_FIELD(struct live_request, field)
static const struct member members[] = {
	{FIELD(interval_s), .decode = decode_interval},
	{FIELD(pids), .decode = member_pids, .count_at = offsetof(struct live_request, n_pids),
		.most = SERVE_PIDS_MAX},
	{FIELD(limit), .decode = member_count, .least = 1, .most = SERVE_LIVE_ROWS_MAX},
};

int serve_decode_live(const json_t *message, struct live_request *r, struct err *err)
{
	*r = (struct live_request){0};
	return members_decode(
		message, "live", members, sizeof(members) / sizeof(members[0]), r, &r->id, err);
}
