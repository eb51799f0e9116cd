/* SPDX-License-Identifier: BSD-2-Clause */
/* Channels: lines, descriptors, ends. */
#include "tests/unit/serve_pair.h"

#include <sys/stat.h>

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

/* A client that goes away in the middle of a line has said nothing. */
static void test_abandoned_line(void **state)
{
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	put(raw, "{\"a\":1}\n{\"a\":2}");
	close(raw);
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_int_equal(next_result(ch), -EPIPE);
	assert_int_equal(next_result(ch), -EPIPE);
	channel_free(ch);
}

/* Every line cut short anywhere is refused, and the next one is read. */
static void test_truncated_lines(void **state)
{
	static const char line[] = "{\"id\":1,\"record\":{\"pids\":[1,2],\"title\":\"\\u00e9\"}}";
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	for (size_t n = 1; n < sizeof(line) - 1; n++) {
		assert_int_equal(write(raw, line, n), n);
		put(raw, "\n{\"a\":3}\n");
		assert_int_equal(next_result(ch), -EBADMSG);
		assert_int_equal(next_number(ch, "a", &fd), 3);
	}
	close(raw);
	channel_free(ch);
}

/* All bytes but newlines, in an order that is always the same. */
static void test_garbage_bytes(void **state)
{
	struct channel *ch;
	unsigned char garbage[64];
	uint32_t x = 12345;
	int fd, raw = make_channel(&ch);

	(void)state;
	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(garbage); i++) {
			x = x * 1664525 + 1013904223;
			garbage[i] = (unsigned char)(x >> 24);
			if (garbage[i] == '\n')
				garbage[i] = '{';
		}
		assert_int_equal(write(raw, garbage, sizeof(garbage)), sizeof(garbage));
		put(raw, "\n{\"a\":4}\n");
		assert_int_equal(next_result(ch), -EBADMSG);
		assert_int_equal(next_number(ch, "a", &fd), 4);
	}
	close(raw);
	channel_free(ch);
}

/* Who takes one message at a time sees that there is another, and does not wait for the socket. */
static void test_ready(void **state)
{
	struct channel *ch;
	int fd, raw = make_channel(&ch);

	(void)state;
	assert_false(channel_is_ready(ch));
	put(raw, "{\"a\":1}\n{\"a\":2}\n{\"a\"");
	assert_int_equal(next_number(ch, "a", &fd), 1);
	assert_true(channel_is_ready(ch));
	assert_int_equal(next_number(ch, "a", &fd), 2);
	assert_int_equal(next_result(ch), 0);
	assert_false(channel_is_ready(ch)); /* half a line does not count once it was looked at */
	close(raw);
	channel_free(ch);
}

/* A sender that never stops keeps a reader for a bounded time: one call takes a bounded number of
 * pieces from the socket (a descriptor ends a read). */
static void test_one_call_takes_a_bounded_time(void **state)
{
	enum { PIECES = 150 };
	struct channel *ch;
	char left[PIECES];
	int raw = make_channel(&ch), file = memfd_create("x", MFD_CLOEXEC), calls = 1;

	(void)state;
	for (int i = 0; i < PIECES; i++)
		put_with_fd(raw, "x", file);
	assert_int_equal(next_result(ch), 0);
	assert_true(recv(channel_fd(ch), left, sizeof(left), MSG_PEEK | MSG_DONTWAIT) > 0);
	while (recv(channel_fd(ch), left, sizeof(left), MSG_PEEK | MSG_DONTWAIT) > 0) {
		assert_int_equal(next_result(ch), 0);
		calls++;
	}
	assert_in_range(calls, 2, PIECES / 10);
	put(raw, "\n");
	assert_int_equal(next_result(ch), -EBADMSG);
	close(file);
	close(raw);
	channel_free(ch);
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
		cmocka_unit_test(test_abandoned_line),
		cmocka_unit_test(test_truncated_lines),
		cmocka_unit_test(test_garbage_bytes),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_one_call_takes_a_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
