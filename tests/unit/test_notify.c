/* SPDX-License-Identifier: BSD-2-Clause */
/* base/notify against a service manager played by the test: what arrives on its socket, what of the
 * environment is believed, and that nothing of it is left for children. */
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
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"

/* A folder with the manager's socket in it. */
struct manager {
	char folder[64], path[96];
	int fd;
};

static int unix_socket(int type, const char *name, size_t length, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path + abstract, name, length);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + length)),
		0);
	return fd;
}

static struct manager manager_start(void)
{
	struct manager m = {.folder = "/tmp/profd-notify-XXXXXX"};

	assert_non_null(mkdtemp(m.folder));
	snprintf(m.path, sizeof(m.path), "%s/socket", m.folder);
	m.fd = unix_socket(SOCK_DGRAM, m.path, strlen(m.path) + 1, false);
	setenv("NOTIFY_SOCKET", m.path, 1);
	return m;
}

static void manager_end(struct manager *m)
{
	fd_close(&m->fd);
	unlink(m->path);
	rmdir(m->folder);
}

/* What has arrived; the datagram is there as soon as it was sent. */
static const char *told(const struct manager *m, char *text, size_t bytes)
{
	ssize_t n = recv(m->fd, text, bytes - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void test_messages(void **state)
{
	struct manager m = manager_start();
	struct notify n;
	char text[2048];

	(void)state;
	assert_int_equal(notify_open(&n), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_int_equal(notify_ready(&n, "whole host, 19 Hz"), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "READY=1\nSTATUS=whole host, 19 Hz");
	assert_int_equal(notify_status(&n, "paused"), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "STATUS=paused");
	assert_int_equal(notify_alive(&n), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "WATCHDOG=1");
	assert_int_equal(notify_stopping(&n, "writing the open window"), 0);
	assert_string_equal(
		told(&m, text, sizeof(text)), "STOPPING=1\nSTATUS=writing the open window");
	assert_string_equal(told(&m, text, sizeof(text)), ""); /* and nothing else */
	manager_end(&m);
}

static void test_reloading_tells_the_time(void **state)
{
	struct manager m = manager_start();
	uint64_t before_us = clock_now_ns() / 1000, us = 0;
	struct notify n;
	char text[256];

	(void)state;
	assert_int_equal(notify_open(&n), 0);
	assert_int_equal(notify_reloading(&n), 0);
	assert_int_equal(
		sscanf(told(&m, text, sizeof(text)), "RELOADING=1\nMONOTONIC_USEC=%lu", &us), 1);
	assert_true(us >= before_us && us <= clock_now_ns() / 1000);
	manager_end(&m);
}

/* A status made of hostile names stays one assignment of bounded length. */
static void test_hostile_status(void **state)
{
	struct manager m = manager_start();
	struct notify n;
	char text[2048], longer[1500];

	(void)state;
	assert_int_equal(notify_open(&n), 0);
	assert_int_equal(notify_status(&n, "a\nMAINPID=1\n\x1b[2J\x7f"), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "STATUS=a?MAINPID=1??[2J?");
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(notify_ready(&n, longer), 0);
	assert_memory_equal(told(&m, text, sizeof(text)), "READY=1\nSTATUS=zzz", 18);
	assert_true(strlen(text) < 600);
	manager_end(&m);
}

static void test_abstract_socket(void **state)
{
	char name[64], variable[80], text[256];
	struct manager m = {.fd = -1};
	struct notify n;

	(void)state;
	snprintf(name, sizeof(name), "profd-test-%d", getpid());
	snprintf(variable, sizeof(variable), "@%s", name);
	m.fd = unix_socket(SOCK_DGRAM, name, strlen(name), true);
	setenv("NOTIFY_SOCKET", variable, 1);
	assert_int_equal(notify_open(&n), 0);
	assert_int_equal(notify_alive(&n), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "WATCHDOG=1");
	fd_close(&m.fd);
}

static void test_nobody_listens(void **state)
{
	struct notify n = {.to_bytes = 99};
	struct manager m;
	char longer[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(&n), 0);
	assert_int_equal(n.to_bytes, 0);
	assert_int_equal(notify_ready(&n, "x"), 0);
	assert_int_equal(notify_alive(&n), 0);

	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	assert_int_equal(notify_open(&n), -EAFNOSUPPORT);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_int_equal(notify_ready(&n, "x"), 0);

	memset(longer, '/', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longer, 1);
	assert_int_equal(notify_open(&n), -ENAMETOOLONG);
	assert_int_equal(notify_ready(&n, "x"), 0);

	/* A manager that has gone. */
	m = manager_start();
	assert_int_equal(notify_open(&n), 0);
	manager_end(&m);
	assert_int_equal(notify_alive(&n), -ENOENT);
}

/* A manager that was started anew has the same path and another socket. */
static void test_manager_started_anew(void **state)
{
	struct manager m = manager_start();
	struct notify n;
	char text[64];

	(void)state;
	assert_int_equal(notify_open(&n), 0);
	assert_int_equal(notify_alive(&n), 0);
	fd_close(&m.fd);
	unlink(m.path);
	m.fd = unix_socket(SOCK_DGRAM, m.path, strlen(m.path) + 1, false);
	assert_int_equal(notify_alive(&n), 0);
	assert_string_equal(told(&m, text, sizeof(text)), "WATCHDOG=1");
	manager_end(&m);
}

static uint64_t watchdog_of(const char *usec, const char *pid)
{
	uint64_t ns;

	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	ns = notify_watchdog_ns();
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	return ns;
}

static void test_watchdog(void **state)
{
	char ours[32], other[32];

	(void)state;
	snprintf(ours, sizeof(ours), "%d", getpid());
	snprintf(other, sizeof(other), "%d", getpid() + 1);
	assert_int_equal(notify_watchdog_ns(), 0);
	assert_int_equal(watchdog_of("60000000", NULL), 60 * NS_PER_S);
	assert_int_equal(watchdog_of("60000000", ours), 60 * NS_PER_S);
	assert_int_equal(watchdog_of("60000000", other), 0);
	assert_int_equal(watchdog_of("60000000", ""), 0);
	assert_int_equal(watchdog_of("60000000s", NULL), 0);
	assert_int_equal(watchdog_of("-1", NULL), 0);
	assert_int_equal(watchdog_of("18446744073709551615", NULL), 0);
	assert_int_equal(watchdog_of("99999999999999999999", NULL), 0);
	assert_int_equal(watchdog_of("", NULL), 0);
	assert_int_equal(notify_watchdog_ns(), 0); /* read once */
}

/* ---- sockets that were made for us -------------------------------------------------------------
 */

enum what { STREAM_LISTENING, STREAM_NOT_LISTENING, DATAGRAMS, A_PIPE, NOTHING };

static int make_socket(enum what what)
{
	char name[64];
	int fd, ends[2];

	if (what == A_PIPE) {
		if (pipe(ends))
			_exit(99);
		return ends[0];
	}
	if (what == NOTHING)
		return -1;
	snprintf(name, sizeof(name), "profd-listen-%d", getpid());
	fd = unix_socket(what == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM, name, strlen(name), true);
	if (what == STREAM_LISTENING && listen(fd, 1))
		_exit(99);
	return fd;
}

/* In a child, whose descriptor 3 can be had: bit 0: was taken, bit 1: something was left in the
 * environment, bit 2: would be inherited, bit 3: is taken a second time, bit 4: can block. */
static int listen_in_child(enum what what, const char *fds, int pid_more)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int fd = make_socket(what), got, answer = 0;
		char ours[32];

		log_set_level(LOG_LEVEL_QUIET);
		if (fd < 0)
			close(3);
		else if (fd != 3)
			dup2(fd, 3);
		else
			fcntl(3, F_SETFD, 0);
		snprintf(ours, sizeof(ours), "%d", getpid() + pid_more);
		setenv("LISTEN_PID", ours, 1);
		setenv("LISTEN_FDS", fds, 1);
		setenv("LISTEN_FDNAMES", "profd.socket", 1);
		got = notify_listen_fd();
		answer |= got == 3 ? 1 : got == -1 ? 0 : 64;
		if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
			answer |= 2;
		if (what != NOTHING && !(fcntl(3, F_GETFD) & FD_CLOEXEC))
			answer |= 4;
		if (got == 3 && !(fcntl(3, F_GETFL) & O_NONBLOCK))
			answer |= 16;
		if (notify_listen_fd() != -1)
			answer |= 8;
		_exit(answer);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_listen(void **state)
{
	(void)state;
	assert_int_equal(listen_in_child(STREAM_LISTENING, "1", 0), 1);
	assert_int_equal(listen_in_child(STREAM_NOT_LISTENING, "1", 0), 0);
	assert_int_equal(listen_in_child(DATAGRAMS, "1", 0), 0);
	assert_int_equal(listen_in_child(A_PIPE, "1", 0), 0);
	assert_int_equal(listen_in_child(NOTHING, "1", 0), 0);
	assert_int_equal(listen_in_child(STREAM_LISTENING, "2", 0), 0);
	assert_int_equal(listen_in_child(STREAM_LISTENING, "18446744073709551615", 0), 0);
	/* Not meant for us, or not a number: the descriptor is somebody else's business. */
	assert_int_equal(listen_in_child(STREAM_LISTENING, "0", 0), 4);
	assert_int_equal(listen_in_child(STREAM_LISTENING, "one", 0), 4);
	assert_int_equal(listen_in_child(STREAM_LISTENING, "1", 1), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_reloading_tells_the_time),
		cmocka_unit_test(test_hostile_status),
		cmocka_unit_test(test_abstract_socket),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_manager_started_anew),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
