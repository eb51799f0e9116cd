/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"

/* The store itself, where the path is a link: two names of one store share the lock. */
static int lock_name(const char *path, char *name, size_t size)
{
	char *real = realpath(path, NULL);
	int n = snprintf(name, size, "%s.lock", real ? real : path);

	free(real);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int held(int fd, const char *path, struct err *err)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	if (pid > 0)
		return err_set(err, -EBUSY,
			"the daemon with PID %ld writes to the store %s; stop it, or name another "
			"store",
			pid, path);
	return err_set(err, -EBUSY,
		"another daemon writes to the store %s; stop it, or name another store", path);
}

static int cannot(int cause, const char *name, struct err *err)
{
	if (cause == EACCES || cause == EPERM || cause == EROFS)
		return err_set(err, cause == EROFS ? -EROFS : -EACCES,
			"the store may not be written: %s: %s; run as its owner, or name a store "
			"elsewhere",
			name, strerror(cause));
	if (cause == ENOSPC || cause == EDQUOT)
		return err_set(err, -ENOSPC, "no space for %s; free some on that disk", name);
	return err_set(err, -cause, "cannot make %s: %s; name a store in a folder that exists",
		name, strerror(cause));
}

int lock_take(const char *path, struct err *err)
{
	char name[PATH_MAX], pid[32];
	FD_CLOSE int fd = -1;
	int rc = lock_name(path, name, sizeof(name)), keep;

	if (rc < 0)
		return err_set(err, rc, "the path of the store is too long");
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd < 0)
		return cannot(errno, name, err);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? held(fd, path, err) : cannot(errno, name, err);
	/* For the text above only: a full disk is no reason to go without the lock. */
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)fd_write_all(fd, pid, strlen(pid));
	keep = fd;
	fd = -1;
	return keep;
}
