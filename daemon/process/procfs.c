/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* What the kernel says of a process that has gone depends on how far it has. */
static int gone_or(int error)
{
	return error == ENOENT ? -ESRCH : -error;
}

int procfs_open(uint32_t pid)
{
	char name[32];
	int folder;

	snprintf(name, sizeof(name), "/proc/%u", pid);
	folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? gone_or(errno) : folder;
}

int procfs_read(int folder, const char *name, struct buf *b, uint32_t *owner)
{
	FD_CLOSE int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc;

	buf_reset(b);
	if (fd < 0)
		return gone_or(errno);
	if (owner) {
		if (fstat(fd, &st) < 0)
			return -errno;
		*owner = st.st_uid;
	}
	rc = fd_read_all(fd, b);
	return rc == -ENOENT ? -ESRCH : rc;
}

/* ---- folders -----------------------------------------------------------------------------------
 */

struct numbers {
	uint32_t *list;
	size_t n, cap, max;
};

static int numbers_add(struct numbers *to, uint32_t number)
{
	if (to->n == to->cap) {
		size_t cap = to->cap ? to->cap * 2 : 64;
		uint32_t *list = realloc(to->list, cap * sizeof(*list));

		if (!list)
			return -ENOMEM;
		to->list = list;
		to->cap = cap;
	}
	to->list[to->n++] = number;
	return 0;
}

static int numbers_read(DIR *dir, struct numbers *to)
{
	struct dirent *entry;
	int rc = 0;

	errno = 0;
	while (!rc && to->n < to->max && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			rc = numbers_add(to, (uint32_t)strtoul(entry->d_name, NULL, 10));
	return rc ? rc : errno ? gone_or(errno) : 0;
}

int procfs_numbered(int folder, const char *name, size_t max, uint32_t **list, size_t *n)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
	struct numbers found = {.max = max};
	DIR *dir;

	*list = NULL;
	*n = 0;
	if (fd < 0)
		return gone_or(errno);
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(&fd);
		return -ENOMEM;
	}
	rc = numbers_read(dir, &found);
	closedir(dir);
	if (rc < 0) {
		free(found.list);
		return rc;
	}
	*list = found.list;
	*n = found.n;
	return 0;
}

/* ---- texts -------------------------------------------------------------------------------------
 */

bool procfs_stat_parse(const char *text, struct procfs_stat *out)
{
	/* The name may hold anything, ')' and spaces included; what follows it are numbers. */
	const char *name = strchr(text, '('), *at = strrchr(text, ')');
	uint64_t fields[25] = {0};
	size_t len;
	char *end;

	*out = (struct procfs_stat){0};
	if (!name || !at || at <= name || at[1] != ' ' || !at[2])
		return false;
	len = (size_t)(at - name - 1);
	if (len >= sizeof(out->comm))
		len = sizeof(out->comm) - 1;
	memcpy(out->comm, name + 1, len);
	out->state = at[2];
	at += 3;
	for (size_t i = 4; i < 25; i++, at = end) {
		fields[i] = strtoull(at, &end, 10); /* negative ones (8, 18, 19) are not used */
		if (end == at)
			return false;
	}
	out->user_ticks = fields[14];
	out->system_ticks = fields[15];
	out->threads = (uint32_t)fields[20];
	out->start_ticks = fields[22];
	out->rss_pages = fields[24];
	return true;
}

size_t procfs_status_numbers(const char *text, const char *key, uint64_t *out, size_t cap)
{
	size_t key_len = strlen(key), n = 0;
	const char *line = text;
	char *end;

	/* At the beginning of a line: the kernel escapes line feeds in what is the process's to
	 * write, its name. */
	while ((line = strstr(line, key)) && line != text && line[-1] != '\n')
		line += key_len;
	if (!line)
		return 0;
	for (line += key_len; n < cap; line = end) {
		while (*line == ' ' || *line == '\t')
			line++;
		if (!isdigit((unsigned char)*line))
			break;
		out[n++] = strtoull(line, &end, 10);
	}
	return n;
}
