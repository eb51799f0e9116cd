/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/listening.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

enum { BACKLOG = 64 };

int folder_make(const char *file_path, unsigned mode)
{
	char folder[4096];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", file_path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	return mkdir(folder, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* Whether somebody listens there. */
static bool is_alive(const struct sockaddr_un *address)
{
	FD_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) ||
				  errno == EAGAIN);
}

/* Only a socket is taken away, never a file that somebody named by mistake. */
static int remains_remove(const struct sockaddr_un *address, struct err *err)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s exists and is no socket; choose another --socket",
			address->sun_path);
	if (is_alive(address))
		return err_set(err, -EBUSY,
			"another profd daemon listens on %s; stop it, or choose another --socket",
			address->sun_path);
	unlink(address->sun_path);
	return 0;
}

int listening_open(const char *path, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "the socket's path has over %zu bytes: %s",
			sizeof(address.sun_path) - 1, path);
	strcpy(address.sun_path, path);
	folder_make(path, 0755);
	rc = remains_remove(&address, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
		!chmod(path, 0666) && !listen(fd, BACKLOG))
		return fd;
	rc = -errno;
	fd_close(&fd);
	return err_set(err, rc, "cannot listen on %s: %s", path, strerror(-rc));
}
