/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/asking.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { TIME_BYTES = 64 };

static uint64_t unix_ns(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * (double)NS_PER_S) : 0;
}

static double unix_s(uint64_t ns)
{
	return (double)ns / NS_PER_S;
}

/* ---- what may be asked -------------------------------------------------------------------------
 */

/* The client's numbers of processes that are there now. Those of processes that have gone are known
 * by profd's own numbers alone, so a client of another namespace cannot ask for them. */
static int pids_translate(struct asking *a, struct err *err)
{
	for (size_t i = 0; i < a->of->n_pids; i++) {
		uint32_t pid = a->of->pids[i];

		if (a->viewer && !a->viewer->same_pid_namespace)
			pid = viewer_pid_from(a->viewer, pid);
		if (!pid)
			return err_set(err, -ESRCH,
				"there is no process %u in this PID namespace now; ask on the host for one that has ended",
				a->of->pids[i]);
		a->pids[a->n_pids++] = pid;
	}
	return 0;
}

/* In a container a user of the host is nobody that it knows, and root there is not root here: only
 * processes that are there now can be told to be its own. */
static int scope_check(const struct asking *a, struct err *err)
{
	if (!a->viewer || a->viewer->same_pid_namespace)
		return 0;
	if (!a->n_pids)
		return err_set(err, -EINVAL,
			"from within a container the store can be asked about single processes only; add --pid");
	for (size_t i = 0; i < a->n_pids; i++)
		if (!viewer_may_see(a->viewer, a->pids[i]))
			return err_set(err, -EPERM, "process %u is not yours", a->of->pids[i]);
	return 0;
}

int asking_admit(struct asking *a, const struct report_selection *of, const struct viewer *viewer,
	struct err *err)
{
	int rc;

	a->of = of;
	a->viewer = viewer;
	rc = pids_translate(a, err);
	return rc ? rc : scope_check(a, err);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

int asking_open(struct asking *a, const char *path, struct err *err)
{
	a->reader = store_reader_open(path, err);
	if (!a->reader)
		return err->code;
	store_reader_about(a->reader, &a->about);
	return 0;
}

static struct store_texts texts(char **list, size_t n)
{
	return (struct store_texts){(const char *const *)list, n};
}

int asking_read(
	struct asking *a, bool kernel, enum store_root root, size_t slices_max, struct err *err)
{
	const struct report_selection *of = a->of;
	const struct store_query query = {
		.since_unix_ns = unix_ns(of->since_unix_s),
		.until_unix_ns = unix_ns(of->until_unix_s),
		.pids = a->pids,
		.n_pids = a->n_pids,
		.comms = texts(of->comms, of->n_comms),
		.containers = texts(of->containers, of->n_containers),
		.users = texts(of->users, of->n_users),
		.threads = texts(of->threads, of->n_threads),
		.one_uid = a->viewer && !a->viewer->all,
		.uid = a->viewer ? a->viewer->uid : 0,
		.kernel = kernel,
		.root = root,
		.slices_max = slices_max,
	};
	int rc = store_read(a->reader, &query, &a->profile, err);

	if (!rc)
		store_reader_span(a->reader, &a->span);
	return rc;
}

void asking_close(struct asking *a)
{
	profile_free(a->profile);
	store_reader_close(a->reader);
	a->profile = NULL;
	a->reader = NULL;
}

/* ---- what is said of it ------------------------------------------------------------------------
 */

void asking_reported(const struct asking *a, struct serve_reported *out)
{
	*out = (struct serve_reported){
		.first_unix_s = unix_s(a->span.first_unix_ns),
		.last_unix_s = unix_s(a->span.last_unix_ns),
		.covered_s = unix_s(a->span.covered_ns),
		.longest_window_s = unix_s(a->span.longest_ns),
		.windows = a->span.windows,
		.samples = a->profile->quality.samples,
		.lost = a->profile->quality.lost,
	};
}

static const char *time_text(uint64_t ns, const char *format, char *to)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	*to = '\0';
	if (localtime_r(&s, &tm) && !strftime(to, TIME_BYTES, format, &tm))
		*to = '\0';
	return to;
}

/* The zone stands once, unless the clocks were changed in between. */
void asking_span(const struct asking *a, char to[ASKING_SPAN_BYTES])
{
	char from[TIME_BYTES], until[TIME_BYTES], zones[2][TIME_BYTES];
	bool same = !strcmp(time_text(a->span.first_unix_ns, "%Z", zones[0]),
		time_text(a->span.last_unix_ns, "%Z", zones[1]));

	snprintf(to, ASKING_SPAN_BYTES, "%.40s to %.60s",
		time_text(a->span.first_unix_ns, same ? "%F %T" : "%F %T %Z", from),
		time_text(a->span.last_unix_ns, "%F %T %Z", until));
}

void asking_notes(const struct asking *a, const char *side, struct notes *notes)
{
	const char *what = a->about.is_recording ? "file" : "store";
	uint64_t asked = unix_ns(a->of->since_unix_s);
	char from[TIME_BYTES];

	if (!a->span.windows) {
		notes_add(notes, "%sthe %s has no windows of that time", side, what);
		return;
	}
	if (!a->profile->quality.samples)
		notes_add(notes, "%sno sample of that time matches what was chosen", side);
	if (asked && a->span.first_unix_ns > asked + a->span.longest_ns + 60 * NS_PER_S)
		notes_add(notes, "%sthe %s's windows of that time begin at %s", side, what,
			time_text(a->span.first_unix_ns, "%F %T %Z", from));
}
