/* SPDX-License-Identifier: BSD-2-Clause */
/* The windows that an answer is made of, and how good they are. Inner to store/. */
#ifndef PROFD_STORE_WINDOWS_H
#define PROFD_STORE_WINDOWS_H

#include "store/reader.h"

struct read_window {
	int64_t id;
	uint64_t start_unix_ns, duration_ns;
	struct store_slice of; /* of this window alone */
};

struct read_windows {
	struct read_window *list; /* [n] in order of time */
	size_t n, cap;
	double requested; /* weighted sum */
	/* Of the windows whose rate is known: samples, and the seconds that it takes to make them
	 * so. */
	double timed_samples, timed_s;
};

/* Reads those of the query's time, and all of `quality` but its samples. `w` is zeroed memory, to
 * be freed also after an error. */
int windows_read(struct read_windows *w, struct db *db, const struct store_query *q,
	struct profile_quality *quality, struct err *err);
void windows_free(struct read_windows *w);

void windows_span(const struct read_windows *w, struct store_span *out);

/* What `n` windows in a row have in common. */
void windows_sum(const struct read_window *list, size_t n, struct store_slice *sum);

#endif
