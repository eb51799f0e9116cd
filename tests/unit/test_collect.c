/* SPDX-License-Identifier: BSD-2-Clause */
/* The eBPF source on real processes: who is sampled, under which numbers, with which weights. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "collect/collect.h"

enum { RATE_HZ = 999, WANTED = 200, DEADLINE_S = 60 };

static void spin(void)
{
	static volatile unsigned long sink;

	for (;;)
		sink++;
}

static void *spin_thread(void *arg)
{
	(void)arg;
	spin();
	return NULL;
}

/* A child that waits for a byte and then runs `body`. */
struct child {
	pid_t pid;
	int gate;
};

static struct child child_start(void (*body)(void))
{
	int gate[2];
	struct child c;
	char byte;

	assert_int_equal(pipe(gate), 0);
	c.pid = fork();
	if (!c.pid) {
		close(gate[1]);
		if (read(gate[0], &byte, 1) != 1)
			_exit(1);
		body();
		_exit(0);
	}
	close(gate[0]);
	c.gate = gate[1];
	return c;
}

static void child_go(struct child *c)
{
	assert_int_equal(write(c->gate, "x", 1), 1);
}

static void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->gate);
}

struct tally {
	uint32_t pid;
	uint64_t samples, foreign, weight_ns, other_threads;
	bool deferred; /* a sample came with registers and a stack copy */
};

static void tally_sample(void *arg, const struct sample *s)
{
	struct tally *t = arg;

	if (s->pid != t->pid) {
		t->foreign++;
		return;
	}
	t->samples++;
	t->weight_ns += s->weight_ns;
	t->other_threads += s->tid != s->pid;
	t->deferred |= s->registers && s->stack_bytes && s->user_end == WALK_NOT_READY;
	assert_true(s->time_ns > 0 && s->weight_ns > 0);
}

static struct collect *open_or_skip(void)
{
	struct collect_options options = {
		.rate_hz = RATE_HZ, .kernel_stacks = true, .native_stacks = true};
	struct err err = {0};
	struct collect *c = collect_open(&options, &err);

	if (!c) {
		print_message("# SKIP %s\n", err.text);
		skip();
	}
	return c;
}

/* Drains until `*counter` reaches `wanted` or the deadline. */
static void collect_until(
	struct collect *c, struct tally *t, const uint64_t *counter, uint64_t wanted)
{
	uint64_t deadline = clock_now_ns() + DEADLINE_S * NS_PER_S;
	struct pollfd fd = {.fd = collect_fd(c), .events = POLLIN};

	while (*counter < wanted && clock_now_ns() < deadline) {
		poll(&fd, 1, 20);
		assert_true(collect_drain(c, tally_sample, t) >= 0);
	}
	assert_true(*counter >= wanted);
}

static void test_busy_thread(void **state)
{
	struct collect *c = open_or_skip();
	struct child child = child_start(spin);
	struct tally t = {.pid = (uint32_t)child.pid};
	struct collect_stats stats;

	(void)state;
	assert_int_equal(collect_attach(c, t.pid, true, false, NULL), 0);
	assert_int_equal(collect_start(c, NULL), 0);
	child_go(&child);
	collect_until(c, &t, &t.samples, 3 * WANTED);
	collect_detach(c);
	assert_true(collect_drain(c, tally_sample, &t) >= 0);
	collect_stats(c, &stats);
	child_end(&child);
	assert_int_equal(t.foreign, 0);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(t.samples, stats.runs);
	assert_true(t.deferred); /* nobody has filled the tables */
	/* Weights stand for the time that the thread ran. Each of the period changes (one in 16
	 * samples at the most) may lose part of a period, so 1/16 at the most is missing, and the
	 * first period. */
	assert_true((double)t.weight_ns < 1.05 * (double)stats.running_ns);
	assert_true((double)t.weight_ns > 0.90 * (double)stats.running_ns);
	collect_close(c);
}

static void threads_then_spin(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, spin_thread, NULL);
	spin();
}

static void test_threads_born_later(void **state)
{
	struct collect *c = open_or_skip();
	struct child child = child_start(threads_then_spin);
	struct tally t = {.pid = (uint32_t)child.pid};

	(void)state;
	assert_int_equal(collect_attach(c, t.pid, false, false, NULL), 0);
	assert_int_equal(collect_start(c, NULL), 0);
	child_go(&child);
	collect_until(c, &t, &t.other_threads, WANTED);
	assert_true(t.samples > t.other_threads);
	collect_close(c);
	child_end(&child);
}

/* The grandchild ends with its parent. */
static void fork_then_spin(void)
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		spin();
	}
	spin();
}

static void check_children(bool children)
{
	struct collect *c = open_or_skip();
	struct child child = child_start(fork_then_spin);
	struct tally t = {.pid = (uint32_t)child.pid};

	assert_int_equal(collect_attach(c, t.pid, children, false, NULL), 0);
	assert_int_equal(collect_start(c, NULL), 0);
	child_go(&child);
	collect_until(c, &t, children ? &t.foreign : &t.samples, WANTED);
	if (!children)
		assert_int_equal(t.foreign, 0);
	collect_close(c);
	child_end(&child);
}

static void test_children(void **state)
{
	(void)state;
	check_children(true);
	check_children(false);
}

static void exec_spinner(void)
{
	/* Long before the exec: must not be sampled. */
	for (volatile unsigned long i = 0; i < 300000000; i++)
		;
	execl("/bin/sh", "sh", "-c", "while :; do :; done", (char *)NULL);
	_exit(127);
}

static void exec_names(void *arg, const struct sample *s)
{
	tally_sample(arg, s);
	assert_string_equal(s->comm, "sh");
}

static void test_on_exec(void **state)
{
	struct collect *c = open_or_skip();
	struct child child = child_start(exec_spinner);
	struct tally t = {.pid = (uint32_t)child.pid};
	uint64_t deadline = clock_now_ns() + DEADLINE_S * NS_PER_S;
	struct pollfd fd = {.fd = collect_fd(c), .events = POLLIN};

	(void)state;
	assert_int_equal(collect_attach(c, t.pid, true, true, NULL), 0);
	assert_int_equal(collect_start(c, NULL), 0);
	child_go(&child);
	while (t.samples < WANTED && clock_now_ns() < deadline) {
		poll(&fd, 1, 20);
		assert_true(collect_drain(c, exec_names, &t) >= 0);
	}
	assert_true(t.samples >= WANTED);
	collect_close(c);
	child_end(&child);
}

static void test_no_such_process(void **state)
{
	struct collect *c = open_or_skip();
	struct err err = {0};

	(void)state;
	assert_int_equal(collect_attach(c, 0x7ffffffe, true, false, &err), -ESRCH);
	assert_true(strstr(err.text, "no process") != NULL);
	collect_close(c);
}

static void test_events_per_cpu(void **state)
{
	struct collect_options options = {
		.rate_hz = RATE_HZ, .kernel_stacks = true, .native_stacks = true, .per_cpu = true};
	struct collect *c = open_or_skip();
	struct child child = child_start(spin), other = child_start(spin);
	struct tally t = {.pid = (uint32_t)child.pid};

	(void)state;
	collect_close(c);
	c = collect_open(&options, NULL);
	assert_non_null(c);
	child_go(&other);
	assert_int_equal(collect_attach(c, t.pid, true, false, NULL), 0);
	assert_int_equal(collect_start(c, NULL), 0);
	child_go(&child);
	collect_until(c, &t, &t.samples, WANTED);
	assert_int_equal(t.foreign, 0);
	collect_close(c);
	child_end(&child);
	child_end(&other);
}

/* In a PID namespace of its own profd speaks that namespace's numbers. Runs in a child; its status
 * tells. */
static int namespace_body(void)
{
	struct collect_options options = {
		.rate_hz = RATE_HZ, .kernel_stacks = true, .native_stacks = true};
	struct tally t = {0};
	struct collect *c;
	pid_t pid;

	/* Private, so that nobody outside sees the new one on top of it. */
	if (mount("none", "/proc", NULL, MS_PRIVATE, NULL) ||
		mount("proc", "/proc", "proc", 0, NULL))
		return 2;
	pid = fork();
	if (!pid)
		spin();
	if (pid > 100)
		return 3; /* not a number of a new namespace */
	t.pid = (uint32_t)pid;
	c = collect_open(&options, NULL);
	if (!c || collect_attach(c, t.pid, true, false, NULL) < 0 || collect_start(c, NULL) < 0)
		return 4;
	for (uint64_t end = clock_now_ns() + DEADLINE_S * NS_PER_S;
		t.samples < WANTED && clock_now_ns() < end;) {
		struct pollfd fd = {.fd = collect_fd(c), .events = POLLIN};

		poll(&fd, 1, 20);
		collect_drain(c, tally_sample, &t);
	}
	return t.foreign ? 5 : t.samples < WANTED ? 6 : 0;
}

static void test_pid_namespace(void **state)
{
	int status;
	pid_t outer;

	(void)state;
	collect_close(open_or_skip());
	outer = fork();
	if (!outer) {
		pid_t inner;

		if (unshare(CLONE_NEWPID | CLONE_NEWNS))
			_exit(100);
		inner = fork();
		if (!inner)
			_exit(namespace_body());
		waitpid(inner, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 101);
	}
	waitpid(outer, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 100) {
		print_message("# SKIP no new PID namespace may be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy_thread),
		cmocka_unit_test(test_threads_born_later),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_on_exec),
		cmocka_unit_test(test_no_such_process),
		cmocka_unit_test(test_events_per_cpu),
		cmocka_unit_test(test_pid_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
