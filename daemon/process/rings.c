/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own news of processes: one "dummy" perf event per CPU, which samples nothing but
 * carries the records of fork, exec, exit and executable mmap of every process, and those of new
 * kernel symbols. */
#include "process/rings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum {
	RING_PAGES = 64,
	PAGE_BYTES = 4096,
	RECORDS_MAX_BYTES = 1 << 30,
	COMPACT_BYTES = 1 << 16, /* records that were handed out are dropped from here on */
};

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
};

/* A record of the kernel, copied out of its ring. */
struct news {
	uint64_t time_ns;
	uint64_t order; /* of arrival: equal times keep it */
	size_t at;      /* in `records` */
	uint32_t bytes;
};

struct rings {
	struct ring *rings;
	size_t n_rings;
	int epoll_fd;
	struct news *news; /* sorted by time; [first, n_news) are waiting */
	size_t first, n_news, cap_news;
	struct buf records, spare; /* the kernel pads each record to 8 bytes, so all are aligned */
	uint64_t order;
	bool no_ksymbols;
};

/* What sample_id_all appends to every record for our sample_type (perf_event_open(2)). */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time_ns;
};

/* ---- opening -----------------------------------------------------------------------------------
 */

static int event_open(int cpu, bool ksymbols)
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
		.ksymbol = ksymbols,
		.watermark = 1,
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int ring_open(struct rings *r, struct ring *ring, int cpu)
{
	ring->fd = event_open(cpu, !r->no_ksymbols);
	if (ring->fd == -EINVAL && !r->no_ksymbols) { /* before Linux 5.0 */
		ring->fd = event_open(cpu, false);
		r->no_ksymbols = ring->fd >= 0;
	}
	if (ring->fd < 0)
		return ring->fd;
	ring->page = mmap(NULL, (RING_PAGES + 1) * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		ring->fd, 0);
	if (ring->page == MAP_FAILED) {
		int rc = -errno;

		ring->page = NULL;
		return rc;
	}
	return 0;
}

static int all_open(struct rings *r, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	r->rings = calloc((size_t)cpus, sizeof(*r->rings));
	if (!r->rings)
		return err_set(err, -ENOMEM, "out of memory for event rings");
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct ring *ring = &r->rings[r->n_rings];
		struct epoll_event ev = {.events = EPOLLIN};
		int rc = ring_open(r, ring, cpu);

		if (rc == -ENODEV && ring->fd < 0)
			continue; /* this CPU is offline */
		r->n_rings++;
		if (!rc && epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, ring->fd, &ev) < 0)
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

struct rings *rings_open(struct err *err)
{
	struct rings *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	buf_init(&r->records, RECORDS_MAX_BYTES);
	buf_init(&r->spare, RECORDS_MAX_BYTES);
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0)
		err_set(err, -errno, "cannot make an epoll descriptor: %s", strerror(errno));
	else if (!all_open(r, err))
		return r;
	rings_close(r);
	return NULL;
}

void rings_close(struct rings *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rings; i++) {
		if (r->rings[i].page)
			munmap(r->rings[i].page, (RING_PAGES + 1) * PAGE_BYTES);
		fd_close(&r->rings[i].fd);
	}
	buf_free(&r->records);
	buf_free(&r->spare);
	free(r->news);
	free(r->rings);
	fd_close(&r->epoll_fd);
	free(r);
}

int rings_fd(const struct rings *r)
{
	return r->epoll_fd;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static struct news *news_add(struct rings *r)
{
	if (r->n_news == r->cap_news) {
		size_t cap = r->cap_news ? r->cap_news * 2 : 256;
		struct news *news = realloc(r->news, cap * sizeof(*news));

		if (!news)
			return NULL;
		r->news = news;
		r->cap_news = cap;
	}
	return &r->news[r->n_news++];
}

static void ring_copy(const struct ring *ring, uint64_t at, void *to, size_t bytes)
{
	const char *data = (const char *)ring->page + PAGE_BYTES;
	size_t size = RING_PAGES * PAGE_BYTES, offset = at % size;
	size_t first = bytes < size - offset ? bytes : size - offset;

	memcpy(to, data + offset, first);
	memcpy((char *)to + first, data, bytes - first);
}

static int record_take(struct rings *r, const struct ring *ring, uint64_t at, uint32_t bytes)
{
	struct sample_id id;
	struct news *news;
	char *record;

	if (buf_reserve(&r->records, bytes) < 0 || !(news = news_add(r))) {
		r->records.error = 0;
		return -ENOMEM;
	}
	record = r->records.data + r->records.len;
	ring_copy(ring, at, record, bytes);
	memcpy(&id, record + bytes - sizeof(id), sizeof(id));
	*news = (struct news){id.time_ns, r->order++, r->records.len, bytes};
	r->records.len += bytes;
	return 0;
}

static int ring_read(struct rings *r, struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	int rc = 0;

	if (tail == head)
		return 0;
	while (tail < head && !rc) {
		struct perf_event_header header;

		ring_copy(ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) + sizeof(struct sample_id))
			break;
		rc = record_take(r, ring, tail, header.size);
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return rc;
}

/* Drops the records that were handed out, so that a few that wait for their time do not keep all
 * earlier ones in memory. */
static void compact(struct rings *r)
{
	struct buf swap = r->records;
	size_t n = r->n_news - r->first;

	if (r->first == r->n_news) {
		r->first = r->n_news = 0;
		buf_reset(&r->records);
		return;
	}
	if (!r->first || r->records.len < COMPACT_BYTES)
		return;
	buf_reset(&r->spare);
	for (size_t i = 0; i < n; i++)
		if (buf_add(&r->spare, r->records.data + r->news[r->first + i].at,
			    r->news[r->first + i].bytes) < 0)
			return;
	memmove(r->news, r->news + r->first, n * sizeof(*r->news));
	for (size_t i = 0, at = 0; i < n; at += r->news[i++].bytes)
		r->news[i].at = at;
	r->records = r->spare;
	r->spare = swap;
	r->first = 0;
	r->n_news = n;
}

static int compare_news(const void *a, const void *b)
{
	const struct news *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int rings_read(struct rings *r)
{
	size_t before;
	int rc = 0;

	compact(r);
	before = r->n_news;
	for (size_t i = 0; i < r->n_rings && !rc; i++)
		rc = ring_read(r, &r->rings[i]);
	for (size_t i = before > r->first ? before : r->first + 1; i < r->n_news; i++)
		if (compare_news(&r->news[i - 1], &r->news[i]) > 0) {
			qsort(r->news + r->first, r->n_news - r->first, sizeof(*r->news),
				compare_news);
			break;
		}
	return rc;
}

struct perf_event_header *rings_next(struct rings *r, uint64_t until_ns, uint64_t *time_ns)
{
	const struct news *news;

	if (r->first == r->n_news || r->news[r->first].time_ns > until_ns)
		return NULL;
	news = &r->news[r->first++];
	*time_ns = news->time_ns;
	return (struct perf_event_header *)(void *)(r->records.data + news->at);
}

bool rings_are_empty(const struct rings *r)
{
	return r->first == r->n_news;
}
