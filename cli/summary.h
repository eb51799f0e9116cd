/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a recording, told to people (stderr) or to programs (one JSON object on stdout). */
#ifndef PROFD_CLI_SUMMARY_H
#define PROFD_CLI_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct summary {
	const char *output; /* file name; "-": standard output */
	const char *format;
	uint64_t output_bytes;
	const char *subject;    /* what was recorded: "python3 (4711)"; hostile */
	const json_t *finished; /* the daemon's message body; nothing in it is taken for granted */
};

/* Lines for people into `to`; `columns` is the width to keep to. */
void summary_print(FILE *to, const struct summary *s, unsigned columns);

/* One JSON object and a newline. 0 or negative errno. */
int summary_print_json(FILE *to, const struct summary *s);

#endif
