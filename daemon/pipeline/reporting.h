/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one question to a store. */
#ifndef PROFD_PIPELINE_REPORTING_H
#define PROFD_PIPELINE_REPORTING_H

#include "process/process.h"
#include "serve/serve.h"

/* Reads the store at `path`, writes what the request asks for to `output` and answers with
 * `reported`. `viewer` (NULL: sees all) says what the client may see; with one the process gives up
 * its privileges. 0, or negative errno with a text for the client. */
int reporting_run(struct channel *channel, const struct report_request *request,
	const struct viewer *viewer, const char *path, int output, struct err *err);

#endif
