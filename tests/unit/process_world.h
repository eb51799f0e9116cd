/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of processes share: a table and a watch, programs to run, children that wait. */
#ifndef PROFD_TESTS_UNIT_PROCESS_WORLD_H
#define PROFD_TESTS_UNIT_PROCESS_WORLD_H

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"

enum { PAGE = 4096, KINDS = PROCESS_KSYMBOL + 1 };

struct world {
	struct process_table *table;
	struct process_watch *watch;
	uint32_t about; /* events of this process are counted */
	unsigned count[KINDS];
	uint32_t swept[64];
	unsigned n_swept;
};

static inline void see(void *arg, const struct process_event *event)
{
	struct world *w = arg;

	if (event->pid == w->about)
		w->count[event->kind]++;
}

static inline void drain(struct world *w)
{
	assert_true(process_watch_drain(w->watch, clock_now_ns(), see, w) >= 0);
}

/* Until an event of the kind came, or for ten seconds. */
static inline bool wait_for(struct world *w, enum process_event_kind kind)
{
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct pollfd fd = {.fd = process_watch_fd(w->watch), .events = POLLIN};

	for (drain(w); !w->count[kind] && clock_now_ns() < deadline; drain(w))
		poll(&fd, 1, 100);
	return w->count[kind] > 0;
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = {0};

	w->table = process_table_new(NULL);
	w->watch = process_watch_open(w->table, &err);
	if (!w->watch)
		print_message("# SKIP %s\n", err.text);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	process_watch_close(w->watch);
	process_table_free(w->table);
	free(w);
	return 0;
}

static inline struct process *self_of(struct world *w)
{
	if (!w->watch)
		skip();
	return process_get(w->table, (uint32_t)getpid(), NULL);
}

/* Runs a program to its end; nothing is drained meanwhile. */
static inline uint32_t run(const char *path)
{
	pid_t child = fork();
	int status;

	if (!child) {
		execl(path, "a-program", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	return (uint32_t)child;
}

/* A child that waits until it is killed; the test's end kills it, too. */
static inline uint32_t start_waiting(void)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return (uint32_t)child;
}

static inline void stop(uint32_t pid)
{
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
}

/* A copy of /bin/true, which no process has mapped before. */
static inline void copy_true(char *path)
{
	struct buf text;
	int fd;

	buf_init(&text, 16 << 20);
	assert_int_equal(file_read("/bin/true", &text), 0);
	strcpy(path, "/tmp/profd-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text.data, text.len), 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	buf_free(&text);
}

static inline const struct mapping *mapping_named(const struct process *p, const char *part)
{
	for (size_t i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].image && strstr(p->mappings[i].image->path, part))
			return &p->mappings[i];
	return NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
