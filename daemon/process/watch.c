/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own news of processes: one "dummy" perf event per CPU, which samples nothing but
 * carries the records of fork, exec, exit and executable mmap of every process. */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/table.h"

#define LOG_ROOM "process"
#include "base/log.h"

enum { RING_PAGES = 64, PAGE_BYTES = 4096, RECORD_MAX = 65536 };

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
};

/* A record of the kernel, copied out of its ring. */
struct news {
	uint64_t time_ns;
	uint64_t order;                   /* of arrival: equal times keep it */
	struct perf_event_header *record; /* owned */
};

struct process_watch {
	struct process_table *table;
	struct ring *rings;
	size_t n_rings;
	int epoll_fd;
	struct news *news; /* sorted by time; [first, n_news) are waiting */
	size_t first, n_news, cap_news;
	uint64_t order, lost;
	bool exits; /* a process has begun to end and is not known to have ended */
};

/* What sample_id_all appends to every record for our sample_type (perf_event_open(2)). */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time_ns;
};

/* ---- opening -----------------------------------------------------------------------------------
 */

static int ring_open(struct ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	ring->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return -errno;
	ring->page = mmap(NULL, (RING_PAGES + 1) * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		ring->fd, 0);
	if (ring->page == MAP_FAILED) {
		int rc = -errno;

		ring->page = NULL;
		return rc;
	}
	return 0;
}

static int rings_open(struct process_watch *w, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	w->rings = calloc((size_t)cpus, sizeof(*w->rings));
	if (!w->rings)
		return err_set(err, -ENOMEM, "out of memory for event rings");
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct ring *ring = &w->rings[w->n_rings];
		struct epoll_event ev = {.events = EPOLLIN};
		int rc = ring_open(ring, cpu);

		if (rc == -ENODEV && ring->fd < 0)
			continue; /* this CPU is offline */
		w->n_rings++;
		if (!rc && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, ring->fd, &ev) < 0)
			rc = -errno;
		if (rc == -EACCES || rc == -EPERM)
			return err_set(err, rc,
				"perf events are not permitted here; run as root, or give profd the capabilities CAP_PERFMON "
				"and CAP_BPF");
		if (rc < 0)
			return err_set(err, rc, "cannot watch processes (perf event on CPU %d): %s",
				cpu, strerror(-rc));
	}
	return 0;
}

struct process_watch *process_watch_open(struct process_table *t, struct err *err)
{
	struct process_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	w->table = t;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		err_set(err, -errno, "cannot make an epoll descriptor: %s", strerror(errno));
	else if (!rings_open(w, err))
		return w;
	process_watch_close(w);
	return NULL;
}

void process_watch_close(struct process_watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_rings; i++) {
		if (w->rings[i].page)
			munmap(w->rings[i].page, (RING_PAGES + 1) * PAGE_BYTES);
		fd_close(&w->rings[i].fd);
	}
	for (size_t i = w->first; i < w->n_news; i++)
		free(w->news[i].record);
	free(w->news);
	free(w->rings);
	fd_close(&w->epoll_fd);
	free(w);
}

int process_watch_fd(const struct process_watch *w)
{
	return w->epoll_fd;
}

uint64_t process_watch_lost(const struct process_watch *w)
{
	return w->lost;
}

/* ---- reading the rings -------------------------------------------------------------------------
 */

static int news_add(struct process_watch *w, struct perf_event_header *record, uint64_t time_ns)
{
	if (w->n_news == w->cap_news) {
		size_t cap = w->cap_news ? w->cap_news * 2 : 256;
		struct news *news = realloc(w->news, cap * sizeof(*news));

		if (!news) {
			free(record);
			return -ENOMEM;
		}
		w->news = news;
		w->cap_news = cap;
	}
	w->news[w->n_news++] = (struct news){time_ns, w->order++, record};
	return 0;
}

static void ring_copy(const struct ring *ring, uint64_t at, void *to, size_t bytes)
{
	const char *data = (const char *)ring->page + PAGE_BYTES;
	size_t size = RING_PAGES * PAGE_BYTES, offset = at % size;
	size_t first = bytes < size - offset ? bytes : size - offset;

	memcpy(to, data + offset, first);
	memcpy((char *)to + first, data, bytes - first);
}

static int ring_read(struct process_watch *w, struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	int rc = 0;

	while (tail < head && !rc) {
		struct perf_event_header header, *record;
		struct sample_id id;

		ring_copy(ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) + sizeof(id))
			break;
		record = malloc(header.size);
		if (!record) {
			rc = -ENOMEM;
			break;
		}
		ring_copy(ring, tail, record, header.size);
		memcpy(&id, (char *)record + header.size - sizeof(id), sizeof(id));
		rc = news_add(w, record, id.time_ns);
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return rc;
}

static int compare_news(const void *a, const void *b)
{
	const struct news *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int rings_read(struct process_watch *w)
{
	size_t before = w->n_news;
	int rc = 0;

	if (w->first == w->n_news)
		w->first = w->n_news = before = 0;
	for (size_t i = 0; i < w->n_rings && !rc; i++)
		rc = ring_read(w, &w->rings[i]);
	if (w->n_news > before)
		qsort(w->news + w->first, w->n_news - w->first, sizeof(*w->news), compare_news);
	return rc;
}

/* ---- applying ----------------------------------------------------------------------------------
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

static bool apply_fork(
	struct process_watch *w, const struct record_task *r, struct process_event *out)
{
	struct process *parent = process_find(w->table, r->ppid);

	if (!parent)
		return false;
	*out = (struct process_event){.pid = r->pid, .tid = r->tid, .parent = r->ppid};
	out->kind = r->pid == r->ppid ? PROCESS_THREAD : PROCESS_FORKED;
	if (out->kind == PROCESS_FORKED)
		return process_fork(w->table, parent, r->pid) != NULL;
	return true;
}

/* The kernel tells of an exit while the thread is still there, so whether the process has ended is
 * looked up later, by exits_report. Its main thread may end before the others do. */
static void apply_exit(struct process_watch *w, const struct record_task *r)
{
	struct process *p = process_find(w->table, r->pid);

	if (!p || p->exited)
		return;
	p->main_exited |= r->pid == r->tid;
	w->exits |= p->main_exited;
}

static bool apply_comm(
	struct process_watch *w, const struct record_comm *r, struct process_event *out)
{
	struct process *p = process_find(w->table, r->pid);

	if (!p)
		return false;
	if (r->pid == r->tid)
		snprintf(p->comm, sizeof(p->comm), "%.*s", (int)sizeof(p->comm) - 1, r->comm);
	if (!(r->header.misc & PERF_RECORD_MISC_COMM_EXEC))
		return false;
	process_clear(w->table, p);
	*out = (struct process_event){.kind = PROCESS_EXECED, .pid = r->pid, .tid = r->tid};
	return true;
}

/* The maps file is the truth while the process lives (it knows unmapped memory, too); the record
 * alone serves for one that has ended. */
static bool apply_mmap(
	struct process_watch *w, const struct record_mmap2 *r, struct process_event *out)
{
	struct process *p = process_find(w->table, r->pid);
	struct maps_line line = {
		.start = r->address,
		.end = r->address + r->length,
		.file_offset = r->file_offset,
		.inode = r->inode,
	};
	const struct mapping *known;

	if (!p || !r->length || line.end < line.start)
		return false;
	known = process_mapping(p, line.start);
	if (known && known->start <= line.start && known->end >= line.end && known->image &&
		known->image->inode == r->inode &&
		known->file_offset + (line.start - known->start) == r->file_offset)
		return false; /* read from the maps file already */
	if (process_reread(w->table, p) < 0) {
		line.path = strdup(r->path);
		if (line.path)
			process_map(w->table, p, &line);
		free(line.path);
	}
	*out = (struct process_event){.kind = PROCESS_MAPPED, .pid = r->pid, .tid = r->tid};
	return true;
}

static void apply_lost(struct process_watch *w, const struct record_lost *r)
{
	struct process *p;
	size_t at = 0;

	w->lost += r->lost;
	log_warn("the kernel lost %llu process events; reading all processes again",
		(unsigned long long)r->lost);
	while ((p = process_next(w->table, &at)))
		if (!p->exited && process_reread(w->table, p) < 0 && !process_is_alive(p->pid))
			p->exited = true;
}

static bool apply(struct process_watch *w, const struct news *news, struct process_event *out)
{
	const struct perf_event_header *header = news->record;

	switch (header->type) {
	case PERF_RECORD_FORK:
		return apply_fork(w, (const struct record_task *)header, out);
	case PERF_RECORD_EXIT:
		apply_exit(w, (const struct record_task *)header);
		return false;
	case PERF_RECORD_COMM:
		return apply_comm(w, (const struct record_comm *)header, out);
	case PERF_RECORD_MMAP2:
		return apply_mmap(w, (const struct record_mmap2 *)header, out);
	case PERF_RECORD_LOST:
		apply_lost(w, (const struct record_lost *)header);
		return false;
	default:
		return false;
	}
}

/* Processes that began to end and have ended by now. */
static int exits_report(struct process_watch *w,
	void (*each)(void *arg, const struct process_event *event), void *arg)
{
	struct process *p;
	size_t at = 0;
	int n = 0;

	w->exits = false;
	while ((p = process_next(w->table, &at))) {
		struct process_event event = {.kind = PROCESS_EXITED,
			.time_ns = clock_now_ns(),
			.pid = p->pid,
			.tid = p->pid};

		if (!p->main_exited || p->exited)
			continue;
		p->exited = !process_is_alive(p->pid);
		w->exits |= !p->exited;
		if (!p->exited)
			continue;
		each(arg, &event);
		n++;
	}
	return n;
}

int process_watch_drain(struct process_watch *w, uint64_t until_ns,
	void (*each)(void *arg, const struct process_event *event), void *arg)
{
	int rc = rings_read(w), n = 0;

	if (rc < 0)
		return rc;
	while (w->first < w->n_news && w->news[w->first].time_ns <= until_ns) {
		struct news *news = &w->news[w->first++];
		struct process_event event;

		if (apply(w, news, &event)) {
			event.time_ns = news->time_ns;
			each(arg, &event);
			n++;
		}
		free(news->record);
	}
	if (w->exits && w->first == w->n_news)
		n += exits_report(w, each, arg);
	return n;
}
