/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "process/procfs.h"

bool namespace_pids_parse(const char *status, struct namespace_pids *out)
{
	out->n = procfs_status_numbers(status, "NSpid:", out->at, NAMESPACE_LEVELS_MAX);
	if (!out->n) /* a kernel without PID namespaces */
		out->n = procfs_status_numbers(status, "Pid:", out->at, 1);
	return out->n > 0;
}

uint64_t namespace_inode(int folder)
{
	struct stat st;

	return fstatat(folder, "ns/pid", &st, 0) < 0 ? 0 : st.st_ino;
}

bool namespace_is(int folder, size_t levels_up, uint64_t inode)
{
	struct stat st;
	int current;

	if (!levels_up)
		return inode && namespace_inode(folder) == inode;
	current = openat(folder, "ns/pid", O_RDONLY | O_CLOEXEC);
	while (current >= 0 && levels_up--) {
		int parent = ioctl(current, NS_GET_PARENT);

		fd_close(&current);
		current = parent;
	}
	if (current < 0 || fstat(current, &st) < 0)
		st.st_ino = 0;
	fd_close(&current);
	return inode && st.st_ino == inode;
}
