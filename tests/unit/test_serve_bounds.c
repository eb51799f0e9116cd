/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's answers where names are hostile or clients do not read: they fit, and nobody waits.
 */
#include "tests/unit/serve_pair.h"

/* A profile with one function of a long name of control characters, and `n` rows about it. */
struct hostile {
	char name[4096];
	char *strings[2];
	struct frame frames[2];
	struct profile profile;
	struct top_row rows[SERVE_LIVE_ROWS_MAX];
	const char *notes[SERVE_LIVE_ROWS_MAX];
};

static struct hostile *hostile_new(void)
{
	struct hostile *h = calloc(1, sizeof(*h));

	memset(h->name, 1, sizeof(h->name) - 1);
	h->strings[0] = h->name + sizeof(h->name) - 1;
	h->strings[1] = h->name;
	h->frames[1] = (struct frame){FRAME_NATIVE, 1, 1, 1, 1};
	h->profile = (struct profile){.strings = h->strings,
		.n_strings = 2,
		.frames = h->frames,
		.n_frames = 2,
		.source = h->name};
	for (size_t i = 0; i < SERVE_LIVE_ROWS_MAX; i++) {
		h->rows[i] = (struct top_row){.frame = 1};
		h->notes[i] = h->name;
	}
	return h;
}

/* So that the longest line goes into the socket at once, without anybody reading. */
static void make_room(const struct channel *ch)
{
	const int bytes = 2 * SERVE_LINE_MAX;

	assert_int_equal(
		setsockopt(channel_fd(ch), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

/* The list has some of the rows, and the line is not too long: it came. */
static void assert_shortened(const json_t *list)
{
	assert_in_range(json_array_size(list), 1, SERVE_LIVE_ROWS_MAX - 1);
}

static void test_hostile_names_fit_a_line(void **state)
{
	struct hostile *h = hostile_new();
	const struct serve_live live = {.profile = &h->profile, .rows = h->rows, .n_rows = 1000};
	const struct serve_finished finished = {
		&h->profile, h->rows, 1000, ENDED_EXITED, h->notes, 1000};
	const struct serve_reported reported = {.notes = h->notes, .n_notes = 1000};
	const struct serve_status status = {.version = h->name,
		.source = h->name,
		.selection = h->name,
		.store = h->name,
		.store_error = h->name,
		.notes = h->notes,
		.n_notes = 1000};
	struct channel *client, *server;
	json_t *message, *body;

	(void)state;
	make_channels(&client, &server);
	make_room(server);
	assert_int_equal(serve_send_live(server, 1, &live), 0);
	channel_flush(server);
	message = next_message(client, SERVE_LIVE, 1);
	assert_shortened(json_object_get(body_of(message, "live"), "top"));
	json_decref(message);
	assert_int_equal(serve_send_status(server, 2, &status), 0);
	message = next_message(client, SERVE_STATUS, 2);
	assert_shortened(json_object_get(body_of(message, "status"), "notes"));
	json_decref(message);
	assert_int_equal(serve_send_reported(server, 3, &reported), 0);
	message = next_message(client, SERVE_REPORTED, 3);
	assert_shortened(json_object_get(body_of(message, "reported"), "notes"));
	json_decref(message);
	assert_int_equal(channel_flush(server), 0);
	assert_int_equal(serve_send_finished(server, 4, &finished), 0);
	message = next_message(client, SERVE_FINISHED, 4);
	body = body_of(message, "finished");
	assert_shortened(json_object_get(body, "top"));
	assert_shortened(json_object_get(body, "notes"));
	json_decref(message);
	free(h);
	channel_free(client);
	channel_free(server);
}

/* A live view of all the rows that may be asked for, with names as they are in life, loses none. */
static void test_live_rows_of_life(void **state)
{
	char *strings[] = {"", "django.core.handlers.base.BaseHandler._get_response",
		"/usr/lib/python3/dist-packages/django/core/handlers/base.py"};
	struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PYTHON, 1, 2, 197, 0}};
	const struct profile p = {
		.strings = strings, .n_strings = 3, .frames = frames, .n_frames = 2};
	struct top_row *rows = calloc(600, sizeof(*rows));
	const struct serve_live live = {1.5, 1, 20, 1, &p, rows, 600};
	struct channel *client, *server;
	json_t *message, *body;

	(void)state;
	for (size_t i = 0; i < 600; i++)
		rows[i] = (struct top_row){.frame = 1, .self = 1 / 3.0, .total = 2 / 3.0};
	make_channels(&client, &server);
	assert_int_equal(serve_send_live(server, 3, &live), 0);
	message = next_message(client, SERVE_LIVE, 3);
	body = body_of(message, "live");
	assert_int_equal(json_array_size(json_object_get(body, "top")), 600);
	assert_true(real(body, "elapsed_s") == 1.5 && real(body, "lost") == 1);
	json_decref(message);
	free(rows);
	channel_free(client);
	channel_free(server);
}

/* Never waits: who does not read misses views, and gets whole ones when it reads again. */
static void test_live_for_a_sleeper(void **state)
{
	struct hostile *h = hostile_new();
	const struct serve_live live = {.profile = &h->profile, .rows = h->rows, .n_rows = 3};
	struct channel *client, *server;
	int fd, got = 0, rc;

	(void)state;
	make_channels(&client, &server);
	for (int i = 0; i < 500; i++)
		assert_int_equal(serve_send_live(server, 1, &live), 0);
	do {
		json_t *message;

		rc = channel_receive(client, &message, &fd, NULL);
		assert_true(rc >= 0);
		got += rc;
		json_decref(message);
	} while (rc || channel_flush(server) == 1 || channel_is_ready(client));
	assert_in_range(got, 1, 499);
	free(h);
	channel_free(client);
	channel_free(server);
}

static void test_queued_error(void **state)
{
	struct channel *client, *server;
	struct err why = {0};

	(void)state;
	err_set(&why, -EPERM, "process 7 is another user's");
	make_channels(&client, &server);
	while (channel_queue(server, json_pack("{s:s}", "pad", "0123456789"), NULL) == 0)
		;
	assert_int_equal(serve_queue_error(server, 3, &why), -ENOBUFS);
	channel_free(client);
	channel_free(server);
	make_channels(&client, &server);
	assert_int_equal(serve_queue_error(server, 3, &why), 0);
	expect_error(client, EPERM);
	channel_free(client);
	channel_free(server);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static size_t allocations_left;

static void *limited_malloc(size_t bytes)
{
	if (!allocations_left)
		return NULL;
	allocations_left--;
	return malloc(bytes);
}

static int send_all(struct channel *ch, const struct hostile *h)
{
	const struct serve_process process = {.pid = 1, .comm = "x"};
	const struct profile_quality quality = {.native_end = {[WALK_NO_RULE] = 3}};
	const struct serve_status status = {
		.version = "1", .quality = &quality, .notes = h->notes, .n_notes = 1};
	const struct serve_live live = {.profile = &h->profile, .rows = h->rows, .n_rows = 1};
	const struct serve_finished finished = {&h->profile, h->rows, 1, ENDED_EXITED, h->notes, 1};
	const struct serve_reported reported = {.notes = h->notes, .n_notes = 1};
	const struct serve_check check = {"kernel", "ok", "6.1", NULL};
	int rc = serve_send_ps(ch, 1, 10, &process, 1);

	rc = rc ? rc : serve_send_status(ch, 2, &status);
	rc = rc ? rc : serve_send_live(ch, 3, &live);
	rc = rc ? rc : serve_send_finished(ch, 4, &finished);
	rc = rc ? rc : serve_send_reported(ch, 5, &reported);
	rc = rc ? rc : serve_send_doctor(ch, 6, &check, 1);
	return rc ? rc : serve_send_done(ch, 7, "done");
}

/* Whichever allocation of JSON fails, the answer fails with it: whole messages only are sent, and
 * (with a sanitizer) nothing leaks. */
static void test_answers_without_memory(void **state)
{
	struct hostile *h = hostile_new();
	size_t n = 0, failed = 0;
	int rc;

	(void)state;
	do {
		struct channel *client, *server;

		make_channels(&client, &server);
		make_room(server);
		json_set_alloc_funcs(limited_malloc, free);
		allocations_left = n++;
		rc = send_all(server, h);
		json_set_alloc_funcs(malloc, free);
		assert_true(!rc || rc == -ENOMEM);
		failed += rc != 0;
		assert_false(channel_is_queued(server));
		for (uint64_t i = 0; !rc && i < 7; i++)
			assert_int_equal(next_result(client), 1);
		while (next_result(client) == 1)
			;
		channel_free(client);
		channel_free(server);
	} while (rc && n < 10000);
	assert_int_equal(rc, 0);
	assert_true(failed > 100);
	free(h);
}

/* The same for what comes in. */
static void test_requests_without_memory(void **state)
{
	struct report_request r = a_report(), back;
	json_t *message = serve_encode_report(&r);
	char *line = json_dumps(message, JSON_COMPACT);
	size_t n = 0, failed = 0;
	int rc;

	(void)state;
	json_decref(message);
	do {
		json_set_alloc_funcs(limited_malloc, free);
		allocations_left = n++;
		message = serve_encode_report(&r);
		json_decref(message);
		message = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		rc = message ? serve_decode_report(message, &back, NULL) : -ENOMEM;
		if (message)
			report_request_clear(&back);
		json_decref(message);
		json_set_alloc_funcs(malloc, free);
		failed += rc != 0;
	} while (rc && n < 10000);
	assert_int_equal(rc, 0);
	assert_true(failed > 20);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_names_fit_a_line),
		cmocka_unit_test(test_live_rows_of_life),
		cmocka_unit_test(test_live_for_a_sleeper),
		cmocka_unit_test(test_queued_error),
		cmocka_unit_test(test_answers_without_memory),
		cmocka_unit_test(test_requests_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
