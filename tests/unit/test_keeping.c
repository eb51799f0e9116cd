/* SPDX-License-Identifier: BSD-2-Clause */
/* The bound of a profile file: a recording that reaches it ends there, is whole, and says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "pipeline/keeping.h"
#include "store/store.h"

enum { MAX_BYTES = 32 << 10, WAIT_S = 60 };

static pid_t busy_start(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (volatile unsigned i = 0;; i++)
		;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A process that records `pid` until it must not any more; errors are told as an engine does. */
static pid_t engine_start(int socket, pid_t pid, int output)
{
	struct record_request q = {.id = 1,
		.pids = {(uint32_t)pid},
		.n_pids = 1,
		.rate_hz = 999,
		.format = SERVE_FORMAT_PROFD,
		.source = "auto",
		.kernel = true,
		.native = true};
	pid_t engine = fork();
	struct err err = {0};
	struct channel *ch;

	if (engine)
		return engine;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ch = channel_new(socket, &err);
	if (ch && keeping_run(ch, &q, NULL, output, MAX_BYTES, &err) < 0)
		serve_send_error(ch, 1, &err);
	channel_free(ch);
	_exit(0);
}

/* What comes after `started` and all progress. */
static json_t *last_word(struct channel *ch, enum serve_kind *kind)
{
	for (;;) {
		struct pollfd p = {.fd = channel_fd(ch), .events = POLLIN};
		struct err err = {0};
		json_t *message;
		uint64_t id;
		int fd, rc = channel_receive(ch, &message, &fd, &err);

		if (rc < 0)
			fail_msg("the engine: %d %s", rc, err.text);
		if (!rc) {
			poll(&p, 1, -1);
			continue;
		}
		*kind = serve_message_kind(message, &id);
		if (*kind != SERVE_STARTED && *kind != SERVE_PROGRESS)
			return message;
		json_decref(message);
	}
}

static void check_file(int output, uint64_t samples)
{
	const struct store_query all = {.kernel = true};
	struct store_reader *r;
	struct err err = {0};
	struct profile *p;
	struct buf bytes;

	buf_init(&bytes, 1 << 20);
	assert_int_equal(lseek(output, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_all(output, &bytes), 0);
	/* A window more, and the tables themselves. */
	assert_in_range(bytes.len, 16 << 10, MAX_BYTES + (64 << 10));
	r = store_reader_open_bytes(bytes.data, bytes.len, "file", &err);
	assert_non_null(r);
	assert_int_equal(store_read(r, &all, &p, &err), 0);
	assert_int_equal(p->quality.samples, samples);
	assert_true(samples > 0);
	profile_free(p);
	store_reader_close(r);
	buf_free(&bytes);
}

static void test_a_full_file_ends_the_recording(void **state)
{
	FD_CLOSE int output = memfd_create("output", MFD_CLOEXEC);
	pid_t busy = busy_start(), engine;
	struct channel *ch;
	enum serve_kind kind;
	const json_t *finished;
	struct err err = {0};
	json_t *message;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	engine = engine_start(pair[1], busy, output);
	close(pair[1]);
	ch = channel_new(pair[0], &err);
	alarm(WAIT_S); /* it has no end of its own */
	message = last_word(ch, &kind);
	alarm(0);
	if (kind == SERVE_ERROR) {
		int code = serve_get_error(message, &err);

		print_message("# SKIP %s\n", err.text);
		end(busy);
		end(engine);
		json_decref(message);
		channel_free(ch);
		if (code != -EPERM && code != -EACCES && code != -EOPNOTSUPP)
			fail();
		skip();
	}
	assert_int_equal(kind, SERVE_FINISHED);
	finished = json_object_get(message, "finished");
	assert_string_equal(json_string_value(json_object_get(finished, "ended")), "stopped");
	assert_non_null(
		strstr(json_string_value(json_array_get(json_object_get(finished, "notes"), 0)),
			"a profile file holds 0.03125 MiB at most"));
	check_file(output, (uint64_t)json_integer_value(json_object_get(finished, "samples")));
	json_decref(message);
	channel_free(ch);
	end(engine);
	end(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_file_ends_the_recording),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
