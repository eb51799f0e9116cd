/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may see what through PID namespaces, and under which numbers. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/process.h"
#include "tests/unit/viewer_clients.h"

/* fork() into a new PID namespace, where the child is number 1. */
static pid_t fork_inside(void)
{
	int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t child = own < 0 || unshare(CLONE_NEWPID) < 0 ? -1 : fork();

	if (child > 0 && setns(own, CLONE_NEWPID) < 0)
		child = -1;
	close(own);
	return child;
}

static void *tell_tid(void *arg)
{
	client_greet((struct hello){.role = 'b', .tid = gettid()});
	return stay(arg);
}

/* The first of a namespace: starts another one with a second thread (b), one of an ordinary user
 * (u), and the first of a namespace inside (c). */
static void run_a(void)
{
	pid_t child;

	end_with_parent();
	child = fork();
	if (!child) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, tell_tid, NULL))
			_exit(1);
		stay(NULL);
	}
	child = fork();
	if (!child) {
		become(&(struct person){USER, USER, USER, 1, true});
		client_greet((struct hello){.role = 'u'});
		stay(NULL);
	}
	/* /proc here is not its own, so it cannot come back as fork_inside does: it starts no more.
	 */
	child = unshare(CLONE_NEWPID) < 0 ? -1 : fork();
	if (!child) {
		client_greet((struct hello){.role = 'c'});
		stay(NULL);
	}
	if (child < 0)
		_exit(1);
	client_greet((struct hello){.role = 'a'});
	stay(NULL);
}

struct nest {
	struct peer a, b, c, u; /* as above */
	struct peer d;          /* the first of a namespace beside that */
	uint32_t b_thread;
};

static uint32_t second_thread(pid_t pid)
{
	uint32_t *tids, tid;
	size_t n;

	assert_int_equal(process_threads((uint32_t)pid, &tids, &n), 0);
	assert_int_equal(n, 2);
	tid = tids[0] == (uint32_t)pid ? tids[1] : tids[0];
	free(tids);
	return tid;
}

static void nest_start(struct nest *nest)
{
	pid_t child = fork_inside();

	if (!child)
		run_a();
	assert_true(child > 0);
	for (int i = 0; i < 4; i++) {
		struct peer p;

		peer_accept(&p, (gid_t)-1);
		*(p.hello.role == 'a'         ? &nest->a
			: p.hello.role == 'b' ? &nest->b
			: p.hello.role == 'c' ? &nest->c
					      : &nest->u) = p;
	}
	assert_int_equal(nest->a.pid, child);
	child = fork_inside();
	if (!child) {
		end_with_parent();
		client_greet((struct hello){.role = 'd'});
		stay(NULL);
	}
	peer_accept(&nest->d, (gid_t)-1);
	assert_int_equal(nest->d.pid, child);
	nest->b_thread = second_thread(nest->b.pid);
}

/* The end of the first is the end of all. */
static void nest_end(struct nest *nest)
{
	child_end(nest->a.pid);
	child_end(nest->d.pid);
	close(nest->a.fd);
	close(nest->b.fd);
	close(nest->c.fd);
	close(nest->u.fd);
	close(nest->d.fd);
}

static void check_levels(const struct nest *nest)
{
	assert_false(nest->a.viewer.same_pid_namespace);
	assert_false(nest->c.viewer.same_pid_namespace);
	assert_int_equal(nest->a.viewer.pid_level, 1);
	assert_int_equal(nest->b.viewer.pid_level, 1);
	assert_int_equal(nest->c.viewer.pid_level, 2);
	assert_int_equal(nest->d.viewer.pid_level, 1);
	assert_true(nest->a.viewer.pid_namespace == nest->b.viewer.pid_namespace);
	assert_true(nest->a.viewer.pid_namespace == nest->u.viewer.pid_namespace);
	assert_true(nest->a.viewer.pid_namespace != nest->c.viewer.pid_namespace);
	assert_true(nest->a.viewer.pid_namespace != nest->d.viewer.pid_namespace);
	assert_true(nest->a.viewer.all && nest->c.viewer.all);
	assert_false(nest->u.viewer.all);
	assert_int_equal(nest->u.viewer.uid, USER);
}

static void check_sight(const struct nest *nest, uint32_t outside)
{
	const struct viewer *a = &nest->a.viewer, *c = &nest->c.viewer, *d = &nest->d.viewer,
			    *u = &nest->u.viewer;
	uint32_t pid_a = (uint32_t)nest->a.pid, pid_b = (uint32_t)nest->b.pid,
		 pid_c = (uint32_t)nest->c.pid, pid_u = (uint32_t)nest->u.pid,
		 pid_d = (uint32_t)nest->d.pid;

	/* its own namespace and those below */
	assert_true(viewer_may_see(a, pid_a) && viewer_may_see(a, pid_b));
	assert_true(viewer_may_see(a, pid_u) && viewer_may_see(a, pid_c));
	assert_true(viewer_may_see(c, pid_c));
	assert_true(viewer_may_see(d, pid_d));
	/* not those above or beside, root or not */
	assert_false(viewer_may_see(a, pid_d) || viewer_may_see(a, (uint32_t)getpid()));
	assert_false(viewer_may_see(c, pid_a) || viewer_may_see(c, pid_b));
	assert_false(viewer_may_see(c, pid_d) || viewer_may_see(d, pid_a));
	assert_false(viewer_may_see(d, pid_c));
	assert_false(viewer_may_see(a, outside) || viewer_may_see(c, outside));
	/* and of those its own */
	assert_true(viewer_may_see(u, pid_u));
	assert_false(viewer_may_see(u, pid_a) || viewer_may_see(u, pid_b));
	assert_false(viewer_may_see(u, pid_c) || viewer_may_see(u, outside));
}

static void check_number(const struct peer *of, const struct peer *as_seen_by, uint32_t number)
{
	assert_int_equal(viewer_pid_to(&as_seen_by->viewer, (uint32_t)of->pid), number);
	assert_int_equal(viewer_pid_from(&as_seen_by->viewer, number), of->pid);
}

static void check_numbers(const struct nest *nest, uint32_t outside)
{
	uint32_t c_in_a = viewer_pid_to(&nest->a.viewer, (uint32_t)nest->c.pid);

	check_number(&nest->a, &nest->a, 1);
	check_number(&nest->a, &nest->b, 1);
	check_number(&nest->b, &nest->a, (uint32_t)nest->b.hello.pid);
	check_number(&nest->u, &nest->b, (uint32_t)nest->u.hello.pid);
	check_number(&nest->c, &nest->c, 1);
	check_number(&nest->d, &nest->d, 1);
	assert_true(c_in_a > 1);
	check_number(&nest->c, &nest->b, c_in_a);
	/* threads */
	assert_int_not_equal(nest->b.hello.tid, nest->b.hello.pid);
	assert_int_equal(
		viewer_pid_to(&nest->a.viewer, nest->b_thread), (uint32_t)nest->b.hello.tid);
	assert_int_equal(
		viewer_pid_from(&nest->a.viewer, (uint32_t)nest->b.hello.tid), nest->b_thread);
	assert_int_equal(viewer_pid_from(&nest->c.viewer, (uint32_t)nest->b.hello.tid), 0);
	/* what is not there */
	assert_int_equal(viewer_pid_to(&nest->c.viewer, (uint32_t)nest->a.pid), 0);
	assert_int_equal(viewer_pid_to(&nest->d.viewer, (uint32_t)nest->a.pid), 0);
	assert_int_equal(viewer_pid_to(&nest->a.viewer, outside), 0);
	assert_int_equal(viewer_pid_to(&nest->a.viewer, (uint32_t)getpid()), 0);
	assert_int_equal(viewer_pid_from(&nest->d.viewer, (uint32_t)nest->b.hello.pid), 0);
	assert_int_equal(viewer_pid_from(&nest->a.viewer, 0x7ffffffe), 0);
	assert_int_equal(viewer_pid_from(&nest->a.viewer, 0), 0);
}

static void test_namespaces(void **state)
{
	struct nest nest;
	pid_t outside;

	(void)state;
	need_root();
	outside = start_as(&(struct person){USER, USER, USER, 1, true});
	nest_start(&nest);
	check_levels(&nest);
	check_sight(&nest, (uint32_t)outside);
	check_numbers(&nest, (uint32_t)outside);
	nest_end(&nest);
	assert_false(viewer_may_see(&nest.a.viewer, (uint32_t)nest.a.pid));
	assert_int_equal(viewer_pid_from(&nest.a.viewer, 1), 0);
	assert_int_equal(viewer_pid_to(&nest.a.viewer, (uint32_t)nest.a.pid), 0);
	child_end(outside);
}

/* The view from inside: a client outside has no number there, and a /proc that belongs to another
 * namespace is not believed. */
static void test_profd_inside(void **state)
{
	int pair[2], inner[2], status;
	pid_t child;

	(void)state;
	need_root();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	child = fork_inside();
	if (!child) {
		struct viewer v;
		struct err err = {0};

		end_with_parent();
		if (viewer_of_socket(pair[0], (gid_t)-1, &v, &err) != -EPERM ||
			!strstr(err.text, "PID namespace"))
			_exit(1);
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, inner) < 0 ||
			viewer_of_socket(inner[0], (gid_t)-1, &v, &err) != -ENOTSUP ||
			!strstr(err.text, "mount -t proc"))
			_exit(2);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_profd_inside),
	};

	return cmocka_run_group_tests(tests, start_listening, stop_listening);
}
