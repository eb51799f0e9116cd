/* SPDX-License-Identifier: BSD-2-Clause */
/* Every request that has members, as a table, for the tests of requests. */
#ifndef PROFD_TESTS_SERVE_REQUESTS_H
#define PROFD_TESTS_SERVE_REQUESTS_H

#include "tests/unit/serve_pair.h"

/* What decoding one kind of request says of a message; what it has made is freed. */
typedef int decode_fn(const json_t *message, struct err *err);

static inline int decode_record(const json_t *message, struct err *err)
{
	struct record_request r;
	int rc = serve_decode_record(message, &r, err);

	if (!rc) {
		assert_in_range(r.n_pids, 1, SERVE_PIDS_MAX);
		assert_in_range(r.rate_hz, 1, SERVE_RATE_MAX_HZ);
		assert_true(r.duration_s >= 0 && r.duration_s <= SERVE_DURATION_MAX_S);
	}
	return rc;
}

static inline int decode_report(const json_t *message, struct err *err)
{
	struct report_request r;
	int rc = serve_decode_report(message, &r, err);

	if (!rc) {
		assert_true(r.of.n_pids <= SERVE_PIDS_MAX && r.limit <= 1000000);
		assert_true(r.of.since_unix_s >= 0 && r.of.until_unix_s >= 0);
		assert_true(r.of.comms && !r.of.comms[r.of.n_comms]);
	}
	report_request_clear(&r);
	assert_null(r.of.comms);
	return rc;
}

static inline int decode_diff(const json_t *message, struct err *err)
{
	struct diff_request r;
	int rc = serve_decode_diff(message, &r, err);

	if (!rc) {
		assert_true(r.before.n_pids <= SERVE_PIDS_MAX && r.after.n_pids <= SERVE_PIDS_MAX);
		assert_true(r.before.since_unix_s >= 0 && r.after.until_unix_s >= 0);
		assert_true(r.after.threads && !r.after.threads[r.after.n_threads]);
		assert_int_equal(!*r.before.store, !*r.after.store);
	}
	diff_request_clear(&r);
	assert_true(!r.before.comms && !r.after.comms);
	return rc;
}

static inline int decode_watch(const json_t *message, struct err *err)
{
	struct watch_request r;
	int rc = serve_decode_watch(message, &r, err);

	if (!rc) {
		assert_true(r.interval_s >= 0.1 && r.interval_s <= 60);
		assert_true(r.n_pids <= SERVE_PIDS_MAX && r.rate_hz <= SERVE_RATE_MAX_HZ);
		assert_true(!r.on_exec || (r.n_pids == 1 && r.rate_hz));
		assert_true(r.users && !r.users[r.n_users]);
	}
	watch_request_clear(&r);
	assert_null(r.users);
	return rc;
}

static inline int decode_live(const json_t *message, struct err *err)
{
	struct live_request r;
	int rc = serve_decode_live(message, &r, err);

	if (!rc) {
		assert_true(r.interval_s >= 0.1 && r.interval_s <= 60);
		assert_in_range(r.limit, 1, SERVE_LIVE_ROWS_MAX);
	}
	return rc;
}

static inline json_t *encode_record(void)
{
	struct record_request r = a_record();

	return serve_encode_record(&r);
}

static inline json_t *encode_report(void)
{
	struct report_request r = a_report();

	return serve_encode_report(&r);
}

static inline json_t *encode_live(void)
{
	struct live_request r = a_live();

	return serve_encode_live(&r);
}

static inline json_t *encode_diff(void)
{
	struct diff_request r = a_diff();

	return serve_encode_diff(&r);
}

static inline json_t *encode_watch(void)
{
	struct watch_request r = a_watch();

	return serve_encode_watch(&r);
}

static const struct request {
	const char *kind;
	json_t *(*encode)(void);
	decode_fn *decode;
} requests[] = {
	{"record", encode_record, decode_record},
	{"report", encode_report, decode_report},
	{"live", encode_live, decode_live},
	{"diff", encode_diff, decode_diff},
	{"watch", encode_watch, decode_watch},
};

#endif
