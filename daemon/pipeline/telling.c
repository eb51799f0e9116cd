/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/telling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/fd.h"
#include "pipeline/cost.h"

enum {
	TICK_MS = 100, /* how long samples may wait in the ring */
	PROGRESS_TICKS = 2,
	LOOK_TICKS = 10, /* between two looks at /proc for targets whose end was not told */
	TOP_ROWS = 5,
	BUSY_SHOWN = 3,
};

void telling_open(struct telling *t, struct channel *channel, const struct record_request *request,
	const struct viewer *viewer)
{
	*t = (struct telling){.channel = channel, .request = request, .viewer = viewer};
	process_descendants(request->pids[0], &t->family, &t->n_family);
}

void telling_close(struct telling *t)
{
	free(t->family);
	t->family = NULL;
}

void telling_start(struct telling *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	t->start_unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	t->start_ns = t->tick_ns = clock_now_ns();
}

void telling_end(struct telling *t)
{
	t->end_ns = clock_now_ns();
}

/* ---- who it is about ---------------------------------------------------------------------------
 */

static uint32_t shown_pid(const struct telling *t, uint32_t pid)
{
	uint32_t shown = t->viewer ? viewer_pid_to(t->viewer, pid) : pid;

	return shown ? shown : pid;
}

char *telling_title(const struct telling *t, struct process_table *processes)
{
	struct buf text;
	const struct record_request *q = t->request;

	if (*q->title)
		return strdup(q->title);
	buf_init(&text, 4096);
	for (size_t i = 0; i < q->n_pids; i++) {
		const struct process *p = process_find(processes, q->pids[i]);

		buf_printf(&text, "%s%s (%u)", i ? ", " : "", p ? p->comm : "?",
			shown_pid(t, q->pids[i]));
	}
	return text.data;
}

/* The client hears its own numbers. */
int telling_started(const struct telling *t, struct process_table *processes)
{
	const struct record_request *q = t->request;
	char *title = telling_title(t, processes);
	uint32_t *pids = calloc(q->n_pids, sizeof(*pids));
	struct serve_started started = {
		.source = "ebpf", .title = title, .pids = pids, .n_pids = q->n_pids};
	int rc = -ENOMEM;

	for (size_t i = 0; pids && i < q->n_pids; i++)
		pids[i] = shown_pid(t, q->pids[i]);
	if (pids)
		rc = serve_send_started(t->channel, q->id, &started);
	free(title);
	free(pids);
	return rc;
}

/* ---- meanwhile ---------------------------------------------------------------------------------
 */

uint64_t telling_deadline_ns(const struct telling *t)
{
	if (!(t->request->duration_s > 0))
		return UINT64_MAX;
	return t->start_ns + (uint64_t)(t->request->duration_s * NS_PER_S);
}

int telling_wait_ms(const struct telling *t)
{
	uint64_t now = clock_now_ns(), deadline = telling_deadline_ns(t);

	if (deadline <= now)
		return 0;
	if (deadline - now < TICK_MS * NS_PER_MS)
		return (int)((deadline - now) / NS_PER_MS) + 1;
	return TICK_MS;
}

void telling_listen(struct telling *t)
{
	struct serve_call call;
	struct err err = {0};
	int rc;

	while ((rc = serve_next(t->channel, &call, &err)) == 1) {
		if (call.kind == SERVE_STOP && call.id == t->request->id)
			t->stop = true;
		else if (call.kind != SERVE_STOP) {
			err_set(&err, -EBUSY,
				"one recording is running on this connection already");
			serve_send_error(t->channel, call.id, &err);
		}
		serve_call_clear(&call);
	}
	if (rc < 0)
		t->gone = t->stop = true;
}

bool telling_tick(struct telling *t)
{
	uint64_t now = clock_now_ns();

	if (now - t->tick_ns < TICK_MS * NS_PER_MS)
		return false;
	t->tick_ns = now;
	t->ticks++;
	return t->ticks % PROGRESS_TICKS == 0;
}

void telling_progress(const struct telling *t, uint64_t samples, uint64_t lost)
{
	serve_send_progress(t->channel, t->request->id,
		(double)(clock_now_ns() - t->start_ns) / NS_PER_S, samples, lost);
}

bool telling_looks(const struct telling *t)
{
	return t->ticks % LOOK_TICKS == 0;
}

bool telling_is_over(struct telling *t, bool all_ended)
{
	t->ended = ENDED_STOPPED;
	if (clock_now_ns() >= telling_deadline_ns(t))
		t->ended = ENDED_DURATION;
	else if (all_ended)
		t->ended = ENDED_EXITED;
	return t->stop || t->ended != ENDED_STOPPED;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

int telling_write(int fd, const struct buf *bytes, struct err *err)
{
	int rc = fd_write_all(fd, bytes->data, bytes->len);

	return rc < 0 ? err_set(err, rc, "cannot write the profile: %s", strerror(-rc)) : 0;
}

/* The children that ran meanwhile, when the targets hardly did: the usual case of a server whose
 * parent process only looks after its workers. */
static void note_busy_children(const struct telling *t, double duration_s, struct notes *notes)
{
	struct process_busy busy[BUSY_SHOWN + 1];
	size_t n = process_busy_since(t->family, t->n_family, duration_s, busy, BUSY_SHOWN + 1);
	char names[200] = "";

	for (size_t i = 0, at = 0; i < n && i < BUSY_SHOWN; i++, at = strlen(names))
		snprintf(names + at, sizeof(names) - at, "%s%s (%u) %.0f %%", i ? ", " : "",
			busy[i].comm, busy[i].pid, busy[i].share * 100);
	if (n)
		notes_add(notes, "its children were busy: %s%s; add --subprocesses to profile them",
			names, n > BUSY_SHOWN ? " and others" : "");
}

static void note_idle(const struct telling *t, uint64_t samples, struct notes *notes)
{
	double duration_s = (double)(t->end_ns - t->start_ns) / NS_PER_S;
	double expected = duration_s * t->request->rate_hz;

	if ((double)samples > expected * 0.01 || t->request->subprocesses ||
		t->ended == ENDED_EXITED)
		return;
	notes_add(notes,
		"the process was idle: %llu samples in %.1f s; profile it under load, or longer",
		(unsigned long long)samples, duration_s);
	if (duration_s > 0.1)
		note_busy_children(t, duration_s, notes);
}

int telling_finished(const struct telling *t, struct profile *p, struct notes *notes, bool hidden)
{
	struct top_row top[TOP_ROWS];
	struct serve_finished finished = {.profile = p, .top = top, .ended = t->ended};
	int rc = analyze_top(p, TOP_ROWS, top, &finished.n_top);

	if (rc < 0)
		return rc;
	p->quality.profiler_cpu_ns = cost_cpu_ns();
	p->quality.profiler_rss_bytes = cost_peak_rss_bytes();
	note_idle(t, p->quality.samples, notes);
	if (hidden)
		notes_add(notes, "samples of processes with other rights than yours are not shown");
	finished.notes = notes->list;
	finished.n_notes = notes->n;
	return serve_send_finished(t->channel, t->request->id, &finished);
}
