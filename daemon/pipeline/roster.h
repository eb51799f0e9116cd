/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: who the sampled processes are, as long as an open window may speak of them. A
 * process gets a member with its first sample or at the end of the window it was first seen in; an
 * exec makes it another. `process.identity` is the number of its member. */
#ifndef PROFD_PIPELINE_ROSTER_H
#define PROFD_PIPELINE_ROSTER_H

#include "flow/window.h"
#include "pipeline/pipeline.h"
#include "process/process.h"

struct roster;
struct python;

struct member {
	uint64_t identity;
	struct series series;
	struct series_usage totals; /* when last read */
	bool has_totals;
	bool exited;
	bool selected;          /* by the configuration */
	uint64_t samples, last; /* in the open window, in the one before */
	uint32_t index;         /* in the window that is being closed, from 1; 0: not in it */
};

struct roster *roster_new(const struct daemon_config *config, struct err *err);
void roster_free(struct roster *r);

/* Other rules of what is selected, and whether command lines are read: for the members to come and
 * for those that are there. */
void roster_configure(struct roster *r, const struct daemon_config *config);

/* The member of a process, made from /proc where it is new (from what is known of it where it has
 * gone). NULL: out of memory. Holds until roster_trim. */
struct member *roster_member(struct roster *r, struct process *p);

struct member *roster_find(const struct roster *r, uint64_t identity); /* or NULL */
bool roster_next(const struct roster *r, size_t *at, struct member **out);
size_t roster_count(const struct roster *r);

/* Takes over the version of Python that the process runs: it is known a little after the process,
 * and no more once that has ended. */
void roster_python(struct member *m, const struct python *python);

/* Fills series and usage of a window with the members that were sampled or that live, and sets
 * their `index`. The versions of Python come from `python`. 0 or -ENOMEM. */
int roster_window(struct roster *r, const struct python *python, struct window *w);

/* After the window: forgets those that ended, and begins to count anew. */
void roster_trim(struct roster *r);

#endif
