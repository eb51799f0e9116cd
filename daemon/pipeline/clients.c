/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/clients.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pipeline/listing.h"
#include "pipeline/live.h"
#include "pipeline/watching.h"
#include "pipeline/workers.h"

#define LOG_ROOM "clients"
#include "base/log.h"

enum { ACCEPTS_AT_ONCE = 16, CALLS_AT_ONCE = 8 };

static const uint64_t greeting_ns = 10 * NS_PER_S; /* from connecting to the first request */
static const uint64_t idle_ns = 600 * NS_PER_S;    /* between two requests */

struct client {
	struct channel *channel;
	struct viewer viewer;
	uint64_t deadline_ns; /* let go then, unless it asks for something */
	struct live *live;    /* NULL: none */
	struct watch *watch;  /* NULL: none; and never both */
	bool more;            /* requests that were read and not looked at yet */
};

struct clients {
	int listen_fd;
	const struct daemon_config *config;
	gid_t group;
	struct host *host;
	struct clients_hooks hooks;
	struct client *list[CLIENTS_MAX];
	size_t n;
	struct workers workers;
};

/* From the file itself: a lookup by the name service would load libraries into a program that may
 * be static. */
static gid_t group_number(const char *name)
{
	FILE *f = *name ? fopen("/etc/group", "re") : NULL;
	gid_t gid = (gid_t)-1;
	const struct group *g;

	while (f && gid == (gid_t)-1 && (g = fgetgrent(f)))
		if (!strcmp(g->gr_name, name))
			gid = g->gr_gid;
	if (f)
		fclose(f);
	return gid;
}

static void on_stack(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack)
{
	struct clients *c = arg;

	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i]->live)
			live_add(c->list[i]->live, p, s, stack);
		if (c->list[i]->watch)
			watch_add(c->list[i]->watch, p, s, stack);
	}
}

static void on_event(void *arg, const struct process_event *event, struct process *p)
{
	struct clients *c = arg;

	(void)p;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i]->watch)
			watch_event(c->list[i]->watch, event);
}

static void on_settle(void *arg)
{
	struct clients *c = arg;

	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i]->live)
			live_settle(c->list[i]->live);
		if (c->list[i]->watch)
			watch_settle(c->list[i]->watch);
	}
}

void clients_configure(struct clients *c, const struct daemon_config *config)
{
	c->config = config;
	c->group = group_number(config->group);
}

struct clients *clients_open(int listen_fd, const struct daemon_config *config, struct host *host,
	const struct clients_hooks *hooks, struct err *err)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (!c) {
		fd_close(&listen_fd);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	c->listen_fd = listen_fd;
	c->host = host;
	c->hooks = *hooks;
	clients_configure(c, config);
	return c;
}

/* ---- coming and going --------------------------------------------------------------------------
 */

/* The host tells of each stack as long as somebody looks. */
static void views_listen(struct clients *c)
{
	const struct host_listener listener = {
		.arg = c, .stack = on_stack, .event = on_event, .settle = on_settle};
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any |= c->list[i]->live || c->list[i]->watch;
	host_listen(c->host, any ? &listener : NULL);
}

static void views_close(struct clients *c, struct client *client)
{
	live_close(client->live);
	watch_close(client->watch);
	client->live = NULL;
	client->watch = NULL;
	views_listen(c);
}

static void client_drop(struct clients *c, struct client *client)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i] == client) {
			c->list[i] = c->list[--c->n];
			break;
		}
	views_close(c, client);
	channel_free(client->channel);
	free(client);
}

void clients_close(struct clients *c)
{
	if (!c)
		return;
	while (c->n)
		client_drop(c, c->list[0]);
	workers_end(&c->workers);
	fd_close(&c->listen_fd);
	free(c);
}

size_t clients_count(const struct clients *c)
{
	return c->n;
}

static size_t count_of(const struct clients *c, uint32_t uid)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->list[i]->viewer.uid == uid;
	return n;
}

/* Says why in a line, if the socket takes one, and closes. */
static void refuse(int fd, const struct err *why)
{
	struct channel *ch = channel_new(fd, NULL);

	if (ch) {
		serve_queue_error(ch, 0, why);
		channel_flush(ch);
		channel_free(ch);
	}
}

static void client_add(struct clients *c, int fd)
{
	struct client *client;
	struct viewer viewer;
	struct err err = {0};

	if (viewer_of_socket(fd, c->group, &viewer, &err) < 0) {
		log_debug("%s", err.text);
		fd_close(&fd);
		return;
	}
	if (c->n == CLIENTS_MAX || (viewer.uid && count_of(c, viewer.uid) >= CLIENTS_PER_USER)) {
		err_set(&err, -EBUSY, "too many clients are connected; try again later");
		refuse(fd, &err);
		return;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		fd_close(&fd);
		return;
	}
	client->viewer = viewer;
	client->deadline_ns = clock_now_ns() + greeting_ns;
	client->channel = channel_new(fd, NULL);
	if (client->channel)
		c->list[c->n++] = client;
	else
		free(client);
}

static void clients_accept(struct clients *c)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		client_add(c, fd);
	}
}

/* ---- answers -----------------------------------------------------------------------------------
 */

static int answer_status(struct clients *c, struct client *client, uint64_t id)
{
	struct serve_status status = {0};

	c->hooks.status(c->hooks.arg, &status);
	return serve_send_status(client->channel, id, &status);
}

static int answer_pause(
	struct clients *c, struct client *client, uint64_t id, bool paused, struct err *err)
{
	const char *said = "";
	int rc;

	if (!client->viewer.all || !client->viewer.same_pid_namespace)
		return err_set(err, -EPERM,
			"only root and the group of profd may pause or resume profiling");
	rc = c->hooks.pause(c->hooks.arg, paused, &said, err);
	return rc ? rc : serve_send_done(client->channel, id, said);
}

static int views_check(const struct client *client, struct err *err)
{
	return client->live || client->watch
		       ? err_set(err, -EBUSY,
				 "a live view or a watch is running on this connection already")
		       : 0;
}

static int answer_live(struct clients *c, struct client *client, const struct live_request *request,
	struct err *err)
{
	if (views_check(client, err))
		return err->code;
	client->live = live_open(request, &client->viewer, host_sampling(c->host), err);
	if (!client->live)
		return err->code;
	views_listen(c);
	return 0;
}

/* Of the samples that are taken anyway. */
static int answer_watch(struct clients *c, struct client *client,
	const struct watch_request *request, struct err *err)
{
	client->watch = watch_open(request, &client->viewer, c->host, true, err);
	if (!client->watch)
		return err->code;
	views_listen(c);
	return watch_start(client->watch, client->channel);
}

static void answer_stop(struct clients *c, struct client *client, uint64_t id)
{
	if ((client->live && live_id(client->live) == id) ||
		(client->watch && watch_id(client->watch) == id))
		views_close(c, client);
}

static json_t *request_encode(const struct serve_call *call)
{
	switch (call->kind) {
	case SERVE_RECORD:
		return serve_encode_record(&call->record);
	case SERVE_REPORT:
		return serve_encode_report(&call->report);
	case SERVE_DIFF:
		return serve_encode_diff(&call->diff);
	case SERVE_WATCH:
		return serve_encode_watch(&call->watch);
	default:
		return NULL;
	}
}

/* The client, what it has sent already, and its output go to a process of their own. */
static int hand_over(
	struct clients *c, struct client *client, const struct serve_call *call, struct err *err)
{
	struct order *order = calloc(1, sizeof(*order));
	json_t *request = request_encode(call);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	const char *unread;
	size_t bytes;
	int rc = -ENOMEM;

	json_decref(request);
	/* Half an answer of ours must not be followed by one of the worker's. */
	if (channel_flush(client->channel) != 0)
		rc = err_set(err, -EBUSY, "read the answers that are waiting first");
	else if (order && line) {
		order->viewer = client->viewer;
		snprintf(order->store, sizeof(order->store), "%s", c->config->store);
		buf_init(&order->unread, 3 * SERVE_LINE_MAX);
		unread = channel_unread(client->channel, &bytes);
		buf_puts(&order->unread, line);
		buf_putc(&order->unread, '\n');
		buf_add(&order->unread, unread, bytes);
		if (!buf_failed(&order->unread))
			rc = workers_start(
				&c->workers, channel_fd(client->channel), call->fd, order, err);
		buf_free(&order->unread);
	}
	free(line);
	free(order);
	if (rc == -ENOMEM)
		err_set(err, rc, "out of memory");
	return rc;
}

/* Whether a worker answers this; a watch where it wants a rate of its own. */
static bool is_for_worker(const struct serve_call *call)
{
	return call->kind == SERVE_RECORD || call->kind == SERVE_REPORT ||
	       call->kind == SERVE_DIFF ||
	       (call->kind == SERVE_WATCH && call->watch.rate_hz && !*call->watch.store);
}

/* Negative errno; without a text the client is to be let go. */
static int call_answer_here(
	struct clients *c, struct client *client, struct serve_call *call, struct err *err)
{
	switch (call->kind) {
	case SERVE_PS:
		return listing_send(client->channel, call->id, c->host, &client->viewer);
	case SERVE_STATUS:
		return answer_status(c, client, call->id);
	case SERVE_PAUSE:
	case SERVE_RESUME:
		return answer_pause(c, client, call->id, call->kind == SERVE_PAUSE, err);
	case SERVE_LIVE:
		return answer_live(c, client, &call->live, err);
	case SERVE_WATCH:
		return *call->watch.store
			       ? err_set(err, -EPERM,
					 "this daemon plays no files; leave the socket out")
			       : answer_watch(c, client, &call->watch, err);
	case SERVE_STOP:
		answer_stop(c, client, call->id);
		return 0;
	default:
		return err_set(err, -EOPNOTSUPP, "this is answered by a private engine only");
	}
}

/* Whether the client stays here. */
static bool call_answer(struct clients *c, struct client *client, struct serve_call *call)
{
	struct err err = {0};
	int rc = 0;

	client->deadline_ns = clock_now_ns() + idle_ns;
	if (call->kind == SERVE_WATCH)
		rc = views_check(client, &err);
	if (!rc && is_for_worker(call)) {
		rc = hand_over(c, client, call, &err);
		if (!rc)
			return false;
	} else if (!rc)
		rc = call_answer_here(c, client, call, &err);
	if (err.text[0])
		return serve_queue_error(client->channel, call->id, &err) == 0;
	return rc == 0;
}

/* A few messages a turn, so that nobody keeps the others waiting. Whether it stays. */
static bool client_handle(struct clients *c, struct client *client)
{
	struct serve_call *call = calloc(1, sizeof(*call));
	int rc = call ? channel_flush(client->channel) : -ENOMEM;
	bool stays = rc >= 0;

	client->more = false;
	for (int i = 0; i < CALLS_AT_ONCE && stays; i++) {
		rc = serve_next(client->channel, call, NULL);
		if (rc == 1)
			stays = call_answer(c, client, call);
		else
			stays = rc >= 0;
		if (call)
			serve_call_clear(call);
		if (rc != 1)
			break;
		client->more = channel_is_ready(client->channel);
	}
	free(call);
	return stays;
}

/* ---- the loop's side ---------------------------------------------------------------------------
 */

size_t clients_poll(const struct clients *c, struct pollfd *fds)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = c->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < c->n; i++) {
		const struct channel *ch = c->list[i]->channel;

		fds[n++] = (struct pollfd){.fd = channel_fd(ch),
			.events = (short)(POLLIN | (channel_is_queued(ch) ? POLLOUT : 0))};
	}
	return n;
}

static struct client *client_of(const struct clients *c, int fd)
{
	for (size_t i = 0; i < c->n; i++)
		if (channel_fd(c->list[i]->channel) == fd)
			return c->list[i];
	return NULL;
}

/* Whether the client stays. */
static bool watch_tick(struct clients *c, struct client *client)
{
	bool last;
	int rc;

	watch_look(client->watch);
	if (watch_due_ns(client->watch) > clock_now_ns())
		return true;
	last = watch_ended(client->watch);
	rc = watch_send(client->watch, client->channel, last);
	if (last) {
		views_close(c, client);
		client->deadline_ns = clock_now_ns() + idle_ns;
	}
	return rc >= 0;
}

static void timers_handle(struct clients *c)
{
	uint64_t now = clock_now_ns();
	struct host_totals totals;

	for (size_t i = c->n; i-- > 0;) {
		struct client *client = c->list[i];

		if (client->live && live_due_ns(client->live) <= now) {
			host_totals(c->host, &totals);
			live_send(client->live, client->channel, totals.lost);
		} else if (client->watch && !watch_tick(c, client))
			client_drop(c, client);
		else if (!client->live && !client->watch && client->deadline_ns <= now)
			client_drop(c, client);
	}
}

void clients_handle(struct clients *c, const struct pollfd *fds, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct client *client = client_of(c, fds[i].fd);

		if (client && (fds[i].revents || client->more) && !client_handle(c, client))
			client_drop(c, client);
	}
	timers_handle(c);
	if (n && fds[0].revents)
		clients_accept(c);
}

int clients_timeout_ms(const struct clients *c)
{
	uint64_t now = clock_now_ns(), due = UINT64_MAX;

	for (size_t i = 0; i < c->n; i++) {
		const struct client *client = c->list[i];
		uint64_t at = client->live    ? live_due_ns(client->live)
			      : client->watch ? watch_wakes_ns(client->watch)
					      : client->deadline_ns;

		due = client->more ? 0 : at < due ? at : due;
		if (!due)
			return 0;
	}
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now) / NS_PER_MS) + 1;
}

void clients_reap(struct clients *c)
{
	workers_reap(&c->workers);
}
