/* SPDX-License-Identifier: BSD-2-Clause */
/* One function per format; the table of them is in render.c. Contract: struct render_format.render.
 */
#ifndef PROFD_RENDER_FORMATS_H
#define PROFD_RENDER_FORMATS_H

#include "render/render.h"

int render_flamegraph(const struct profile *p, struct buf *out, struct err *err);
int render_collapsed(const struct profile *p, struct buf *out, struct err *err);

#endif
