/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: samples of the whole host (or of what was chosen), window after window.
 *
 *     sampling --stacks--> the open window's tree --host_close_window--> struct window
 *                    +---> host_listener: live views, watches
 *
 * A host samples every process there is, or a few that were asked for (struct host_targets); all
 * else is the same for both. */
#ifndef PROFD_PIPELINE_HOST_H
#define PROFD_PIPELINE_HOST_H

#include <poll.h>

#include "flow/window.h"
#include "pipeline/pipeline.h"
#include "pipeline/sampling.h"

struct host;

/* Instead of the whole host: these processes, with an event for each of their threads. */
struct host_targets {
	const uint32_t *pids;        /* profd's own numbers; they outlive the host */
	size_t n_pids;               /* 0: the whole host after all */
	bool subprocesses, on_exec;  /* as in a recording */
	const struct viewer *viewer; /* NULL: sees all; else nothing else is sampled for it */
};

/* Starts sampling. `targets` may be NULL: the whole host, for one who sees all. NULL: not
 * permitted, no such process, or no memory. */
struct host *host_open(
	const struct daemon_config *config, const struct host_targets *targets, struct err *err);
void host_close(struct host *h);

/* Takes over what may change while it runs: what is profiled, rate, frames left as they are. */
void host_configure(struct host *h, const struct daemon_config *config);

struct sampling *host_sampling(struct host *h);

/* Whether all targets have ended. `look`: also in /proc, for those whose end was not told. Never
 * for a whole host. */
bool host_ended(struct host *h, bool look);

/* Whether there were samples of processes that the viewer of the targets may not see. */
bool host_hides(const struct host *h);

int host_pause(struct host *h, bool paused, struct err *err);
void host_set_rate(
	struct host *h, uint32_t rate_hz); /* opens a new window: close the old one first */

/* To be called when something waits (host_poll fills what to poll for) or a tick is over. */
enum { HOST_POLLS = 2 };
void host_poll(const struct host *h, struct pollfd fds[HOST_POLLS]);
void host_drain(struct host *h);

/* Closes the open window and opens the next. NULL: out of memory, said in the log, and its samples
 * are counted as lost. */
struct window *host_close_window(struct host *h);

/* Who is told of every stack that was kept: live views. */
struct host_listener {
	void *arg;
	void (*stack)(
		void *arg, struct process *p, const struct sample *s, const struct stack *stack);
	/* What happened to a known process, in the order of time with the stacks. May be NULL. */
	void (*event)(void *arg, const struct process_event *event, struct process *p);
	/* Right after this much is forgotten that stacks told so far are made of: whoever has not
	 * named them yet does it now. May be NULL. */
	void (*settle)(void *arg);
};
void host_listen(struct host *h, const struct host_listener *listener); /* copied; NULL: nobody */

/* Who a process is; holds until the next host_close_window. NULL: out of memory. */
const struct series *host_series(struct host *h, struct process *p);

/* Since the start, up to now. */
struct host_meters {
	uint64_t lost;
	uint64_t cpu_ns, kernel_ns; /* profd's own, its programs in the kernel */
};
void host_meters(const struct host *h, struct host_meters *out);

/* A process as `ps` shows it; texts hold until the next drain. */
struct host_row {
	uint32_t pid;
	const struct series *series;
	uint32_t threads;
	double cpu; /* CPUs used in the last window, by samples */
	uint64_t samples;
};
bool host_next(const struct host *h, size_t *at, struct host_row *out);

struct host_totals {
	uint64_t samples, lost, truncated; /* since the start */
	uint64_t windows;
	double achieved_hz;          /* in the last window, of each CPU (thread) that ran */
	double window_s;             /* of the last window */
	struct profile_quality last; /* of the last window */
	uint32_t processes;
	bool paused;
	uint32_t rate_hz;
	bool selected;       /* not every process is profiled, but */
	char selection[256]; /* these, for people */
};
void host_totals(const struct host *h, struct host_totals *out);

#endif
