/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's reading side: everything but a valid request is answered here. */
#include "serve/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "serve/member.h"

static int decode_record(const json_t *message, struct serve_call *call, struct err *why)
{
	return serve_decode_record(message, &call->record, why);
}

static int decode_report(const json_t *message, struct serve_call *call, struct err *why)
{
	return serve_decode_report(message, &call->report, why);
}

static int decode_live(const json_t *message, struct serve_call *call, struct err *why)
{
	return serve_decode_live(message, &call->live, why);
}

static int decode_diff(const json_t *message, struct serve_call *call, struct err *why)
{
	return serve_decode_diff(message, &call->diff, why);
}

static int decode_watch(const json_t *message, struct serve_call *call, struct err *why)
{
	return serve_decode_watch(message, &call->watch, why);
}

static int decode_plain(const json_t *message, struct serve_call *call, struct err *why)
{
	return members_decode(message, serve_kind_name(call->kind), NULL, 0, NULL, &call->id, why);
}

/* What a client may ask. */
static const struct request {
	enum serve_kind kind;
	bool has_output; /* comes with a descriptor to write the answer to */
	int (*decode)(const json_t *message, struct serve_call *call, struct err *why);
} requests[] = {
	{SERVE_RECORD, true, decode_record},
	{SERVE_REPORT, true, decode_report},
	{SERVE_LIVE, false, decode_live},
	{SERVE_DIFF, true, decode_diff},
	{SERVE_WATCH, false, decode_watch},
	{SERVE_STOP, false, decode_plain},
	{SERVE_PS, false, decode_plain},
	{SERVE_STATUS, false, decode_plain},
	{SERVE_PAUSE, false, decode_plain},
	{SERVE_RESUME, false, decode_plain},
	{SERVE_DOCTOR, false, decode_plain},
};

static const struct request *request_find(enum serve_kind kind)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].kind == kind)
			return &requests[i];
	return NULL;
}

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
	ch->greeted = true;
	return channel_queue(ch, serve_encode_hello(), NULL);
}

static int check_output(int fd, const char *kind, struct err *why)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_set(why, -EBADF, "`%s` came without the descriptor of its output", kind);
	if (flags & O_PATH || (flags & O_ACCMODE) == O_RDONLY)
		return err_set(why, -EBADF, "the output's descriptor is not open for writing");
	return 0;
}

/* 0: `call` is a valid request, and has `*fd` if that belongs to it. */
static int decode(const json_t *message, int *fd, struct serve_call *call, struct err *why)
{
	const struct request *request = request_find(call->kind);
	int rc;

	if (!request)
		return err_set(why, -EPROTO,
			"a message that a client does not send, or of an unknown kind");
	rc = request->decode(message, call, why);
	if (!rc && request->has_output) {
		rc = check_output(*fd, serve_kind_name(call->kind), why);
		if (!rc) {
			call->fd = *fd;
			*fd = -1;
		}
	}
	return rc;
}

/* 1: `call` is a valid request; 0: answered; negative: the socket failed. */
static int handle(struct channel *ch, const json_t *message, int *fd, struct serve_call *call)
{
	struct err why = {0};

	call->kind = serve_message_kind(message, &call->id);
	if (call->kind == SERVE_HELLO)
		return answer_hello(ch, message);
	if (!ch->greeted)
		err_set(&why, -EPROTO, "the first message has to be `hello`");
	else if (decode(message, fd, call, &why) == 0)
		return 1;
	serve_call_clear(call);
	return refuse(ch, call->id, &why);
}

int serve_next(struct channel *ch, struct serve_call *call, struct err *err)
{
	for (;;) {
		json_t *message;
		struct err why = {0};
		int fd, rc = channel_receive(ch, &message, &fd, &why);

		memset(call, 0, sizeof(*call));
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
		if (++ch->answered > SERVE_ANSWERED_MAX)
			return err_set(err, -EPROTO,
				"more than %d messages of the client made no sense",
				SERVE_ANSWERED_MAX);
	}
}

void serve_call_clear(struct serve_call *call)
{
	fd_close(&call->fd);
	report_request_clear(&call->report);
	diff_request_clear(&call->diff);
	watch_request_clear(&call->watch);
}
