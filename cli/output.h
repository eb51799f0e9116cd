/* SPDX-License-Identifier: BSD-2-Clause */
/* The output file: opened before anything is sampled, written aside, and given its name at the end.
 *
 *   a regular file       written under no name (or a hidden one, where the file system cannot do
 * that) in its own folder, then renamed over the old one: that survives every failure
 *   -, a pipe, a device  written into memory first and copied at the end, so that a failure leaves
 * no half profile */
#ifndef PROFD_CLI_OUTPUT_H
#define PROFD_CLI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct output {
	int fd;              /* where the engine writes */
	int folder_fd;       /* of a regular file */
	int direct_fd;       /* of `-`, a pipe, a device */
	char path[PATH_MAX]; /* as people know it; "-" is standard output */
	char name[NAME_MAX + 1];
	char aside[64];    /* hidden name that exists in the folder; "": none */
	uint64_t bytes;    /* after output_commit() */
	bool may_be_empty; /* to be set after output_open(); else nothing written is a failure */
};

const char *output_label(const struct output *o); /* its name for people */

int output_open(struct output *o, const char *path, struct err *err);

/* Another name in the same folder, for a regular file that has not got its own yet. */
void output_rename(struct output *o, const char *name);

/* Puts the written profile in its place and closes all. On failure nothing of it stays. For a pipe
 * this may wait for the reader. */
int output_commit(struct output *o, struct err *err);

void output_discard(struct output *o); /* also after a commit: does nothing then */

#endif
