/* SPDX-License-Identifier: BSD-2-Clause */
/* store --> profile --> analyze --> table, or --> render: into the client's descriptor. */
#include "pipeline/reporting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "base/fd.h"
#include "pipeline/asking.h"
#include "pipeline/privileges.h"
#include "render/render.h"

enum { SLICES = 120 };

static const size_t output_max_bytes = (size_t)2 << 30;

struct reporting {
	const struct report_request *request;
	struct asking asking;
	struct report report;
	struct buf out;
	struct notes notes;
};

/* A picture keeps programs apart, one of a recording what the recording did; a table needs the
 * roots that it counts by. */
static enum store_root root_for(const struct reporting *r, bool is_table)
{
	enum report_by by = REPORT_FUNCTION;

	report_by_find(r->request->by, &by);
	if (by == REPORT_PROCESS)
		return STORE_ROOT_PROCESS;
	if (by == REPORT_THREAD)
		return STORE_ROOT_THREAD;
	if (by == REPORT_CONTAINER)
		return STORE_ROOT_CONTAINER;
	if (!is_table && r->asking.about.is_recording)
		return r->asking.about.root;
	return is_table || r->request->of.n_pids == 1 ? STORE_ROOT_NONE : STORE_ROOT_COMM;
}

static int table_make(struct reporting *r, const struct table_format *format, struct err *err)
{
	const struct report_request *q = r->request;
	const struct table_style style = {.columns = q->columns, .colours = q->colours};
	enum report_by by = REPORT_FUNCTION;
	int rc;

	report_by_find(q->by, &by);
	rc = analyze_report(r->asking.profile, by,
		strcmp(q->sort, "total") ? REPORT_SELF : REPORT_TOTAL, q->limit, &r->report);
	if (rc < 0)
		return err_set(err, rc, "out of memory for the report");
	return format->render(r->asking.profile, &r->report, &style, &r->out, err);
}

/* Of a daemon's store the time says most. A recording has a title of its own, which says it of the
 * whole recording. */
static int title_make(struct reporting *r, struct err *err)
{
	const struct report_selection *of = &r->request->of;
	struct profile *p = r->asking.profile;
	bool timed = of->since_unix_s > 0 || of->until_unix_s > 0;
	char span[ASKING_SPAN_BYTES] = "nothing was recorded then";
	struct buf title;

	if (r->asking.about.is_recording && !timed)
		return 0;
	if (r->asking.span.windows)
		asking_span(&r->asking, span);
	buf_init(&title, 1 << 16);
	if (r->asking.about.is_recording)
		buf_printf(&title, "%s, ", p->title);
	buf_puts(&title, span);
	if (buf_failed(&title)) {
		buf_free(&title);
		return err_set(err, -ENOMEM, "out of memory for the report");
	}
	free(p->title);
	p->title = title.data;
	return 0;
}

static int answer(struct reporting *r, struct channel *channel)
{
	struct serve_reported reported;

	asking_notes(&r->asking, "", &r->notes);
	asking_reported(&r->asking, &reported);
	reported.rows = r->report.n_rows;
	reported.rows_all = r->report.n_all;
	reported.notes = r->notes.list;
	reported.n_notes = r->notes.n;
	return serve_send_reported(channel, r->request->id, &reported);
}

static int output_make(
	struct reporting *r, const struct viewer *viewer, const char *path, struct err *err)
{
	const struct table_format *table = table_format_find(r->request->format);
	const struct render_format *picture = render_format_find(r->request->format);
	int rc = asking_admit(&r->asking, &r->request->of, viewer, err);

	if (rc)
		return rc;
	if (viewer)
		privileges_drop();
	rc = asking_open(&r->asking, path, err);
	if (!rc)
		rc = asking_read(&r->asking, r->request->kernel, root_for(r, table != NULL),
			table ? SLICES : 0, err);
	if (!rc)
		rc = title_make(r, err);
	if (rc)
		return rc;
	return table ? table_make(r, table, err) : picture->render(r->asking.profile, &r->out, err);
}

int reporting_run(struct channel *channel, const struct report_request *request,
	const struct viewer *viewer, const char *path, int output, struct err *err)
{
	struct reporting *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->request = request;
	buf_init(&r->out, output_max_bytes);
	rc = output_make(r, viewer, path, err);
	if (!rc) {
		rc = fd_write_all(output, r->out.data, r->out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write the report: %s", strerror(-rc));
	}
	if (!rc)
		rc = answer(r, channel);
	report_clear(&r->report);
	asking_close(&r->asking);
	buf_free(&r->out);
	free(r);
	return rc;
}
