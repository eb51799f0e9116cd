/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the answer to `ps`. */
#ifndef PROFD_PIPELINE_LISTING_H
#define PROFD_PIPELINE_LISTING_H

#include "pipeline/host.h"
#include "serve/serve.h"

/* The processes of the host that the viewer may see, the busiest first. 0 or negative errno. */
int listing_send(
	struct channel *ch, uint64_t id, const struct host *h, const struct viewer *viewer);

#endif
