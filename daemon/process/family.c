/* SPDX-License-Identifier: BSD-2-Clause */
/* Who started whom, and how much CPU time each has used: one look over /proc. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/process.h"

static const double BUSY_SHARE_MIN = 0.02;

struct family {
	struct process_usage *all;
	size_t n, cap;
};

bool process_usage_read(uint32_t pid, struct process_usage *out)
{
	char name[64], *open_paren, *after;
	uint64_t user, system;
	unsigned long flags;
	struct buf text;
	bool good = false;

	*out = (struct process_usage){.pid = pid};
	buf_init(&text, 8192);
	snprintf(name, sizeof(name), "/proc/%u/stat", pid);
	if (!file_read(name, &text) && (open_paren = strchr(text.data, '(')) &&
		(after = strrchr(text.data, ')'))) {
		*after = '\0';
		snprintf(out->comm, sizeof(out->comm), "%s", open_paren + 1);
		/* proc_pid_stat(5), from field 3 on: 3 state, 4 ppid, 9 flags, 14 utime, 15 stime,
		 * 22 start time. */
		good = sscanf(after + 1,
			       " %c %" SCNu32 " %*d %*d %*d %*d %lu %*u %*u %*u %*u %" SCNu64
			       " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64,
			       &out->state, &out->parent, &flags, &user, &system,
			       &out->start_ticks) == 6;
		out->is_kernel_thread =
			good && flags & 0x00200000; /* PF_KTHREAD, include/linux/sched.h */
		out->cpu_ticks = good ? user + system : 0;
	}
	buf_free(&text);
	return good;
}

static int family_add(struct family *f, uint32_t pid)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 256;
		struct process_usage *all = realloc(f->all, cap * sizeof(*all));

		if (!all)
			return -ENOMEM;
		f->all = all;
		f->cap = cap;
	}
	if (process_usage_read(pid, &f->all[f->n]))
		f->n++;
	return 0;
}

static int family_read(struct family *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return -errno;
	while (!rc && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			rc = family_add(f, (uint32_t)strtoul(entry->d_name, NULL, 10));
	closedir(dir);
	return rc;
}

/* Moves the children of all[0..known) behind them until no more are found. */
static size_t family_gather(struct family *f, size_t known)
{
	size_t done = 0;

	for (; done < known; done++)
		for (size_t i = known; i < f->n; i++) {
			struct process_usage child = f->all[i];

			if (child.parent != f->all[done].pid)
				continue;
			f->all[i] = f->all[known];
			f->all[known++] = child;
		}
	return known;
}

int process_descendants(uint32_t pid, struct process_usage **list, size_t *n)
{
	struct family f = {0};
	size_t known = 0;
	int rc = family_read(&f);

	*list = NULL;
	*n = 0;
	for (size_t i = 0; !rc && i < f.n && !known; i++) {
		struct process_usage self = f.all[i];

		if (self.pid != pid)
			continue;
		f.all[i] = f.all[0];
		f.all[0] = self;
		known = 1;
	}
	if (rc || !known) {
		free(f.all);
		return rc ? rc : -ESRCH;
	}
	known = family_gather(&f, known);
	memmove(f.all, f.all + 1, (known - 1) * sizeof(*f.all));
	*list = f.all;
	*n = known - 1;
	return 0;
}

uint32_t process_leader(uint32_t tid)
{
	char name[64], *line;
	struct buf text;
	uint32_t leader = 0;

	buf_init(&text, 1 << 16);
	snprintf(name, sizeof(name), "/proc/%u/status", tid);
	if (!file_read(name, &text) && (line = strstr(text.data, "\nTgid:")))
		leader = (uint32_t)strtoul(line + 6, NULL, 10);
	buf_free(&text);
	return leader;
}

int process_check(uint32_t pid, struct err *err)
{
	uint32_t leader = process_leader(pid);
	struct process_usage usage;

	if (leader && leader != pid)
		return err_set(err, -EINVAL,
			"%u is a thread of process %u; give the process: --pid %u", pid, leader,
			leader);
	if (!process_usage_read(pid, &usage))
		return err_set(err, -ESRCH,
			"there is no process %u; `ps` lists those that are there", pid);
	if (usage.is_kernel_thread)
		return err_set(err, -EINVAL,
			"%u (%s) is a kernel thread: it has no program to profile; `profd record` takes "
			"processes",
			pid, usage.comm);
	if (usage.state == 'Z' && !process_is_alive(pid))
		return err_set(err, -ESRCH,
			"process %u (%s) has ended already and only waits for its parent %u to take note (a "
			"zombie); there is nothing to profile",
			pid, usage.comm, usage.parent);
	return 0;
}

static bool is_own(uint32_t pid)
{
	return pid == (uint32_t)getpid() || pid == (uint32_t)getppid();
}

/* Keeps `out` sorted, the busiest first; of too many the least busy falls out. */
static void busy_insert(
	struct process_busy *out, size_t *n, size_t cap, const struct process_busy *b)
{
	size_t at = 0;

	while (at < *n && out[at].share >= b->share)
		at++;
	if (at == cap)
		return;
	*n += *n < cap;
	memmove(out + at + 1, out + at, (*n - at - 1) * sizeof(*out));
	out[at] = *b;
}

size_t process_busy_since(const struct process_usage *before, size_t n, double elapsed_s,
	struct process_busy *out, size_t cap)
{
	double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		struct process_usage now;
		struct process_busy b = {.pid = before[i].pid};

		if (is_own(b.pid) || !process_usage_read(b.pid, &now) ||
			now.cpu_ticks < before[i].cpu_ticks)
			continue;
		b.share = (double)(now.cpu_ticks - before[i].cpu_ticks) * tick_s / elapsed_s;
		memcpy(b.comm, now.comm, sizeof(b.comm));
		if (b.share >= BUSY_SHARE_MIN)
			busy_insert(out, &found, cap, &b);
	}
	return found;
}
