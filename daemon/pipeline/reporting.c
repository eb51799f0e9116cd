/* SPDX-License-Identifier: BSD-2-Clause */
/* store --> profile --> analyze --> table, or --> render: into the client's descriptor. */
#include "pipeline/reporting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/notes.h"
#include "pipeline/privileges.h"
#include "render/render.h"
#include "store/store.h"

enum { SLICES = 120 };

static const size_t output_max_bytes = (size_t)2 << 30;

struct reporting {
	const struct report_request *request;
	const struct viewer *viewer;
	struct store_reader *reader;
	struct profile *profile;
	struct report report;
	struct store_span span;
	struct buf out;
	struct notes notes;
	uint32_t pids[SERVE_PIDS_MAX];
	size_t n_pids;
};

static uint64_t unix_ns(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * (double)NS_PER_S) : 0;
}

static double unix_s(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

static struct store_texts texts(char **list, size_t n)
{
	return (struct store_texts){(const char *const *)list, n};
}

/* A picture keeps programs apart; a table needs the roots that it counts by. */
static enum store_root root_for(const struct report_request *q, bool is_table)
{
	enum report_by by = REPORT_FUNCTION;

	report_by_find(q->by, &by);
	if (by == REPORT_PROCESS)
		return STORE_ROOT_PROCESS;
	if (by == REPORT_THREAD)
		return STORE_ROOT_THREAD;
	if (by == REPORT_CONTAINER)
		return STORE_ROOT_CONTAINER;
	return is_table || q->n_pids == 1 ? STORE_ROOT_NONE : STORE_ROOT_COMM;
}

/* The client's numbers of processes that are there now. Those of processes that have gone are known
 * by profd's own numbers alone, so a client of another namespace cannot ask for them. */
static int pids_translate(struct reporting *r, struct err *err)
{
	for (size_t i = 0; i < r->request->n_pids; i++) {
		uint32_t pid = r->request->pids[i];

		if (r->viewer && !r->viewer->same_pid_namespace)
			pid = viewer_pid_from(r->viewer, pid);
		if (!pid)
			return err_set(err, -ESRCH,
				"there is no process %u in this PID namespace now; ask on the host for one that has ended",
				r->request->pids[i]);
		r->pids[r->n_pids++] = pid;
	}
	return 0;
}

/* In a container a user of the host is nobody that it knows, and root there is not root here: only
 * processes that are there now can be told to be its own. */
static int scope_check(struct reporting *r, struct err *err)
{
	if (!r->viewer || r->viewer->same_pid_namespace)
		return 0;
	if (!r->n_pids)
		return err_set(err, -EINVAL,
			"from within a container the store can be asked about single processes only; add --pid");
	for (size_t i = 0; i < r->n_pids; i++)
		if (!viewer_may_see(r->viewer, r->pids[i]))
			return err_set(err, -EPERM, "process %u is not yours", r->request->pids[i]);
	return 0;
}

static int profile_read(struct reporting *r, bool is_table, struct err *err)
{
	const struct report_request *q = r->request;
	const struct store_query query = {
		.since_unix_ns = unix_ns(q->since_unix_s),
		.until_unix_ns = unix_ns(q->until_unix_s),
		.pids = r->pids,
		.n_pids = r->n_pids,
		.comms = texts(q->comms, q->n_comms),
		.containers = texts(q->containers, q->n_containers),
		.users = texts(q->users, q->n_users),
		.threads = texts(q->threads, q->n_threads),
		.one_uid = r->viewer && !r->viewer->all,
		.uid = r->viewer ? r->viewer->uid : 0,
		.kernel = q->kernel,
		.root = root_for(q, is_table),
		.slices_max = is_table ? SLICES : 0,
	};
	int rc = store_read(r->reader, &query, &r->profile, err);

	if (!rc)
		store_reader_span(r->reader, &r->span);
	return rc;
}

static int table_make(struct reporting *r, const struct table_format *format, struct err *err)
{
	const struct report_request *q = r->request;
	const struct table_style style = {.columns = q->columns, .colours = q->colours};
	enum report_by by = REPORT_FUNCTION;
	int rc;

	report_by_find(q->by, &by);
	rc = analyze_report(r->profile, by, strcmp(q->sort, "total") ? REPORT_SELF : REPORT_TOTAL,
		q->limit, &r->report);
	if (rc < 0)
		return err_set(err, rc, "out of memory for the report");
	return format->render(r->profile, &r->report, &style, &r->out, err);
}

static char *time_text(uint64_t ns, char *to, size_t bytes)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(to, bytes, "%F %T", &tm);
	return to;
}

static int title_make(struct reporting *r)
{
	char from[32], to[32], text[160];

	if (r->span.windows)
		snprintf(text, sizeof(text), "%s to %s",
			time_text(r->span.first_unix_ns, from, sizeof(from)),
			time_text(r->span.last_unix_ns, to, sizeof(to)));
	else
		snprintf(text, sizeof(text), "nothing was recorded then");
	free(r->profile->title);
	r->profile->title = strdup(text);
	return r->profile->title ? 0 : -ENOMEM;
}

static void notes_make(struct reporting *r)
{
	uint64_t asked = unix_ns(r->request->since_unix_s);

	if (!r->span.windows) {
		notes_add(&r->notes, "the store has no windows of that time");
		return;
	}
	if (!r->profile->quality.samples)
		notes_add(&r->notes, "no sample of that time matches what was chosen");
	if (asked && r->span.first_unix_ns > asked + r->span.longest_ns + 60 * NS_PER_S) {
		char from[32];

		notes_add(&r->notes, "the store's windows of that time begin at %s",
			time_text(r->span.first_unix_ns, from, sizeof(from)));
	}
}

static int answer(struct reporting *r, struct channel *channel)
{
	const struct serve_reported reported = {
		.first_unix_s = unix_s(r->span.first_unix_ns),
		.last_unix_s = unix_s(r->span.last_unix_ns),
		.covered_s = unix_s(r->span.covered_ns),
		.longest_window_s = unix_s(r->span.longest_ns),
		.windows = r->span.windows,
		.samples = r->profile->quality.samples,
		.lost = r->profile->quality.lost,
		.rows = r->report.n_rows,
		.rows_all = r->report.n_all,
		.notes = r->notes.list,
		.n_notes = r->notes.n,
	};

	return serve_send_reported(channel, r->request->id, &reported);
}

static int output_make(struct reporting *r, const char *path, struct err *err)
{
	const struct table_format *table = table_format_find(r->request->format);
	const struct render_format *picture = render_format_find(r->request->format);
	int rc = pids_translate(r, err);

	if (!rc)
		rc = scope_check(r, err);
	if (rc)
		return rc;
	if (r->viewer)
		privileges_drop();
	r->reader = store_reader_open(path, err);
	if (!r->reader)
		return err->code;
	rc = profile_read(r, table != NULL, err);
	if (!rc)
		rc = title_make(r);
	if (rc)
		return rc;
	return table ? table_make(r, table, err) : picture->render(r->profile, &r->out, err);
}

int reporting_run(struct channel *channel, const struct report_request *request,
	const struct viewer *viewer, const char *path, int output, struct err *err)
{
	struct reporting *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->request = request;
	r->viewer = viewer;
	buf_init(&r->out, output_max_bytes);
	rc = output_make(r, path, err);
	if (!rc) {
		rc = fd_write_all(output, r->out.data, r->out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write the report: %s", strerror(-rc));
	}
	if (!rc) {
		notes_make(r);
		rc = answer(r, channel);
	}
	report_clear(&r->report);
	profile_free(r->profile);
	store_reader_close(r->reader);
	buf_free(&r->out);
	free(r);
	return rc;
}
