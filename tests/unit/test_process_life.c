/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that come and go on a host that is watched for long: what is known of those that are
 * gone before anybody looks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "process_world.h"

/* ---- set-user-ID programs ---------------------------------------------------------------------
 */

/* A program that waits for its end, with the rights of somebody else. */
static void copy_setuid(char *path)
{
	struct buf text;
	int fd;

	buf_init(&text, 64 << 20);
	assert_int_equal(file_read("/bin/sleep", &text), 0);
	strcpy(path, "/tmp/profd-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text.data, text.len), 0);
	assert_int_equal(fchown(fd, 12346, 12346), 0);
	assert_int_equal(fchmod(fd, 04755), 0);
	close(fd);
	buf_free(&text);
}

static uint32_t start_setuid(const char *path)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, "sleep", "60", (char *)NULL);
		_exit(127);
	}
	return (uint32_t)child;
}

/* The kernel tells of an exit at such an exec. */
static void test_setuid_exec_is_no_end(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w), *p;
	char path[64];

	assert_non_null(self);
	if (geteuid() != 0)
		skip();
	copy_setuid(path);
	w->about = start_setuid(path);
	/* Everything that belongs to the exec: its own file is mapped, and libc by it. */
	for (int i = 0; i < 400; i++) {
		drain(w);
		p = process_find(w->table, w->about);
		if (p && mapping_named(p, path) && mapping_named(p, "libc"))
			break;
		poll(NULL, 0, 5);
	}
	assert_non_null(p);
	assert_false(p->exited);
	assert_non_null(mapping_named(p, path));
	w->count[PROCESS_EXITED] = 0;
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	unlink(path);
}

/* ---- gone before anybody looks ----------------------------------------------------------------
 */

static void test_whole_though_gone(void **state)
{
	struct world *w = *state;
	struct process *self = self_of(w), *p;
	char path[64];

	assert_non_null(self);
	copy_true(path);
	w->about = run(path);
	drain(w);
	assert_int_equal(w->count[PROCESS_FORKED], 1);
	assert_int_equal(w->count[PROCESS_EXECED], 1);
	assert_int_equal(w->count[PROCESS_MAPPED], 1); /* all of them told at once */
	assert_int_equal(w->count[PROCESS_EXITED], 1);
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_true(p->exited);
	assert_string_equal(p->exe, path);
	assert_memory_equal(p->comm, path + 5, 15);
	assert_int_equal(p->parent, getpid());
	assert_true(p->start_ticks >= self->start_ticks);
	assert_non_null(mapping_named(p, path)); /* opened by its path */
	assert_non_null(mapping_named(p, "ld-"));
	assert_ptr_equal(mapping_named(p, "libc")->image, mapping_named(self, "libc")->image);
	assert_non_null(mapping_named(p, "vdso"));
	assert_null(mapping_named(p, "test_process"));
	unlink(path);
	process_remove(w->table, p);
	assert_null(process_find(w->table, w->about));
}

/* Whatever lies under the path by now is not what ran. */
static void test_replaced_file_is_not_taken(void **state)
{
	struct world *w = *state;
	char path[64], other[64];
	struct process *p;

	assert_non_null(self_of(w));
	copy_true(path);
	copy_true(other);
	w->about = run(path);
	assert_int_equal(rename(other, path), 0);
	drain(w);
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_string_equal(p->exe, path);
	assert_null(mapping_named(p, path));
	assert_non_null(mapping_named(p, "libc"));
	unlink(path);
}

static void test_start_time(void **state)
{
	struct world *w = *state;
	struct process_usage usage;
	unsigned exact = 0;

	assert_non_null(self_of(w));
	for (int i = 0; i < 50; i++) {
		struct process *p;

		w->about = start_waiting();
		assert_true(wait_for(w, PROCESS_FORKED));
		p = process_find(w->table, w->about);
		assert_true(process_usage_read(w->about, &usage));
		exact += p->start_ticks == usage.start_ticks;
		assert_true(p->start_ticks + 1 >= usage.start_ticks &&
			    p->start_ticks <= usage.start_ticks + 1);
		stop(w->about);
		w->count[PROCESS_FORKED] = 0;
	}
	assert_true(exact >= 45); /* all, but that the machine may have halted at a bad moment */
}

/* ---- the host ----------------------------------------------------------------------------------
 */

static void test_parent_not_known(void **state)
{
	struct world *w = *state;
	struct process *p;

	if (!w->watch)
		skip();
	w->about = run("/bin/true");
	drain(w);
	assert_null(process_find(w->table, w->about)); /* it was none of ours */
	process_watch_host(w->watch);
	w->about = start_waiting();
	assert_true(wait_for(w, PROCESS_FORKED));
	p = process_find(w->table, w->about);
	assert_non_null(p);
	assert_true(p->n_mappings > 0); /* from /proc: it lives */
	assert_true(strstr(p->exe, "test_process_life") != NULL);
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	w->about = run("/bin/true");
	memset(w->count, 0, sizeof(w->count));
	drain(w);
	assert_int_equal(w->count[PROCESS_FORKED], 1);
	assert_int_equal(w->count[PROCESS_EXITED], 1);
	p = process_find(w->table, w->about);
	assert_string_equal(p->comm, "true");
	assert_non_null(mapping_named(p, "true"));
}

static void test_kernel_thread(void **state)
{
	struct world *w = *state;
	struct process_usage usage;
	struct process *p;

	if (!process_usage_read(2, &usage) || !usage.is_kernel_thread) {
		print_message("# SKIP this PID namespace has no kernel threads\n");
		skip();
	}
	p = process_get(w->table, 2, NULL);
	assert_non_null(p);
	assert_int_equal(p->n_mappings, 0);
	assert_string_equal(p->comm, usage.comm);
}

/* ---- ends --------------------------------------------------------------------------------------
 */

static void *thread_wait(void *gate)
{
	char byte;

	if (read(*(int *)gate, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

/* Its main thread ends, another goes on: the process has not ended. */
static void test_main_thread_ends_first(void **state)
{
	struct world *w = *state;
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct process *p;
	pthread_t thread;
	int gate[2];

	assert_non_null(self_of(w));
	assert_int_equal(pipe(gate), 0);
	w->about = (uint32_t)fork();
	if (!w->about) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gate[1]);
		if (pthread_create(&thread, NULL, thread_wait, &gate[0]) != 0)
			_exit(1);
		syscall(SYS_exit, 0);
	}
	assert_true(wait_for(w, PROCESS_THREAD));
	p = process_find(w->table, w->about);
	while (!p->main_exited && clock_now_ns() < deadline)
		drain(w);
	assert_true(p->main_exited);
	for (int i = 0; i < 10; i++)
		drain(w);
	assert_false(p->exited);
	close(gate[0]);
	close(gate[1]);
	assert_true(wait_for(w, PROCESS_EXITED));
	assert_true(p->exited);
	waitpid((pid_t)w->about, NULL, 0);
	drain(w);
	assert_int_equal(w->count[PROCESS_EXITED], 1);
}

/* Nobody counted its threads: it was there before. */
static void test_end_of_one_that_was_there(void **state)
{
	struct world *w = *state;

	if (!w->watch)
		skip();
	w->about = start_waiting();
	drain(w);
	assert_non_null(process_get(w->table, w->about, NULL));
	drain(w);
	assert_int_equal(w->count[PROCESS_EXITED], 0);
	stop(w->about);
	assert_true(wait_for(w, PROCESS_EXITED));
	assert_int_equal(w->count[PROCESS_EXITED], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_setuid_exec_is_no_end),
		TEST(test_whole_though_gone),
		TEST(test_replaced_file_is_not_taken),
		TEST(test_start_time),
		TEST(test_parent_not_known),
		TEST(test_kernel_thread),
		TEST(test_main_thread_ends_first),
		TEST(test_end_of_one_that_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
