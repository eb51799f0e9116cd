/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum { COPY_BYTES = 64 * 1024 };

static const char *next_step(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EROFS:
		return "; choose a place that you may write to with --output";
	case ENOSPC:
	case EDQUOT:
		return "; free some space, or choose another place with --output";
	case ENOENT:
	case ENOTDIR:
		return "; create the folder first, or choose another place with --output";
	case ENAMETOOLONG:
		return "; choose a shorter name with --output";
	default:
		return "";
	}
}

const char *output_label(const struct output *o)
{
	return strcmp(o->path, "-") != 0 ? o->path : "standard output";
}

static int cannot_write(const struct output *o, int error, struct err *err)
{
	return err_set(err, -error, "cannot write %.200s: %s%s", output_label(o), strerror(error),
		next_step(error));
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* A pipe or device, or standard output: the profile waits in memory until it is whole. */
static int open_direct(struct output *o, int fd, struct err *err)
{
	o->direct_fd = fd;
	if (fd < 0)
		return cannot_write(o, errno, err);
	o->fd = memfd_create("profd-output", MFD_CLOEXEC);
	return o->fd < 0 ? err_set(err, -errno, "cannot keep the profile in memory: %s",
				   strerror(errno))
			 : 0;
}

/* Asks the kernel whether an existing file may be written, and which file a symbolic link leads to:
 * `real` gets its path. Opening it (instead of following the link ourselves) keeps the kernel's
 * rules on links in shared folders, proc(5) fs.protected_symlinks. */
static int probe(const struct output *o, char *real, size_t bytes, struct err *err)
{
	FD_CLOSE int fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	char link[64];
	ssize_t n;

	if (fd < 0)
		return cannot_write(o, errno, err);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, bytes - 1);
	if (n > 0 && real[0] == '/')
		real[n] = '\0';
	else
		snprintf(real, bytes, "%s", o->path);
	return 0;
}

/* Splits the path into an open folder and a name in it. */
static int open_folder(struct output *o, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
		slash ? path : ".");
	if (slash == path)
		strcpy(folder, "/");
	if (strlen(name) > NAME_MAX)
		return cannot_write(o, ENAMETOOLONG, err);
	memcpy(o->name, name, strlen(name) + 1);
	o->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return o->folder_fd < 0 ? cannot_write(o, errno, err) : 0;
}

static void choose_aside(struct output *o)
{
	snprintf(o->aside, sizeof(o->aside), ".profd-%d-%llx", (int)getpid(),
		(unsigned long long)clock_now_ns());
}

/* A file without a name leaves nothing behind, however we end. Where the file system has none (NFS,
 * old overlayfs), or there is no /proc to link it from, a hidden name serves. */
static int open_aside(struct output *o, struct err *err)
{
	o->fd = -1;
	if (access("/proc/self/fd", X_OK) == 0)
		o->fd = openat(o->folder_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (o->fd < 0) {
		choose_aside(o);
		o->fd = openat(
			o->folder_fd, o->aside, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	}
	if (o->fd >= 0)
		return 0;
	o->aside[0] = '\0';
	return cannot_write(o, errno, err);
}

static int open_regular(struct output *o, const struct stat *old, struct err *err)
{
	char real[PATH_MAX];
	int rc;

	snprintf(real, sizeof(real), "%s", o->path);
	rc = old ? probe(o, real, sizeof(real), err) : 0;
	if (!rc)
		rc = open_folder(o, real, err);
	if (!rc)
		rc = open_aside(o, err);
	if (!rc && old && fchmod(o->fd, old->st_mode & 0777) < 0)
		rc = cannot_write(o, errno, err); /* what was private stays private */
	return rc;
}

static int refuse_folder(const struct output *o, struct err *err)
{
	size_t len = strlen(o->path);

	return err_set(err, -EISDIR,
		"%.200s is a folder; name a file in it, as in --output %.200s%sprofile.svg",
		o->path, o->path, len && o->path[len - 1] == '/' ? "" : "/");
}

int output_open(struct output *o, const char *path, struct err *err)
{
	struct stat st;
	bool exists;
	int rc;

	*o = (struct output){.fd = -1, .folder_fd = -1, .direct_fd = -1};
	if (!*path)
		return err_set(
			err, -EINVAL, "the name of the output is empty; name a file with --output");
	if (strlen(path) >= sizeof(o->path))
		return err_set(err, -ENAMETOOLONG, "the name of the output is too long");
	memcpy(o->path, path, strlen(path) + 1);
	if (!strcmp(path, "-"))
		return open_direct(o, fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), err);
	exists = stat(path, &st) == 0;
	if (!exists && errno != ENOENT)
		return cannot_write(o, errno, err);
	if (exists ? S_ISDIR(st.st_mode) : path[strlen(path) - 1] == '/')
		return refuse_folder(o, err);
	if (exists && !S_ISREG(st.st_mode))
		rc = open_direct(o, open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), err);
	else
		rc = open_regular(o, exists ? &st : NULL, err);
	if (rc < 0)
		output_discard(o);
	return rc;
}

void output_rename(struct output *o, const char *name)
{
	snprintf(o->path, sizeof(o->path), "%s", name);
	snprintf(o->name, sizeof(o->name), "%s", name);
}

/* ---- the end -----------------------------------------------------------------------------------
 */

/* Like fd_write_all(), but a descriptor that somebody else made non-blocking is waited for. */
static int write_patiently(int fd, const char *data, size_t len)
{
	while (len) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int copy_out(struct output *o, struct err *err)
{
	char data[COPY_BYTES];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(o->fd, data, sizeof(data), at);
		int rc = n < 0 ? -errno : n ? write_patiently(o->direct_fd, data, (size_t)n) : 0;

		if (rc < 0)
			return cannot_write(o, -rc, err);
		if (!n)
			return 0;
		at += n;
	}
}

/* fsync() first: some file systems say only then that there was no room. */
static int give_name(struct output *o, struct err *err)
{
	char self[64];

	if (fsync(o->fd) < 0 && errno != EINVAL && errno != ENOSYS)
		return cannot_write(o, errno, err);
	if (!o->aside[0]) {
		choose_aside(o);
		snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
		if (linkat(AT_FDCWD, self, o->folder_fd, o->aside, AT_SYMLINK_FOLLOW) < 0) {
			o->aside[0] = '\0';
			return cannot_write(o, errno, err);
		}
	}
	if (renameat(o->folder_fd, o->aside, o->folder_fd, o->name) < 0)
		return cannot_write(o, errno, err);
	o->aside[0] = '\0';
	return 0;
}

int output_commit(struct output *o, struct err *err)
{
	struct stat st;
	int rc = fstat(o->fd, &st) < 0 ? cannot_write(o, errno, err) : 0;

	if (!rc && !st.st_size && !o->may_be_empty)
		rc = err_set(
			err, -ENODATA, "the engine wrote nothing into %.200s", output_label(o));
	if (!rc) {
		o->bytes = (uint64_t)st.st_size;
		rc = o->direct_fd >= 0 ? copy_out(o, err) : give_name(o, err);
	}
	output_discard(o);
	return rc;
}

void output_discard(struct output *o)
{
	if (o->aside[0] && o->folder_fd >= 0)
		unlinkat(o->folder_fd, o->aside, 0);
	o->aside[0] = '\0';
	fd_close(&o->fd);
	fd_close(&o->folder_fd);
	fd_close(&o->direct_fd);
}
