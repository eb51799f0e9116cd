/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol: channels (lines, descriptors, ends) and the messages on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/serve.h"

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A channel (`*ch`) and the raw other end of its socket. */
static int make_channel(struct channel **ch)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ch = channel_new(pair[0], NULL);
	assert_non_null(*ch);
	return pair[1];
}

static void make_channels(struct channel **client, struct channel **server)
{
	*client = channel_new(make_channel(server), NULL);
	assert_non_null(*client);
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void put_with_fd(int socket_fd, const char *text, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(socket_fd, &msg, 0), strlen(text));
}

static json_int_t next_number(struct channel *ch, const char *key, int *fd)
{
	struct err err = {0};
	json_t *message;
	json_int_t n;
	int rc = channel_receive(ch, &message, fd, &err);

	if (rc != 1)
		fail_msg("channel_receive: %d %s", rc, err.text);
	n = json_integer_value(json_object_get(message, key));
	json_decref(message);
	return n;
}

static int next_result(struct channel *ch)
{
	struct err err = {0};
	json_t *message;
	int fd, rc = channel_receive(ch, &message, &fd, &err);

	assert_true(rc >= 0 || err.text[0]);
	json_decref(message);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- channels ----------------------------------------------------------------------------------
 */

static void test_split_and_joined_lines(void **state)
{
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	assert_int_equal(next_result(ch), 0);
	put(raw, "{\"a\"");
	assert_int_equal(next_result(ch), 0);
	put(raw, ": 1}");
	assert_int_equal(next_result(ch), 0);
	put(raw, "\n{\"a\":2}\n\n{\"a\":3}\n{\"a\":");
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_int_equal(next_number(ch, "a", &fd), 2);
	assert_int_equal(next_result(ch), -EBADMSG); /* the empty line */
	assert_int_equal(next_number(ch, "a", &fd), 3);
	assert_int_equal(next_result(ch), 0);
	put(raw, "4}\n");
	assert_int_equal(next_number(ch, "a", &fd), 4);
	assert_int_equal(fd, -1);
	close(raw);
	assert_int_equal(next_result(ch), -EPIPE);
	channel_free(ch);
}

static void test_malformed_lines(void **state)
{
	static const char *const lines[] = {"x\n", "[1]\n", "1\n", "\"s\"\n", "null\n", "{\n",
		"{\"a\":1}}\n", "{\"a\":1,\"a\":2}\n", "{\"a\":\"\xff\"}\n", "{\"a\":1e999}\n",
		"{\"a\":\"\\u0000\"}\n", "\r\n", "\x01\x02\x03\n"};
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		put(raw, lines[i]);
		put(raw, "{\"a\":7}\n");
		assert_int_equal(next_result(ch), -EBADMSG);
		assert_int_equal(next_number(ch, "a", &fd), 7);
	}
	assert_int_equal(write(raw, "{\"a\"\0:1}\n", 9), 9);
	assert_int_equal(next_result(ch), -EBADMSG);
	close(raw);
	channel_free(ch);
}

/* More than a socket may hold at once: in pieces, read as they come. */
static void put_in_pieces(int raw, struct channel *ch, const char *line, size_t len)
{
	for (size_t at = 0; at < len; at += 4096) {
		size_t n = len - at < 4096 ? len - at : 4096;

		assert_int_equal(write(raw, line + at, n), n);
		if (at + n < len)
			assert_int_equal(next_result(ch), 0);
	}
}

/* Deep nesting must not use up the stack. */
static void test_deep_nesting(void **state)
{
	enum { DEPTH = 200000 };
	char *line = malloc(DEPTH);
	struct channel *ch;
	int raw = make_channel(&ch);

	(void)state;
	memset(line, '[', DEPTH);
	line[DEPTH - 1] = '\n';
	put_in_pieces(raw, ch, line, DEPTH);
	assert_int_equal(next_result(ch), -EBADMSG);
	assert_int_equal(next_result(ch), 0);
	free(line);
	close(raw);
	channel_free(ch);
}

static void test_oversized_line(void **state)
{
	static char chunk[4096];
	struct channel *ch;
	int fd, rc = 0, raw = make_channel(&ch);

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	for (size_t sent = 0; sent < 3 * SERVE_LINE_MAX; sent += sizeof(chunk)) {
		assert_int_equal(write(raw, chunk, sizeof(chunk)), sizeof(chunk));
		assert_int_equal(next_result(ch), 0); /* nothing yet, and memory stays bounded */
	}
	put(raw, "\n{\"a\":5}\n");
	rc = next_result(ch);
	assert_int_equal(rc, -EMSGSIZE);
	assert_int_equal(next_number(ch, "a", &fd), 5);
	close(raw);
	channel_free(ch);
}

static void test_line_of_the_limit(void **state)
{
	char *line = malloc(SERVE_LINE_MAX + 1);
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	memset(line, ' ', SERVE_LINE_MAX + 1);
	memcpy(line, "{\"a\":9}", 7);
	line[SERVE_LINE_MAX - 1] = '\n';
	put_in_pieces(raw, ch, line, SERVE_LINE_MAX);
	assert_int_equal(next_number(ch, "a", &fd), 9);
	line[SERVE_LINE_MAX - 1] = ' ';
	line[SERVE_LINE_MAX] = '\n';
	put_in_pieces(raw, ch, line, SERVE_LINE_MAX + 1);
	assert_int_equal(next_result(ch), -EMSGSIZE);
	free(line);
	close(raw);
	channel_free(ch);
}

static void test_descriptor_belongs_to_its_line(void **state)
{
	struct channel *ch;
	int fd, raw = make_channel(&ch), file = memfd_create("x", MFD_CLOEXEC);
	struct stat st, st2;

	(void)state;
	assert_int_equal(fstat(file, &st), 0);
	put(raw, "{\"a\":1}\n");
	put_with_fd(raw, "{\"a\":2}\n", file);
	put(raw, "{\"a\":3}\n");
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_int_equal(fd, -1);
	assert_int_equal(next_number(ch, "a", &fd), 2);
	assert_true(fd >= 0 && fd != file);
	assert_int_equal(fstat(fd, &st2), 0);
	assert_true(st.st_ino == st2.st_ino && st.st_dev == st2.st_dev);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(next_number(ch, "a", &fd), 3);
	assert_int_equal(fd, -1);
	close(file);
	close(raw);
	channel_free(ch);
}

/* However many are sent, none leaks, and the right line gets its own. */
static void test_descriptors_do_not_leak(void **state)
{
	int before = open_descriptors(), file, fd, raw;
	struct channel *ch;

	(void)state;
	raw = make_channel(&ch);
	file = memfd_create("x", MFD_CLOEXEC);
	for (int i = 0; i < 20; i++)
		put_with_fd(raw, " ", file);
	put_with_fd(raw, "{\"a\":1}\n", file);
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_true(fd >= 0);
	close(fd);
	put_with_fd(raw, "garbage\n", file);
	assert_int_equal(next_result(ch), -EBADMSG);
	put_with_fd(raw, "{\"a\":2}\n", file); /* never taken */
	put_with_fd(raw, "{\"a\":", file);
	assert_int_equal(next_number(ch, "a", &fd), 2);
	close(fd);
	assert_int_equal(next_result(ch), 0);
	close(raw);
	assert_int_equal(next_result(ch), -EPIPE);
	close(file);
	channel_free(ch);
	assert_int_equal(open_descriptors(), before);
}

static void test_send_with_descriptor(void **state)
{
	struct channel *a, *b;
	int before = open_descriptors(), file = memfd_create("x", MFD_CLOEXEC), fd;

	(void)state;
	make_channels(&a, &b);
	assert_int_equal(channel_send(a, json_pack("{s:i}", "a", 1), -1, NULL), 0);
	assert_int_equal(channel_send(a, json_pack("{s:i}", "a", 2), file, NULL), 0);
	assert_int_equal(channel_send(a, json_pack("{s:i}", "a", 3), -1, NULL), 0);
	assert_int_equal(next_number(b, "a", &fd), 1);
	assert_int_equal(fd, -1);
	assert_int_equal(next_number(b, "a", &fd), 2);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 5); /* one open file */
	assert_int_equal(next_number(b, "a", &fd), 3);
	assert_int_equal(fd, -1);
	close(file);
	channel_free(a);
	assert_int_equal(next_result(b), -EPIPE);
	channel_free(b);
	assert_int_equal(open_descriptors(), before);
}

static void test_sending_to_nobody(void **state)
{
	struct channel *ch;
	int raw = make_channel(&ch);
	struct err err = {0};

	(void)state;
	close(raw);
	assert_int_equal(channel_send(ch, json_object(), -1, &err), -EPIPE); /* and no SIGPIPE */
	assert_true(err.text[0] && err.code == -EPIPE);
	assert_int_equal(channel_offer(ch, json_object(), NULL), -EPIPE);
	assert_int_equal(channel_send(ch, NULL, -1, NULL), -EPIPE);
	channel_free(ch);
}

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

/* ---- messages ----------------------------------------------------------------------------------
 */

static struct record_request a_request(void)
{
	return (struct record_request){.id = 1,
		.pids = {4711, 12},
		.n_pids = 2,
		.duration_s = 2.5,
		.rate_hz = 99,
		.format = "flamegraph",
		.source = "auto",
		.title = "python3 (4711)",
		.subprocesses = true,
		.kernel = true,
		.on_exec = true};
}

static void test_request_round_trip(void **state)
{
	struct record_request r = a_request(), back;
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

/* Each row replaces one member (NULL: takes it away) and must be refused with the member's name. */
static void test_request_validation(void **state)
{
	static const struct {
		const char *member, *value;
	} bad[] = {
		{"pids", NULL},
		{"pids", "[]"},
		{"pids", "7"},
		{"pids", "[0]"},
		{"pids", "[-1]"},
		{"pids", "[1.5]"},
		{"pids", "[\"1\"]"},
		{"pids", "[1,1]"},
		{"pids", "[99999999999]"},
		{"pids", "{}"},
		{"pids", "[null]"},
		{"pids", "[[1]]"},
		{"duration_s", NULL},
		{"duration_s", "0"},
		{"duration_s", "-1"},
		{"duration_s", "\"5\""},
		{"duration_s", "true"},
		{"duration_s", "1e300"},
		{"rate_hz", NULL},
		{"rate_hz", "0"},
		{"rate_hz", "-5"},
		{"rate_hz", "99.5"},
		{"rate_hz", "20001"},
		{"rate_hz", "null"},
		{"format", "\"exe\""},
		{"format", "1"},
		{"format", "\"\""},
		{"format", "\"0123456789012345678901234567890123456789\""},
		{"source", "\"ptrace!\""},
		{"source", "[]"},
		{"source", NULL},
		{"subprocesses", "1"},
		{"threads", "\"yes\""},
		{"kernel", "null"},
		{"native", "{}"},
		{"on_exec", "0"},
		{"on_exec", NULL},
		{"title", "5"},
		{"title", NULL},
		{"surprise", "1"},
	};
	struct record_request r = a_request(), back;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *message = serve_encode_record(&r);
		json_t *record = json_object_get(message, "record");
		struct err err = {0};

		if (bad[i].value)
			json_object_set_new(record, bad[i].member,
				json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(record, bad[i].member);
		assert_int_equal(serve_decode_record(message, &back, &err), -EINVAL);
		assert_non_null(strstr(err.text, bad[i].member));
		json_decref(message);
	}
}

static void test_request_envelope(void **state)
{
	static const char *const bad[] = {"{}", "{\"record\":{}}", "{\"id\":1,\"record\":[]}",
		"{\"id\":1,\"record\":{}}", "{\"id\":0,\"record\":{}}",
		"{\"id\":\"1\",\"record\":{}}", "{\"id\":1,\"record\":{},\"stop\":{}}"};
	struct record_request back;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *message = json_loads(bad[i], 0, NULL);
		struct err err = {0};

		assert_non_null(message);
		assert_int_equal(serve_decode_record(message, &back, &err), -EINVAL);
		assert_true(err.text[0]);
		json_decref(message);
	}
}

/* One byte of a valid message after the other is changed to every of some values: never a crash,
 * and what is accepted is in range. */
static void test_request_mutations(void **state)
{
	static const char with[] = "\"{}[]:,0-9e.\\\x80 n";
	struct record_request r = a_request(), back;
	json_t *message = serve_encode_record(&r);
	char *line = json_dumps(message, JSON_COMPACT);
	unsigned accepted = 0;

	(void)state;
	json_decref(message);
	for (size_t i = 0; i < strlen(line); i++)
		for (size_t j = 0; j < sizeof(with) - 1; j++) {
			char saved = line[i];

			line[i] = with[j];
			message = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
			if (message && serve_decode_record(message, &back, NULL) == 0) {
				accepted++;
				assert_in_range(back.n_pids, 1, SERVE_PIDS_MAX);
				assert_in_range(back.rate_hz, 1, SERVE_RATE_MAX_HZ);
				assert_true(back.duration_s >= 0 &&
					    back.duration_s <= SERVE_DURATION_MAX_S);
			}
			json_decref(message);
			line[i] = saved;
		}
	assert_true(accepted > 0);
	free(line);
}

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

/* ---- the server's side -------------------------------------------------------------------------
 */

static void expect_error(struct channel *client, int code)
{
	struct err err = {0};
	json_t *message;
	uint64_t id;
	int fd;

	assert_int_equal(channel_receive(client, &message, &fd, NULL), 1);
	assert_int_equal(serve_message_kind(message, &id), SERVE_ERROR);
	assert_int_equal(serve_get_error(message, &err), -code);
	assert_true(err.text[0]);
	json_decref(message);
}

static void greet(struct channel *client, struct channel *server)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	json_t *message;
	uint64_t id;
	int fd;

	assert_int_equal(serve_send_hello(client, NULL), 0);
	assert_int_equal(serve_next(server, call, NULL), 0);
	assert_int_equal(channel_receive(client, &message, &fd, NULL), 1);
	assert_int_equal(serve_message_kind(message, &id), SERVE_HELLO);
	assert_int_equal(serve_check_hello(message, NULL), 0);
	json_decref(message);
	free(call);
}

static void test_server_hands_out_requests(void **state)
{
	struct record_request r = a_request();
	struct channel *client, *server;
	struct serve_call call;
	int file = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	make_channels(&client, &server);
	greet(client, server);
	assert_int_equal(serve_send_record(client, &r, file, NULL), 0);
	assert_int_equal(serve_send_stop(client, 1, NULL), 0);
	assert_int_equal(serve_next(server, &call, NULL), 1);
	assert_int_equal(call.kind, SERVE_RECORD);
	assert_int_equal(call.id, 1);
	assert_int_equal(call.record.pids[1], 12);
	assert_true(call.fd >= 0);
	close(call.fd);
	assert_int_equal(serve_next(server, &call, NULL), 1);
	assert_int_equal(call.kind, SERVE_STOP);
	assert_int_equal(call.fd, -1);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	close(file);
	channel_free(client);
	assert_int_equal(serve_next(server, &call, NULL), -EPIPE);
	channel_free(server);
}

static void test_server_answers_mistakes(void **state)
{
	struct record_request r = a_request();
	struct channel *client, *server;
	int before = open_descriptors(), readable = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct serve_call call;

	(void)state;
	make_channels(&client, &server);
	assert_int_equal(serve_send_stop(client, 1, NULL), 0); /* before hello */
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EPROTO);
	assert_int_equal(
		channel_send(client,
			json_pack("{s:{s:i, s:s}}", "hello", "protocol", 999, "version", "9"), -1,
			NULL),
		0);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EPROTONOSUPPORT);
	greet(client, server);
	assert_int_equal(serve_send_record(client, &r, -1, NULL), 0); /* no descriptor */
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EBADF);
	assert_int_equal(serve_send_record(client, &r, readable, NULL), 0);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EBADF);
	r.rate_hz = 0;
	assert_int_equal(serve_send_record(client, &r, readable, NULL), 0);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EINVAL);
	assert_int_equal(channel_send(client, json_pack("{s:{}}", "dance"), readable, NULL), 0);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EPROTO);
	assert_int_equal(send(channel_fd(client), "nonsense\n", 9, 0), 9);
	assert_int_equal(serve_next(server, &call, NULL), 0);
	expect_error(client, EBADMSG);
	close(readable);
	channel_free(client);
	channel_free(server);
	assert_int_equal(open_descriptors(), before);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_and_joined_lines),
		cmocka_unit_test(test_malformed_lines),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_oversized_line),
		cmocka_unit_test(test_line_of_the_limit),
		cmocka_unit_test(test_descriptor_belongs_to_its_line),
		cmocka_unit_test(test_descriptors_do_not_leak),
		cmocka_unit_test(test_send_with_descriptor),
		cmocka_unit_test(test_sending_to_nobody),
		cmocka_unit_test(test_offers_are_dropped_whole),
		cmocka_unit_test(test_request_round_trip),
		cmocka_unit_test(test_request_validation),
		cmocka_unit_test(test_request_envelope),
		cmocka_unit_test(test_request_mutations),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_server_hands_out_requests),
		cmocka_unit_test(test_server_answers_mistakes),
		cmocka_unit_test(test_finished_message),
		cmocka_unit_test(test_started_and_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
