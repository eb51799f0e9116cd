/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/listing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

static int process_compare(const void *a, const void *b)
{
	const struct serve_process *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples < y->samples ? 1 : -1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* The busiest first: what an answer has no room for is missing at its end. */
int listing_send(struct channel *ch, uint64_t id, const struct host *h, const struct viewer *viewer)
{
	struct host_totals totals;
	struct serve_process *list;
	struct host_row row;
	size_t at = 0, n = 0;
	int rc;

	host_totals(h, &totals);
	list = calloc(totals.processes + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	while (n < totals.processes && host_next(h, &at, &row)) {
		const struct series *s = row.series;

		if (!viewer_may_see(viewer, row.pid))
			continue;
		list[n++] = (struct serve_process){
			.pid = viewer_pid_to(viewer, row.pid),
			.uid = s->uid,
			.user = s->user,
			.comm = s->comm,
			.exe = *s->exe ? s->exe : NULL,
			.container = *s->container ? s->container : NULL,
			.python = *s->python ? s->python : NULL,
			.started_unix_s = (double)s->start_unix_ns / NS_PER_S,
			.threads = row.threads,
			.cpu = row.cpu,
			.samples = row.samples,
		};
	}
	qsort(list, n, sizeof(*list), process_compare);
	rc = serve_send_ps(ch, id, totals.window_s, list, n);
	free(list);
	return rc;
}
