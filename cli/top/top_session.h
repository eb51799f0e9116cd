/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: the other side. Asks the daemon or a private engine for a watch, holds and
 * releases the command, and puts what comes into the model. Knows nothing of the screen.
 *
 *   PREPARING --started--> WATCHING --the last interval, or trouble--> ENDED
 *        ^                    |                                          |
 *        +---- another rate --+----------- the daemon is back -----------+
 */
#ifndef PROFD_CLI_TOP_SESSION_H
#define PROFD_CLI_TOP_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/child.h"
#include "cli/choose.h"
#include "cli/signals.h"
#include "cli/top/top.h"
#include "cli/top/top_tail.h"

enum top_phase { TOP_PREPARING, TOP_WATCHING, TOP_ENDED };

struct top_session {
	const struct top_config *config;
	struct watch_request request; /* as it was asked for last */
	struct signals signals;
	struct choice choice;
	struct peer peer;
	struct watch_receiver *receiver;
	struct top_model *model;
	enum top_phase phase;
	char subject[300];         /* what is watched, for people; hostile */
	char trouble[300];         /* why nothing comes any more; "": nothing is wrong. Hostile */
	char news[300];            /* to be told once; "": none. Hostile */
	uint64_t started_ns;       /* of the first `started`; 0: there was none */
	uint64_t retry_ns;         /* when to look for a daemon that went; 0: never */
	double elapsed_s, rate_hz; /* as the last interval says */
	uint32_t rate_before;      /* while another rate is asked for */
	bool changing;
	/* The command */
	struct child child;
	struct top_tail
		*output; /* of the command, while there is a screen; NULL: it goes its way */
	int output_fd;
	int exec_error;  /* negative errno: it could not be run */
	int stop_signal; /* that asked us to end */
	bool forward;    /* it came to us alone: the command is to get it as well */
};

/* Connects, starts the command, and asks. `captures`: what the command writes is kept. 0 or
 * negative errno with a text; -ECANCELED: a signal came first. To be closed in any case. */
int top_session_open(
	struct top_session *s, const struct top_config *config, bool captures, struct err *err);

/* Ends the watch. The command goes on. */
void top_session_stop(struct top_session *s);

/* After that: waits for the command, with its output on `output_fd`, and frees all. `status` is
 * what the exit status would be without a command. */
int top_session_close(struct top_session *s, int status, int output_fd);

/* What to wait for, and what to do then. `reads`: whether samples are taken in. Whether the model
 * has changed; negative errno with a text: the watch has failed before it began. */
enum { TOP_SESSION_FDS = 4 };
void top_session_fds(const struct top_session *s, bool reads, struct pollfd p[TOP_SESSION_FDS]);
int top_session_handle(
	struct top_session *s, bool reads, const struct pollfd p[TOP_SESSION_FDS], struct err *err);

/* Asks anew, with this rate (0: the daemon's own) and this interval; what was seen stays. */
void top_session_ask(struct top_session *s, uint32_t rate_hz, double interval_s);

/* Looks whether a daemon that went is back. */
void top_session_retry(struct top_session *s);

#endif
