/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells of processes, applied to the table. A host starts dozens of processes a
 * second, most of which are gone before anybody looks: so what the records say is believed, and
 * /proc is asked only where they say too little. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/rings.h"
#include "process/table.h"

#define LOG_ROOM "process"
#include "base/log.h"

enum {
	/* Unmapped memory is told by no record: after so many new mappings the maps file is read.
	 */
	APPLIED_MAX = 64,
};
static const uint64_t alive_look_ns = 100 * NS_PER_MS;
static const uint64_t reread_pause_ns = NS_PER_S;
/* How long before its record a fork can have taken the time that counts as the child's start. */
static const uint64_t fork_latency_ns = 2 * NS_PER_MS;

/* Processes by number, each once. */
struct pids {
	struct pid_entry {
		uint32_t pid, tid;
		uint64_t time_ns; /* of the last change; or before which nobody looks again */
	} * list;
	size_t n, cap;
};

struct process_watch {
	struct process_table *table;
	struct rings *rings;
	struct pids changed; /* their mappings: reported at the end of a drain */
	struct pids ending;  /* have begun to end and are not known to have ended */
	bool host;
	bool has_lost; /* since all processes were read again */
	uint64_t reread_ns, ksymbol_ns, lost;
	uint64_t ns_per_tick;
};

/* One call of process_watch_drain. */
struct drain {
	struct process_watch *w;
	void (*each)(void *arg, const struct process_event *event);
	void *arg;
	uint64_t time_ns; /* of the record at hand */
	int n;
};

struct process_watch *process_watch_open(struct process_table *t, struct err *err)
{
	struct process_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	w->table = t;
	w->ns_per_tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	w->rings = rings_open(err);
	if (w->rings)
		return w;
	process_watch_close(w);
	return NULL;
}

void process_watch_close(struct process_watch *w)
{
	if (!w)
		return;
	rings_close(w->rings);
	free(w->changed.list);
	free(w->ending.list);
	free(w);
}

int process_watch_fd(const struct process_watch *w)
{
	return rings_fd(w->rings);
}

uint64_t process_watch_lost(const struct process_watch *w)
{
	return w->lost;
}

void process_watch_host(struct process_watch *w)
{
	w->host = true;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

static void tell(struct drain *d, const struct process_event *event)
{
	d->each(d->arg, event);
	d->n++;
}

static void tell_of(struct drain *d, enum process_event_kind kind, const struct process *p)
{
	tell(d, &(struct process_event){.kind = kind,
			.time_ns = d->time_ns,
			.pid = p->pid,
			.tid = p->pid,
			.parent = p->parent});
}

/* NULL: out of memory. */
static struct pid_entry *pids_add(struct pids *set, uint32_t pid)
{
	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 64;
		struct pid_entry *list = realloc(set->list, cap * sizeof(*list));

		if (!list)
			return NULL;
		set->list = list;
		set->cap = cap;
	}
	set->list[set->n] = (struct pid_entry){.pid = pid, .tid = pid};
	return &set->list[set->n++];
}

static void changed_add(struct drain *d, struct process *p, uint32_t tid)
{
	struct pid_entry *e = p->is_changed ? NULL : pids_add(&d->w->changed, p->pid);

	if (!e)
		return;
	p->is_changed = true;
	e->tid = tid;
	e->time_ns = d->time_ns;
}

/* With each further sign of an end it is looked at without delay. */
static void ending_add(struct drain *d, struct process *p)
{
	struct pids *ending = &d->w->ending;

	if (!p->is_ending) {
		p->is_ending = pids_add(ending, p->pid) != NULL;
		return;
	}
	for (size_t i = 0; i < ending->n; i++)
		if (ending->list[i].pid == p->pid)
			ending->list[i].time_ns = 0;
}

/* ---- who a record is about ---------------------------------------------------------------------
 */

/* Field 22 of /proc/PID/stat: the time between boot and the process, sleep of the machine included,
 * while records have it without. */
static uint64_t ticks_at(const struct process_watch *w, uint64_t time_ns)
{
	struct timespec boot;
	uint64_t since_boot_ns;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	since_boot_ns = (uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec;
	return (since_boot_ns - (clock_now_ns() - time_ns)) / w->ns_per_tick;
}

/* The start of a process by the time of its fork. Where that is just behind the turn of a tick the
 * kernel may still count it to the one before: then /proc tells, if the process is there. */
static uint64_t start_of(const struct process_watch *w, uint32_t pid, uint64_t time_ns)
{
	uint64_t last = ticks_at(w, time_ns), first = ticks_at(w, time_ns - fork_latency_ns);
	struct process_usage now;

	if (first != last && process_usage_read(pid, &now) && now.start_ticks >= first &&
		now.start_ticks <= last)
		return now.start_ticks;
	return last;
}

/* The process of a record. One that is not known is of interest to whoever watches the host: then
 * it is taken up as it is in /proc by now. */
static struct process *subject(struct drain *d, uint32_t pid)
{
	struct process *p = process_find(d->w->table, pid);

	if (p || !pid || !d->w->host)
		return p;
	p = process_get(d->w->table, pid, NULL);
	if (p)
		tell_of(d, PROCESS_FORKED, p);
	return p;
}

/* Its end was not noticed, but its number has been given out again. */
static void replace(struct drain *d, struct process *old)
{
	if (old->exited)
		return;
	old->exited = true;
	tell_of(d, PROCESS_EXITED, old);
}

/* ---- records -----------------------------------------------------------------------------------
 */

/* Layouts from perf_event_open(2); the strings are NUL-terminated and padded. */
struct record_task { /* PERF_RECORD_FORK, PERF_RECORD_EXIT */
	struct perf_event_header header;
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct record_comm {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct record_mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, file_offset;
	uint32_t major, minor;
	uint64_t inode, inode_generation;
	uint32_t protection, flags;
	char path[];
};

struct record_lost {
	struct perf_event_header header;
	uint64_t id, lost;
};

static void apply_thread(struct drain *d, const struct record_task *r)
{
	struct process *p = subject(d, r->pid);

	if (!p)
		return;
	if (p->n_threads >= 0)
		p->n_threads++;
	tell(d, &(struct process_event){.kind = PROCESS_THREAD,
			.time_ns = d->time_ns,
			.pid = r->pid,
			.tid = r->tid,
			.parent = r->ppid});
}

/* A child of a process that is not known: it has the mappings of now, if it lives. */
static struct process *fork_of_unknown(
	struct drain *d, const struct record_task *r, uint64_t start_ticks)
{
	struct process *p = process_add(d->w->table, r->pid);

	if (!p)
		return NULL;
	p->parent = r->ppid;
	p->start_ticks = start_ticks;
	process_reread(d->w->table, p);
	return p;
}

static void apply_fork(struct drain *d, const struct record_task *r)
{
	struct process *parent = process_find(d->w->table, r->ppid);
	struct process *p = process_find(d->w->table, r->pid);
	uint64_t start;

	if (!r->pid || (!parent && !d->w->host))
		return;
	start = start_of(d->w, r->pid, d->time_ns);
	if (p && !p->exited && process_same_start(p->start_ticks, start)) {
		/* Read from /proc before its fork was told. */
		tell_of(d, PROCESS_FORKED, p);
		return;
	}
	if (p)
		replace(d, p);
	parent = process_find(d->w->table, r->ppid);
	p = parent ? process_fork(d->w->table, parent, r->pid) : fork_of_unknown(d, r, start);
	if (!p)
		return;
	p->start_ticks = start;
	p->n_threads = 1;
	tell_of(d, PROCESS_FORKED, p);
}

/* The kernel tells of an exit while the thread is still there. Where its threads were not counted
 * from the start, whether the process has ended is looked up later, by exits_tell: its main thread
 * may end before the others do. */
static void apply_exit(struct drain *d, const struct record_task *r)
{
	struct process *p = process_find(d->w->table, r->pid);

	if (!p || p->exited)
		return;
	p->main_exited |= r->pid == r->tid;
	if (p->n_threads > 0)
		p->n_threads--;
	if (p->n_threads == 0 || (p->n_threads < 0 && p->main_exited))
		ending_add(d, p);
}

static void apply_comm(struct drain *d, const struct record_comm *r)
{
	bool exec = r->header.misc & PERF_RECORD_MISC_COMM_EXEC;
	struct process *p = subject(d, r->pid);

	if (!p && exec && r->pid && d->w->host) { /* all that is needed follows */
		p = process_add(d->w->table, r->pid);
		if (!p)
			return;
		p->start_ticks = ticks_at(d->w, d->time_ns);
		tell_of(d, PROCESS_FORKED, p);
	}
	if (!p)
		return;
	if (r->pid == r->tid)
		snprintf(p->comm, sizeof(p->comm), "%.*s", (int)sizeof(p->comm) - 1, r->comm);
	if (!exec)
		return;
	/* The other threads have ended, a main thread among them that was not the one to exec. */
	p->main_exited = false;
	p->n_threads = 1;
	process_clear(d->w->table, p);
	tell_of(d, PROCESS_EXECED, p);
}

/* An exec of a set-user-ID program makes the kernel take leave of the old program's events, with
 * an exit record of a process that goes on (begin_new_exec() in fs/exec.c). What it maps then tells
 * that it lives; its threads are not counted any more, since that count has failed. */
static void revive(struct drain *d, struct process *p)
{
	bool told = p->exited;

	p->n_threads = -1;
	p->exited = p->main_exited = p->is_ending = false;
	if (told)
		tell_of(d, PROCESS_EXECED, p);
}

static void apply_mmap(struct drain *d, struct record_mmap2 *r)
{
	struct process *p = subject(d, r->pid);
	struct maps_line line = {
		.start = r->address,
		.end = r->address + r->length,
		.file_offset = r->file_offset,
		.inode = r->inode,
		.major = r->major,
		.minor = r->minor,
		.path = r->path,
	};
	int rc;

	if (!p || !r->length || line.end < line.start)
		return;
	if (p->exited || p->n_threads == 0)
		revive(d, p);
	maps_strip_deleted(line.path);
	if (p->exe_comes && !maps_is_special(line.path) && line.path[0] == '/') {
		char *exe = strdup(line.path);

		free(p->exe);
		p->exe = exe ? exe : strdup("");
		p->exe_comes = false;
	}
	rc = process_map(d->w->table, p, &line);
	if (rc == 0 || rc == -ENOMEM)
		return;
	p->is_stale |= rc == -ESTALE || p->n_applied >= APPLIED_MAX;
	changed_add(d, p, r->tid);
}

static void apply_lost(struct drain *d, const struct record_lost *r)
{
	d->w->lost += r->lost;
	d->w->has_lost = true;
}

static void apply(struct drain *d, struct perf_event_header *record)
{
	const struct record_task *task = (const struct record_task *)record;

	switch (record->type) {
	case PERF_RECORD_FORK:
		if (task->pid == task->ppid)
			apply_thread(d, task);
		else
			apply_fork(d, task);
		break;
	case PERF_RECORD_EXIT:
		apply_exit(d, task);
		break;
	case PERF_RECORD_COMM:
		apply_comm(d, (const struct record_comm *)record);
		break;
	case PERF_RECORD_MMAP2:
		apply_mmap(d, (struct record_mmap2 *)record);
		break;
	case PERF_RECORD_LOST:
		apply_lost(d, (const struct record_lost *)record);
		break;
	case PERF_RECORD_KSYMBOL:
		d->w->ksymbol_ns = d->time_ns;
		break;
	default:
		break;
	}
}

/* ---- the end of a drain ------------------------------------------------------------------------
 */

/* After records were lost. A process that is gone is reported by exits_tell. */
static void all_reread(struct drain *d)
{
	struct process_watch *w = d->w;
	struct process *p;
	size_t at = 0;

	if (!w->has_lost || d->time_ns - w->reread_ns < reread_pause_ns)
		return;
	log_warn("the kernel lost %llu process events so far; reading all processes again",
		(unsigned long long)w->lost);
	w->has_lost = false;
	w->reread_ns = d->time_ns;
	while ((p = process_next(w->table, &at))) {
		uint64_t generation = p->generation;
		int rc;

		if (p->exited)
			continue;
		p->n_threads = -1;
		rc = process_reread(w->table, p);
		if (rc == -ESRCH || rc == -ENOENT) {
			p->main_exited = true;
			ending_add(d, p);
		} else if (p->generation != generation) {
			changed_add(d, p, p->pid);
		}
	}
}

static void changes_tell(struct drain *d)
{
	struct pids *changed = &d->w->changed;

	for (size_t i = 0; i < changed->n; i++) {
		const struct pid_entry *e = &changed->list[i];
		struct process *p = process_find(d->w->table, e->pid);

		if (!p || !p->is_changed)
			continue;
		if (p->is_stale)
			process_reread(d->w->table, p);
		p->is_stale = p->is_changed = false;
		p->n_applied = p->n_applied < APPLIED_MAX ? p->n_applied : 0;
		tell(d, &(struct process_event){.kind = PROCESS_MAPPED,
				.time_ns = e->time_ns,
				.pid = e->pid,
				.tid = e->tid,
				.parent = p->parent});
	}
	changed->n = 0;
}

/* Whether the process has ended by now. */
static bool has_ended(const struct process *p, struct pid_entry *e, uint64_t now_ns, bool may_look)
{
	struct process_usage usage;

	if (p->n_threads == 0)
		return true;
	if (!may_look || now_ns < e->time_ns)
		return false;
	e->time_ns = now_ns + alive_look_ns;
	return !process_usage_read(p->pid, &usage) ||
	       !process_same_start(p->start_ticks, usage.start_ticks) || !process_is_alive(p->pid);
}

static void exits_tell(struct drain *d)
{
	struct pids *ending = &d->w->ending;
	bool may_look = rings_are_empty(d->w->rings);
	size_t kept = 0;

	for (size_t i = 0; i < ending->n; i++) {
		struct pid_entry e = ending->list[i];
		struct process *p = process_find(d->w->table, e.pid);

		if (!p || !p->is_ending || p->exited)
			continue;
		/* An exec has made one of the other threads the main one. */
		p->is_ending = p->n_threads == 0 || p->main_exited;
		if (p->is_ending && has_ended(p, &e, d->time_ns, may_look)) {
			p->exited = true;
			tell_of(d, PROCESS_EXITED, p);
		} else if (p->is_ending) {
			ending->list[kept++] = e;
		}
	}
	ending->n = kept;
}

static void ksymbols_tell(struct drain *d)
{
	if (d->w->ksymbol_ns)
		tell(d, &(struct process_event){
				.kind = PROCESS_KSYMBOL, .time_ns = d->w->ksymbol_ns});
	d->w->ksymbol_ns = 0;
}

/* Only what happened before the rings are read is applied: of two records of different CPUs that
 * depend on one another the later one may be seen while the earlier one is missed. */
int process_watch_drain(struct process_watch *w, uint64_t until_ns,
	void (*each)(void *arg, const struct process_event *event), void *arg)
{
	struct drain d = {.w = w, .each = each, .arg = arg};
	struct perf_event_header *record;
	uint64_t now_ns = clock_now_ns();
	int rc = rings_read(w->rings);

	if (rc < 0)
		return rc;
	if (until_ns > now_ns)
		until_ns = now_ns;
	while ((record = rings_next(w->rings, until_ns, &d.time_ns)))
		apply(&d, record);
	d.time_ns = now_ns;
	all_reread(&d);
	changes_tell(&d);
	exits_tell(&d);
	ksymbols_tell(&d);
	return d.n;
}
