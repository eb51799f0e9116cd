/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: objects of the target. */
#ifndef PROFD_PYTHON_TEXT_H
#define PROFD_PYTHON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "python/layout.h"

enum { TEXT_CHARS_MAX = 512 }; /* longer strings are cut, with "..." */

/* A str object as UTF-8, appended to `out`. 0; -EFAULT: unreadable; -EINVAL: no sane string;
 * -ENOMEM. */
int text_read(uint32_t pid, const struct layout *layout, uint64_t address, struct buf *out);

/* The contents of a bytes object of up to `max` bytes, appended to `out`. Errors as above. */
int bytes_read(
	uint32_t pid, const struct layout *layout, uint64_t address, size_t max, struct buf *out);

#endif
