/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the processes of a watch: which of the host's belong to it, by what was asked
 * for and what its client may see, and what the client is told of each. */
#ifndef PROFD_PIPELINE_WATCHED_H
#define PROFD_PIPELINE_WATCHED_H

#include "pipeline/host.h"
#include "serve/serve.h"

/* One program in one process, from exec to exec or exit. */
struct watched_program {
	bool wanted;
	uint32_t pid, shown_pid; /* profd's own number, the client's */
	char comm[64];
};

struct watched;

/* `request` has profd's own PIDs, and outlives it, as do the others; `viewer` NULL: sees all.
 * `shared`: the host samples others, too. NULL: a PID is not that of a process that can be
 * profiled, or out of memory. */
struct watched *watched_new(const struct watch_request *request, const struct viewer *viewer,
	struct host *host, bool shared, struct err *err);
void watched_free(struct watched *w); /* NULL is allowed */

/* A sample of the process has come. 1: it belongs to the watch; 0: it does not; -ENOMEM, -E2BIG: it
 * is lost. */
int watched_sampled(struct watched *w, struct process *p);

void watched_event(struct watched *w, const struct process_event *event);

/* The program by the number that stacks have for it (process.identity); NULL: none of the watch. */
const struct watched_program *watched_program(const struct watched *w, uint64_t identity);

/* The client's number of a thread of a process that was sampled. */
uint32_t watched_thread(struct watched *w, uint32_t tid); /* at the sample, while it is there */
uint32_t watched_thread_known(const struct watched *w, uint32_t tid); /* later */

/* Looks once who holds the GIL, in at most WATCHED_GILS processes that were busy in the interval
 * before or have been in this one. Whether there were any; watched_has_looks() asks the same
 * without looking. */
enum { WATCHED_GILS = 32 };
bool watched_look(struct watched *w);
bool watched_has_looks(const struct watched *w);

/* What the client is to be told; holds until the next call of anything here. 0 or -ENOMEM. After it
 * was told, watched_told() ends the interval: it forgets processes that have ended, and the looks
 * at the GIL. */
int watched_list(struct watched *w, const struct serve_watch_process **list, size_t *n);
void watched_told(struct watched *w);

/* Before the host forgets what it knows of processes that ended. Nothing refers to programs or
 * threads by their numbers any more. */
void watched_sweep(struct watched *w);

/* Whether all that were asked for by number have ended. */
bool watched_ended(const struct watched *w);

/* What is watched, for people: "python3 (4711), nginx (12)". The caller's to free; NULL: out of
 * memory. */
char *watched_title(const struct watched *w);

#endif
