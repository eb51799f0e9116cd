/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's answers: what is in them, and how what is not known is told. */
#include "tests/unit/serve_pair.h"

static void test_text(void **state)
{
	static const struct {
		const char *bytes, *json;
	} rows[] = {
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xff", "\xef\xbf\xbd"},
		{"a\xc3", "a\xef\xbf\xbd"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong NUL */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"", ""},
	};
	char longer[5000];
	json_t *json;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json = serve_text(rows[i].bytes);
		assert_string_equal(json_string_value(json), rows[i].json);
		json_decref(json);
	}
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	json = serve_text(longer);
	assert_in_range(json_string_length(json), 2000, 2060);
	json_decref(json);
}

static void test_finished_message(void **state)
{
	char *strings[] = {"", "sp\xffin", "app.py", "libc.so.6"};
	struct frame frames[] = {
		{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, 1, 2, 7, 0}, {FRAME_NATIVE, 1, 0, 0, 3}};
	struct profile p = {.strings = strings,
		.n_strings = 4,
		.frames = frames,
		.n_frames = 3,
		.source = "ebpf",
		.quality = {.requested_hz = 99,
			.duration_ns = 2500000000,
			.samples = 10,
			.lost = 3,
			.truncated = 2,
			.profiler_cpu_ns = 500000000,
			.profiler_rss_bytes = 1 << 20}};
	struct top_row rows[] = {
		{.frame = 1, .self = 0.75, .total = 1}, {.frame = 2, .self = 0.25, .total = 0.25}};
	const char *notes[] = {"its children are busy"};
	struct serve_finished f = {&p, rows, 2, ENDED_STOPPED, notes, 1};
	struct channel *client, *server;
	json_t *message, *body, *row;
	uint64_t id;
	int fd;

	(void)state;
	p.quality.native_end[WALK_NO_RULE] = 4;
	make_channels(&client, &server);
	assert_int_equal(serve_send_finished(server, 9, &f), 0);
	assert_int_equal(channel_receive(client, &message, &fd, NULL), 1);
	assert_int_equal(serve_message_kind(message, &id), SERVE_FINISHED);
	assert_int_equal(id, 9);
	body = json_object_get(message, "finished");
	assert_string_equal(json_string_value(json_object_get(body, "ended")), "stopped");
	assert_true(json_number_value(json_object_get(body, "duration_s")) == 2.5);
	assert_int_equal(json_integer_value(json_object_get(body, "lost")), 3);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(body, "failed"), "native-no-rule")),
		4);
	assert_true(json_number_value(
			    json_object_get(json_object_get(body, "profiler"), "cpu_s")) == 0.5);
	row = json_array_get(json_object_get(body, "top"), 0);
	assert_string_equal(
		json_string_value(json_object_get(row, "function")), "sp\xef\xbf\xbdin");
	assert_string_equal(json_string_value(json_object_get(row, "kind")), "python");
	assert_int_equal(json_integer_value(json_object_get(row, "line")), 7);
	row = json_array_get(json_object_get(body, "top"), 1);
	assert_true(json_is_null(json_object_get(row, "file")));
	assert_true(json_is_null(json_object_get(row, "line")));
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(body, "notes"), 0)), notes[0]);
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

static void test_started_and_progress(void **state)
{
	const uint32_t pids[] = {5, 6};
	struct serve_started started = {"ebpf", "why", "x (5)", pids, 2};
	struct channel *client, *server;
	json_t *message, *body;
	uint64_t id;
	int fd;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_started(server, 3, &started), 0);
	assert_int_equal(serve_send_progress(server, 3, 1.5, 148, 2), 0);
	assert_int_equal(channel_receive(client, &message, &fd, NULL), 1);
	assert_int_equal(serve_message_kind(message, &id), SERVE_STARTED);
	assert_int_equal(id, 3);
	body = json_object_get(message, "started");
	assert_string_equal(json_string_value(json_object_get(body, "source")), "ebpf");
	assert_string_equal(json_string_value(json_object_get(body, "note")), "why");
	assert_int_equal(json_array_size(json_object_get(body, "pids")), 2);
	json_decref(message);
	assert_int_equal(channel_receive(client, &message, &fd, NULL), 1);
	assert_int_equal(serve_message_kind(message, &id), SERVE_PROGRESS);
	body = json_object_get(message, "progress");
	assert_int_equal(json_integer_value(json_object_get(body, "samples")), 148);
	assert_true(json_number_value(json_object_get(body, "elapsed_s")) == 1.5);
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

/* ---- answers of the daemon ---------------------------------------------------------------------
 */

static void assert_null_member(const json_t *object, const char *key)
{
	assert_true(json_is_null(json_object_get(object, key)));
}

/* `list` of processes 1 to n; the caller's to free. */
static struct serve_process *make_processes(size_t n, const char *text)
{
	struct serve_process *list = calloc(n + 1, sizeof(*list));

	for (size_t i = 0; i < n; i++)
		list[i] = (struct serve_process){.pid = (uint32_t)i + 1,
			.uid = 33,
			.user = "www-data",
			.comm = text,
			.exe = text,
			.container = text,
			.python = text,
			.started_unix_s = 1767221043.25,
			.threads = 4,
			.cpu = 0.5,
			.samples = 10};
	return list;
}

/* Sends them and receives all pages: how many processes came, in order; `*left_out` as told. */
static size_t ps_round_trip(const struct serve_process *list, size_t n, json_int_t *left_out)
{
	struct channel *client, *server;
	size_t got = 0;
	bool more = true;

	make_channels(&client, &server);
	assert_int_equal(serve_send_ps(server, 4, 10, list, n), 0);
	while (more) {
		json_t *message, *page, *row;
		size_t i;
		int fd;

		while (channel_receive(client, &message, &fd, NULL) == 0)
			assert_in_range(channel_flush(server), 0, 1);
		assert_non_null(message);
		page = body_of(message, "ps");
		assert_true(real(page, "window_s") == 10);
		json_array_foreach(json_object_get(page, "processes"), i, row)
			assert_int_equal(json_integer_value(json_object_get(row, "pid")), ++got);
		more = json_is_true(json_object_get(page, "more"));
		*left_out = json_integer_value(json_object_get(page, "left_out"));
		assert_true(!more || !*left_out);
		json_decref(message);
	}
	assert_int_equal(next_result(client), 0);
	channel_free(client);
	channel_free(server);
	return got;
}

static void test_ps_pages(void **state)
{
	static const size_t counts[] = {0, 1, 2, 1000, 5000};
	json_int_t left_out;

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		struct serve_process *list = make_processes(counts[i], "python3");

		assert_int_equal(ps_round_trip(list, counts[i], &left_out), counts[i]);
		assert_int_equal(left_out, 0);
		free(list);
	}
}

/* Control characters take six bytes each in JSON: no page is too long for it, and all pages
 * together stay within what may wait. */
static void test_ps_of_hostile_names(void **state)
{
	enum { N = 500 };
	char name[4096];
	struct serve_process *list;
	json_int_t left_out;
	size_t got;

	(void)state;
	memset(name, 1, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	list = make_processes(N, name);
	got = ps_round_trip(list, N, &left_out);
	assert_in_range(got, 30, N - 1);
	assert_int_equal(left_out, N - got);
	free(list);
}

static void test_ps_of_the_unknown(void **state)
{
	const struct serve_process process = {.pid = 7, .cpu = -1};
	struct channel *client, *server;
	json_t *message, *page, *row;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_ps(server, 4, 0, &process, 1), 0);
	message = next_message(client, SERVE_PS, 4);
	page = body_of(message, "ps");
	assert_null_member(page, "window_s");
	row = json_array_get(json_object_get(page, "processes"), 0);
	assert_null_member(row, "user");
	assert_null_member(row, "comm");
	assert_null_member(row, "exe");
	assert_null_member(row, "container");
	assert_null_member(row, "python");
	assert_null_member(row, "started_unix_s");
	assert_null_member(row, "cpus");
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

/* A client that asks again and again without reading is told apart by -ENOBUFS. */
static void test_ps_for_nobody(void **state)
{
	struct serve_process *list = make_processes(5000, "python3");
	struct channel *client, *server;
	int rc = 0, n = 0;

	(void)state;
	make_channels(&client, &server);
	while (!rc && n < 1000) {
		rc = serve_send_ps(server, 4, 10, list, 5000);
		n++;
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_true(n > 1);
	free(list);
	channel_free(client);
	channel_free(server);
}

static void test_status(void **state)
{
	const struct profile_quality quality = {.duration_ns = 10000000000,
		.samples = 190,
		.lost = 2,
		.unsymbolized_frames = 5,
		.frames_seen = 500,
		.native_end = {[WALK_NO_RULE] = 4}};
	const char *notes[] = {"the store is full", "n\xffte"};
	const struct serve_status s = {.version = "0.2.0",
		.source = "ebpf",
		.uptime_s = 12.5,
		.window_s = 10,
		.selection = "user www-data",
		.requested_hz = 19,
		.current_hz = 9,
		.achieved_hz = 8.9,
		.max_cpu_percent = 2,
		.samples = 1000,
		.lost = 3,
		.windows = 6,
		.windows_waiting = 2,
		.windows_lost = 1,
		.quality = &quality,
		.cpu_percent = 0.5,
		.rss_bytes = 1 << 20,
		.processes = 9,
		.clients = 2,
		.store = "/x/profd.db",
		.store_error = "the disk is full",
		.store_bytes = 4096,
		.store_max_bytes = 8192,
		.store_windows = {1, 2, 3},
		.store_first_unix_s = 1767139200.5,
		.notes = notes,
		.n_notes = 2};
	struct channel *client, *server;
	json_t *message, *body, *part;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_status(server, 5, &s), 0);
	message = next_message(client, SERVE_STATUS, 5);
	body = body_of(message, "status");
	assert_true(json_is_false(json_object_get(body, "paused")));
	assert_true(real(json_object_get(body, "rate_hz"), "current") == 9);
	part = json_object_get(body, "windows");
	assert_true(
		real(part, "closed") == 6 && real(part, "waiting") == 2 && real(part, "lost") == 1);
	part = json_object_get(body, "last_window");
	assert_true(real(part, "duration_s") == 10 && real(part, "unsymbolized") == 0.01);
	assert_true(real(json_object_get(part, "failed"), "native-no-rule") == 4);
	part = json_object_get(body, "profiler");
	assert_true(real(part, "cpu_percent") == 0.5 && real(part, "max_cpu_percent") == 2);
	part = json_object_get(body, "store");
	assert_string_equal(json_string_value(json_object_get(part, "error")), "the disk is full");
	assert_true(real(part, "first_unix_s") == 1767139200.5);
	assert_null_member(part, "last_unix_s");
	assert_true(real(json_object_get(part, "windows"), "hour") == 3);
	part = json_object_get(body, "notes");
	assert_int_equal(json_array_size(part), 2);
	assert_string_equal(json_string_value(json_array_get(part, 1)), "n\xef\xbf\xbdte");
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

static void test_status_of_a_new_daemon(void **state)
{
	const struct serve_status s = {.version = "0.2.0",
		.achieved_hz = -1,
		.cpu_percent = -1,
		.kernel_cpu_percent = -1,
		.paused = true};
	struct channel *client, *server;
	json_t *message, *body;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_status(server, 5, &s), 0);
	message = next_message(client, SERVE_STATUS, 5);
	body = body_of(message, "status");
	assert_true(json_is_true(json_object_get(body, "paused")));
	assert_null_member(body, "last_window");
	assert_null_member(json_object_get(body, "rate_hz"), "achieved");
	assert_null_member(json_object_get(body, "profiler"), "cpu_percent");
	assert_null_member(json_object_get(body, "profiler"), "max_cpu_percent");
	assert_null_member(json_object_get(body, "profiler"), "rss_bytes");
	assert_null_member(json_object_get(body, "store"), "path");
	assert_null_member(json_object_get(body, "store"), "error");
	assert_null_member(json_object_get(body, "store"), "max_bytes");
	assert_null_member(json_object_get(body, "store"), "first_unix_s");
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

/* Numbers that JSON does not have, or not so large. */
static void test_numbers_that_are_none(void **state)
{
	const struct serve_reported reported = {.first_unix_s = 0.0 / 0.0,
		.last_unix_s = -1,
		.covered_s = 1.0 / 0.0,
		.samples = UINT64_MAX};
	struct channel *client, *server;
	json_t *message, *body;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_reported(server, 2, &reported), 0);
	message = next_message(client, SERVE_REPORTED, 2);
	body = body_of(message, "reported");
	assert_null_member(body, "first_unix_s");
	assert_null_member(body, "last_unix_s");
	assert_true(real(body, "covered_s") == 0);
	assert_true(json_integer_value(json_object_get(body, "samples")) == INT64_MAX);
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

/* ---- comparisons -------------------------------------------------------------------------------
 */

static void test_compared(void **state)
{
	const char *notes[] = {"the sides are a day apart"};
	const struct diff diff = {.n_rows = 20,
		.n_all = 300,
		.n_significant = 2,
		.verdict = DIFF_CHANGED,
		.detectable = 0.006,
		.detectable_largest = 0.25};
	const struct serve_compared c = {
		.before = {.first_unix_s = 1767225600, .windows = 114, .samples = 9, .lost = 1},
		.after = {.last_unix_s = 1767315600, .covered_s = 3600, .longest_window_s = 60},
		.diff = &diff,
		.worst = 0.5,
		.worst_function = "sp\xffin",
		.notes = notes,
		.n_notes = 1};
	struct channel *client, *server;
	json_t *message, *body, *side;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_compared(server, 9, &c), 0);
	message = next_message(client, SERVE_COMPARED, 9);
	body = body_of(message, "compared");
	side = json_object_get(body, "before");
	assert_true(real(side, "first_unix_s") == 1767225600 && real(side, "windows") == 114);
	assert_true(real(side, "samples") == 9 && real(side, "lost") == 1);
	assert_null_member(side, "last_unix_s");
	side = json_object_get(body, "after");
	assert_true(real(side, "last_unix_s") == 1767315600 && real(side, "covered_s") == 3600);
	assert_true(real(side, "longest_window_s") == 60);
	assert_string_equal(json_string_value(json_object_get(body, "verdict")), "changed");
	assert_null_member(body, "why");
	assert_true(real(body, "rows") == 20 && real(body, "rows_all") == 300);
	assert_true(real(body, "significant") == 2 && real(body, "worst") == 0.5);
	assert_true(real(body, "detectable") == 0.006 && real(body, "detectable_largest") == 0.25);
	assert_string_equal(
		json_string_value(json_object_get(body, "worst_function")), "sp\xef\xbf\xbdin");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(body, "notes"), 0)), notes[0]);
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

static void test_verdicts(void **state)
{
	static const struct {
		enum diff_verdict verdict;
		const char *name, *why;
	} rows[] = {{DIFF_NOT_ENOUGH, "not enough data", "one side has 3 windows"},
		{DIFF_SAME, "same", NULL}, {DIFF_CHANGED, "changed", NULL}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct diff diff = {
			.verdict = rows[i].verdict, .detectable = -1, .detectable_largest = -1};
		const struct serve_compared c = {.diff = &diff};
		struct channel *client, *server;
		json_t *message, *body;

		if (rows[i].why)
			strcpy(diff.why, rows[i].why);
		make_channels(&client, &server);
		assert_int_equal(serve_send_compared(server, 9, &c), 0);
		message = next_message(client, SERVE_COMPARED, 9);
		body = body_of(message, "compared");
		assert_string_equal(
			json_string_value(json_object_get(body, "verdict")), rows[i].name);
		if (rows[i].why)
			assert_string_equal(
				json_string_value(json_object_get(body, "why")), rows[i].why);
		assert_null_member(body, "detectable");
		assert_null_member(body, "detectable_largest");
		assert_null_member(body, "worst_function");
		json_decref(message);
		channel_free(client);
		channel_free(server);
	}
}

static void test_doctor_and_done(void **state)
{
	const struct serve_check checks[] = {{"kernel", "ok", "6.18.5", NULL},
		{"BTF", "failed", NULL, "use a kernel with CONFIG_DEBUG_INFO_BTF"}};
	struct channel *client, *server;
	json_t *message, *list;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_doctor(server, 6, checks, 2), 0);
	assert_int_equal(serve_send_done(server, 7, "sampling is paused"), 0);
	message = next_message(client, SERVE_DOCTOR, 6);
	list = json_object_get(body_of(message, "doctor"), "checks");
	assert_int_equal(json_array_size(list), 2);
	assert_null_member(json_array_get(list, 0), "fix");
	assert_null_member(json_array_get(list, 1), "found");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 1), "result")), "failed");
	json_decref(message);
	message = next_message(client, SERVE_DONE, 7);
	assert_string_equal(json_string_value(json_object_get(body_of(message, "done"), "text")),
		"sampling is paused");
	json_decref(message);
	channel_free(client);
	channel_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_finished_message),
		cmocka_unit_test(test_started_and_progress),
		cmocka_unit_test(test_ps_pages),
		cmocka_unit_test(test_ps_of_hostile_names),
		cmocka_unit_test(test_ps_of_the_unknown),
		cmocka_unit_test(test_ps_for_nobody),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_of_a_new_daemon),
		cmocka_unit_test(test_numbers_that_are_none),
		cmocka_unit_test(test_compared),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_doctor_and_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
