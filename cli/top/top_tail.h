/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside `profd top`: what others write meanwhile, kept for after the screen: the end of it, in a
 * ring of bytes. */
#ifndef PROFD_CLI_TOP_TAIL_H
#define PROFD_CLI_TOP_TAIL_H

#include <stdbool.h>
#include <stdint.h>

enum { TOP_TAIL_BYTES = 64 * 1024 };

struct top_tail {
	char data[TOP_TAIL_BYTES];
	uint64_t total; /* bytes that came so far */
};

/* Takes what can be read now, without waiting, but a bounded part of it. False: nothing will
 * follow. */
bool top_tail_read(struct top_tail *t, int fd);

/* Writes what is kept, with a line before it where that is not all, and forgets it. 0 or negative
 * errno. */
int top_tail_write(struct top_tail *t, int fd);

#endif
