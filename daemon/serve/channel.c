/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of JSON and descriptors over a stream socket.
 *
 * A descriptor travels beside the bytes of the stream, not in them. The kernel hands it out with
 * the read that reaches the bytes it was sent with, and ends that read there (unix(7);
 * net/unix/af_unix.c, unix_stream_read_generic). So it belongs to the line that holds the last byte
 * of that read, as long as a sender sends one line a call, as channel_send() does. */
#include "serve/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

enum {
	READS_MAX = 64, /* of one call: a peer that writes without end shall not keep its reader */
	KEPT_BYTES = 64 * 1024, /* of an empty buffer */
};

struct channel *channel_new(int fd, struct err *err)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int flags = fcntl(fd, F_GETFL);

	if (!ch || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		err_set(err, ch ? -errno : -ENOMEM, "cannot use the socket: %s",
			ch ? strerror(errno) : "out of memory");
		free(ch);
		fd_close(&fd);
		return NULL;
	}
	ch->fd = fd;
	ch->out_fd = -1;
	/* Twice: a preloaded request may be followed by what its sender had written behind it. */
	buf_init(&ch->in, 2 * (SERVE_LINE_MAX + CHANNEL_READ_BYTES));
	buf_init(&ch->out, SERVE_QUEUE_MAX - 1);
	return ch;
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	for (size_t i = 0; i < ch->n_pending; i++)
		fd_close(&ch->pending[i].fd);
	fd_close(&ch->out_fd);
	fd_close(&ch->fd);
	buf_free(&ch->in);
	buf_free(&ch->out);
	free(ch);
}

int channel_fd(const struct channel *ch)
{
	return ch->fd;
}

void channel_trim(struct buf *b)
{
	if (!b->len && b->cap > KEPT_BYTES)
		buf_free(b);
}

/* ---- receiving ---------------------------------------------------------------------------------
 */

/* Remembers descriptors that came with the read that ended at `end`. More than have room are
 * closed. */
static void take_descriptors(struct channel *ch, struct msghdr *msg, uint64_t end)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (ch->n_pending == CHANNEL_DESCRIPTORS_MAX)
				fd_close(&fd);
			else
				ch->pending[ch->n_pending++] = (struct pending_fd){end - 1, fd};
		}
	}
}

/* One read from the socket. 1: bytes came; 0: none now; -EPIPE: the end; other: failed. */
static int fill(struct channel *ch)
{
	char control[CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n;
	int rc = buf_reserve(&ch->in, CHANNEL_READ_BYTES);

	if (rc < 0)
		return rc;
	iov = (struct iovec){ch->in.data + ch->in.len, CHANNEL_READ_BYTES};
	do
		n = recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (!n)
		return -EPIPE;
	ch->in.len += (size_t)n;
	ch->in.data[ch->in.len] = '\0';
	take_descriptors(ch, &msg, ch->in_at + ch->in.len);
	return 1;
}

static void drop(struct channel *ch, size_t bytes)
{
	buf_drop(&ch->in, bytes);
	channel_trim(&ch->in);
	ch->in_at += bytes;
	ch->searched = 0;
}

/* The descriptor of the line that ends before stream offset `end`; further ones of it are closed.
 */
static int claim_descriptor(struct channel *ch, uint64_t end)
{
	int fd = -1;
	size_t kept = 0;

	for (size_t i = 0; i < ch->n_pending; i++) {
		struct pending_fd *p = &ch->pending[i];

		if (p->at >= end)
			ch->pending[kept++] = *p;
		else if (fd < 0)
			fd = p->fd;
		else
			fd_close(&p->fd);
	}
	ch->n_pending = kept;
	return fd;
}

static int too_long(struct channel *ch, struct err *err)
{
	int fd = claim_descriptor(ch, ch->in_at);

	fd_close(&fd);
	return err_set(err, -EMSGSIZE, "a message is longer than %d bytes", SERVE_LINE_MAX);
}

/* Parses the line of `len` bytes at the start of `in` and drops it with its newline. */
static int take_line(struct channel *ch, size_t len, json_t **message, int *fd, struct err *err)
{
	json_error_t error;
	json_t *json = json_loadb(ch->in.data, len, JSON_REJECT_DUPLICATES, &error);

	drop(ch, len + 1);
	*fd = claim_descriptor(ch, ch->in_at);
	if (json_is_object(json)) {
		*message = json;
		return 1;
	}
	fd_close(fd);
	if (!json)
		return err_set(err, -EBADMSG, "a message is not JSON: %.200s", error.text);
	json_decref(json);
	return err_set(err, -EBADMSG, "a message is not a JSON object");
}

/* A whole line that is already in memory: as channel_receive(), 0 where there is none. */
static int next_line(struct channel *ch, json_t **message, int *fd, struct err *err)
{
	while (ch->in.len > ch->searched) {
		char *from = ch->in.data + ch->searched;
		char *newline = memchr(from, '\n', ch->in.len - ch->searched);
		size_t len = newline ? (size_t)(newline - ch->in.data) : ch->in.len;

		if (ch->skipping) {
			drop(ch, newline ? len + 1 : len);
			if (!newline)
				return 0;
			ch->skipping = false;
			return too_long(ch, err);
		}
		if (len >= SERVE_LINE_MAX) {
			ch->skipping = true;
			continue;
		}
		if (newline)
			return take_line(ch, len, message, fd, err);
		ch->searched = len;
	}
	return 0;
}

int channel_receive(struct channel *ch, json_t **message, int *fd, struct err *err)
{
	*message = NULL;
	*fd = -1;
	for (int reads = 0;; reads++) {
		int rc = next_line(ch, message, fd, err);

		if (rc)
			return rc;
		if (ch->peer_closed)
			return err_set(err, -EPIPE, "the other side has closed the connection");
		if (reads == READS_MAX)
			return 0; /* the socket has more: poll() comes back at once */
		rc = fill(ch);
		if (rc == -EPIPE)
			ch->peer_closed = true;
		else if (rc < 0)
			return err_set(err, rc, "cannot read from the socket: %s", strerror(-rc));
		else if (!rc)
			return 0;
	}
}

bool channel_is_ready(const struct channel *ch)
{
	return ch->in.len > ch->searched;
}

/* ---- handing over ------------------------------------------------------------------------------
 */

const char *channel_unread(const struct channel *ch, size_t *bytes)
{
	*bytes = ch->in.len;
	return ch->in.data ? ch->in.data : "";
}

int channel_preload(struct channel *ch, const char *bytes, size_t n, int fd)
{
	uint64_t at = ch->in_at + ch->in.len;
	int rc = fd >= 0 && ch->n_pending == CHANNEL_DESCRIPTORS_MAX ? -E2BIG : 0;

	if (!rc)
		rc = buf_add(&ch->in, bytes, n);
	if (rc < 0) {
		ch->in.error = 0;
		fd_close(&fd);
		return rc;
	}
	if (fd >= 0)
		ch->pending[ch->n_pending++] = (struct pending_fd){at, fd};
	ch->greeted = true;
	return 0;
}
