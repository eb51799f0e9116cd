/* SPDX-License-Identifier: BSD-2-Clause */
/* One client over one socket: a private engine's, or one that the daemon handed to a worker. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "pipeline/comparing.h"
#include "pipeline/doctor.h"
#include "pipeline/order.h"
#include "pipeline/pipeline.h"
#include "pipeline/recording.h"
#include "pipeline/replaying.h"
#include "pipeline/reporting.h"
#include "pipeline/targets.h"
#include "pipeline/watching.h"

/* What bounds the answers to one client. */
struct serving {
	struct channel *channel;
	const struct viewer *viewer; /* NULL: the client is the user that profd runs as */
	const char *store;           /* NULL: the client names one */
	bool once;                   /* one request, then the end */
};

static int report(struct serving *s, struct serve_call *call, struct err *err)
{
	const char *path = s->store ? s->store : call->report.of.store;

	if (s->store && *call->report.of.store)
		return err_set(err, -EPERM, "this daemon answers from its own store only");
	if (!*path)
		return err_set(err, -EINVAL, "which store? --store FILE names one");
	return reporting_run(s->channel, &call->report, s->viewer, path, call->fd, err);
}

static int diff(struct serving *s, struct serve_call *call, struct err *err)
{
	const struct diff_request *q = &call->diff;

	if (s->store && (*q->before.store || *q->after.store))
		return err_set(err, -EPERM, "this daemon answers from its own store only");
	if (!s->store && (!*q->before.store || !*q->after.store))
		return err_set(err, -EINVAL, "which stores? both sides have to name one");
	return comparing_run(s->channel, q, s->viewer, s->store ? s->store : "", call->fd, err);
}

/* What runs now, or what a file holds. */
static int watch(struct serving *s, struct serve_call *call, struct err *err)
{
	const struct watch_request *q = &call->watch;

	if (!*q->store)
		return watching_run(s->channel, q, s->viewer, err);
	if (s->store)
		return err_set(err, -EPERM, "this daemon plays no files; leave the socket out");
	return replaying_run(s->channel, q, err);
}

static void call_answer(struct serving *s, struct serve_call *call)
{
	struct err err = {0};
	int rc;

	switch (call->kind) {
	case SERVE_RECORD:
		rc = targets_admit(s->viewer, call->record.pids, call->record.n_pids, &err);
		if (!rc)
			rc = recording_run(s->channel, &call->record, s->viewer, call->fd, &err);
		break;
	case SERVE_REPORT:
		rc = report(s, call, &err);
		break;
	case SERVE_DIFF:
		rc = diff(s, call, &err);
		break;
	case SERVE_WATCH:
		rc = watch(s, call, &err);
		break;
	case SERVE_DOCTOR:
		rc = doctor_answer(s->channel, call->id);
		break;
	case SERVE_STOP: /* of what has just ended */
		rc = 0;
		break;
	default:
		rc = err_set(&err, -EOPNOTSUPP, "this is answered by the system's daemon only");
		break;
	}
	if (rc < 0 && err.text[0])
		serve_send_error(s->channel, call->id, &err);
}

static int serve(struct serving *s)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct err err = {0};
	int rc = s->channel && call ? 0 : -ENOMEM;
	bool done = false;

	while (rc >= 0 && !done) {
		struct pollfd fd = {.fd = channel_fd(s->channel), .events = POLLIN};

		rc = serve_next(s->channel, call, &err);
		if (rc == 1) {
			call_answer(s, call);
			done = s->once && call->kind != SERVE_STOP;
			serve_call_clear(call);
		} else if (!rc)
			poll(&fd, 1, -1);
	}
	free(call);
	return rc == -EPIPE ? 0 : rc;
}

int pipeline_serve(int socket_fd)
{
	struct serving s = {.channel = channel_new(socket_fd, NULL)};
	int rc = serve(&s);

	channel_free(s.channel);
	return rc < 0 ? rc : 0;
}

/* ---- a worker of the daemon --------------------------------------------------------------------
 */

int pipeline_work(int socket_fd, int output_fd, int order_fd)
{
	struct serving s = {.once = true};
	struct order order;
	struct err err = {0};
	int rc = order_read(&order, order_fd, &err);

	fd_close(&order_fd);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	s.channel = channel_new(socket_fd, &err);
	s.viewer = &order.viewer;
	s.store = order.store;
	if (!s.channel)
		rc = err.code;
	if (!rc)
		rc = channel_preload(s.channel, order.unread.data, order.unread.len, output_fd);
	else
		fd_close(&output_fd);
	if (!rc)
		rc = serve(&s);
	channel_free(s.channel);
	buf_free(&order.unread);
	return rc;
}
