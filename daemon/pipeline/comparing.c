/* SPDX-License-Identifier: BSD-2-Clause */
/* Two parts of stores --> two profiles --> analyze_diff --> table or picture: into the client's
 * descriptor. */
#include "pipeline/comparing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "base/clock.h"
#include "base/fd.h"
#include "pipeline/asking.h"
#include "pipeline/privileges.h"
#include "render/render.h"

enum {
	SLICES = 1000,     /* of a side: windows are what is permuted */
	LENGTHS_RATIO = 4, /* of the sides' slices; above that the coarser one is named */
};

static const size_t output_max_bytes = (size_t)2 << 30;
static const double rates_ratio = 1.05;

enum { BEFORE, AFTER, SIDES };

struct comparing {
	const struct diff_request *request;
	struct asking sides[SIDES];
	const char *paths[SIDES];
	struct diff diff;
	struct buf out;
	struct notes notes;
};

/* ---- notes -------------------------------------------------------------------------------------
 */

static bool same_texts(char *const *a, size_t n, char *const *b, size_t n_b)
{
	if (n != n_b)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

/* Whether both sides mean the same processes and threads of the same store. */
static bool same_subject(const struct comparing *c)
{
	const struct report_selection *a = &c->request->before, *b = &c->request->after;

	return !strcmp(c->paths[BEFORE], c->paths[AFTER]) && a->n_pids == b->n_pids &&
	       !memcmp(a->pids, b->pids, a->n_pids * sizeof(*a->pids)) &&
	       same_texts(a->comms, a->n_comms, b->comms, b->n_comms) &&
	       same_texts(a->containers, a->n_containers, b->containers, b->n_containers) &&
	       same_texts(a->users, a->n_users, b->users, b->n_users) &&
	       same_texts(a->threads, a->n_threads, b->threads, b->n_threads);
}

static void note_overlap(struct comparing *c)
{
	const struct store_span *a = &c->sides[BEFORE].span, *b = &c->sides[AFTER].span;
	uint64_t from = a->first_unix_ns > b->first_unix_ns ? a->first_unix_ns : b->first_unix_ns,
		 to = a->last_unix_ns < b->last_unix_ns ? a->last_unix_ns : b->last_unix_ns;

	if (a->windows && b->windows && from < to && same_subject(c))
		notes_add(&c->notes,
			"%.0f s are in both sides, and what is in both cannot differ; choose spans that do "
			"not overlap",
			(double)(to - from) / NS_PER_S);
}

static void note_rates(struct comparing *c)
{
	double a = c->sides[BEFORE].profile->quality.requested_hz,
	       b = c->sides[AFTER].profile->quality.requested_hz;

	if (a > 0 && b > 0 && (a > b * rates_ratio || b > a * rates_ratio))
		notes_add(&c->notes,
			"before was sampled at %.0f Hz, after at %.0f Hz: shares can be compared, numbers of "
			"samples cannot",
			a, b);
}

static double slice_s(const struct asking *side)
{
	const struct profile *p = side->profile;

	return p->n_slices ? (double)side->span.covered_ns / NS_PER_S / (double)p->n_slices : 0;
}

static void note_lengths(struct comparing *c)
{
	double a = slice_s(&c->sides[BEFORE]), b = slice_s(&c->sides[AFTER]);

	if (a > 0 && b > 0 && (a > b * LENGTHS_RATIO || b > a * LENGTHS_RATIO))
		notes_add(&c->notes,
			"before is known in steps of %.1f s, after of %.1f s: with few steps on a side only "
			"large changes can be told from chance",
			a, b);
}

static void notes_make(struct comparing *c)
{
	asking_notes(&c->sides[BEFORE], "before: ", &c->notes);
	asking_notes(&c->sides[AFTER], "after: ", &c->notes);
	note_overlap(c);
	note_rates(c);
	note_lengths(c);
}

/* ---- the comparison ----------------------------------------------------------------------------
 */

static int sides_admit(struct comparing *c, const struct viewer *viewer, struct err *err)
{
	int rc = asking_admit(&c->sides[BEFORE], &c->request->before, viewer, err);

	return rc ? rc : asking_admit(&c->sides[AFTER], &c->request->after, viewer, err);
}

static int title_make(struct asking *side)
{
	char span[ASKING_SPAN_BYTES] = "nothing was recorded then";
	struct buf title;

	if (side->span.windows)
		asking_span(side, span);
	buf_init(&title, 1 << 16);
	if (side->about.is_recording || side->profile->quality.samples)
		buf_printf(&title, "%s, ", side->profile->title);
	buf_puts(&title, span);
	if (buf_failed(&title)) {
		buf_free(&title);
		return -ENOMEM;
	}
	free(side->profile->title);
	side->profile->title = title.data;
	return 0;
}

static int sides_read(struct comparing *c, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < SIDES && !rc; i++) {
		rc = asking_open(&c->sides[i], c->paths[i], err);
		if (!rc)
			rc = asking_read(
				&c->sides[i], c->request->kernel, STORE_ROOT_NONE, SLICES, err);
		if (!rc && title_make(&c->sides[i]) < 0)
			rc = err_set(err, -ENOMEM, "out of memory for the comparison");
	}
	return rc;
}

/* All rows are compared in any case: the worst one, and the picture, are of all. */
static int compare(struct comparing *c, struct err *err)
{
	const struct diff_request *q = c->request;
	enum report_by by = REPORT_FUNCTION;
	int rc;

	report_by_find(q->by, &by);
	rc = analyze_diff(c->sides[BEFORE].profile, c->sides[AFTER].profile, by,
		strcmp(q->sort, "total") ? REPORT_SELF : REPORT_TOTAL, 0, &c->diff);
	return rc < 0 ? err_set(err, rc,
				rc == -ENOMEM ? "out of memory for the comparison"
					      : "the stores cannot be compared")
		      : 0;
}

static const struct diff_share *sorted_share(const struct diff *d, const struct diff_row *row)
{
	return d->sort == REPORT_TOTAL ? &row->total : &row->self;
}

/* The largest growth that is significant; NULL: there is none. */
static const struct diff_row *worst_of(const struct diff *d, size_t n_rows)
{
	const struct diff_row *worst = NULL;
	double most = 0;

	for (size_t i = 0; i < n_rows; i++) {
		const struct diff_share *share = sorted_share(d, &d->rows[i]);

		if (!share->significant || share->after - share->before <= most)
			continue;
		worst = &d->rows[i];
		most = share->after - share->before;
	}
	return worst;
}

static int answer(struct comparing *c, size_t n_rows, struct channel *channel)
{
	const struct diff_row *worst = worst_of(&c->diff, n_rows);
	struct serve_compared compared = {.diff = &c->diff};

	notes_make(c);
	asking_reported(&c->sides[BEFORE], &compared.before);
	asking_reported(&c->sides[AFTER], &compared.after);
	if (worst) {
		const struct diff_share *share = sorted_share(&c->diff, worst);

		compared.worst = share->after - share->before;
		compared.worst_function = worst->name;
	}
	compared.notes = c->notes.list;
	compared.n_notes = c->notes.n;
	return serve_send_compared(channel, c->request->id, &compared);
}

static int render(struct comparing *c, struct err *err)
{
	const struct diff_request *q = c->request;
	const struct diff_format *format = diff_format_find(q->format);
	const struct table_style style = {.columns = q->columns, .colours = q->colours};

	if (!format)
		return err_set(err, -EINVAL, "'%.40s' is not a format of comparisons", q->format);
	/* A picture shows all of them. */
	if (q->limit && q->limit < c->diff.n_rows && !render_format_find(q->format))
		c->diff.n_rows = q->limit;
	return format->render(
		c->sides[BEFORE].profile, c->sides[AFTER].profile, &c->diff, &style, &c->out, err);
}

static int run(struct comparing *c, struct channel *channel, const struct viewer *viewer,
	int output, struct err *err)
{
	size_t n_rows = 0;
	int rc = sides_admit(c, viewer, err);

	if (rc)
		return rc;
	if (viewer)
		privileges_drop();
	rc = sides_read(c, err);
	if (!rc)
		rc = compare(c, err);
	if (!rc) {
		n_rows = c->diff.n_rows;
		rc = render(c, err);
	}
	if (!rc) {
		rc = fd_write_all(output, c->out.data, c->out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write the comparison: %s", strerror(-rc));
	}
	return rc ? rc : answer(c, n_rows, channel);
}

int comparing_run(struct channel *channel, const struct diff_request *request,
	const struct viewer *viewer, const char *path, int output, struct err *err)
{
	struct comparing *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->request = request;
	c->paths[BEFORE] = *request->before.store ? request->before.store : path;
	c->paths[AFTER] = *request->after.store ? request->after.store : path;
	buf_init(&c->out, output_max_bytes);
	rc = run(c, channel, viewer, output, err);
	diff_clear(&c->diff);
	for (int i = 0; i < SIDES; i++)
		asking_close(&c->sides[i]);
	buf_free(&c->out);
	free(c);
	return rc;
}
