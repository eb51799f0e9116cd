/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: samples of the whole host (or of what was chosen), window after window.
 *
 *     sampling --stacks--> the open window's tree --host_close_window--> struct window
 *                    +---> host_listener: live views
 */
#ifndef PROFD_PIPELINE_HOST_H
#define PROFD_PIPELINE_HOST_H

#include <poll.h>

#include "flow/window.h"
#include "pipeline/pipeline.h"
#include "pipeline/sampling.h"

struct host;

/* Starts sampling. NULL: not permitted, or no memory. */
struct host *host_open(const struct daemon_config *config, struct err *err);
void host_close(struct host *h);

/* Takes over what may change while it runs: what is profiled, rate, frames left as they are. */
void host_configure(struct host *h, const struct daemon_config *config);

struct sampling *host_sampling(struct host *h);

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

/* Told of every stack; for live views. */
typedef void host_listener(
	void *arg, struct process *p, const struct sample *s, const struct stack *stack);
void host_listen(struct host *h, host_listener *each, void *arg);

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
	double achieved_hz;          /* in the last window, of each CPU that ran something */
	double window_s;             /* of the last window */
	struct profile_quality last; /* of the last window */
	uint32_t processes;
	bool paused;
	uint32_t rate_hz;
	char selection[256]; /* for people */
};
void host_totals(const struct host *h, struct host_totals *out);

#endif
