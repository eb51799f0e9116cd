/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `report` command: what was asked for on the command line. */
#ifndef PROFD_CLI_REPORT_H
#define PROFD_CLI_REPORT_H

#include "cli/client.h"
#include "render/render.h"

struct report_config {
	struct client_config client;
	/* Its lists point into the ones below: never report_request_clear() it. */
	struct report_request request;
	struct client_texts comms, containers, users, threads;
	const struct table_format *table; /* one of these two is the format */
	const struct render_format *stacks;
	const char *since, *until; /* as given, or NULL */
	const char *format, *output, *store;
	bool has_limit;
};

extern const struct cli_option report_options[];
extern const struct cli_choice report_choices[];

/* Parses and validates, seen from the time `now_unix_s`. As cli_parse(). */
int report_parse(const struct cli_command *self, int argc, char **argv, double now_unix_s,
	struct report_config *config, struct err *err);

#endif
