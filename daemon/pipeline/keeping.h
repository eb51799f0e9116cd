/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: one recording for one client, into a profile file. */
#ifndef PROFD_PIPELINE_KEEPING_H
#define PROFD_PIPELINE_KEEPING_H

#include "process/process.h"
#include "serve/serve.h"

/* The largest profile file. Beside the tables it takes their bytes once more to write one; and the
 * system's daemon, whose child it is, has not much memory for all. */
#define KEEPING_BYTES_MAX ((uint64_t)64 << 20)

/* As recording_run(), whose format is SERVE_FORMAT_PROFD: what it writes to `output` is a store
 * with windows of a second, all of them kept as they are. Where it grows to `max_bytes`, the
 * recording ends there, and says so. */
int keeping_run(struct channel *channel, const struct record_request *request,
	const struct viewer *viewer, int output, uint64_t max_bytes, struct err *err);

#endif
