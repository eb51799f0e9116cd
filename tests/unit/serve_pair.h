/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ends of a connection in one process, for the tests of the protocol. */
#ifndef PROFD_TESTS_SERVE_PAIR_H
#define PROFD_TESTS_SERVE_PAIR_H

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
#include <unistd.h>

#include "serve/serve.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A channel (`*ch`) and the raw other end of its socket. */
static inline int make_channel(struct channel **ch)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ch = channel_new(pair[0], NULL);
	assert_non_null(*ch);
	return pair[1];
}

static inline void make_channels(struct channel **client, struct channel **server)
{
	*client = channel_new(make_channel(server), NULL);
	assert_non_null(*client);
}

static inline void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* The next message, which has to be there. */
static inline json_t *next_message(struct channel *ch, enum serve_kind kind, uint64_t id)
{
	struct err err = {0};
	json_t *message;
	uint64_t got_id;
	int fd, rc = channel_receive(ch, &message, &fd, &err);

	if (rc != 1)
		fail_msg("channel_receive: %d %s", rc, err.text);
	assert_int_equal(fd, -1);
	assert_int_equal(serve_message_kind(message, &got_id), kind);
	assert_int_equal(got_id, id);
	return message;
}

/* What the message says, below its kind. */
static inline json_t *body_of(json_t *message, const char *kind)
{
	json_t *body = json_object_get(message, kind);

	assert_true(json_is_object(body));
	return body;
}

static inline double real(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_number(value));
	return json_number_value(value);
}

static inline json_int_t next_number(struct channel *ch, const char *key, int *fd)
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

static inline int next_result(struct channel *ch)
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

static inline void expect_error(struct channel *client, int code)
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

static inline void greet(struct channel *client, struct channel *server)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	json_t *message;

	assert_int_equal(serve_send_hello(client, NULL), 0);
	assert_int_equal(serve_next(server, call, NULL), 0);
	message = next_message(client, SERVE_HELLO, 0);
	assert_int_equal(serve_check_hello(message, NULL), 0);
	json_decref(message);
	free(call);
}

static inline struct record_request a_record(void)
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

/* Its lists are not on the heap: not to be cleared. */
static inline struct report_selection a_selection(void)
{
	static char python[] = "python3", nginx[] = "nginx", host[] = "host", user[] = "www-data",
		    thread[] = "asyncio_0";
	static char *comms[] = {python, nginx, NULL}, *containers[] = {host, NULL},
		    *users[] = {user, NULL}, *threads[] = {thread, NULL};

	return (struct report_selection){.since_unix_s = 1767225600.25,
		.until_unix_s = 1767229200,
		.pids = {4711},
		.n_pids = 1,
		.comms = comms,
		.n_comms = 2,
		.containers = containers,
		.n_containers = 1,
		.users = users,
		.n_users = 1,
		.threads = threads,
		.n_threads = 1,
		.store = "/var/lib/profd/profd.db"};
}

static inline struct report_request a_report(void)
{
	return (struct report_request){.id = 2,
		.of = a_selection(),
		.by = "function",
		.sort = "total",
		.format = "table",
		.limit = 20,
		.columns = 120,
		.kernel = true};
}

static inline struct diff_request a_diff(void)
{
	struct diff_request r = {.id = 9,
		.before = a_selection(),
		.after = a_selection(),
		.by = "module",
		.sort = "self",
		.format = "json",
		.limit = 30,
		.columns = 80,
		.colours = true};

	r.after.since_unix_s += 86400;
	r.after.until_unix_s += 86400;
	r.after.pids[0] = 12;
	strcpy(r.after.store, "/srv/after.profd");
	return r;
}

/* Likewise not to be cleared. */
static inline struct watch_request a_watch(void)
{
	const struct report_selection of = a_selection();

	return (struct watch_request){.id = 10,
		.interval_s = 1,
		.pids = {7},
		.n_pids = 1,
		.comms = of.comms,
		.n_comms = of.n_comms,
		.containers = of.containers,
		.n_containers = of.n_containers,
		.users = of.users,
		.n_users = of.n_users,
		.rate_hz = 99,
		.native = true,
		.on_exec = true,
		.store = "/srv/a.profd"};
}

static inline struct live_request a_live(void)
{
	return (struct live_request){
		.id = 3, .interval_s = 0.5, .pids = {7, 8}, .n_pids = 2, .limit = 40};
}

#endif
