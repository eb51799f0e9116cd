/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `record` command: what was asked for on the command line. */
#ifndef PROFD_CLI_RECORD_H
#define PROFD_CLI_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"
#include "render/render.h"
#include "serve/serve.h"

struct record_config {
	struct client_config client;
	struct record_request request; /* all but `title` and, with a command, `pids` */
	char **command;                /* NULL-terminated, or NULL: --pid was given */
	const char *output;            /* as given, or NULL */
	const struct render_format *format;
};

extern const struct cli_option record_options[];

/* Parses and validates. As cli_parse(). */
int record_parse(const struct cli_command *self, int argc, char **argv,
	struct record_config *config, struct err *err);

/* `profd-NAME-PID-TIME.EXTENSION` in the current folder; what could harm in a hostile name is
 * replaced. */
void record_default_output(
	char *to, size_t bytes, const char *name, unsigned pid, const struct render_format *format);

#endif
