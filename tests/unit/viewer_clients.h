/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes of other users, and clients that connect to a real socket. Each ends with the test. */
#ifndef PROFD_TESTS_UNIT_VIEWER_CLIENTS_H
#define PROFD_TESTS_UNIT_VIEWER_CLIENTS_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/process.h"

enum { USER = 12345, OTHER_USER = 65534, GROUP = 4242 };

static inline void need_root(void)
{
	if (!geteuid())
		return;
	print_message("# SKIP only root can become other users and make PID namespaces\n");
	skip();
}

/* Ends with the process that started it, also where a test fails. To be called once the user is the
 * last one: a change of user takes it back. */
static inline void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void child_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

struct person {
	uid_t real, effective, saved;
	int dumpable;
	bool seen; /* by USER */
};

static inline void become(const struct person *person)
{
	if (setresgid(USER, USER, USER) < 0 ||
		setresuid(person->real, person->effective, person->saved) < 0 ||
		prctl(PR_SET_DUMPABLE, person->dumpable) < 0)
		_exit(1);
}

static inline pid_t start_as(const struct person *person)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		become(person);
		end_with_parent();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static inline void *stay(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* The socket that the clients of a test program connect to. */
static char folder[] = "/tmp/profd-test-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener = -1;

static inline int start_listening(void **state)
{
	struct timeval patience = {.tv_sec = 20}; /* with a client that failed before it came */

	(void)state;
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(address.sun_path, 0666) < 0 ||
		setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -1;
	return listen(listener, 16);
}

static inline int stop_listening(void **state)
{
	(void)state;
	close(listener);
	unlink(address.sun_path);
	return rmdir(folder);
}

/* What a client says of itself, in the numbers of its own namespace. */
struct hello {
	char role;
	pid_t pid, tid;
};

static inline int client_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		_exit(1);
	return fd;
}

static inline void client_greet(struct hello hello)
{
	int fd = client_connect();

	hello.pid = getpid();
	if (write(fd, &hello, sizeof(hello)) != sizeof(hello))
		_exit(1);
}

struct peer {
	int fd;
	pid_t pid; /* as the test sees it */
	struct hello hello;
	struct viewer viewer;
};

static inline void peer_accept(struct peer *p, gid_t group)
{
	struct ucred creds;
	socklen_t bytes = sizeof(creds);
	struct err err = {0};

	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p->fd >= 0);
	assert_int_equal(read(p->fd, &p->hello, sizeof(p->hello)), sizeof(p->hello));
	assert_int_equal(getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &creds, &bytes), 0);
	p->pid = creds.pid;
	assert_int_equal(viewer_of_socket(p->fd, group, &p->viewer, &err), 0);
	assert_string_equal(err.text, "");
}

#endif
