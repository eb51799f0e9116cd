/* SPDX-License-Identifier: BSD-2-Clause */
/* The sending side of a channel. Three ways, by what the sender can bear: channel_send() waits,
 * channel_offer() drops what the peer does not take, channel_queue() keeps it up to a bound. All of
 * them put whole lines behind what is not sent yet, so that order is kept and no line is torn. */
#include "serve/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "serve/pack.h"

/* Sends what the socket takes of `out`. 1: all of it; 0: the peer does not read; or negative errno.
 */
static int flush(struct channel *ch)
{
	while (ch->out.len) {
		char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
		struct iovec iov = {ch->out.data, ch->out.len};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (ch->out_fd >= 0) {
			struct cmsghdr *c = (struct cmsghdr *)control;

			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &ch->out_fd, sizeof(int));
			msg.msg_control = control;
			msg.msg_controllen = sizeof(control);
		}
		n = sendmsg(ch->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
		fd_close(&ch->out_fd);
		buf_drop(&ch->out, (size_t)n);
	}
	channel_trim(&ch->out);
	return 1;
}

/* Flushes all, waiting for the peer as long as it lives. */
static int flush_wait(struct channel *ch)
{
	for (;;) {
		struct pollfd p = {.fd = ch->fd, .events = POLLOUT};
		int rc = flush(ch);

		if (rc)
			return rc;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

/* -E2BIG: there is no room for it behind what waits already. */
static int append_line(struct channel *ch, const char *line, size_t len)
{
	int rc = len >= SERVE_LINE_MAX ? -EMSGSIZE : buf_reserve(&ch->out, len + 1);

	if (!rc) { /* both or none: half a line must not stay */
		buf_add(&ch->out, line, len);
		buf_putc(&ch->out, '\n');
	}
	ch->out.error = 0;
	return rc;
}

static int append(struct channel *ch, json_t *message)
{
	char *line = message ? json_dumps(message, PACK_FLAGS) : NULL;
	int rc = line ? append_line(ch, line, strlen(line)) : -ENOMEM;

	json_decref(message);
	free(line);
	return rc;
}

int channel_send(struct channel *ch, json_t *message, int fd, struct err *err)
{
	int rc =
		flush_wait(ch); /* first: a descriptor must go out with its own line's first byte */

	if (rc < 0) {
		json_decref(message);
		goto failed;
	}
	rc = append(ch, message);
	if (!rc && fd >= 0) {
		ch->out_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (ch->out_fd < 0) {
			rc = -errno;
			ch->out.len = 0;
		}
	}
	if (!rc)
		rc = flush_wait(ch);
	if (rc >= 0)
		return 0;
failed:
	return err_set(err, rc, "cannot send to the other side: %s", strerror(-rc));
}

int channel_offer(struct channel *ch, json_t *message, struct err *err)
{
	int rc = flush(ch);

	if (rc <= 0)
		json_decref(message);
	else
		rc = append(ch, message);
	if (rc >= 0 && ch->out.len)
		rc = flush(ch);
	return rc >= 0 ? 0 : err_set(err, rc, "cannot send to the other side: %s", strerror(-rc));
}

int channel_queue(struct channel *ch, json_t *message, struct err *err)
{
	int rc = flush(ch);

	if (rc < 0)
		json_decref(message);
	else
		rc = append(ch, message);
	if (rc == -E2BIG)
		return err_set(err, -ENOBUFS,
			"the other side does not read: more than %d bytes are waiting for it",
			SERVE_QUEUE_MAX);
	if (rc >= 0)
		rc = flush(ch);
	return rc >= 0 ? 0 : err_set(err, rc, "cannot send to the other side: %s", strerror(-rc));
}

int channel_queue_line(struct channel *ch, const char *line, size_t len, bool waits)
{
	int rc = waits ? flush_wait(ch) : flush(ch);

	if (rc >= 0)
		rc = append_line(ch, line, len);
	if (rc >= 0)
		rc = waits ? flush_wait(ch) : flush(ch);
	return rc == -E2BIG ? -ENOBUFS : rc < 0 ? rc : 0;
}

int channel_flush(struct channel *ch)
{
	int rc = flush(ch);

	return rc < 0 ? rc : !rc;
}

bool channel_is_queued(const struct channel *ch)
{
	return ch->out.len > 0;
}
