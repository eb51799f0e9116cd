/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/roster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "pipeline/selection.h"
#include "python/python.h"

enum {
	IDLE_ALL = 250,   /* up to so many processes also idle ones are looked at in each window, */
	IDLE_WINDOWS = 6, /* with more of them once in so many */
};

struct roster {
	struct map *members; /* identity -> struct member * */
	uint64_t last;       /* identity given out */
	uint64_t windows;
	const struct daemon_config *config;
};

struct roster *roster_new(const struct daemon_config *config, struct err *err)
{
	struct roster *r = calloc(1, sizeof(*r));

	if (r)
		r->members = map_new(sizeof(uint64_t), sizeof(struct member *));
	if (!r || !r->members) {
		roster_free(r);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	r->config = config;
	return r;
}

static void member_free(struct member *m)
{
	series_clear(&m->series);
	free(m);
}

void roster_free(struct roster *r)
{
	struct member *m;
	size_t at = 0;

	if (!r)
		return;
	if (r->members)
		while (roster_next(r, &at, &m))
			member_free(m);
	map_free(r->members);
	free(r);
}

bool roster_next(const struct roster *r, size_t *at, struct member **out)
{
	const void *key;
	void *value;

	if (!map_next(r->members, at, &key, &value))
		return false;
	*out = *(struct member **)value;
	return true;
}

size_t roster_count(const struct roster *r)
{
	return map_count(r->members);
}

struct member *roster_find(const struct roster *r, uint64_t identity)
{
	struct member **m = map_get(r->members, &identity);

	return m ? *m : NULL;
}

void roster_configure(struct roster *r, const struct daemon_config *config)
{
	struct member *m;
	size_t at = 0;

	r->config = config;
	while (roster_next(r, &at, &m))
		m->selected = selection_matches(config, &m->series);
}

/* ---- new members -------------------------------------------------------------------------------
 */

static char *text_or_empty(const char *s)
{
	return strdup(s ? s : "");
}

/* Of a process that has gone: what the kernel's events told of it. */
static int series_from_events(const struct process *p, struct series *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	series_clear(s);
	*s = (struct series){.pid = p->pid,
		.start_ticks = p->start_ticks,
		.start_unix_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec,
		.uid = (uint32_t)-1};
	s->user = text_or_empty("");
	s->comm = text_or_empty(p->comm);
	s->exe = text_or_empty(p->exe);
	s->command_line = text_or_empty("");
	s->cgroup = text_or_empty("");
	s->container = text_or_empty("");
	s->python = text_or_empty("");
	return s->user && s->comm && s->exe && s->command_line && s->cgroup && s->container &&
			       s->python
		       ? 0
		       : -ENOMEM;
}

/* What a child shares with its parent as a rule, where it was gone before it could be asked. */
static void series_inherit(struct series *s, const struct series *parent)
{
	char **to[] = {&s->user, &s->cgroup, &s->container};
	char *const from[] = {parent->user, parent->cgroup, parent->container};

	memcpy(s->boot, parent->boot, sizeof(s->boot));
	s->uid = parent->uid;
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		char *copy = strdup(from[i]);

		if (!copy)
			continue;
		free(*to[i]);
		*to[i] = copy;
	}
}

static const struct member *member_of_pid(const struct roster *r, uint32_t pid)
{
	struct member *m;
	size_t at = 0;

	while (roster_next(r, &at, &m))
		if (m->series.pid == pid && !m->exited)
			return m;
	return NULL;
}

static struct member *member_new(struct roster *r, struct process *p)
{
	struct member *m = calloc(1, sizeof(*m)), **slot;
	const struct member *parent;
	int rc;

	if (!m)
		return NULL;
	rc = process_series(p->pid, r->config->command_lines, &m->series);
	if (rc == -ESRCH) {
		rc = series_from_events(p, &m->series);
		parent = rc ? NULL : member_of_pid(r, p->parent);
		if (parent)
			series_inherit(&m->series, &parent->series);
	}
	m->identity = r->last + 1;
	slot = rc ? NULL : map_put(r->members, &m->identity, NULL);
	if (!slot) {
		member_free(m);
		return NULL;
	}
	*slot = m;
	p->identity = r->last = m->identity;
	m->selected = selection_matches(r->config, &m->series);
	return m;
}

struct member *roster_member(struct roster *r, struct process *p)
{
	struct member *m = p->identity ? roster_find(r, p->identity) : NULL;

	return m ? m : member_new(r, p);
}

/* ---- the end of a window -----------------------------------------------------------------------
 */

static void usage_difference(
	const struct series_usage *now, const struct series_usage *before, struct series_usage *out)
{
	*out = (struct series_usage){
		.user_ns = now->user_ns - before->user_ns,
		.system_ns = now->system_ns - before->system_ns,
		.rss_bytes = now->rss_bytes,
		.threads = now->threads,
		.read_bytes = now->read_bytes - before->read_bytes,
		.written_bytes = now->written_bytes - before->written_bytes,
	};
	/* A thread that ended takes its switches along. */
	if (now->voluntary_switches > before->voluntary_switches)
		out->voluntary_switches = now->voluntary_switches - before->voluntary_switches;
	if (now->involuntary_switches > before->involuntary_switches)
		out->involuntary_switches =
			now->involuntary_switches - before->involuntary_switches;
}

static void usage_read(struct member *m, struct series_usage *out)
{
	struct series_usage now;

	*out = (struct series_usage){
		.rss_bytes = m->totals.rss_bytes, .threads = m->totals.threads};
	if (m->exited || process_counters(m->series.pid, &now) < 0)
		return;
	if (m->has_totals)
		usage_difference(&now, &m->totals, out);
	else {
		out->rss_bytes = now.rss_bytes;
		out->threads = now.threads;
	}
	m->totals = now;
	m->has_totals = true;
}

static int series_copy(struct series *to, const struct series *from)
{
	*to = *from;
	to->user = strdup(from->user);
	to->comm = strdup(from->comm);
	to->exe = strdup(from->exe);
	to->command_line = strdup(from->command_line);
	to->cgroup = strdup(from->cgroup);
	to->container = strdup(from->container);
	to->python = strdup(from->python);
	return to->user && to->comm && to->exe && to->command_line && to->cgroup && to->container &&
			       to->python
		       ? 0
		       : -ENOMEM;
}

void roster_python(struct member *m, const struct python *python)
{
	const char *version = m->exited ? "" : python_version(python, m->series.pid);
	char *copy;

	if (*version && strcmp(version, m->series.python) && (copy = strdup(version))) {
		free(m->series.python);
		m->series.python = copy;
	}
}

int roster_window(struct roster *r, const struct python *python, struct window *w)
{
	bool idle = roster_count(r) <= IDLE_ALL || r->windows % IDLE_WINDOWS == 0;
	struct member *m;
	size_t at = 0;

	r->windows++;
	w->series = calloc(roster_count(r) + 1, sizeof(*w->series));
	w->usage = calloc(roster_count(r) + 1, sizeof(*w->usage));
	if (!w->series || !w->usage)
		return -ENOMEM;
	while (roster_next(r, &at, &m)) {
		m->index = 0;
		if (!m->selected || (!m->samples && (m->exited || !idle)))
			continue;
		usage_read(m, &w->usage[w->n_series]);
		roster_python(m, python);
		if (series_copy(&w->series[w->n_series++], &m->series) < 0)
			return -ENOMEM;
		m->index = (uint32_t)w->n_series;
	}
	return 0;
}

void roster_trim(struct roster *r)
{
	uint64_t *ended = calloc(roster_count(r) + 1, sizeof(*ended));
	struct member *m;
	size_t at = 0, n = 0;

	while (roster_next(r, &at, &m)) {
		m->last = m->samples;
		m->samples = 0;
		if (m->exited && ended)
			ended[n++] = m->identity;
	}
	while (n) {
		m = roster_find(r, ended[--n]);
		map_del(r->members, &m->identity);
		member_free(m);
	}
	free(ended);
}
