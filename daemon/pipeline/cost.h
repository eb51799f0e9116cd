/* SPDX-License-Identifier: BSD-2-Clause */
/* What profd itself uses. */
#ifndef PROFD_PIPELINE_COST_H
#define PROFD_PIPELINE_COST_H

#include <stdint.h>

uint64_t cost_cpu_ns(void);    /* of this process so far, in user space and in system calls */
uint64_t cost_rss_bytes(void); /* now */
uint64_t cost_peak_rss_bytes(void);

#endif
