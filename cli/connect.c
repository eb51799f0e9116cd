/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/private.h"
#include "pipeline/pipeline.h"

enum { GREETING_MS = 10000, CONNECT_S = 10 };

const char *connect_path(const char *option, bool *named)
{
	const char *path = option ? option : getenv("PROFD_SOCKET");

	if (named)
		*named = path && *path;
	return path && *path ? path : PROFD_DEFAULT_SOCKET;
}

/* ---- connecting --------------------------------------------------------------------------------
 */

static int cannot_connect(const char *path, int error, struct err *err)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return err_set(err, -ENOENT,
			"no daemon listens at %.200s; start it with `systemctl start profd`, or with "
			"`profd daemon`, or name its socket with --socket",
			path);
	case ECONNREFUSED:
		return err_set(err, -ECONNREFUSED,
			"no daemon listens at %.200s any more; start it with `systemctl start profd`, "
			"or with `profd daemon`",
			path);
	case EACCES:
	case EPERM:
		return err_set(err, -EACCES,
			"the daemon's socket %.200s may not be used: permission denied; its mode and "
			"those of the folders above it have to let you write to it",
			path);
	case EAGAIN: /* of SO_SNDTIMEO: nobody accepts */
		return err_set(err, -ETIMEDOUT,
			"the daemon at %.200s does not answer; see what it says with "
			"`journalctl -u profd`",
			path);
	case EPROTOTYPE:
		return err_set(err, -EPROTOTYPE,
			"%.200s is the socket of another program; name the daemon's with --socket",
			path);
	default:
		return err_set(err, -error, "cannot connect to the daemon at %.200s: %s", path,
			strerror(error));
	}
}

static int check_path(const char *path, size_t room, struct err *err)
{
	if (!strcmp(path, CONNECT_NONE))
		return err_set(err, -ENOENT,
			"the socket is `%s`, but only the daemon can answer this; name its socket with "
			"--socket",
			CONNECT_NONE);
	if (strlen(path) >= room)
		return err_set(err, -ENAMETOOLONG,
			"the path of the socket is longer than %zu bytes: %.60s...", room - 1,
			path);
	return 0;
}

static int greet(struct peer *p, const char *path, int signals_fd, struct err *err)
{
	json_t *hello = NULL;
	int rc = serve_send_hello(p->channel, err);

	if (!rc || rc == -EPIPE) /* what it said before it went is the reason */
		rc = peer_receive(p, signals_fd, GREETING_MS, &hello, err);
	if (rc == -EINTR)
		return rc;
	if (rc == -ETIMEDOUT)
		return cannot_connect(path, EAGAIN, err);
	if (rc == -EPIPE)
		return err_set(err, rc,
			"the daemon at %.200s closed the connection; see what it says with "
			"`journalctl -u profd`",
			path);
	if (rc < 0)
		return err_prefix(err, "the daemon at %.200s", path);
	if (json_object_get(hello, "error"))
		rc = serve_get_error(hello, err); /* no room for one more client, for example */
	else
		rc = serve_check_hello(hello, err);
	json_decref(hello);
	return rc;
}

int connect_daemon(struct peer *p, const char *path, int signals_fd, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = CONNECT_S};
	int fd, rc = check_path(path, sizeof(address.sun_path), err);

	*p = (struct peer){0};
	if (rc < 0)
		return rc;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cannot_connect(path, errno, err);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = cannot_connect(path, errno, err);
		close(fd);
		return rc;
	}
	p->channel = channel_new(fd, err);
	rc = p->channel ? greet(p, path, signals_fd, err) : err->code;
	if (rc < 0)
		peer_close(p, 0);
	return rc;
}

/* ---- talking -----------------------------------------------------------------------------------
 */

static int gone(struct err *err)
{
	return err_set(err, -EPIPE, "the connection was closed before the answer");
}

int peer_receive(struct peer *p, int signals_fd, int timeout_ms, json_t **message, struct err *err)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = channel_fd(p->channel), .events = POLLIN},
			{.fd = signals_fd, .events = POLLIN},
		};
		int fd, rc = channel_receive(p->channel, message, &fd, err);

		if (rc == 1) {
			fd_close(&fd); /* nobody asked for one */
			return 0;
		}
		if (rc < 0)
			return rc == -EPIPE ? gone(err) : rc;
		rc = poll(fds, 2, timeout_ms);
		if (rc < 0 && errno != EINTR)
			return err_set(
				err, -errno, "cannot wait for the answer: %s", strerror(errno));
		if (rc > 0 && fds[1].revents)
			return -EINTR;
		if (!rc)
			return err_set(err, -ETIMEDOUT, "there was no answer within %d s",
				timeout_ms / 1000);
	}
}

int peer_answer(struct peer *p, int signals_fd, uint64_t id, enum serve_kind kind, json_t **message,
	struct err *err)
{
	for (;;) {
		uint64_t got_id;
		enum serve_kind got;
		int rc = peer_receive(p, signals_fd, -1, message, err);

		if (rc < 0)
			return rc;
		got = serve_message_kind(*message, &got_id);
		if (got == kind && got_id == id)
			return 0;
		if (got == SERVE_ERROR && (got_id == id || !got_id))
			rc = serve_get_error(*message, err);
		else if (got == SERVE_HELLO) /* of a private engine, which is not waited for */
			rc = serve_check_hello(*message, err);
		json_decref(*message);
		*message = NULL; /* nobody is to free it again */
		if (rc < 0)
			return rc;
	}
}

int peer_close(struct peer *p, int grace_ms)
{
	pid_t engine = p->engine;

	channel_free(p->channel);
	*p = (struct peer){0};
	return engine ? private_end(engine, grace_ms) : 0;
}
