/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending to clients that read slowly, and handing clients over. */
#include "tests/unit/serve_pair.h"

#include <poll.h>
#include <sys/wait.h>

/* A reader that sleeps gets whole lines afterwards, and the sender never waited for it. */
static void test_offers_are_dropped_whole(void **state)
{
	struct channel *a, *b;
	json_int_t last = -1;
	int fd, got = 0;

	(void)state;
	make_channels(&a, &b);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(channel_offer(a,
					 json_pack("{s:i, s:s}", "a", i, "pad",
						 "0123456789012345678901234567890123456789"),
					 NULL),
			0);
	for (;;) {
		json_t *message;
		int rc = channel_receive(b, &message, &fd, NULL);

		assert_true(rc >= 0);
		if (!rc)
			break;
		assert_true(json_integer_value(json_object_get(message, "a")) > last);
		last = json_integer_value(json_object_get(message, "a"));
		json_decref(message);
		got++;
	}
	assert_true(got > 10 && got < 20000);
	assert_int_equal(channel_send(a, json_pack("{s:i}", "a", 77777), -1, NULL), 0);
	do
		last = next_number(b, "a", &fd); /* the rest of what was begun, then the new one */
	while (last != 77777);
	channel_free(a);
	channel_free(b);
}

static json_t *numbered(int i, size_t pad_bytes)
{
	char *pad = calloc(1, pad_bytes + 1);
	json_t *message;

	memset(pad, 'p', pad_bytes);
	message = json_pack("{s:i, s:s}", "a", i, "pad", pad);
	free(pad);
	return message;
}

/* Fills what may wait, and returns how many messages it took. */
static int queue_fill(struct channel *ch, size_t pad_bytes)
{
	struct err err = {0};
	int rc = 0, n = 0;

	while (n < 1000000 && (rc = channel_queue(ch, numbered(n, pad_bytes), &err)) == 0)
		n++;
	assert_int_equal(rc, -ENOBUFS);
	assert_true(err.text[0]);
	return n;
}

/* What is queued arrives whole and in order, however little the reader takes at a time. */
static void test_queue_keeps_order(void **state)
{
	struct channel *a, *b;
	int fd, n = 0;

	(void)state;
	make_channels(&a, &b);
	while (n < 3000)
		assert_int_equal(channel_queue(a, numbered(n++, 500), NULL), 0);
	assert_true(channel_is_queued(a));
	for (int i = 0; i < n; i++) {
		json_t *message;

		while (channel_receive(b, &message, &fd, NULL) == 0)
			assert_in_range(channel_flush(a), 0, 1);
		assert_int_equal(json_integer_value(json_object_get(message, "a")), i);
		json_decref(message);
	}
	assert_int_equal(channel_flush(a), 0);
	assert_false(channel_is_queued(a));
	assert_int_equal(next_result(b), 0);
	channel_free(a);
	channel_free(b);
}

/* A client that never reads costs a bounded amount, is told apart from one that has gone, and what
 * was accepted before still arrives. */
static void test_queue_is_bounded(void **state)
{
	struct channel *a, *b;
	json_int_t last = -1;
	size_t got = 0;
	int fd, n;

	(void)state;
	make_channels(&a, &b);
	n = queue_fill(a, 10000);
	assert_true((size_t)n * 10000 < SERVE_QUEUE_MAX + (4 << 20)); /* and the socket's own */
	assert_true((size_t)n * 10000 > SERVE_QUEUE_MAX / 2);
	assert_int_equal(channel_queue(a, json_object(), NULL), 0); /* a small one still fits */
	for (;;) {
		json_t *message;
		int rc = channel_receive(b, &message, &fd, NULL);

		if (rc == 1 && json_object_size(message)) {
			assert_int_equal(json_integer_value(json_object_get(message, "a")), got++);
			last = json_integer_value(json_object_get(message, "a"));
		}
		json_decref(message);
		if (!rc && channel_flush(a) == 0 && !channel_is_ready(b) &&
			recv(channel_fd(b), &fd, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
	}
	assert_int_equal(last, n - 1);
	assert_int_equal(channel_queue(a, numbered(0, 10000), NULL), 0);
	channel_free(a);
	channel_free(b);
}

/* What is over the bound of a line, or could not be made, is no message, and leaves no piece. */
static void test_queue_refuses_whole(void **state)
{
	struct channel *a, *b;
	int fd;

	(void)state;
	make_channels(&a, &b);
	assert_int_equal(channel_queue(a, numbered(1, SERVE_LINE_MAX), NULL), -EMSGSIZE);
	assert_int_equal(channel_queue(a, NULL, NULL), -ENOMEM);
	assert_false(channel_is_queued(a));
	assert_int_equal(channel_queue(a, numbered(2, 10), NULL), 0);
	assert_int_equal(next_number(b, "a", &fd), 2);
	channel_free(a);
	channel_free(b);
}

static void test_queue_to_nobody(void **state)
{
	struct channel *ch;
	int raw = make_channel(&ch);

	(void)state;
	queue_fill(ch, 10000);
	close(raw);
	assert_true(channel_is_queued(ch));
	assert_int_equal(channel_flush(ch), -EPIPE);
	assert_int_equal(channel_queue(ch, json_object(), NULL), -EPIPE);
	channel_free(ch);
}

/* Offers are dropped where something waits: they neither overtake it nor tear it. */
static void test_offer_behind_a_queue(void **state)
{
	struct channel *a, *b;
	int fd, n;

	(void)state;
	make_channels(&a, &b);
	n = queue_fill(a, 10000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(channel_offer(a, json_pack("{s:i}", "a", -1), NULL), 0);
	for (int i = 0; i < n; i++) {
		json_t *message;

		while (channel_receive(b, &message, &fd, NULL) == 0)
			assert_in_range(channel_flush(a), 0, 1);
		assert_int_equal(json_integer_value(json_object_get(message, "a")), i);
		json_decref(message);
	}
	assert_int_equal(channel_offer(a, json_pack("{s:i}", "a", 55), NULL), 0);
	assert_int_equal(next_number(b, "a", &fd), 55);
	channel_free(a);
	channel_free(b);
}

/* channel_send() waits for what is queued before it, and its descriptor goes with its own line. A
 * process that reads is the peer, because one that waits cannot. */
static void test_send_behind_a_queue(void **state)
{
	struct channel *a, *b;
	int n, file = memfd_create("x", MFD_CLOEXEC), status = -1;
	pid_t reader;

	(void)state;
	make_channels(&a, &b);
	n = queue_fill(a, 10000);
	reader = fork();
	assert_true(reader >= 0);
	if (!reader) {
		int ok = 0, i = 0;

		channel_free(a);
		while (i <= n) {
			struct pollfd p = {.fd = channel_fd(b), .events = POLLIN};
			json_t *message;
			int fd, rc = channel_receive(b, &message, &fd, NULL);

			if (!rc)
				poll(&p, 1, -1);
			if (rc < 0)
				break;
			if (rc != 1)
				continue;
			ok += json_integer_value(json_object_get(message, "a")) == i &&
			      (fd >= 0) == (i == n);
			i++;
		}
		_exit(ok == n + 1 ? 0 : 1);
	}
	assert_int_equal(channel_send(a, json_pack("{s:i}", "a", n), file, NULL), 0);
	assert_false(channel_is_queued(a));
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(file);
	channel_free(a);
	channel_free(b);
}

/* ---- handing over ------------------------------------------------------------------------------
 */

/* A request that was taken, two that were read with it, one that is still in the socket, and the
 * half of one: the other process gets all of them, in order, and the descriptor with the first. */
static void test_handing_over(void **state)
{
	struct record_request r = a_record();
	struct serve_call *call = calloc(1, sizeof(*call));
	struct channel *client, *server, *worker;
	json_t *request;
	char *line;
	const char *unread;
	size_t bytes;
	int before, fd, socket_fd, file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	before = open_descriptors();
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(serve_send_record(client, &r, file, NULL), 0);
	assert_int_equal(serve_next(server, call, NULL), 1);
	request = serve_encode_record(&call->record);
	line = json_dumps(request, JSON_COMPACT);
	serve_call_clear(call);
	put(channel_fd(client), "{\"id\":1,\"stop\":{}}\n{\"id\":2,\"ps\":{}}\n{\"id\":3,");
	assert_int_equal(serve_next(server, call, NULL), 1);
	assert_int_equal(call->kind, SERVE_STOP);
	unread = channel_unread(server, &bytes);
	assert_int_equal(bytes, strlen("{\"id\":2,\"ps\":{}}\n{\"id\":3,"));
	put(channel_fd(client), "\"ps\":{}}\n");

	socket_fd = fcntl(channel_fd(server), F_DUPFD_CLOEXEC, 3);
	worker = channel_new(socket_fd, NULL);
	fd = fcntl(file, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(channel_preload(worker, line, strlen(line), fd), 0);
	assert_int_equal(channel_preload(worker, "\n", 1, -1), 0);
	assert_int_equal(channel_preload(worker, unread, bytes, -1), 0);
	channel_free(server);

	assert_int_equal(serve_next(worker, call, NULL), 1); /* counts as greeted */
	assert_int_equal(call->kind, SERVE_RECORD);
	assert_int_equal(call->fd, fd);
	assert_int_equal(call->record.pids[0], 4711);
	serve_call_clear(call);
	for (uint64_t id = 2; id <= 3; id++) {
		assert_int_equal(serve_next(worker, call, NULL), 1);
		assert_int_equal(call->kind, SERVE_PS);
		assert_int_equal(call->id, id);
		assert_int_equal(call->fd, -1);
	}
	assert_int_equal(serve_next(worker, call, NULL), 0);
	channel_free(client);
	assert_int_equal(serve_next(worker, call, NULL), -EPIPE);
	channel_free(worker);
	assert_int_equal(open_descriptors(), before);
	json_decref(request);
	free(line);
	free(call);
	close(file);
}

static void test_nothing_unread(void **state)
{
	struct channel *ch;
	size_t bytes = 7;
	int raw = make_channel(&ch);

	(void)state;
	assert_string_equal(channel_unread(ch, &bytes), "");
	assert_int_equal(bytes, 0);
	close(raw);
	channel_free(ch);
}

/* The largest request and what may have been read behind it fit; what is far over that is refused,
 * and its descriptor is closed. */
static void test_preload_bound(void **state)
{
	size_t n = 2 * SERVE_LINE_MAX, more = 4 * SERVE_LINE_MAX;
	char *bytes = malloc(more);
	struct channel *ch;
	int before, fd, raw, file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	before = open_descriptors();
	memset(bytes, ' ', more);
	memcpy(bytes, "{\"a\":1}", 7);
	bytes[SERVE_LINE_MAX - 1] = '\n';
	memcpy(bytes + SERVE_LINE_MAX, "{\"a\":2}", 7);
	bytes[n - 1] = '\n';
	raw = make_channel(&ch);
	fd = fcntl(file, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(channel_preload(ch, bytes, more, fd), -E2BIG);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(channel_preload(ch, bytes, n, fcntl(file, F_DUPFD_CLOEXEC, 3)), 0);
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(next_number(ch, "a", &fd), 2);
	assert_int_equal(fd, -1);
	put(raw, "{\"a\":3}\n");
	assert_int_equal(next_number(ch, "a", &fd), 3);
	assert_int_equal(channel_preload(ch, "", 0, fcntl(file, F_DUPFD_CLOEXEC, 3)), 0);
	close(raw);
	channel_free(ch); /* closes what nobody took */
	assert_int_equal(open_descriptors(), before);
	close(file);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offers_are_dropped_whole),
		cmocka_unit_test(test_queue_keeps_order),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_queue_refuses_whole),
		cmocka_unit_test(test_queue_to_nobody),
		cmocka_unit_test(test_offer_behind_a_queue),
		cmocka_unit_test(test_send_behind_a_queue),
		cmocka_unit_test(test_handing_over),
		cmocka_unit_test(test_nothing_unread),
		cmocka_unit_test(test_preload_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
