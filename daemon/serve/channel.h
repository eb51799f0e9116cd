/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only: a channel's state (channel.c reads, queue.c sends) and what its messages
 * share. */
#ifndef PROFD_SERVE_CHANNEL_H
#define PROFD_SERVE_CHANNEL_H

#include "base/buf.h"
#include "serve/serve.h"

enum {
	CHANNEL_READ_BYTES = 16 * 1024,
	CHANNEL_DESCRIPTORS_MAX = 4, /* that wait for their line to be taken */
};

struct pending_fd {
	uint64_t at; /* offset into the received stream of a byte of its line */
	int fd;
};

struct channel {
	int fd;
	bool peer_closed;
	bool greeted;      /* the peer has said hello in a protocol that we speak */
	unsigned answered; /* messages that serve_next() answered by itself */
	bool skipping;     /* inside a line that is too long: drop bytes up to its end */
	struct buf in, out;
	uint64_t in_at;  /* stream offset of in.data[0] */
	size_t searched; /* bytes of `in` known to hold no newline */
	struct pending_fd pending[CHANNEL_DESCRIPTORS_MAX];
	size_t n_pending;
	int out_fd; /* to be sent with the first byte of `out`, owned; or -1 */
};

const char *serve_kind_name(enum serve_kind kind); /* "" for SERVE_UNKNOWN */

/* serve_text() that cuts at `at` bytes; the ellipsis comes on top of them. */
json_t *serve_text_cut(const char *bytes, size_t at);

/* Whether serve_text() leaves it as it is. */
bool serve_text_is_clean(const char *bytes);

/* A line that is JSON already, without its newline: as channel_queue(), or as channel_send() where
 * it `waits`. */
int channel_queue_line(struct channel *ch, const char *line, size_t len, bool waits);

json_t *serve_encode_hello(void);
json_t *serve_encode_error(uint64_t id, const struct err *error); /* id 0: of no request */

/* Gives back the memory of a buffer that has become empty after it was large: a connection lives
 * long, and its largest message does not. */
void channel_trim(struct buf *b);

#endif
