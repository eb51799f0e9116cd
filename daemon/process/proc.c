/* SPDX-License-Identifier: BSD-2-Clause */
/* What /proc and the kernel tell about one process, without remembering anything. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/process.h"
#include "process/table.h"

static int compare_tids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int process_threads(uint32_t pid, uint32_t **tids, size_t *n)
{
	char name[64];
	size_t cap = 0;
	struct dirent *entry;
	DIR *dir;

	*tids = NULL;
	*n = 0;
	snprintf(name, sizeof(name), "/proc/%u/task", pid);
	dir = opendir(name);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(dir))) {
		unsigned long tid = strtoul(entry->d_name, NULL, 10);

		if (!tid)
			continue;
		if (*n == cap) {
			uint32_t *more = realloc(*tids, (cap = cap ? cap * 2 : 64) * sizeof(*more));

			if (!more) {
				free(*tids);
				*tids = NULL;
				closedir(dir);
				return -ENOMEM;
			}
			*tids = more;
		}
		(*tids)[(*n)++] = (uint32_t)tid;
	}
	closedir(dir);
	if (*n)
		qsort(*tids, *n, sizeof(**tids), compare_tids);
	return 0;
}

/* Whole if it can, else page by page up to the first that is not there. */
ssize_t process_read(uint32_t pid, uint64_t address, void *data, size_t bytes)
{
	enum { PAGE = 4096 };
	struct iovec to = {data, bytes}, from = {(void *)(uintptr_t)address, bytes};
	ssize_t n = process_vm_readv((pid_t)pid, &to, 1, &from, 1, 0);
	size_t done = 0;

	if (n == (ssize_t)bytes || (n < 0 && errno != EFAULT))
		return n < 0 ? -errno : n;
	while (done < bytes) {
		size_t step = PAGE - ((address + done) & (PAGE - 1));

		to = (struct iovec){(char *)data + done, step < bytes - done ? step : bytes - done};
		from = (struct iovec){(void *)(uintptr_t)(address + done), to.iov_len};
		n = process_vm_readv((pid_t)pid, &to, 1, &from, 1, 0);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : -EFAULT;
}

int process_open_file(uint32_t pid, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char root_path[64];
	struct stat st;
	long fd;
	int file;

	if (path[0] != '/')
		return -EINVAL;
	snprintf(root_path, sizeof(root_path), "/proc/%u/root", pid);
	FD_CLOSE int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	file = (int)fd;
	if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&file);
		return -EINVAL;
	}
	return file;
}

/* The state of a task by its stat file, and how many threads its process has; 0: there is none. */
static char task_state(const char *name, unsigned *threads)
{
	char *after, state = 0;
	struct buf text;

	buf_init(&text, 8192);
	/* proc_pid_stat(5): 3 state, 20 threads. */
	if (file_read(name, &text) < 0 || !(after = strrchr(text.data, ')')) ||
		sscanf(after + 1,
			" %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u",
			&state, threads) != 2)
		state = 0;
	buf_free(&text);
	return state;
}

static bool is_running_state(char state)
{
	return state && state != 'Z' && state != 'X';
}

static bool task_is_alive(uint32_t pid, uint32_t tid)
{
	unsigned threads;
	char name[96];

	snprintf(name, sizeof(name), "/proc/%u/task/%u/stat", pid, tid);
	return is_running_state(task_state(name, &threads));
}

bool process_is_alive(uint32_t pid)
{
	bool alive = false;
	unsigned threads;
	uint32_t *tids;
	char name[64], state;
	size_t n;

	snprintf(name, sizeof(name), "/proc/%u/stat", pid);
	state = task_state(name, &threads);
	if (!state || is_running_state(state) || threads < 2)
		return is_running_state(state);
	if (process_threads(pid, &tids, &n) < 0) /* its main thread has ended; do others run? */
		return false;
	for (size_t i = 0; i < n && !alive; i++)
		alive = task_is_alive(pid, tids[i]);
	free(tids);
	return alive;
}
