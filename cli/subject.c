/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/subject.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"

const char *subject_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

void subject_comm(uint32_t pid, char *comm, size_t bytes)
{
	char path[64];
	struct buf b;

	buf_init(&b, 64);
	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	if (file_read(path, &b) < 0 || !b.len)
		snprintf(comm, bytes, "process");
	else
		snprintf(comm, bytes, "%.*s", (int)strcspn(b.data, "\n"), b.data);
	buf_free(&b);
}

void subject_of_pids(char *to, size_t bytes, const char *name, const uint32_t *pids, size_t n)
{
	char others[40] = "";

	if (n > 1)
		snprintf(others, sizeof(others), " and %zu more", n - 1);
	snprintf(to, bytes, "%.200s (%u)%s", name, pids[0], others);
}
