/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_tail.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/terminal.h"

enum { READS_MAX = 16 }; /* at once: who writes without end must not hold up the keys */

bool top_tail_read(struct top_tail *t, int fd)
{
	for (int i = 0; i < READS_MAX; i++) {
		const size_t at = t->total % TOP_TAIL_BYTES;
		ssize_t n = read(fd, t->data + at, TOP_TAIL_BYTES - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (!n)
			return false;
		t->total += (uint64_t)n;
	}
	return true;
}

int top_tail_write(struct top_tail *t, int fd)
{
	const size_t at = t->total % TOP_TAIL_BYTES;
	char left_out[32];
	int rc = 0;

	if (t->total > TOP_TAIL_BYTES)
		say("(%s of output before this was left out)",
			terminal_bytes(t->total - TOP_TAIL_BYTES, left_out));
	if (t->total >= TOP_TAIL_BYTES)
		rc = fd_write_all(fd, t->data + at, TOP_TAIL_BYTES - at);
	if (!rc && at)
		rc = fd_write_all(fd, t->data, at);
	t->total = 0;
	return rc;
}
