/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's reading side: what is handed out, and what is answered without anybody being asked.
 */
#include "tests/unit/serve_pair.h"

/* Fails unless the server answers everything that was sent by itself. */
static void serve_nothing(struct channel *server)
{
	struct serve_call *call = malloc(sizeof(*call));
	struct err err = {0};
	int rc;

	memset(call, 0xa5, sizeof(*call)); /* needs no initialisation */
	rc = serve_next(server, call, &err);
	if (rc)
		fail_msg("serve_next: %d %s", rc, err.text);
	assert_int_equal(call->fd, -1);
	serve_call_clear(call);
	free(call);
}

static void serve_one(struct channel *server, enum serve_kind kind, uint64_t id)
{
	struct serve_call *call = malloc(sizeof(*call));

	memset(call, 0xa5, sizeof(*call));
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, kind);
	assert_int_equal(call->id, id);
	assert_int_equal(
		call->fd >= 0, kind == SERVE_RECORD || kind == SERVE_REPORT || kind == SERVE_DIFF);
	serve_call_clear(call);
	assert_int_equal(call->fd, -1);
	free(call);
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static void test_requests_are_handed_out(void **state)
{
	struct record_request record = a_record();
	struct report_request report = a_report();
	struct live_request live = a_live();
	struct channel *client, *server;
	struct serve_call *call = calloc(1, sizeof(*call));
	int before = open_descriptors(), file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(serve_send_record(client, &record, file, NULL), 0);
	assert_int_equal(serve_send_stop(client, 1, NULL), 0);
	assert_int_equal(serve_send_report(client, &report, file, NULL), 0);
	assert_int_equal(serve_send_live_request(client, &live, NULL), 0);
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_RECORD);
	assert_int_equal(call->record.pids[1], 12);
	assert_int_equal(write(call->fd, "hello", 5), 5);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 5); /* one open file */
	serve_call_clear(call);
	serve_one(server, SERVE_STOP, 1);
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_REPORT);
	assert_string_equal(call->report.of.comms[1], "nginx");
	assert_true(call->fd >= 0);
	serve_call_clear(call);
	assert_null(call->report.of.comms);
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_LIVE);
	assert_int_equal(call->live.limit, 40);
	assert_int_equal(call->fd, -1);
	serve_call_clear(call);
	serve_nothing(server);
	channel_free(client);
	assert_int_equal(serve_next(server, call, NULL), -EPIPE);
	serve_call_clear(call);
	channel_free(server);
	close(file);
	free(call);
	assert_int_equal(open_descriptors(), before);
}

/* A comparison has a descriptor, a watch has none, and both own their lists. */
static void test_comparisons_and_watches(void **state)
{
	struct diff_request diff = a_diff();
	struct watch_request watch = a_watch();
	struct channel *client, *server;
	struct serve_call *call = calloc(1, sizeof(*call));
	int before = open_descriptors(), file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(serve_send_diff(client, &diff, file, NULL), 0);
	assert_int_equal(serve_send_watch_request(client, &watch, NULL), 0);
	assert_int_equal(serve_send_diff(client, &diff, -1, NULL), 0);
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_DIFF);
	assert_int_equal(call->diff.after.pids[0], 12);
	assert_int_equal(write(call->fd, "hello", 5), 5);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 5);
	serve_call_clear(call);
	assert_true(!call->diff.before.comms && !call->diff.after.comms);
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_WATCH);
	assert_int_equal(call->fd, -1);
	assert_string_equal(call->watch.comms[1], "nginx");
	serve_call_clear(call);
	assert_null(call->watch.comms);
	serve_nothing(server);
	expect_error(client, EBADF);
	channel_free(client);
	channel_free(server);
	close(file);
	free(call);
	assert_int_equal(open_descriptors(), before);
}

static void test_plain_requests(void **state)
{
	static const enum serve_kind plain[] = {
		SERVE_STOP, SERVE_PS, SERVE_STATUS, SERVE_PAUSE, SERVE_RESUME, SERVE_DOCTOR};
	static const enum serve_kind other[] = {SERVE_UNKNOWN, SERVE_HELLO, SERVE_RECORD,
		SERVE_REPORT, SERVE_LIVE, SERVE_DIFF, SERVE_COMPARED, SERVE_WATCH, SERVE_DONE,
		SERVE_ERROR};
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	for (size_t i = 0; i < COUNT(plain); i++) {
		assert_int_equal(serve_send_plain(client, plain[i], i + 1, NULL), 0);
		serve_one(server, plain[i], i + 1);
	}
	for (size_t i = 0; i < COUNT(other); i++)
		assert_int_equal(serve_send_plain(client, other[i], 1, NULL), -EINVAL);
	serve_nothing(server);
	channel_free(client);
	channel_free(server);
}

/* Written at once and read at once, they are handed out one by one. */
static void test_pipelined_requests(void **state)
{
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	put(channel_fd(client), "{\"hello\":{\"protocol\":1,\"version\":\"9\"}}\n"
				"{\"id\":1,\"ps\":{}}\n{\"id\":2,\"dance\":{}}\n"
				"{\"id\":3,\"status\":{}}\n{\"id\":4,\"stop\":{}}\n");
	serve_one(server, SERVE_PS, 1);
	serve_one(server, SERVE_STATUS, 3);
	serve_one(server, SERVE_STOP, 4);
	serve_nothing(server);
	json_decref(next_message(client, SERVE_HELLO, 0));
	expect_error(client, EPROTO);
	assert_int_equal(next_result(client), 0);
	channel_free(client);
	channel_free(server);
}

/* ---- mistakes ----------------------------------------------------------------------------------
 */

static void test_greeting_comes_first(void **state)
{
	static const char *const early[] = {
		"{\"id\":1,\"stop\":{}}\n", "{\"id\":1,\"ps\":{}}\n", "{\"id\":1,\"dance\":{}}\n"};
	static const struct {
		const char *line;
		int code;
	} greetings[] = {
		{"{\"hello\":{\"protocol\":999,\"version\":\"9\"}}\n", EPROTONOSUPPORT},
		{"{\"hello\":{\"protocol\":0}}\n", EPROTONOSUPPORT},
		{"{\"hello\":{\"protocol\":\"1\"}}\n", EPROTO},
		{"{\"hello\":{}}\n", EPROTO},
		{"{\"hello\":1}\n", EPROTO},
	};
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	for (size_t i = 0; i < COUNT(early); i++) {
		put(channel_fd(client), early[i]);
		serve_nothing(server);
		expect_error(client, EPROTO);
	}
	for (size_t i = 0; i < COUNT(greetings); i++) {
		put(channel_fd(client), greetings[i].line);
		serve_nothing(server);
		expect_error(client, greetings[i].code);
		put(channel_fd(client), early[0]);
		serve_nothing(server);
		expect_error(client, EPROTO);
	}
	greet(client, server);
	put(channel_fd(client), early[0]);
	serve_one(server, SERVE_STOP, 1);
	channel_free(client);
	channel_free(server);
}

/* Each is answered with its `id` where it has one, and the next request is served. */
static void test_mistakes_are_answered(void **state)
{
	static const struct {
		const char *line;
		int code;
		uint64_t id;
	} rows[] = {
		{"nonsense\n", EBADMSG, 0},
		{"[]\n", EBADMSG, 0},
		{"{}\n", EPROTO, 0},
		{"{\"id\":7}\n", EPROTO, 7},
		{"{\"id\":7,\"dance\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"ps\":[]}\n", EPROTO, 7},
		{"{\"id\":7,\"started\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"finished\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"reported\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"compared\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"done\":{}}\n", EPROTO, 7},
		{"{\"id\":7,\"error\":{}}\n", EPROTO, 7},
		{"{\"ps\":{}}\n", EINVAL, 0},
		{"{\"id\":0,\"ps\":{}}\n", EINVAL, 0},
		{"{\"id\":\"7\",\"ps\":{}}\n", EINVAL, 0},
		{"{\"id\":7,\"ps\":{\"all\":true}}\n", EINVAL, 7},
		{"{\"id\":7,\"stop\":{\"now\":true}}\n", EINVAL, 7},
		{"{\"id\":7,\"ps\":{},\"status\":{}}\n", EINVAL, 7},
		{"{\"id\":7,\"ps\":{},\"extra\":1}\n", EINVAL, 7},
		{"{\"id\":7,\"live\":{}}\n", EINVAL, 7},
		{"{\"id\":7,\"record\":{}}\n", EINVAL, 7},
		{"{\"id\":7,\"report\":{}}\n", EINVAL, 7},
		{"{\"id\":7,\"diff\":{}}\n", EINVAL, 7},
		{"{\"id\":7,\"watch\":{}}\n", EINVAL, 7},
	};
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		json_t *message;

		put(channel_fd(client), rows[i].line);
		serve_nothing(server);
		message = next_message(client, SERVE_ERROR, rows[i].id);
		if (serve_get_error(message, &err) != -rows[i].code)
			fail_msg("%s gives %d %s", rows[i].line, err.code, err.text);
		assert_true(err.text[0]);
		json_decref(message);
		put(channel_fd(client), "{\"id\":8,\"ps\":{}}\n");
		serve_one(server, SERVE_PS, 8);
	}
	channel_free(client);
	channel_free(server);
}

/* Nesting as deep as JSON may be here, and deeper, in a message of a known kind. */
static void test_deep_nesting(void **state)
{
	static const struct {
		size_t depth;
		int code;
	} rows[] = {{1000, EINVAL}, {5000, EBADMSG}};
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	for (size_t i = 0; i < COUNT(rows); i++) {
		static const char head[] = "{\"id\":1,\"ps\":{\"a\":";
		size_t depth = rows[i].depth, n = sizeof(head) - 1;
		char *line = calloc(1, n + 2 * depth + 4);

		memcpy(line, head, n);
		memset(line + n, '[', depth);
		memset(line + n + depth, ']', depth);
		memcpy(line + n + 2 * depth, "}}\n", 3);
		put(channel_fd(client), line);
		serve_nothing(server);
		expect_error(client, rows[i].code);
		free(line);
	}
	channel_free(client);
	channel_free(server);
}

static void test_oversized_request(void **state)
{
	char chunk[4096];
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	memset(chunk, ' ', sizeof(chunk));
	for (size_t sent = 0; sent <= SERVE_LINE_MAX; sent += sizeof(chunk)) {
		assert_int_equal(write(channel_fd(client), chunk, sizeof(chunk)), sizeof(chunk));
		serve_nothing(server);
	}
	put(channel_fd(client), "\n");
	serve_nothing(server);
	expect_error(client, EMSGSIZE);
	channel_free(client);
	channel_free(server);
}

/* ---- descriptors -------------------------------------------------------------------------------
 */

/* Both kinds that take one want it open for writing, and keep none that they refuse. */
static void test_descriptors(void **state)
{
	struct record_request record = a_record();
	struct report_request report = a_report();
	int before = open_descriptors(), fds[3];
	struct channel *client, *server;

	(void)state;
	fds[0] = -1;
	fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[2] = open("/dev/null", O_PATH | O_CLOEXEC);
	make_channels(&client, &server);
	greet(client, server);
	for (size_t i = 0; i < COUNT(fds); i++) {
		assert_int_equal(serve_send_record(client, &record, fds[i], NULL), 0);
		serve_nothing(server);
		expect_error(client, EBADF);
		assert_int_equal(serve_send_report(client, &report, fds[i], NULL), 0);
		serve_nothing(server);
		expect_error(client, EBADF);
	}
	record.rate_hz = 0; /* a mistake in the request counts first */
	assert_int_equal(serve_send_record(client, &record, -1, NULL), 0);
	serve_nothing(server);
	expect_error(client, EINVAL);
	close(fds[1]);
	close(fds[2]);
	channel_free(client);
	channel_free(server);
	assert_int_equal(open_descriptors(), before);
}

static void test_descriptors_that_nobody_wants(void **state)
{
	struct record_request record = a_record();
	int before = open_descriptors(), file = memfd_create("x", MFD_CLOEXEC);
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(
		channel_send(client, json_pack("{s:i, s:{}}", "id", 1, "ps"), file, NULL), 0);
	serve_one(server, SERVE_PS, 1);
	assert_int_equal(channel_send(client, json_pack("{s:{}}", "dance"), file, NULL), 0);
	serve_nothing(server);
	expect_error(client, EPROTO);
	record.rate_hz = 0;
	assert_int_equal(serve_send_record(client, &record, file, NULL), 0);
	serve_nothing(server);
	expect_error(client, EINVAL);
	assert_int_equal(open_descriptors(), before + 3); /* the file and the sockets */
	assert_int_equal(serve_send_record(client, &record, file, NULL), 0); /* and goes away */
	channel_free(client);
	channel_free(server);
	close(file);
	assert_int_equal(open_descriptors(), before);
}

/* ---- clients that mean no good -----------------------------------------------------------------
 */

/* One that sends nonsense, and does not read what it is told, is let go after a number of messages;
 * one that asks sensible things may ask for ever. */
static void test_nonsense_comes_to_an_end(void **state)
{
	static const char *const lines[] = {"x\n", "{\"hello\":{\"protocol\":1}}\n",
		"{\"id\":1,\"dance\":{}}\n", "{\"id\":1,\"live\":{}}\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct serve_call *call = calloc(1, sizeof(*call));
		struct channel *client, *server;
		struct err err = {0};
		int n = 0, rc;

		make_channels(&client, &server);
		greet(client, server);
		for (int j = 0; j < 3 * SERVE_ANSWERED_MAX; j++) {
			assert_int_equal(serve_send_plain(client, SERVE_PS, 1, NULL), 0);
			serve_one(server, SERVE_PS, 1);
		}
		do {
			put(channel_fd(client), lines[i]);
			rc = serve_next(server, call, &err);
			serve_call_clear(call);
			n++;
		} while (!rc && n < 1000);
		assert_int_equal(rc, -EPROTO);
		assert_true(err.text[0]);
		assert_int_equal(n, SERVE_ANSWERED_MAX); /* the first greeting counts */
		channel_free(client);
		channel_free(server);
		free(call);
	}
}

/* The same, written at once: one call does not go through all of it. */
static void test_nonsense_at_once(void **state)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct channel *client, *server;
	char lines[4000];

	(void)state;
	make_channels(&client, &server);
	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i % 2 ? '\n' : 'x';
	assert_int_equal(write(channel_fd(client), lines, sizeof(lines)), sizeof(lines));
	assert_int_equal(serve_next(server, call, NULL), -EPROTO);
	assert_true(channel_is_ready(server));
	serve_call_clear(call);
	free(call);
	channel_free(client);
	channel_free(server);
}

/* It greets and asks wrongly while nobody reads its answers: the server never waits for it. */
static void test_refusals_do_not_wait(void **state)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	while (channel_queue(server, json_pack("{s:s}", "pad", "0123456789"), NULL) == 0)
		;
	put(channel_fd(client), "{\"id\":1,\"dance\":{}}\nx\n{\"id\":2,\"ps\":{}}\n");
	serve_one(server, SERVE_PS, 2);
	assert_true(channel_is_queued(server));
	assert_int_equal(serve_send_hello(client, NULL), 0); /* its answer must not be dropped */
	assert_int_equal(serve_next(server, call, NULL), -ENOBUFS);
	serve_call_clear(call);
	free(call);
	channel_free(client);
	channel_free(server);
}

/* It goes away in the middle of a request, with the descriptor already sent. */
static void test_abandoned_request(void **state)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct record_request record = a_record();
	int before = open_descriptors(), file = memfd_create("x", MFD_CLOEXEC);
	struct channel *client, *server;

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(serve_send_record(client, &record, file, NULL), 0);
	put(channel_fd(client), "{\"id\":2,\"stop\":");
	channel_free(client);
	serve_one(server, SERVE_RECORD, 1); /* what was whole still counts */
	assert_int_equal(serve_next(server, call, NULL), -EPIPE);
	serve_call_clear(call);
	free(call);
	channel_free(server);
	close(file);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_handed_out),
		cmocka_unit_test(test_comparisons_and_watches),
		cmocka_unit_test(test_plain_requests),
		cmocka_unit_test(test_pipelined_requests),
		cmocka_unit_test(test_greeting_comes_first),
		cmocka_unit_test(test_mistakes_are_answered),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_oversized_request),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_descriptors_that_nobody_wants),
		cmocka_unit_test(test_nonsense_comes_to_an_end),
		cmocka_unit_test(test_nonsense_at_once),
		cmocka_unit_test(test_refusals_do_not_wait),
		cmocka_unit_test(test_abandoned_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
