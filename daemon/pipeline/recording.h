/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one recording for one client. */
#ifndef PROFD_PIPELINE_RECORDING_H
#define PROFD_PIPELINE_RECORDING_H

#include "process/process.h"
#include "serve/serve.h"

/* Records what the request says, tells the client how it goes, writes the profile to `output`, and
 * answers with `finished`. Blocks until the end. The PIDs of the request are profd's own; `viewer`
 * (NULL: sees all) says what the client may see, and by which numbers it knows it. 0; -EPIPE where
 * the client has gone; other negative errno with a text for the client. */
int recording_run(struct channel *channel, const struct record_request *request,
	const struct viewer *viewer, int output, struct err *err);

#endif
