/* SPDX-License-Identifier: BSD-2-Clause */
/* A growable byte buffer. Each one declares the most it may hold, so that hostile input cannot make
 * it grow without end. After an error the buffer stays as it was and remembers that it failed: a
 * writer of many small pieces may check buf_failed() once at its end. */
#ifndef PROFD_BASE_BUF_H
#define PROFD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NUL-terminated as soon as it is not NULL; owned */
	size_t len, cap, max;
	int error; /* 0, -ENOMEM, or -E2BIG (over `max`) */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* length 0, error cleared, memory kept */

int buf_reserve(struct buf *b, size_t more_bytes);
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_u64(struct buf *b, uint64_t value); /* decimal, faster than buf_printf */
void buf_drop(struct buf *b, size_t len);   /* removes `len` bytes from the front */

static inline bool buf_failed(const struct buf *b)
{
	return b->error != 0;
}

#endif
