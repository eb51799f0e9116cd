/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `top` command: what was asked for on the command line, and the two ways to show it.
 *
 *   top_session  asks the daemon or a private engine, and fills the model
 *   top_live     the screen: one loop over keys, samples and signals
 *   top_once     for scripts: samples for a while, and prints
 */
#ifndef PROFD_CLI_TOP_H
#define PROFD_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"
#include "cli/top/top_model.h"
#include "serve/serve.h"

enum {
	TOP_PRESET_RATE_HZ = 99
}; /* not 100: that would beat with what happens 100 times a second */

struct top_config {
	struct client_config client;
	struct watch_request request; /* all but `pids` of a command and the path of a file */
	struct client_texts comms, containers, users;
	char **command;     /* NULL-terminated, or NULL */
	const char *replay; /* as given, or NULL */
	const char *filter; /* "": none */
	enum top_view view;
	enum top_sort sort;
	bool has_sort, has_rate, has_limit, once;
	double delay_s, duration_s, span_s; /* duration 0: until the end; span 0: all */
	size_t limit;
};

extern const struct cli_option top_options[];
extern const struct cli_choice top_choices[];

/* Parses and validates. As cli_parse(). */
int top_parse(const struct cli_command *self, int argc, char **argv, struct top_config *config,
	struct err *err);

/* Both until the end; the exit status. */
int top_live(const struct top_config *config);
int top_once(const struct top_config *config);

#endif
