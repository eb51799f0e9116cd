/* SPDX-License-Identifier: BSD-2-Clause */
/* profd pause: an order to the daemon. */
#include "cli/client.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
	return client_order(self, argc, argv, SERVE_PAUSE);
}

static const struct cli_example examples[] = {
	{"profd pause", "no sampling on this host from now on"},
	{NULL, NULL},
};

static const struct cli_option options[] = {
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{0, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command pause_command = {
	.name = "pause",
	.group = "Record always",
	.summary = "stop profiling until `profd resume`; the daemon stays",
	.usage = "[OPTION...]",
	.about =
		"For measurements that nothing may disturb. What was gathered so far is written to the\n"
		"store, questions are answered as before, and the time until `profd resume` has no profile.\n"
		"Only root and members of the daemon's group may.",
	.examples = examples,
	.options = options,
	.trailer = "Exit status: 0; 1 the daemon could not be reached, or refused; 2 wrong usage.",
	.run = run,
};
