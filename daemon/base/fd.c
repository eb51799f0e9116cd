/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { READ_STEP = 16384 };

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void fd_close_at(int *fd)
{
	fd_close(fd);
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, struct buf *b)
{
	for (;;) {
		size_t room = b->max - b->len < READ_STEP ? b->max - b->len : READ_STEP;
		ssize_t n;
		char probe;
		int rc;

		if (!room) { /* full: only an end of file is in order now */
			n = read(fd, &probe, 1);
			return n == 0 ? 0 : n < 0 ? -errno : (b->error = -E2BIG);
		}
		rc = buf_reserve(b, room);
		if (rc < 0)
			return rc;
		n = read(fd, b->data + b->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (!n)
			return 0;
	}
}

int file_read(const char *path, struct buf *b)
{
	FD_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_read_all(fd, b);
}
