/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may see what, with real users and real sockets. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/process.h"
#include "tests/unit/pid_reuse.h"
#include "tests/unit/viewer_clients.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 include/uapi/asm-generic/socket.h */
#endif

/* ---- users ---- */

static void test_users(void **state)
{
	static const struct person PEOPLE[] = {
		{USER, USER, USER, 1, true},
		{USER, USER, USER, 0, false}, /* protected */
		{OTHER_USER, OTHER_USER, OTHER_USER, 1, false},
		{0, 0, 0, 1, false},
		{0, USER, USER, 1, false},
		{USER, 0, USER, 1, false},
		{USER, USER, 0, 1, false},
		{OTHER_USER, USER, USER, 1, false},
	};
	const struct viewer user = {.uid = USER, .same_pid_namespace = true},
			    root = {.uid = 0, .all = true, .same_pid_namespace = true},
			    member = {.uid = USER, .all = true, .same_pid_namespace = true};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(PEOPLE) / sizeof(PEOPLE[0]); i++) {
		pid_t child = start_as(&PEOPLE[i]);

		assert_int_equal(viewer_may_see(&user, (uint32_t)child), PEOPLE[i].seen);
		assert_true(viewer_may_see(&root, (uint32_t)child));
		assert_true(viewer_may_see(&member, (uint32_t)child));
		child_end(child);
		assert_false(viewer_may_see(&user, (uint32_t)child));
		assert_false(viewer_may_see(&root, (uint32_t)child));
	}
	assert_false(viewer_may_see(&user, (uint32_t)getpid()));
}

/* An ordinary program of the user: a change of user protects, exec opens again. */
static void test_exec(void **state)
{
	const struct viewer user = {.uid = USER, .same_pid_namespace = true},
			    other = {.uid = OTHER_USER, .same_pid_namespace = true};
	int execed[2];
	pid_t child;
	char byte;

	(void)state;
	need_root();
	assert_int_equal(pipe2(execed, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		become(&(struct person){USER, USER, USER, 0, false});
		end_with_parent();
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(127);
	}
	close(execed[1]);
	assert_int_equal(read(execed[0], &byte, 1), 0);
	close(execed[0]);
	assert_true(viewer_may_see(&user, (uint32_t)child));
	assert_false(viewer_may_see(&other, (uint32_t)child));
	child_end(child);
}

/* In as many groups as there can be, `status` has 720 KB. */
static void test_many_groups(void **state)
{
	enum { N = 65536 };
	const struct viewer user = {.uid = USER, .same_pid_namespace = true};
	int ready[2];
	gid_t *groups;
	pid_t child;
	char byte;

	(void)state;
	need_root();
	groups = malloc(N * sizeof(*groups));
	for (gid_t i = 0; i < N; i++)
		groups[i] = 4000000000U + i;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		if (setgroups(N, groups) < 0)
			_exit(1);
		become(&(struct person){USER, USER, USER, 1, true});
		end_with_parent();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_true(viewer_may_see(&user, (uint32_t)child));
	child_end(child);
	free(groups);
}

/* Reads states until the main thread has ended, for ten seconds at most. */
static bool wait_for_zombie(uint32_t pid)
{
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S;
	struct process_usage usage = {0};

	while (usage.state != 'Z' && clock_now_ns() < deadline)
		if (!process_usage_read(pid, &usage))
			return false;
	return usage.state == 'Z';
}

/* A process whose main thread has ended while another goes on is still its user's; one that has
 * ended altogether is nobody's. */
static void test_main_thread_ended(void **state)
{
	const struct viewer user = {.uid = USER, .same_pid_namespace = true},
			    other = {.uid = OTHER_USER, .same_pid_namespace = true};
	pid_t child;

	(void)state;
	need_root();
	child = fork();
	if (!child) {
		pthread_t thread;

		become(&(struct person){USER, USER, USER, 1, true});
		end_with_parent();
		if (pthread_create(&thread, NULL, stay, NULL))
			_exit(1);
		syscall(SYS_exit, 0); /* of this thread alone */
	}
	assert_true(wait_for_zombie((uint32_t)child));
	assert_true(viewer_may_see(&user, (uint32_t)child));
	assert_false(viewer_may_see(&other, (uint32_t)child));
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
	assert_false(viewer_may_see(&user, (uint32_t)child));
	waitpid(child, NULL, 0);
}

/* ---- sockets ---- */

static pid_t client_start(uid_t uid, gid_t gid, gid_t extra)
{
	pid_t child = fork();

	if (child)
		return child;
	if (setgroups(1, &extra) < 0 || setresgid(gid, gid, gid) < 0 ||
		setresuid(uid, uid, uid) < 0)
		_exit(1);
	end_with_parent();
	client_greet((struct hello){.role = 'x'});
	for (;;)
		pause();
}

static void test_peer_users(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid, extra, group;
		bool all;
	} CLIENTS[] = {
		{USER, USER, GROUP, GROUP, true},
		{USER, GROUP, USER, GROUP, true},
		{USER, USER, GROUP, GROUP + 1, false},
		{USER, USER, GROUP, (gid_t)-1, false},
		{USER, 0, 0, GROUP, false},
		{0, 0, 0, (gid_t)-1, true},
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(CLIENTS) / sizeof(CLIENTS[0]); i++) {
		pid_t child = client_start(CLIENTS[i].uid, CLIENTS[i].gid, CLIENTS[i].extra);
		struct peer p;

		peer_accept(&p, CLIENTS[i].group);
		assert_int_equal(p.pid, child);
		assert_int_equal(p.viewer.uid, CLIENTS[i].uid);
		assert_int_equal(p.viewer.all, CLIENTS[i].all);
		assert_true(p.viewer.same_pid_namespace);
		assert_int_equal(p.viewer.pid_level, 0);
		assert_int_equal(viewer_pid_from(&p.viewer, (uint32_t)child), child);
		assert_int_equal(viewer_pid_to(&p.viewer, (uint32_t)child), child);
		child_end(child);
		assert_int_equal(viewer_pid_from(&p.viewer, (uint32_t)child), 0);
		close(p.fd);
	}
}

/* A client in many groups, of which the last one counts. */
static void test_peer_groups(void **state)
{
	enum { N = 3000 };
	gid_t groups[N];
	struct peer p;
	pid_t child;

	(void)state;
	need_root();
	for (gid_t i = 0; i < N; i++)
		groups[i] = 100000 + i;
	child = fork();
	if (!child) {
		if (setgroups(N, groups) < 0 || setresgid(USER, USER, USER) < 0 ||
			setresuid(USER, USER, USER) < 0)
			_exit(1);
		end_with_parent();
		client_greet((struct hello){.role = 'x'});
		for (;;)
			pause();
	}
	peer_accept(&p, groups[N - 1]);
	assert_true(p.viewer.all);
	assert_int_equal(viewer_of_socket(p.fd, groups[N - 1] + 1, &p.viewer, NULL), 0);
	assert_false(p.viewer.all);
	child_end(child);
	close(p.fd);
}

static void check_ended(int fd)
{
	struct viewer v;
	struct err err = {0};

	assert_int_equal(viewer_of_socket(fd, (gid_t)-1, &v, &err), -ESRCH);
	assert_non_null(strstr(err.text, "ended"));
}

/* Kernels before 6.5 do not: there a PID that is used again between connecting and asking is
 * taken for the client's. */
static bool knows_peer_pidfd(int fd)
{
	socklen_t bytes = sizeof(int);
	int pidfd = -1;
	bool knows =
		!getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) || errno != ENOPROTOOPT;

	if (pidfd >= 0)
		close(pidfd);
	return knows;
}

/* A client that ended is refused, as a zombie, when it is gone, and when its PID is another's. */
static void test_peer_ended(void **state)
{
	pid_t child = fork(), second;
	bool has_pidfd;
	int fd;

	(void)state;
	if (!child) {
		client_connect();
		_exit(0);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
	has_pidfd = knows_peer_pidfd(fd);
	if (has_pidfd)
		check_ended(fd);
	assert_int_equal(waitpid(child, NULL, 0), child);
	check_ended(fd);
	second = has_pidfd ? pid_reuse(child) : -ENOSYS;
	if (second < 0) {
		print_message("# SKIP of a reused PID: %s\n",
			has_pidfd ? strerror(-second) : "the kernel knows no SO_PEERPIDFD");
	} else {
		check_ended(fd);
		child_end(second);
	}
	close(fd);
}

static void test_no_peer(void **state)
{
	int lonely = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2], ends[2];
	struct viewer v;
	struct err err = {0};

	(void)state;
	assert_int_equal(viewer_of_socket(lonely, (gid_t)-1, &v, &err), -EPERM);
	assert_int_equal(err.code, -EPERM);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(viewer_of_socket(ends[0], (gid_t)-1, &v, &err), -ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(viewer_of_socket(pair[0], (gid_t)-1, &v, &err), 0);
	assert_true(v.same_pid_namespace);
	assert_int_equal(v.uid, geteuid());
	assert_int_equal(v.all, !geteuid());
	assert_true(viewer_may_see(&v, (uint32_t)getpid()));
	close(lonely);
	close(pair[0]);
	close(pair[1]);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_many_groups),
		cmocka_unit_test(test_main_thread_ended),
		cmocka_unit_test(test_peer_users),
		cmocka_unit_test(test_peer_groups),
		cmocka_unit_test(test_peer_ended),
		cmocka_unit_test(test_no_peer),
	};

	return cmocka_run_group_tests(tests, start_listening, stop_listening);
}
