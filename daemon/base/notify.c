/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define LOG_ROOM "base"
#include "base/log.h"

enum {
	LISTEN_FIRST = 3, /* SD_LISTEN_FDS_START */
	LISTEN_MAX = 1024,
	SEND_WAIT_S = 1,
	STATUS_MAX = 512, /* bytes of a message */
};

int notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	int rc = 0;

	*n = (struct notify){0};
	if (!length)
		return 0;
	if (path[0] != '/' && path[0] != '@') {
		rc = -EAFNOSUPPORT;
	} else if (length >= sizeof(n->to.sun_path)) {
		rc = -ENAMETOOLONG;
	} else {
		n->to.sun_family = AF_UNIX;
		memcpy(n->to.sun_path, path, length + 1);
		/* An abstract name begins with a NUL and has no end but its length. */
		if (path[0] == '@')
			n->to.sun_path[0] = '\0';
		n->to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
					  (path[0] == '/'));
	}
	unsetenv("NOTIFY_SOCKET");
	return rc;
}

/* A socket for each message: a manager that was replaced meanwhile has bound the path anew. */
static int send_text(const struct notify *n, const char *text)
{
	const struct timeval wait = {.tv_sec = SEND_WAIT_S};
	FD_CLOSE int fd = -1;

	if (!n->to_bytes)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
		    n->to_bytes) < 0)
		return -errno;
	return 0;
}

/* `state` and the status as a line of their own. A newline within the status would begin another
 * assignment, and names in it can be hostile. */
static int send_status(const struct notify *n, const char *state, const char *status)
{
	char text[STATUS_MAX];
	size_t at = (size_t)snprintf(text, sizeof(text), "%sSTATUS=", state);

	snprintf(text + at, sizeof(text) - at, "%s", status);
	for (; text[at]; at++)
		if ((unsigned char)text[at] < ' ' || text[at] == 0x7f)
			text[at] = '?';
	return send_text(n, text);
}

int notify_ready(const struct notify *n, const char *status)
{
	return send_status(n, "READY=1\n", status);
}

int notify_reloading(const struct notify *n)
{
	char text[64];

	/* The time lets the manager tell this reload's READY=1 from an earlier one's. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / 1000);
	return send_text(n, text);
}

int notify_stopping(const struct notify *n, const char *status)
{
	return send_status(n, "STOPPING=1\n", status);
}

int notify_alive(const struct notify *n)
{
	return send_text(n, "WATCHDOG=1");
}

int notify_status(const struct notify *n, const char *status)
{
	return send_status(n, "", status);
}

/* A whole decimal number in the environment, nothing beside it. */
static bool env_number(const char *name, uint64_t *value)
{
	const char *text = getenv(name);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !*end && !errno;
}

uint64_t notify_watchdog_ns(void)
{
	uint64_t usec = 0, pid = 0;
	bool asked = env_number("WATCHDOG_USEC", &usec);
	bool ours = !getenv("WATCHDOG_PID") ||
		    (env_number("WATCHDOG_PID", &pid) && pid == (uint64_t)getpid());

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return asked && ours && usec <= UINT64_MAX / 1000 ? usec * 1000 : 0;
}

static bool socket_has(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t bytes = sizeof(value);

	return !getsockopt(fd, SOL_SOCKET, option, &value, &bytes) && value == wanted;
}

/* The manager takes the flag off before it starts us (NonBlocking= in systemd.service(5)). */
static int non_blocking_set(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int notify_listen_fd(void)
{
	uint64_t pid = 0, n = 0;
	bool ours = env_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
		    env_number("LISTEN_FDS", &n) && n > 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return -1;
	for (int i = 0; i < LISTEN_MAX && (uint64_t)i < n; i++)
		fcntl(LISTEN_FIRST + i, F_SETFD, FD_CLOEXEC);
	if (n == 1 && socket_has(LISTEN_FIRST, SO_DOMAIN, AF_UNIX) &&
		socket_has(LISTEN_FIRST, SO_TYPE, SOCK_STREAM) &&
		socket_has(LISTEN_FIRST, SO_ACCEPTCONN, 1) && !non_blocking_set(LISTEN_FIRST))
		return LISTEN_FIRST;
	log_warn(
		"the service manager passed something other than one listening Unix stream socket; it is "
		"not used; give profd.socket one ListenStream= with a path");
	return -1;
}
