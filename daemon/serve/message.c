/* SPDX-License-Identifier: BSD-2-Clause */
/* What messages are, and those that are of no request: greetings, errors, requests without members
 * of their own. */
#include "serve/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/pack.h"

static const struct {
	const char *name;
	enum serve_kind kind;
	bool plain; /* as a request it has no members of its own */
} kinds[] = {
	{"hello", SERVE_HELLO, false},
	{"record", SERVE_RECORD, false},
	{"stop", SERVE_STOP, true},
	{"report", SERVE_REPORT, false},
	{"reported", SERVE_REPORTED, false},
	{"ps", SERVE_PS, true},
	{"status", SERVE_STATUS, true},
	{"pause", SERVE_PAUSE, true},
	{"resume", SERVE_RESUME, true},
	{"done", SERVE_DONE, false},
	{"live", SERVE_LIVE, false},
	{"doctor", SERVE_DOCTOR, true},
	{"diff", SERVE_DIFF, false},
	{"compared", SERVE_COMPARED, false},
	{"watch", SERVE_WATCH, false},
	{"started", SERVE_STARTED, false},
	{"progress", SERVE_PROGRESS, false},
	{"finished", SERVE_FINISHED, false},
	{"error", SERVE_ERROR, false},
};
static const size_t N_KINDS = sizeof(kinds) / sizeof(kinds[0]);

enum serve_kind serve_message_kind(const json_t *message, uint64_t *id)
{
	json_int_t number = json_integer_value(json_object_get(message, "id"));

	*id = number > 0 ? (uint64_t)number : 0;
	for (size_t i = 0; i < N_KINDS; i++)
		if (json_is_object(json_object_get(message, kinds[i].name)))
			return kinds[i].kind;
	return SERVE_UNKNOWN;
}

const char *serve_kind_name(enum serve_kind kind)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "";
}

static bool is_plain(enum serve_kind kind)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].plain;
	return false;
}

/* ---- the server's ------------------------------------------------------------------------------
 */

json_t *serve_encode_error(uint64_t id, const struct err *error)
{
	int code = error->code < 0 ? -error->code : EIO;

	return json_pack("{s:o, s:{s:i, s:o}}", "id", id ? pack_count(id) : json_null(), "error",
		"code", code, "text", serve_text(error->text[0] ? error->text : strerror(code)));
}

int serve_send_error(struct channel *ch, uint64_t id, const struct err *error)
{
	return channel_send(ch, serve_encode_error(id, error), -1, NULL);
}

int serve_queue_error(struct channel *ch, uint64_t id, const struct err *error)
{
	return channel_queue(ch, serve_encode_error(id, error), NULL);
}

/* ---- the client's ------------------------------------------------------------------------------
 */

json_t *serve_encode_hello(void)
{
	return json_pack("{s:{s:i, s:s}}", "hello", "protocol", (int)SERVE_PROTOCOL, "version",
		PROFD_VERSION);
}

int serve_send_hello(struct channel *ch, struct err *err)
{
	return channel_send(ch, serve_encode_hello(), -1, err);
}

int serve_check_hello(const json_t *message, struct err *err)
{
	const json_t *hello = json_object_get(message, "hello");
	const json_t *protocol = json_object_get(hello, "protocol");
	const char *version = json_string_value(json_object_get(hello, "version"));

	if (!json_is_integer(protocol))
		return err_set(err, -EPROTO, "the greeting names no protocol");
	if (json_integer_value(protocol) == SERVE_PROTOCOL)
		return 0;
	return err_set(err, -EPROTONOSUPPORT,
		"the other side (profd %.40s) speaks protocol %lld, this one (profd %s) protocol %d; "
		"use the same version of profd on both sides",
		version ? version : "of unknown version", (long long)json_integer_value(protocol),
		PROFD_VERSION, SERVE_PROTOCOL);
}

int serve_send_record(
	struct channel *ch, const struct record_request *r, int output_fd, struct err *err)
{
	return channel_send(ch, serve_encode_record(r), output_fd, err);
}

int serve_send_stop(struct channel *ch, uint64_t id, struct err *err)
{
	return serve_send_plain(ch, SERVE_STOP, id, err);
}

int serve_send_live_request(struct channel *ch, const struct live_request *r, struct err *err)
{
	return channel_send(ch, serve_encode_live(r), -1, err);
}

int serve_send_plain(struct channel *ch, enum serve_kind kind, uint64_t id, struct err *err)
{
	const char *name = serve_kind_name(kind);

	if (!is_plain(kind))
		return err_set(err, -EINVAL, "`%s` is not a request without members", name);
	return channel_send(ch, json_pack("{s:o, s:{}}", "id", pack_count(id), name), -1, err);
}

int serve_get_error(const json_t *message, struct err *err)
{
	const json_t *error = json_object_get(message, "error");
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));
	int errnum = code > 0 && code < 4096 ? (int)code : EIO;

	return err_set(err, -errnum, "%s", text && *text ? text : strerror(errnum));
}
