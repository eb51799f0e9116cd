/* SPDX-License-Identifier: BSD-2-Clause */
/* The one thing that walkers compiled for user space share: where they find their world
 * (bpf/env.h). */
#include "bpf/env.h"

__thread const struct profd_host *profd_host;
