/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside python/: a look at the GIL from outside. */
#ifndef PROFD_PYTHON_GIL_H
#define PROFD_PYTHON_GIL_H

#include "python/layout.h"

/* `runtime`: where _PyRuntime is in the process. 0, -ENOTSUP: the layout has no GIL, -EINVAL: what
 * is there is none, or another negative errno: it could not be read. */
int gil_held(uint32_t pid, uint64_t runtime, const struct layout *layout, bool *held);

#endif
