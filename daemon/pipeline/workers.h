/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: processes that serve one request each. */
#ifndef PROFD_PIPELINE_WORKERS_H
#define PROFD_PIPELINE_WORKERS_H

#include "pipeline/order.h"

enum { WORKERS_MAX = 16, WORKERS_PER_USER = 4 };

struct workers {
	struct worker {
		int pid;
		uint32_t uid; /* of the client */
	} list[WORKERS_MAX];
	size_t n;
};

/* Starts one for the client at `socket_fd` (it gets copies of both descriptors; output_fd may be
 * -1). -EBUSY: there are too many already, all told or of this user. */
int workers_start(struct workers *w, int socket_fd, int output_fd, const struct order *order,
	struct err *err);

void workers_reap(struct workers *w); /* those that have ended */
void workers_end(struct workers *w);  /* all: their clients see the connection end */

#endif
