/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: what one client asks of one store (struct report_selection), as a profile.
 *
 *   asking_admit   may the client ask that? its numbers of processes become profd's
 *   asking_open    the file, after privileges were given up
 *   asking_read    the profile */
#ifndef PROFD_PIPELINE_ASKING_H
#define PROFD_PIPELINE_ASKING_H

#include "base/notes.h"
#include "process/process.h"
#include "serve/serve.h"
#include "store/store.h"

struct asking {
	const struct report_selection *of;
	const struct viewer *viewer;   /* NULL: sees all */
	uint32_t pids[SERVE_PIDS_MAX]; /* profd's numbers of those that are asked for */
	size_t n_pids;
	struct store_reader *reader;
	struct store_about about;
	struct store_span span;
	struct profile *profile; /* after asking_read */
};

/* `a` is zeroed memory, to be closed by asking_close in any case; `of` and `viewer` outlive it.
 * -ESRCH, -EPERM, -EINVAL: a process that is not there, or not the client's; a question that it may
 * not ask. */
int asking_admit(struct asking *a, const struct report_selection *of, const struct viewer *viewer,
	struct err *err);

int asking_open(struct asking *a, const char *path, struct err *err);

/* `slices_max` as in struct store_query. */
int asking_read(
	struct asking *a, bool kernel, enum store_root root, size_t slices_max, struct err *err);
void asking_close(struct asking *a);

/* The members of an answer that say what was read; the others are 0. */
void asking_reported(const struct asking *a, struct serve_reported *out);

/* What people should know of an answer that is not what they may think. `side` tells two answers
 * apart: "before: "; "" where there is one. */
void asking_notes(const struct asking *a, const char *side, struct notes *notes);

/* "2026-11-20 03:00:00 to 2026-11-20 04:00:00 UTC": local time of the whole span. */
enum { ASKING_SPAN_BYTES = 128 };
void asking_span(const struct asking *a, char to[ASKING_SPAN_BYTES]);

#endif
