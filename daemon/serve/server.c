/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's reading side: everything but a valid request is answered here. */
#include "serve/channel.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"

/* Answers to garbage never wait: who sends garbage and does not read shall not hold the daemon up.
 */
static int refuse(struct channel *ch, uint64_t id, const struct err *why)
{
	return channel_offer(ch, serve_encode_error(id, why), NULL);
}

static int answer_hello(struct channel *ch, const json_t *message)
{
	struct err why = {0};

	if (serve_check_hello(message, &why) < 0)
		return refuse(ch, 0, &why);
	*channel_greeted(ch) = true;
	return serve_send_hello(ch, NULL);
}

static int check_output(int fd, struct err *why)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_set(why, -EBADF, "`record` came without the descriptor of its output");
	if (flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
		return err_set(why, -EBADF, "the output's descriptor is not open for writing");
	return 0;
}

/* 1: `call` is a valid request; 0: answered; negative: the socket failed. */
static int handle(struct channel *ch, const json_t *message, int *fd, struct serve_call *call)
{
	struct err why = {0};

	call->kind = serve_message_kind(message, &call->id);
	if (call->kind == SERVE_HELLO)
		return answer_hello(ch, message);
	if (!*channel_greeted(ch))
		err_set(&why, -EPROTO, "the first message has to be `hello`");
	else if (call->kind == SERVE_STOP)
		return 1;
	else if (call->kind != SERVE_RECORD)
		err_set(&why, -EPROTO,
			"a message that a client does not send, or of an unknown kind");
	else if (serve_decode_record(message, &call->record, &why) == 0 &&
		 check_output(*fd, &why) == 0) {
		call->fd = *fd;
		*fd = -1;
		return 1;
	}
	return refuse(ch, call->id, &why);
}

int serve_next(struct channel *ch, struct serve_call *call, struct err *err)
{
	for (;;) {
		json_t *message;
		struct err why = {0};
		int fd, rc = channel_receive(ch, &message, &fd, &why);

		call->fd = -1;
		if (rc == -EBADMSG || rc == -EMSGSIZE)
			rc = refuse(ch, 0, &why);
		else if (rc <= 0) {
			if (rc < 0)
				err_set(err, rc, "%s", why.text);
			return rc;
		} else
			rc = handle(ch, message, &fd, call);
		json_decref(message);
		fd_close(&fd);
		if (rc)
			return rc < 0 ? err_set(err, rc, "cannot answer the client") : rc;
	}
}
