/* SPDX-License-Identifier: BSD-2-Clause */
/* How good a profile is, as short texts for people, one per line. */
#ifndef PROFD_RENDER_QUALITY_H
#define PROFD_RENDER_QUALITY_H

#include <stdbool.h>

#include "base/buf.h"
#include "flow/profile.h"

/* For a picture: all that is known, and what its widths mean. */
void quality_write(const struct profile *p, bool weighted, struct buf *out);

/* For a table: when and how long, how many samples, how many of them are lost or not whole. */
void quality_counts_write(const struct profile *p, struct buf *out);

#endif
