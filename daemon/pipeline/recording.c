/* SPDX-License-Identifier: BSD-2-Clause */
/* One recording for one client.
 *
 *     sampling --stacks--> aggregate --> profile --> render --> the client's file
 *                                           +-----> analyze --> the client's summary
 *
 * One into a profile file is keeping.c's. */
#include "pipeline/recording.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/cost.h"
#include "pipeline/keeping.h"
#include "pipeline/sampling.h"
#include "pipeline/targets.h"
#include "pipeline/telling.h"
#include "render/render.h"

#define LOG_ROOM "recording"
#include "base/log.h"

static const size_t output_max_bytes = (size_t)2 << 30;

struct recording {
	const struct record_request *request;
	struct telling telling;
	struct sampling sampling;
	struct aggregate *tree;
	struct targets targets;
};

/* ---- what sampling asks and tells --------------------------------------------------------------
 */

static void on_event(void *arg, const struct process_event *event, struct process *p)
{
	struct recording *r = arg;

	targets_event(&r->targets, event, p);
}

static bool on_wants(void *arg, struct process *p)
{
	struct recording *r = arg;

	return targets_want(&r->targets, p->pid);
}

static bool on_stack(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack)
{
	struct recording *r = arg;

	if (!p && r->telling.viewer)
		return true; /* of a process that ended before anything was known of it */
	return aggregate_add(r->tree, stack->locations, stack->n, s->weight_ns) == 0;
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int rooms_open(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;
	const struct sampling_options options = {
		.collect = {.rate_hz = q->rate_hz,
			.kernel_stacks = q->kernel,
			.native_stacks = q->native,
			.per_cpu = !q->on_exec && targets_are_many(&r->targets)},
		/* With --subprocesses there are, or may come, several processes. */
		.stacks = {.process_root = q->n_pids > 1 || q->subprocesses,
			.thread_root = q->threads,
			.native = q->native},
	};
	const struct sampling_hooks hooks = {
		.arg = r, .wants = on_wants, .stack = on_stack, .event = on_event};

	r->tree = aggregate_new(err);
	return r->tree ? sampling_open(&r->sampling, &options, &hooks, err) : err->code;
}

static int recording_start(struct recording *r, struct err *err)
{
	const struct record_request *q = r->request;
	const struct host_targets of = {.pids = q->pids,
		.n_pids = q->n_pids,
		.subprocesses = q->subprocesses,
		.on_exec = q->on_exec,
		.viewer = r->telling.viewer};
	int rc = targets_open(&r->targets, &of, err);

	if (!rc)
		rc = rooms_open(r, err);
	if (!rc)
		rc = targets_start(&r->targets, &r->sampling, err);
	telling_start(&r->telling);
	return rc;
}

static void recording_close(struct recording *r)
{
	sampling_close(&r->sampling);
	aggregate_free(r->tree);
	targets_close(&r->targets);
	telling_close(&r->telling);
}

/* ---- run ---------------------------------------------------------------------------------------
 */

static void progress_tell(struct recording *r)
{
	struct collect_stats stats;

	collect_stats(r->sampling.collect, &stats);
	telling_progress(
		&r->telling, r->sampling.quality.samples, stats.lost + r->sampling.quality.lost);
}

static void recording_follow(struct recording *r)
{
	struct telling *t = &r->telling;
	struct pollfd fds[] = {{.fd = channel_fd(t->channel), .events = POLLIN},
		{.fd = collect_fd(r->sampling.collect), .events = POLLIN},
		{.fd = process_watch_fd(r->sampling.watch), .events = POLLIN}};
	bool over = false;

	while (!over) {
		poll(fds, 3, telling_wait_ms(t));
		sampling_drain(&r->sampling);
		telling_listen(t);
		if (telling_tick(t))
			progress_tell(r);
		over = telling_is_over(
			t, targets_ended(&r->targets, r->sampling.processes, telling_looks(t)));
	}
	telling_end(t);
	collect_detach(r->sampling.collect);
	sampling_drain(&r->sampling);
}

/* ---- finish ------------------------------------------------------------------------------------
 */

static void quality_fill(struct recording *r, struct profile_quality *q)
{
	struct collect_stats stats;
	uint64_t taken;

	collect_stats(r->sampling.collect, &stats);
	*q = r->sampling.quality;
	q->duration_ns = r->telling.end_ns - r->telling.start_ns;
	q->lost += stats.lost;
	q->requested_hz = r->request->rate_hz;
	taken = q->samples + q->lost;
	/* Per second that the threads really ran; where that is not known, what was not lost. */
	if (stats.running_ns)
		q->achieved_hz = (double)q->samples * NS_PER_S / (double)stats.running_ns;
	else if (taken)
		q->achieved_hz = q->requested_hz * (double)q->samples / (double)taken;
	q->profiler_kernel_ns = stats.run_ns;
	q->profiler_cpu_ns = cost_cpu_ns();
	q->profiler_rss_bytes = cost_peak_rss_bytes();
	log_debug("%llu runs of the sampling program, %llu ns each; %llu samples deferred",
		(unsigned long long)stats.runs,
		(unsigned long long)(stats.runs ? stats.run_ns / stats.runs : 0),
		(unsigned long long)stats.deferred);
	if (r->sampling.first_sample_ns)
		log_debug("first sample %.1f ms after the start",
			((double)r->sampling.first_sample_ns - (double)r->telling.start_ns) /
				NS_PER_MS);
}

static struct profile *profile_make(struct recording *r, struct err *err)
{
	struct namer namer = {.processes = r->sampling.processes,
		.python = r->sampling.python,
		.symbols = r->sampling.symbols,
		.stacker = r->sampling.stacker};
	struct profile *p = aggregate_profile(r->tree, location_name, &namer, err);
	struct profile_quality named;

	if (!p)
		return NULL;
	named = p->quality;
	quality_fill(r, &p->quality);
	p->quality.unsymbolized_frames = named.unsymbolized_frames;
	p->quality.frames_seen = named.frames_seen;
	p->start_unix_ns = r->telling.start_unix_ns;
	p->title = telling_title(&r->telling, r->sampling.processes);
	p->source = strdup("ebpf");
	if (p->title && p->source)
		return p;
	profile_free(p);
	err_set(err, -ENOMEM, "out of memory for the profile");
	return NULL;
}

static int profile_write(
	const struct recording *r, const struct profile *p, int fd, struct err *err)
{
	const struct render_format *format = render_format_find(r->request->format);
	struct buf out;
	int rc;

	buf_init(&out, output_max_bytes);
	rc = format->render(p, &out, err);
	if (!rc)
		rc = telling_write(fd, &out, err);
	buf_free(&out);
	return rc;
}

static int recording_finish(struct recording *r, int output, struct err *err)
{
	struct profile *p = profile_make(r, err);
	int rc;

	if (!p)
		return err->code;
	rc = profile_write(r, p, output, err);
	if (!rc)
		rc = telling_finished(&r->telling, p, &r->sampling.notes, r->targets.hidden);
	profile_free(p);
	return rc;
}

int recording_run(struct channel *channel, const struct record_request *request,
	const struct viewer *viewer, int output, struct err *err)
{
	struct recording *r;
	int rc;

	if (!strcmp(request->format, SERVE_FORMAT_PROFD))
		return keeping_run(channel, request, viewer, output, KEEPING_BYTES_MAX, err);
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->request = request;
	telling_open(&r->telling, channel, request, viewer);
	rc = recording_start(r, err);
	if (!rc)
		rc = telling_started(&r->telling, r->sampling.processes);
	if (!rc) {
		recording_follow(r);
		rc = r->telling.gone ? -EPIPE : recording_finish(r, output, err);
	}
	recording_close(r);
	free(r);
	return rc;
}
