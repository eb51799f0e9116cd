/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol between the command line and a daemon (schema/protocol.md), both sides of it.
 *
 *     client                                  server
 *       hello                ------------->
 *                            <-------------     hello
 *       record + descriptor  ------------->
 *                            <-------------     started      every event is attached
 *                            <-------------     progress     4 to 10 times a second
 *       stop (optional)      ------------->
 *                            <-------------     finished     the profile is in the descriptor
 *                                               (or error, at any point)
 *
 * One JSON object a line over a stream socket. Bulk never is JSON: the client passes the descriptor
 * of its output file, and the daemon writes into that. */
#ifndef PROFD_SERVE_SERVE_H
#define PROFD_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "analyze/analyze.h"
#include "base/err.h"
#include "flow/profile.h"

enum {
	SERVE_PROTOCOL = 1,
	SERVE_LINE_MAX = 256 * 1024, /* bytes, newline included */
	SERVE_PIDS_MAX = 1024,
	SERVE_RATE_MAX_HZ = 20000,
};
#define SERVE_DURATION_MAX_S (366.0 * 86400)

/* ---- a channel: lines of JSON and descriptors over one socket ----------------------------------
 */

struct channel;

/* Takes `fd` over (also on failure) and makes it non-blocking. NULL: out of memory. */
struct channel *channel_new(int fd, struct err *err);
void channel_free(
	struct channel *ch); /* NULL is allowed; closes the socket and descriptors nobody took */
int channel_fd(const struct channel *ch);

/* Takes the next message without blocking.
 *   1          `*message` is an object, the caller's to json_decref; `*fd` the descriptor that came
 * with it, the caller's to close, or -1 0          nothing whole is there yet -EPIPE     the peer
 * has closed, and all that it sent was handed out -EBADMSG   a line that is no JSON object;
 * -EMSGSIZE: a line over SERVE_LINE_MAX. That line is gone, and the channel can still be read other
 * the socket failed */
int channel_receive(struct channel *ch, json_t **message, int *fd, struct err *err)
	__attribute__((warn_unused_result));

/* Sends `message` (its reference is taken, also on failure; NULL gives -ENOMEM) with a copy of
 * descriptor `fd` unless that is -1. Waits until the peer takes it; -EPIPE where there is no peer
 * any more. */
int channel_send(struct channel *ch, json_t *message, int fd, struct err *err);

/* The same, but never waits: where the peer does not read, the message is dropped and 0 returned.
 * For messages that the next one replaces. */
int channel_offer(struct channel *ch, json_t *message, struct err *err);

/* A JSON string of hostile bytes: what is not UTF-8 becomes U+FFFD, and what is over 2 KiB is cut
 * with an ellipsis. NULL: out of memory. */
json_t *serve_text(const char *bytes);

/* ---- messages ----------------------------------------------------------------------------------
 */

struct record_request {
	uint64_t id;                   /* chosen by the client, repeated in every answer */
	uint32_t pids[SERVE_PIDS_MAX]; /* each once, in the client's order; never 0 */
	size_t n_pids;                 /* at least 1 */
	double duration_s;             /* 0: until `stop` or until the processes end */
	uint32_t rate_hz;
	char format[32]; /* a name that render_format_find() knows */
	char source[16]; /* "auto" or "ebpf" */
	char title[256]; /* for people; "": the server makes one up. Hostile */
	bool subprocesses, threads, kernel, native;
	bool on_exec; /* the first sample is taken after the next exec of the process */
};

/* The request as a message, and back. Decoding is strict: unknown members, wrong types and values
 * out of range are errors with a text that names the member. NULL: out of memory. */
json_t *serve_encode_record(const struct record_request *r);
int serve_decode_record(const json_t *message, struct record_request *r, struct err *err);

enum serve_kind {
	SERVE_UNKNOWN,
	SERVE_HELLO,
	SERVE_RECORD,
	SERVE_STOP,
	SERVE_STARTED,
	SERVE_PROGRESS,
	SERVE_FINISHED,
	SERVE_ERROR
};

/* What a message is, and the `id` in it (0 where it has none). */
enum serve_kind serve_message_kind(const json_t *message, uint64_t *id);

/* ---- the server's side -------------------------------------------------------------------------
 */

struct serve_call {
	enum serve_kind kind; /* SERVE_RECORD or SERVE_STOP, nothing else */
	uint64_t id;
	int fd; /* of SERVE_RECORD: the output, open for writing; the caller's to close. Else -1 */
	struct record_request record; /* of SERVE_RECORD: valid */
};

/* channel_receive() for a server: answers greetings, malformed, unknown and invalid messages by
 * itself and hands out valid requests only. 1: `*call` is one; 0: nothing to do now; -EPIPE: the
 * client is gone; other negative errno: the socket failed. */
int serve_next(struct channel *ch, struct serve_call *call, struct err *err)
	__attribute__((warn_unused_result));

struct serve_started {
	const char *source; /* "ebpf" */
	const char *note;   /* why not a better source; NULL: nothing to say */
	const char
		*title; /* what is recorded, for people: "python3 (4711)"; may be NULL. Hostile */
	const uint32_t *pids;
	size_t n_pids;
};

enum serve_ended { ENDED_DURATION, ENDED_STOPPED, ENDED_EXITED };

struct serve_finished {
	const struct profile *profile; /* source, title and quality are taken from it */
	const struct top_row *top;     /* of analyze_top() on that profile */
	size_t n_top;
	enum serve_ended ended;
	const char *const *notes; /* sentences for people; NULL where n_notes is 0 */
	size_t n_notes;
};

/* Strings in what is sent may be hostile: what is not UTF-8 is replaced. */
int serve_send_started(struct channel *ch, uint64_t id, const struct serve_started *s);
int serve_send_progress(struct channel *ch, uint64_t id, double elapsed_s, uint64_t samples,
	uint64_t lost); /* never waits */
int serve_send_finished(struct channel *ch, uint64_t id, const struct serve_finished *f);
int serve_send_error(struct channel *ch, uint64_t id, const struct err *error);

/* ---- the client's side -------------------------------------------------------------------------
 */

int serve_send_hello(struct channel *ch, struct err *err);

/* Whether a hello answer is one of this protocol; the text names both versions where it is not. */
int serve_check_hello(const json_t *message, struct err *err);

/* The output's descriptor goes along, and stays open here. */
int serve_send_record(
	struct channel *ch, const struct record_request *r, int output_fd, struct err *err);
int serve_send_stop(struct channel *ch, uint64_t id, struct err *err);

/* The text and code of an error answer into `err`; returns that code, always negative. */
int serve_get_error(const json_t *message, struct err *err);

#endif
