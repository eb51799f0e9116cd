/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: a watch of what a file holds. */
#ifndef PROFD_PIPELINE_REPLAYING_H
#define PROFD_PIPELINE_REPLAYING_H

#include "serve/serve.h"

/* Sends window after window (many short ones are joined: 3,600 intervals at most), the last one
 * marked as such. Waits for the client to read. 0, or negative errno with a text for the client. */
int replaying_run(struct channel *channel, const struct watch_request *request, struct err *err);

#endif
