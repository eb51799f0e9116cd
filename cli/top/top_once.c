/* SPDX-License-Identifier: BSD-2-Clause */
/* profd top --once: samples for a while, then prints what the screen would show. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/terminal.h"
#include "cli/top/top.h"
#include "cli/top/top_session.h"

enum { TABLE_ROWS = 30, TABLE_BYTES_MAX = 64 << 20, PATIENCE_S = 10 };

/* Whether enough was sampled. The last interval may be a little short of its time. */
static bool is_enough(const struct top_session *s, double duration_s)
{
	const double interval_s = s->request.interval_s;

	if (s->phase == TOP_ENDED || s->stop_signal)
		return true;
	return !s->config->replay && s->started_ns && s->elapsed_s + interval_s / 4 >= duration_s;
}

/* An engine that has stopped talking: what there is has to do. 0: now. */
static int time_left_ms(const struct top_session *s, double duration_s)
{
	uint64_t end_ns;

	if (s->config->replay || !s->started_ns)
		return -1;
	end_ns = s->started_ns + (uint64_t)((duration_s + PATIENCE_S) * NS_PER_S);
	return clock_now_ns() < end_ns ? PATIENCE_S * 100 : 0;
}

static int sample(struct top_session *s, double duration_s, struct err *err)
{
	while (!is_enough(s, duration_s)) {
		struct pollfd p[TOP_SESSION_FDS];
		int timeout_ms = time_left_ms(s, duration_s), rc;

		if (!timeout_ms)
			break;
		top_session_fds(s, true, p);
		/* What was read from the socket and not looked at makes no poll() return. */
		if (s->peer.channel && channel_is_ready(s->peer.channel))
			timeout_ms = 0;
		if (poll(p, TOP_SESSION_FDS, timeout_ms) < 0 && errno != EINTR)
			return err_set(
				err, -errno, "cannot wait for the engine: %s", strerror(errno));
		rc = top_session_handle(s, true, p, err);
		if (rc < 0)
			return rc;
	}
	if (s->trouble[0]) /* the table would look like all that there was */
		return err_set(err, -EIO, "%.299s", s->trouble);
	return 0;
}

static int print_table(const struct top_page *page, const struct top_query *q, struct err *err)
{
	const bool terminal = isatty(STDOUT_FILENO);
	struct buf out;
	int rc;

	buf_init(&out, TABLE_BYTES_MAX);
	rc = top_page_table(page, q, terminal ? terminal_columns(STDOUT_FILENO) : 0,
		terminal_has_colour(STDOUT_FILENO), &out);
	if (rc < 0)
		err_set(err, rc, "out of memory");
	else {
		rc = fd_write_all(STDOUT_FILENO, out.data, out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write to standard output: %s", strerror(-rc));
	}
	buf_free(&out);
	return rc;
}

static int print_json(const struct top_page *page, const struct top_query *q, struct err *err)
{
	json_t *object = top_page_json(page, q);
	int rc = object ? client_print_json(object, err) : err_set(err, -ENOMEM, "out of memory");

	json_decref(object);
	return rc;
}

static int print(struct top_session *s, struct err *err)
{
	const struct top_config *c = s->config;
	struct top_query q = {.view = c->view,
		.sort = c->sort,
		.span_s = c->span_s,
		.filter = c->filter,
		.limit = c->has_limit     ? c->limit
			 : c->client.json ? 0
					  : TABLE_ROWS};
	struct top_page *page;
	int rc = 0;

	if (c->replay)
		rc = top_model_seek(s->model, top_model_kept(s->model), err);
	if (!rc)
		rc = top_model_page(s->model, &q, &page, err);
	if (rc < 0)
		return rc;
	rc = c->client.json ? print_json(page, &q, err) : print_table(page, &q, err);
	return rc;
}

/* Whole intervals that make up the duration, none longer than the user's delay. */
static void fit_interval(struct top_config *c, double duration_s)
{
	const double n = ceil(duration_s / c->delay_s - 1e-9);
	const double interval_s = duration_s / (n > 1 ? n : 1);

	c->request.interval_s = interval_s > 0.1 ? interval_s : 0.1;
}

int top_once(const struct top_config *config)
{
	const double duration_s = config->duration_s > 0 ? config->duration_s : config->delay_s;
	struct top_config *c = malloc(sizeof(*c));
	struct top_session *s = malloc(sizeof(*s));
	struct err err = {0};
	int rc, status;

	if (!s || !c) {
		free(s);
		free(c);
		say("out of memory");
		return CLI_FAILED;
	}
	*c = *config;
	fit_interval(c, duration_s);
	rc = top_session_open(s, c, false, &err);
	if (!rc)
		rc = sample(s, duration_s, &err);
	top_session_stop(s);
	if (!rc && s->started_ns)
		rc = print(s, &err);
	if (rc < 0 && err.text[0])
		say("%s", err.text);
	status = rc < 0 || !s->started_ns ? CLI_FAILED : CLI_OK;
	if (s->stop_signal && !s->started_ns)
		status = 128 + s->stop_signal;
	status = top_session_close(s, status, STDOUT_FILENO);
	free(s);
	free(c);
	return status;
}
