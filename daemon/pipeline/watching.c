/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole watch with samples of its own: a host for one client. */
#include "pipeline/watching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/targets.h"

enum {
	TICK_MS = 100, /* how long samples may wait in the ring */
	DEFAULT_RATE_HZ = 99,
	WHOLE_RATE_MAX_HZ = 999, /* as the daemon's own; of those who may not see all */
};

/* What only an interval needs is let go so often. */
static const uint64_t window_ns = 10 * NS_PER_S;
/* Between two looks at /proc for targets whose end was not told. */
static const uint64_t alive_check_ns = NS_PER_S;

struct watching {
	struct channel *channel;
	const struct watch_request *request;
	struct daemon_config config;
	uint32_t pids[SERVE_PIDS_MAX]; /* profd's own numbers */
	struct host *host;
	struct watch *watch;
	uint64_t window_end_ns, drained_ns, alive_ns;
	bool stop;
};

/* ---- what the host tells -----------------------------------------------------------------------
 */

static void on_stack(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack)
{
	struct watching *w = arg;

	watch_add(w->watch, p, s, stack);
}

static void on_event(void *arg, const struct process_event *event, struct process *p)
{
	struct watching *w = arg;

	(void)p;
	watch_event(w->watch, event);
}

static void on_settle(void *arg)
{
	struct watching *w = arg;

	watch_settle(w->watch);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* A user's own processes bear what that user asks for; those of others must not. */
static int rate_admit(const struct watch_request *q, const struct viewer *viewer, uint32_t rate_hz,
	struct err *err)
{
	bool all = !viewer || (viewer->all && viewer->same_pid_namespace);

	if (all || q->n_pids || rate_hz <= WHOLE_RATE_MAX_HZ)
		return 0;
	return err_set(err, -EPERM,
		"sampling every process more than %d times a second is for root and the group of profd; "
		"name the processes with --pid, or take a lower rate",
		WHOLE_RATE_MAX_HZ);
}

static int watching_open(struct watching *w, const struct viewer *viewer, struct err *err)
{
	const struct watch_request *q = w->request;
	const struct host_targets targets = {.pids = w->pids,
		.n_pids = q->n_pids,
		.subprocesses = q->subprocesses,
		.on_exec = q->on_exec,
		.viewer = viewer};
	const struct host_listener listener = {
		.arg = w, .stack = on_stack, .event = on_event, .settle = on_settle};
	int rc;

	config_default(&w->config);
	w->config.rate_hz = q->rate_hz ? q->rate_hz : DEFAULT_RATE_HZ;
	w->config.kernel = q->kernel;
	w->config.native = q->native;
	rc = rate_admit(q, viewer, w->config.rate_hz, err);
	memcpy(w->pids, q->pids, sizeof(w->pids));
	if (!rc)
		rc = targets_admit(viewer, w->pids, q->n_pids, err);
	if (rc)
		return rc;
	w->host = host_open(&w->config, &targets, err);
	if (!w->host)
		return err->code;
	w->watch = watch_open(q, viewer, w->host, false, err);
	if (!w->watch)
		return err->code;
	host_listen(w->host, &listener);
	return 0;
}

static void watching_close(struct watching *w)
{
	watch_close(w->watch);
	host_close(w->host);
}

/* ---- running -----------------------------------------------------------------------------------
 */

/* What the client says meanwhile. 0, or negative errno: it has gone. */
static int client_listen(struct watching *w)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	struct err err = {0};
	int rc = call ? channel_flush(w->channel) : -ENOMEM;

	/* What follows a `stop` is for whoever serves next. */
	while (rc >= 0 && !w->stop && (rc = serve_next(w->channel, call, &err)) == 1) {
		if (call->kind == SERVE_STOP && call->id == w->request->id)
			w->stop = true;
		else if (call->kind != SERVE_STOP) {
			err_set(&err, -EBUSY, "a watch is running on this connection already");
			rc = serve_queue_error(w->channel, call->id, &err);
		}
		serve_call_clear(call);
	}
	free(call);
	return rc < 0 ? rc : 0;
}

static int wait_ms(const struct watching *w)
{
	uint64_t now = clock_now_ns(), until = watch_wakes_ns(w->watch),
		 tick = w->drained_ns + TICK_MS * NS_PER_MS;

	until = tick < until ? tick : until;
	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

/* Whether there is something of the client's, or room for what waits for it. */
static bool wait_for_news(const struct watching *w)
{
	struct pollfd fds[1 + HOST_POLLS] = {{.fd = channel_fd(w->channel),
		.events = (short)(POLLIN | (channel_is_queued(w->channel) ? POLLOUT : 0))}};
	bool ready = channel_is_ready(w->channel);

	host_poll(w->host, fds + 1);
	poll(fds, 1 + HOST_POLLS, ready ? 0 : wait_ms(w));
	return ready || fds[0].revents;
}

/* All that was sampled up to the end of the last process. */
static int last_send(struct watching *w)
{
	host_pause(w->host, true, NULL);
	sampling_drain(host_sampling(w->host));
	return watch_send(w->watch, w->channel, true);
}

static void window_close(struct watching *w)
{
	window_free(host_close_window(w->host));
	w->window_end_ns = clock_now_ns() + window_ns;
}

/* One turn of the loop. 0; 1: the last word is said; negative errno: the client has gone. */
static int turn(struct watching *w)
{
	bool news = wait_for_news(w), looks;
	int rc;

	host_drain(w->host);
	w->drained_ns = clock_now_ns();
	watch_look(w->watch);
	rc = news ? client_listen(w) : 0;
	if (rc < 0 || w->stop)
		return rc;
	looks = w->drained_ns - w->alive_ns >= alive_check_ns;
	if (looks)
		w->alive_ns = w->drained_ns;
	if (host_ended(w->host, looks)) {
		rc = last_send(w);
		return rc < 0 ? rc : 1;
	}
	if (clock_now_ns() >= watch_due_ns(w->watch))
		rc = watch_send(w->watch, w->channel, false);
	if (clock_now_ns() >= w->window_end_ns)
		window_close(w);
	return rc;
}

/* Whoever speaks next on the channel must find it empty. */
static int flush(struct channel *ch)
{
	int rc;

	while ((rc = channel_flush(ch)) == 1) {
		struct pollfd fd = {.fd = channel_fd(ch), .events = POLLOUT};

		poll(&fd, 1, -1);
	}
	return rc;
}

int watching_run(struct channel *channel, const struct watch_request *request,
	const struct viewer *viewer, struct err *err)
{
	struct watching *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return err_set(err, -ENOMEM, "out of memory");
	w->channel = channel;
	w->request = request;
	rc = watching_open(w, viewer, err);
	if (!rc)
		rc = watch_start(w->watch, channel);
	w->drained_ns = w->alive_ns = clock_now_ns();
	w->window_end_ns = w->drained_ns + window_ns;
	while (!rc && !w->stop)
		rc = turn(w);
	watching_close(w);
	free(w);
	if (rc < 0 && rc != -EPIPE && !err->text[0])
		err_set(err, rc, "the watch cannot go on: %s", strerror(-rc));
	return rc < 0 ? rc : flush(channel);
}
