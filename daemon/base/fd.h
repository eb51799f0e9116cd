/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PROFD_BASE_FD_H
#define PROFD_BASE_FD_H

#include <stddef.h>

#include "base/buf.h"

/* `FD_CLOSE int fd = open(...)` closes at the end of the scope; negative values are left alone. */
#define FD_CLOSE __attribute__((cleanup(fd_close_at)))
void fd_close_at(int *fd);

/* Closes and sets to -1; errno is kept. */
void fd_close(int *fd);

/* Writes all of it, over short writes and EINTR. 0 or negative errno. */
int fd_write_all(int fd, const void *data, size_t len);

/* Appends the whole file (also from /proc, where the size is not known) to `b`, up to b->max. 0 or
 * negative errno; -E2BIG where the file is larger. */
int fd_read_all(int fd, struct buf *b);
int file_read(const char *path, struct buf *b);

#endif
