/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process has used so far, and which processes there are. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"
#include "process/procfs.h"

/* The kernel tells context switches by thread only, a file each. Beyond so many threads the rest is
 * left out, and with it the time that reading them takes. A process can make its files large (by
 * joining many groups): those are not read to their end either. */
enum { SWITCH_THREADS_MAX = 64, STATUS_MAX_BYTES = 16 << 10 };

static bool switches_add(
	int folder, const char *name, struct buf *scratch, struct series_usage *out)
{
	uint64_t number;
	int rc = procfs_read(folder, name, scratch, NULL);

	if (rc < 0 || !scratch->len)
		return rc == -ESRCH; /* a thread that just ended is no reason to stop */
	if (procfs_status_numbers(scratch->data, "voluntary_ctxt_switches:", &number, 1))
		out->voluntary_switches += number;
	if (procfs_status_numbers(scratch->data, "nonvoluntary_ctxt_switches:", &number, 1))
		out->involuntary_switches += number;
	return true;
}

/* The list comes in the order in which the threads began, so that two readings have the same ones.
 */
static int switches_read(int folder, struct buf *scratch, struct series_usage *out)
{
	char name[64];
	uint32_t *tids;
	size_t n;
	int rc;

	if (out->threads == 1) {
		switches_add(folder, "status", scratch, out);
		return 0;
	}
	rc = procfs_numbered(folder, "task", SWITCH_THREADS_MAX, &tids, &n);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "task/%u/status", tids[i]);
		if (!switches_add(folder, name, scratch, out))
			break;
	}
	free(tids);
	return 0;
}

static void io_read(int folder, struct buf *scratch, struct series_usage *out)
{
	uint64_t number;

	if (procfs_read(folder, "io", scratch, NULL) < 0 || !scratch->len)
		return;
	if (procfs_status_numbers(scratch->data, "read_bytes:", &number, 1))
		out->read_bytes = number;
	if (procfs_status_numbers(scratch->data, "write_bytes:", &number, 1))
		out->written_bytes = number;
}

int process_counters(uint32_t pid, struct series_usage *out)
{
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	FD_CLOSE int folder = procfs_open(pid);
	struct procfs_stat stat;
	struct buf scratch;
	int rc = folder;

	*out = (struct series_usage){0};
	if (folder < 0)
		return rc;
	buf_init(&scratch, STATUS_MAX_BYTES);
	rc = procfs_read(folder, "stat", &scratch, NULL);
	if (!rc && (!scratch.len || !procfs_stat_parse(scratch.data, &stat)))
		rc = -ESRCH;
	if (!rc) {
		out->user_ns = stat.user_ticks * tick_ns;
		out->system_ns = stat.system_ticks * tick_ns;
		out->rss_bytes = stat.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
		out->threads = stat.threads;
		rc = switches_read(folder, &scratch, out);
	}
	if (!rc)
		io_read(folder, &scratch, out);
	buf_free(&scratch);
	return rc;
}

static int compare_pids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int process_list(uint32_t **pids, size_t *n)
{
	int rc = procfs_numbered(AT_FDCWD, "/proc", SIZE_MAX, pids, n);

	if (!rc && *n)
		qsort(*pids, *n, sizeof(**pids), compare_pids);
	return rc;
}
