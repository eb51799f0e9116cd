/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `record` command: what was asked for on the command line. */
#ifndef PROFD_CLI_RECORD_H
#define PROFD_CLI_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"
#include "serve/serve.h"

/* What a recording can be written as: a format of render/, or the samples themselves. */
struct record_format {
	const char *name, *extension, *help;
};
struct record_format record_format_at(size_t i); /* `name` NULL: no more; 0 is the preset one */

struct record_config {
	struct client_config client;
	struct record_request request; /* all but `title` and, with a command, `pids` */
	char **command;                /* NULL-terminated, or NULL: --pid was given */
	const char *output;            /* as given, or NULL */
	struct record_format format;   /* `name` NULL: none was named, while parsing */
};

extern const struct cli_option record_options[];
extern const struct cli_choice record_choices[];

/* Parses and validates. As cli_parse(). */
int record_parse(const struct cli_command *self, int argc, char **argv,
	struct record_config *config, struct err *err);

/* `profd-NAME-PID-TIME.EXTENSION` in the current folder; what could harm in a hostile name is
 * replaced. */
void record_default_output(
	char *to, size_t bytes, const char *name, unsigned pid, const char *extension);

#endif
