/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/. */
#ifndef PROFD_PIPELINE_PRIVILEGES_H
#define PROFD_PIPELINE_PRIVILEGES_H

/* For a worker that answers a question of a stranger from the store: it gives up every capability
 * (the store belongs to its user), and what it may use of the machine is bounded. For good. */
void privileges_drop(void);

#endif
