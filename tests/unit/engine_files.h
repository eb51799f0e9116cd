/* SPDX-License-Identifier: BSD-2-Clause */
/* A private engine, which is a process of its own as behind the command line, and profile files for
 * it to read. */
#ifndef PROFD_TEST_ENGINE_FILES_H
#define PROFD_TEST_ENGINE_FILES_H

#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test_store_model.h"

#include "serve_pair.h"

#include "base/buf.h"
#include "base/fd.h"
#include "pipeline/pipeline.h"

enum { WINDOWS = 12, WAIT_S = 60 };

struct engine {
	pid_t pid;
	struct channel *channel;
	struct folder *folder;
};

static inline int engine_start(void **state)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct err err = {0};
	int pair[2];

	if (!e || folder_make((void **)&e->folder) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	e->pid = fork();
	if (!e->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		_exit(pipeline_serve(pair[1]) ? 1 : 0);
	}
	close(pair[1]);
	e->channel = channel_new(pair[0], &err);
	*state = e;
	alarm(WAIT_S); /* an engine that does not answer ends the test */
	return serve_send_hello(e->channel, &err);
}

static inline int engine_end(void **state)
{
	struct engine *e = *state;
	int status = 0;

	channel_free(e->channel); /* that ends it */
	waitpid(e->pid, &status, 0);
	alarm(0);
	folder_remove((void **)&e->folder);
	free(e);
	return status;
}

/* The next message, which may take a while; *kind tells what it is. */
static inline json_t *receive(struct engine *e, enum serve_kind *kind)
{
	for (;;) {
		struct err err = {0};
		json_t *message;
		uint64_t id;
		int fd, rc = channel_receive(e->channel, &message, &fd, &err);

		if (rc < 0)
			fail_msg("the engine: %d %s", rc, err.text);
		if (rc == 1) {
			*kind = serve_message_kind(message, &id);
			if (*kind != SERVE_HELLO)
				return message;
			json_decref(message);
			continue;
		}
		usleep(1000);
	}
}

/* A profile file at `path`: in window `i` the function `hot` has shares[i % 3] of 100 samples of
 * process 103, and process 104 begins in the middle. */
static inline void file_write(const char *path, const char *title, const unsigned shares[3])
{
	struct store *s = store_must(":memory:");
	struct store_about about = {.is_recording = true, .version = "1", .source = "ebpf"};
	struct err err = {0};
	struct buf bytes;

	for (unsigned i = 0; i < WINDOWS; i++) {
		struct window *w = window_new(DAY_ONE + i * NS_PER_S, NS_PER_S / 99);
		struct sample_text hot = {.process = 3,
			.tid = 203,
			.thread = "main",
			.n = 2,
			.frames = {{FRAME_PYTHON, 1, "main", "/srv/app.py", ""},
				{FRAME_PYTHON, 20, "hot", "/srv/app.py", ""}}};
		struct sample_text cold = hot, other = hot;

		w->duration_ns = NS_PER_S;
		w->profile->quality.requested_hz = 99;
		w->profile->quality.lost = i;
		cold.frames[1].name = "cold\x1b[31m";
		other.process = 4;
		other.tid = 204;
		other.thread = "";
		window_sample(w, &hot, shares[i % 3]);
		window_sample(w, &cold, 100 - shares[i % 3]);
		if (i >= WINDOWS / 2)
			window_sample(w, &other, 10);
		write_must(s, w);
		window_free(w);
	}
	snprintf(about.title, sizeof(about.title), "%s", title);
	assert_int_equal(store_describe(s, &about, &err), 0);
	buf_init(&bytes, 1 << 20);
	assert_int_equal(store_serialize(s, &bytes, &err), 0);
	store_close(s);
	FD_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, bytes.data, bytes.len), 0);
	buf_free(&bytes);
}

static const unsigned evenly[3] = {40, 50, 60}, more[3] = {70, 80, 90};

#define ENGINE_TEST(f) cmocka_unit_test_setup_teardown(f, engine_start, engine_end)

#endif
