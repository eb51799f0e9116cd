/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one comparison of two parts of stores. */
#ifndef PROFD_PIPELINE_COMPARING_H
#define PROFD_PIPELINE_COMPARING_H

#include "process/process.h"
#include "serve/serve.h"

/* Reads both sides (at `path` where a side names no store of its own), writes what the request asks
 * for to `output` and answers with `compared`. `viewer` as in reporting_run. 0, or negative errno
 * with a text for the client. */
int comparing_run(struct channel *channel, const struct diff_request *request,
	const struct viewer *viewer, const char *path, int output, struct err *err);

#endif
