/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests: round trips. */
#include "tests/unit/serve_requests.h"

static void test_record_round_trip(void **state)
{
	struct record_request r = a_record(), back;
	struct err err = {0};
	json_t *message = serve_encode_record(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_record(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 1);
	assert_int_equal(back.n_pids, 2);
	assert_int_equal(back.pids[0], 4711);
	assert_int_equal(back.pids[1], 12);
	assert_true(back.duration_s == 2.5);
	assert_int_equal(back.rate_hz, 99);
	assert_string_equal(back.format, "flamegraph");
	assert_string_equal(back.source, "auto");
	assert_string_equal(back.title, "python3 (4711)");
	assert_true(back.subprocesses && back.kernel && back.on_exec);
	assert_false(back.threads || back.native);
	json_decref(message);
	r.duration_s = 0;
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, &err), 0);
	assert_true(back.duration_s == 0);
	json_decref(message);
}

static void assert_texts(char *const *got, size_t n_got, char *const *texts, size_t n)
{
	assert_int_equal(n_got, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(got[i], texts[i]);
	assert_null(got[n]);
}

static void assert_selection(const struct report_selection *got, const struct report_selection *s)
{
	assert_true(got->since_unix_s == s->since_unix_s && got->until_unix_s == s->until_unix_s);
	assert_int_equal(got->n_pids, s->n_pids);
	assert_memory_equal(got->pids, s->pids, s->n_pids * sizeof(*s->pids));
	assert_texts(got->comms, got->n_comms, s->comms, s->n_comms);
	assert_texts(got->containers, got->n_containers, s->containers, s->n_containers);
	assert_texts(got->users, got->n_users, s->users, s->n_users);
	assert_texts(got->threads, got->n_threads, s->threads, s->n_threads);
	assert_string_equal(got->store, s->store);
}

static void test_report_round_trip(void **state)
{
	struct report_request r = a_report(), back;
	struct err err = {0};
	json_t *message = serve_encode_report(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_report(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 2);
	assert_selection(&back.of, &r.of);
	assert_string_equal(back.by, "function");
	assert_string_equal(back.sort, "total");
	assert_string_equal(back.format, "table");
	assert_int_equal(back.limit, 20);
	assert_int_equal(back.columns, 120);
	assert_true(back.kernel && !back.colours);
	report_request_clear(&back);
	report_request_clear(&back); /* a second time does nothing */
	json_decref(message);
}

static void test_diff_round_trip(void **state)
{
	struct diff_request r = a_diff(), back;
	struct err err = {0};
	json_t *message = serve_encode_diff(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_diff(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 9);
	assert_selection(&back.before, &r.before);
	assert_selection(&back.after, &r.after);
	assert_string_equal(back.by, "module");
	assert_string_equal(back.sort, "self");
	assert_string_equal(back.format, "json");
	assert_int_equal(back.limit, 30);
	assert_int_equal(back.columns, 80);
	assert_true(back.colours && !back.kernel);
	diff_request_clear(&back);
	diff_request_clear(&back);
	json_decref(message);
}

static void test_watch_round_trip(void **state)
{
	struct watch_request r = a_watch(), back;
	struct err err = {0};
	json_t *message = serve_encode_watch(&r);

	(void)state;
	assert_non_null(message);
	if (serve_decode_watch(message, &back, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.id, 10);
	assert_true(back.interval_s == 1);
	assert_int_equal(back.n_pids, 1);
	assert_int_equal(back.pids[0], 7);
	assert_texts(back.comms, back.n_comms, r.comms, r.n_comms);
	assert_texts(back.containers, back.n_containers, r.containers, r.n_containers);
	assert_texts(back.users, back.n_users, r.users, r.n_users);
	assert_int_equal(back.rate_hz, 99);
	assert_true(back.native && back.on_exec && !back.kernel && !back.subprocesses);
	assert_string_equal(back.store, "/srv/a.profd");
	watch_request_clear(&back);
	watch_request_clear(&back);
	json_decref(message);
	r.rate_hz = 0;
	r.on_exec = false;
	message = serve_encode_watch(&r);
	assert_int_equal(serve_decode_watch(message, &back, NULL), 0);
	assert_int_equal(back.rate_hz, 0);
	watch_request_clear(&back);
	json_decref(message);
}

/* The store's own form is a format of recordings alone. */
static void test_format_profd(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		json_t *message = requests[i].encode();
		json_t *body = json_object_get(message, requests[i].kind);

		if (json_object_get(body, "format")) {
			json_object_set_new(body, "format", json_string(SERVE_FORMAT_PROFD));
			assert_int_equal(requests[i].decode(message, NULL), i ? -EINVAL : 0);
		}
		json_decref(message);
	}
}

/* The least a question can be: everything, of all time. */
static void test_report_of_everything(void **state)
{
	struct report_request r = {.id = 9, .by = "module", .sort = "self", .format = "csv"}, back;
	json_t *message = serve_encode_report(&r);

	(void)state;
	assert_int_equal(serve_decode_report(message, &back, NULL), 0);
	assert_true(back.of.since_unix_s == 0 && back.of.until_unix_s == 0);
	assert_int_equal(back.of.n_pids + back.of.n_comms + back.of.n_users + back.limit, 0);
	assert_string_equal(back.of.store, "");
	report_request_clear(&back);
	json_decref(message);
}

/* A path arrives as it is or not at all: another file must not be read in its place. */
static void test_report_paths(void **state)
{
	struct report_request r = a_report(), back;
	json_t *message;

	(void)state;
	memset(r.of.store, 'd', sizeof(r.of.store));
	r.of.store[0] = '/';
	r.of.store[sizeof(r.of.store) - 1] = '\0';
	message = serve_encode_report(&r);
	assert_int_equal(serve_decode_report(message, &back, NULL), 0);
	assert_string_equal(back.of.store, r.of.store);
	report_request_clear(&back);
	json_decref(message);
}

static void test_paths_that_are_no_text(void **state)
{
	struct report_request report = a_report();
	struct diff_request diff = a_diff();
	struct watch_request watch = a_watch();
	struct channel *client, *server;
	struct err err[3] = {0};

	(void)state;
	strcpy(report.of.store, "/srv/\xff");
	strcpy(diff.after.store, "/srv/\xff");
	strcpy(watch.store, "/srv/\xff");
	make_channels(&client, &server);
	assert_int_equal(serve_send_report(client, &report, -1, &err[0]), -EILSEQ);
	assert_int_equal(serve_send_diff(client, &diff, -1, &err[1]), -EILSEQ);
	assert_int_equal(serve_send_watch_request(client, &watch, &err[2]), -EILSEQ);
	for (size_t i = 0; i < COUNT(err); i++)
		assert_true(err[i].text[0]);
	assert_int_equal(next_result(server), 0);
	channel_free(client);
	channel_free(server);
}

/* A title that is not UTF-8 grows when it is replaced, and still fits. */
static void test_title_of_any_bytes(void **state)
{
	struct record_request r = a_record(), back;
	json_t *message;

	(void)state;
	memset(r.title, 0xff, sizeof(r.title) - 1);
	r.title[sizeof(r.title) - 1] = '\0';
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, NULL), 0);
	assert_true(strlen(back.title) > 240);
	json_decref(message);
	memset(r.title, 'x', sizeof(r.title) - 1);
	message = serve_encode_record(&r);
	assert_int_equal(serve_decode_record(message, &back, NULL), 0);
	assert_string_equal(back.title, r.title);
	json_decref(message);
}

static void test_live_round_trip(void **state)
{
	struct live_request r = a_live(), back;
	json_t *message = serve_encode_live(&r);

	(void)state;
	assert_int_equal(serve_decode_live(message, &back, NULL), 0);
	assert_int_equal(back.id, 3);
	assert_true(back.interval_s == 0.5);
	assert_int_equal(back.n_pids, 2);
	assert_int_equal(back.pids[1], 8);
	assert_int_equal(back.limit, 40);
	json_decref(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_round_trip),
		cmocka_unit_test(test_report_round_trip),
		cmocka_unit_test(test_diff_round_trip),
		cmocka_unit_test(test_watch_round_trip),
		cmocka_unit_test(test_format_profd),
		cmocka_unit_test(test_report_of_everything),
		cmocka_unit_test(test_report_paths),
		cmocka_unit_test(test_paths_that_are_no_text),
		cmocka_unit_test(test_title_of_any_bytes),
		cmocka_unit_test(test_live_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
