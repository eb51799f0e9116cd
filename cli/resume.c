/* SPDX-License-Identifier: BSD-2-Clause */
/* profd resume: an order to the daemon. */
#include "cli/client.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
	return client_order(self, argc, argv, SERVE_RESUME);
}

static const struct cli_example examples[] = {
	{"profd resume", "sampling as before the pause"},
	{NULL, NULL},
};

static const struct cli_option options[] = {
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{0, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command resume_command = {
	.name = "resume",
	.group = "Record always",
	.summary = "go on profiling after `profd pause`",
	.usage = "[OPTION...]",
	.about = "Only root and members of the daemon's group may.",
	.examples = examples,
	.options = options,
	.trailer = "Exit status: 0; 1 the daemon could not be reached, or refused; 2 wrong usage.",
	.run = run,
};
