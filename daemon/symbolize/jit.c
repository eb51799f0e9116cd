/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/jit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "process/process.h"
#include "symbolize/symbolize.h"

enum {
	FILE_BYTES_MAX = 64 << 20,
	FUNCTIONS_MAX = 1 << 20,
	STEP_BYTES = 256 << 10,
	STATUS_BYTES_MAX = 1 << 20, /* /proc/PID/status lists all groups */
	OVERLAPS_MAX = 4096,        /* looked at for one address */
};
/* A reading that took more CPU time than the first is followed by a pause of PAUSE_FACTOR times
 * that. */
#define COSTLY_NS           (20 * NS_PER_MS)
#define PAUSE_FACTOR        20
#define PAUSE_AFTER_FAIL_NS (100 * NS_PER_MS)

struct jit_function {
	uint64_t start;
	uint64_t reach; /* the furthest end of this and all earlier entries */
	uint32_t bytes;
	uint32_t name;  /* offset into `names` */
	uint32_t order; /* grows by line */
};

struct jit_map {
	struct jit_function *functions; /* sorted by start once the file has been read */
	size_t count, cap;
	struct buf names;
	uint32_t lines;
	uint64_t device, inode, size, mtime_ns; /* of the file when it was read */
	uint64_t read_to;                       /* behind the last whole line */
	char tail[64];                          /* the bytes before that */
	size_t tail_bytes;
	uint64_t due_ns;
};

struct jit_map *jit_map_new(void)
{
	struct jit_map *m = calloc(1, sizeof(*m));

	if (m)
		buf_init(&m->names, FILE_BYTES_MAX);
	return m;
}

static void forget(struct jit_map *m)
{
	free(m->functions);
	buf_free(&m->names);
	*m = (struct jit_map){.names = m->names};
}

void jit_map_free(struct jit_map *m)
{
	if (!m)
		return;
	forget(m);
	free(m);
}

size_t jit_map_bytes(const struct jit_map *m)
{
	return m->cap * sizeof(*m->functions) + m->names.cap;
}

bool jit_map_is_due(const struct jit_map *m)
{
	return clock_now_ns() >= m->due_ns;
}

/* ---- parsing -----------------------------------------------------------------------------------
 */

static bool parse_hex(const char **at, const char *end, uint64_t *value)
{
	const char *p = *at;
	uint64_t v = 0;
	size_t digits = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x')
		p += 2;
	for (; p < end && digits <= 16; p++, digits++) {
		int c = *p | 0x20;

		if (*p >= '0' && *p <= '9')
			v = v << 4 | (uint64_t)(*p - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*at = p;
	*value = v;
	return digits > 0 && digits <= 16 && p < end && *p == ' ';
}

/* A line that makes no sense is passed over. False: out of memory, or over a limit. */
static bool parse_line(struct jit_map *m, const char *line, size_t len)
{
	const char *at = line, *end = line + len;
	uint64_t start, bytes;
	size_t name_len, name_at = m->names.len;

	if (!parse_hex(&at, end, &start))
		return true;
	at++;
	if (!parse_hex(&at, end, &bytes))
		return true;
	while (at < end && *at == ' ')
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
		end--;
	name_len = strnlen(at, (size_t)(end - at));
	if (!name_len || !bytes || bytes > UINT32_MAX || start > UINT64_MAX - bytes)
		return true;
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 256;
		struct jit_function *f = NULL;

		if (m->count < FUNCTIONS_MAX)
			f = realloc(m->functions, cap * sizeof(*f));
		if (!f)
			return false;
		m->functions = f;
		m->cap = cap;
	}
	if (name_len <= SYMBOL_NAME_MAX) {
		buf_add(&m->names, at, name_len);
	} else {
		buf_add(&m->names, at, SYMBOL_NAME_MAX - 3);
		buf_puts(&m->names, "...");
	}
	buf_putc(&m->names, '\0');
	if (buf_failed(&m->names))
		return false;
	m->functions[m->count++] = (struct jit_function){
		.start = start,
		.bytes = (uint32_t)bytes,
		.name = (uint32_t)name_at,
		.order = m->lines++,
	};
	return true;
}

/* The last line may be half-written: it counts for now, and is read again (then as the later one)
 * with what follows. */
static int read_lines(struct jit_map *m, int fd)
{
	char *step = malloc(STEP_BYTES);
	size_t have = 0;
	bool room = true;
	ssize_t n;

	if (!step)
		return -ENOMEM;
	while (room && m->read_to < FILE_BYTES_MAX &&
		(n = pread(fd, step + have, STEP_BYTES - have, (off_t)(m->read_to + have))) > 0) {
		size_t used = 0;
		char *newline;

		have += (size_t)n;
		while (room && (newline = memchr(step + used, '\n', have - used))) {
			room = parse_line(m, step + used, (size_t)(newline - step) - used);
			used = (size_t)(newline - step) + 1;
		}
		if (!used && have == STEP_BYTES) /* no line is that long */
			used = have;
		memmove(step, step + used, have - used);
		have -= used;
		m->read_to += used;
	}
	if (room && have)
		room = parse_line(m, step, have);
	free(step);
	m->tail_bytes = m->read_to < sizeof(m->tail) ? (size_t)m->read_to : sizeof(m->tail);
	n = pread(fd, m->tail, m->tail_bytes, (off_t)(m->read_to - m->tail_bytes));
	m->tail_bytes = n > 0 ? (size_t)n : 0;
	return room && m->read_to < FILE_BYTES_MAX ? 0 : -E2BIG;
}

static int by_start(const void *a, const void *b)
{
	const struct jit_function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_functions(struct jit_map *m)
{
	size_t kept = 0;
	uint64_t reach = 0;

	if (!m->count)
		return;
	qsort(m->functions, m->count, sizeof(*m->functions), by_start);
	for (size_t i = 1; i < m->count; i++) {
		if (m->functions[i].start != m->functions[kept].start)
			kept++;
		m->functions[kept] = m->functions[i]; /* the last of equal starts */
	}
	m->count = kept + 1;
	for (size_t i = 0; i < m->count; i++) {
		struct jit_function *f = &m->functions[i];

		if (f->start + f->bytes > reach)
			reach = f->start + f->bytes;
		f->reach = reach;
	}
}

bool jit_map_find(const struct jit_map *m, uint64_t address, const char **name, uint64_t *offset)
{
	const struct jit_function *best = NULL;
	size_t low = 0, high = m->count;

	while (low < high) { /* the first entry behind the address */
		size_t middle = low + (high - low) / 2;

		if (m->functions[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = 0; low && m->functions[low - 1].reach > address && i < OVERLAPS_MAX; i++) {
		const struct jit_function *f = &m->functions[--low];

		if (address - f->start < f->bytes && (!best || f->order > best->order))
			best = f;
	}
	if (!best)
		return false;
	*name = m->names.data + best->name;
	*offset = address - best->start;
	return true;
}

/* ---- the file ----------------------------------------------------------------------------------
 */

struct owner {
	uint32_t pid; /* in the process's own PID namespace: the number that it knows itself by */
	uid_t real, effective;
};

static int find_owner(uint32_t pid, struct owner *owner)
{
	char path[64];
	const char *line;
	struct buf status;
	unsigned real = 0, effective = 0;
	int rc;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	buf_init(&status, STATUS_BYTES_MAX);
	rc = file_read(path, &status);
	line = rc == 0 && status.len ? strstr(status.data, "\nUid:") : NULL;
	if (rc == 0 && (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2))
		rc = -ESRCH;
	*owner = (struct owner){.pid = pid, .real = real, .effective = effective};
	line = rc == 0 ? strstr(status.data, "\nNSpid:") : NULL;
	if (line) {
		const char *end = line + 1 + strcspn(line + 1, "\n");

		while (end > line && end[-1] >= '0' && end[-1] <= '9')
			end--;
		owner->pid = (uint32_t)strtoul(end, NULL, 10);
	}
	buf_free(&status);
	return rc;
}

/* Anybody may put a file of that name into /tmp, hence the look at its owner. */
static int open_map(uint32_t pid, struct stat *st, struct err *err)
{
	struct owner owner;
	char path[64];
	int fd, rc = find_owner(pid, &owner);

	if (rc < 0)
		return err_set(err, rc, "process %u cannot be looked at: %s", pid, strerror(-rc));
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", owner.pid);
	fd = process_open_file(pid, path);
	if (fd < 0)
		return err_set(
			err, fd, "cannot open %s of process %u: %s", path, pid, strerror(-fd));
	if (fstat(fd, st) < 0)
		rc = err_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		rc = err_set(err, -EPERM, "%s is not a regular file and is not used", path);
	else if (st->st_uid != 0 && st->st_uid != owner.real && st->st_uid != owner.effective)
		rc = err_set(err, -EPERM,
			"%s belongs to uid %u and is not used for process %u of uid %u; remove it",
			path, st->st_uid, pid, owner.effective);
	if (rc < 0)
		fd_close(&fd);
	return rc < 0 ? rc : fd;
}

/* Whether lines were only added since the last time. A file that was removed and written again may
 * have the same inode, and be longer: the end of what we read must still be there. */
static bool was_continued(const struct jit_map *m, const struct stat *st, int fd)
{
	char tail[sizeof(m->tail)];

	return m->device == st->st_dev && m->inode == st->st_ino &&
	       (uint64_t)st->st_size > m->size &&
	       pread(fd, tail, m->tail_bytes, (off_t)(m->read_to - m->tail_bytes)) ==
		       (ssize_t)m->tail_bytes &&
	       !memcmp(tail, m->tail, m->tail_bytes);
}

static int update(struct jit_map *m, uint32_t pid, struct err *err)
{
	struct stat st;
	FD_CLOSE int fd = open_map(pid, &st, err);
	uint64_t mtime_ns;
	int rc;

	if (fd < 0)
		return fd;
	mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	if (m->device == st.st_dev && m->inode == st.st_ino && m->size == (uint64_t)st.st_size &&
		m->mtime_ns == mtime_ns)
		return 0;
	if (!was_continued(m, &st, fd))
		forget(m);
	m->device = st.st_dev;
	m->inode = st.st_ino;
	m->size = (uint64_t)st.st_size;
	m->mtime_ns = mtime_ns;
	rc = read_lines(m, fd);
	sort_functions(m);
	return rc < 0 ? err_set(err, rc, "the perf map of process %u is only read in part: %s", pid,
				rc == -ENOMEM ? "no memory left" : "it is too large")
		      : 0;
}

/* What a busy machine makes us wait for is no cost of ours. */
static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int jit_map_update(struct jit_map *m, uint32_t pid, struct err *err)
{
	uint64_t begin_ns = own_cpu_ns(), took_ns;
	int rc = update(m, pid, err);

	took_ns = own_cpu_ns() - begin_ns;
	m->due_ns = clock_now_ns();
	if (rc < 0)
		m->due_ns += PAUSE_AFTER_FAIL_NS;
	if (took_ns > COSTLY_NS)
		m->due_ns += PAUSE_FACTOR * took_ns;
	return rc;
}
