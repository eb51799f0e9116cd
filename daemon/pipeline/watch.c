/* SPDX-License-Identifier: BSD-2-Clause */
/* One client's watch over a host.
 *
 *     host --stacks--> watched: is it one of ours? --> gathering ---+
 *                         |                                         +--> watch_sender
 *                         +------------------------- processes -----+        every interval_s
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "pipeline/cost.h"
#include "pipeline/gathering.h"
#include "pipeline/targets.h"
#include "pipeline/watched.h"
#include "pipeline/watching.h"

enum { LOOK_MIN_MS = 80, LOOK_SPAN_MS = 20 }; /* between two looks at the GIL */

struct watch {
	struct watch_request request;         /* with PIDs of our own namespace */
	uint32_t client_pids[SERVE_PIDS_MAX]; /* the same as the client wrote them */
	struct host *host;
	bool shared;
	struct watched *watched;
	struct gathering *stacks;
	struct watch_sender *sender;
	struct namer namer;
	uint64_t start_ns, due_ns, look_ns;
	bool looks; /* there are processes to look at */
	unsigned n_looks;
	/* The open interval. */
	uint64_t interval_ns, interval_unix_ns; /* when it began */
	uint64_t lost, truncated, failed;
	struct host_meters before;
};

/* ---- names -------------------------------------------------------------------------------------
 */

/* The numbers of roots are given by watch_name() alone. */
static uint32_t no_number(void *arg, uint32_t pid, uint64_t identity)
{
	(void)arg;
	(void)pid;
	(void)identity;
	return 0;
}

static bool watch_name(
	void *arg, const struct location *l, struct intern *strings, struct frame *out)
{
	struct watch *w = arg;
	const struct watched_program *program;
	bool known;

	if (l->kind == FRAME_PROCESS) {
		program = watched_program(w->watched, l->address);
		out->name = intern(strings, program && *program->comm ? program->comm : "?");
		out->line = program ? program->shown_pid : (uint32_t)l->scope;
		return true;
	}
	known = location_name(&w->namer, l, strings, out);
	if (l->kind == FRAME_THREAD)
		out->line = watched_thread_known(w->watched, (uint32_t)l->scope);
	return known;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static int texts_copy(char ***to, size_t *n_to, char *const *from, size_t n)
{
	*to = calloc(n + 1, sizeof(**to));
	for (*n_to = 0; *to && *n_to < n; ++*n_to) {
		(*to)[*n_to] = strdup(from[*n_to]);
		if (!(*to)[*n_to])
			return -ENOMEM;
	}
	return *to ? 0 : -ENOMEM;
}

/* To be cleared also after an error. */
static int request_copy(struct watch_request *to, const struct watch_request *from)
{
	int rc;

	*to = *from;
	to->comms = to->containers = to->users = NULL;
	to->n_comms = to->n_containers = to->n_users = 0;
	rc = texts_copy(&to->comms, &to->n_comms, from->comms, from->n_comms);
	if (!rc)
		rc = texts_copy(
			&to->containers, &to->n_containers, from->containers, from->n_containers);
	return rc ? rc : texts_copy(&to->users, &to->n_users, from->users, from->n_users);
}

static void interval_begin(struct watch *w)
{
	struct timespec now;

	w->lost = w->truncated = w->failed = 0;
	w->interval_ns = clock_now_ns();
	clock_gettime(CLOCK_REALTIME, &now);
	w->interval_unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	host_meters(w->host, &w->before);
}

/* On the beat, unless that was missed by a whole interval. */
static void due_next(struct watch *w)
{
	uint64_t now = clock_now_ns(), span = (uint64_t)(w->request.interval_s * NS_PER_S);

	w->due_ns += span;
	if (w->due_ns <= now)
		w->due_ns = now + span;
}

static int rooms_open(struct watch *w, const struct viewer *viewer, struct err *err)
{
	const struct sampling *s = host_sampling(w->host);

	w->namer = (struct namer){.processes = s->processes,
		.python = s->python,
		.symbols = s->symbols,
		.stacker = s->stacker,
		.series = no_number};
	w->watched = watched_new(&w->request, viewer, w->host, w->shared, err);
	if (!w->watched)
		return err->code;
	w->stacks = gathering_new(watch_name, w, err);
	if (!w->stacks)
		return err->code;
	w->sender = watch_sender_new(w->request.id);
	return w->sender ? 0 : err_set(err, -ENOMEM, "out of memory");
}

struct watch *watch_open(const struct watch_request *request, const struct viewer *viewer,
	struct host *host, bool shared, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w || request_copy(&w->request, request) < 0) {
		watch_close(w);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	w->host = host;
	w->shared = shared;
	memcpy(w->client_pids, request->pids, sizeof(w->client_pids));
	rc = targets_admit(viewer, w->request.pids, w->request.n_pids, err);
	if (!rc)
		rc = rooms_open(w, viewer, err);
	if (rc) {
		watch_close(w);
		return NULL;
	}
	interval_begin(w);
	w->start_ns = w->due_ns = w->interval_ns;
	due_next(w);
	return w;
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	watch_sender_free(w->sender);
	gathering_free(w->stacks);
	watched_free(w->watched);
	watch_request_clear(&w->request);
	free(w);
}

uint64_t watch_id(const struct watch *w)
{
	return w->request.id;
}

/* Why there may be nothing to see, for people; "": nothing to say. */
static void note_make(const struct watch *w, char *to, size_t bytes)
{
	struct host_totals totals;

	*to = '\0';
	host_totals(w->host, &totals);
	if (totals.paused)
		snprintf(to, bytes, "profiling is paused; `profd resume` goes on");
	else if (totals.selected)
		snprintf(to, bytes,
			"the daemon profiles only %s; others can be watched with a rate of their own",
			totals.selection);
}

int watch_start(const struct watch *w, struct channel *ch)
{
	char *title = watched_title(w->watched), note[400];
	struct serve_started started = {
		.source = "ebpf",
		.title = title,
		.pids = w->client_pids,
		.n_pids = w->request.n_pids,
	};
	int rc;

	note_make(w, note, sizeof(note));
	if (*note)
		started.note = note;
	rc = serve_queue_started(ch, w->request.id, &started);
	free(title);
	return rc;
}

/* ---- samples -----------------------------------------------------------------------------------
 */

static bool is_failure(enum walk_end end)
{
	return end > WALK_TRUNCATED && end != WALK_NO_THREAD;
}

/* Not on a beat that a program might keep as well. */
static void look_next(struct watch *w)
{
	uint32_t spread = (++w->n_looks * 2654435761U) >> 16;

	w->look_ns = clock_now_ns() + (LOOK_MIN_MS + spread % LOOK_SPAN_MS) * NS_PER_MS;
}

void watch_add(
	struct watch *w, struct process *p, const struct sample *s, const struct stack *stack)
{
	int rc = watched_sampled(w->watched, p);

	if (rc <= 0) {
		w->lost += rc < 0;
		return;
	}
	if (!w->looks && watched_has_looks(w->watched)) {
		w->looks = true;
		look_next(w);
	}
	watched_thread(w->watched, s->tid);
	gathering_add(w->stacks, stack->locations, stack->n, s->weight_ns);
	w->truncated += s->user_end == WALK_TRUNCATED || s->python_end == WALK_TRUNCATED;
	w->failed += is_failure(s->user_end) || is_failure(s->python_end) || !stack->matched;
}

void watch_event(struct watch *w, const struct process_event *event)
{
	watched_event(w->watched, event);
}

void watch_settle(struct watch *w)
{
	gathering_settle(w->stacks);
	watched_sweep(w->watched);
}

/* ---- the GIL -----------------------------------------------------------------------------------
 */

void watch_look(struct watch *w)
{
	if (!w->looks || clock_now_ns() < w->look_ns)
		return;
	w->looks = watched_look(w->watched);
	look_next(w);
}

uint64_t watch_due_ns(const struct watch *w)
{
	return w->due_ns;
}

uint64_t watch_wakes_ns(const struct watch *w)
{
	return w->looks && w->look_ns < w->due_ns ? w->look_ns : w->due_ns;
}

/* ---- an interval -------------------------------------------------------------------------------
 */

static double percent(uint64_t now_ns, uint64_t before_ns, uint64_t span_ns)
{
	return now_ns >= before_ns && span_ns
		       ? 100.0 * (double)(now_ns - before_ns) / (double)span_ns
		       : -1;
}

static int interval_send(struct watch *w, struct channel *ch, const struct profile *p, bool last)
{
	uint64_t now = clock_now_ns();
	struct host_meters meters;
	struct host_totals totals;
	int rc;
	struct serve_watch message = {
		.start_unix_s = (double)w->interval_unix_ns / NS_PER_S,
		.interval_s = (double)(now - w->interval_ns) / NS_PER_S,
		.elapsed_s = (double)(now - w->start_ns) / NS_PER_S,
		.truncated = w->truncated,
		.failed = w->failed,
		.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
		.rss_bytes = cost_rss_bytes(),
		.shared = w->shared,
		.last = last,
		.profile = p,
	};

	host_meters(w->host, &meters);
	host_totals(w->host, &totals);
	message.rate_hz = totals.rate_hz;
	message.lost = w->lost + meters.lost - w->before.lost;
	message.cpu_percent = percent(meters.cpu_ns, w->before.cpu_ns, now - w->interval_ns);
	message.kernel_cpu_percent =
		percent(meters.kernel_ns, w->before.kernel_ns, now - w->interval_ns);
	rc = watched_list(w->watched, &message.processes, &message.n_processes);
	return rc ? rc : watch_sender_send(w->sender, ch, &message);
}

int watch_send(struct watch *w, struct channel *ch, bool last)
{
	struct profile *p;
	uint64_t lost;
	int rc;

	due_next(w);
	if (channel_is_queued(ch) && !last)
		return 0;
	p = gathering_take(w->stacks, &lost);
	if (!p) /* it goes on gathering */
		return last ? -ENOMEM : 0;
	w->lost += lost;
	rc = interval_send(w, ch, p, last);
	profile_free(p);
	watched_told(w->watched);
	w->looks = watched_look(w->watched);
	look_next(w);
	interval_begin(w);
	return rc;
}

bool watch_ended(const struct watch *w)
{
	return watched_ended(w->watched);
}
