/* SPDX-License-Identifier: BSD-2-Clause */
/* profd pause and profd resume: orders to the daemon. */
#include "cli/client.h"

static int run_pause(const struct cli_command *self, int argc, char **argv)
{
	return client_order(self, argc, argv, SERVE_PAUSE);
}

static int run_resume(const struct cli_command *self, int argc, char **argv)
{
	return client_order(self, argc, argv, SERVE_RESUME);
}

static const struct cli_example pause_examples[] = {
	{"profd pause", "no sampling on this host from now on"},
	{NULL, NULL},
};

static const struct cli_example resume_examples[] = {
	{"profd resume", "sampling as before the pause"},
	{NULL, NULL},
};

static const struct cli_option options[] = {
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{0, NULL, NULL, NULL, NULL, NULL},
};

#define TRAILER "Exit status: 0; 1 the daemon could not be reached, or refused; 2 wrong usage."

const struct cli_command pause_command = {
	.name = "pause",
	.group = "Record always",
	.summary = "stop profiling until `profd resume`; the daemon stays",
	.usage = "[OPTION...]",
	.about =
		"For measurements that nothing may disturb. What was gathered so far is written to the\n"
		"store, questions are answered as before, and the time until `profd resume` has no profile.\n"
		"Only root and members of the daemon's group may.",
	.examples = pause_examples,
	.options = options,
	.trailer = TRAILER,
	.run = run_pause,
};

const struct cli_command resume_command = {
	.name = "resume",
	.group = "Record always",
	.summary = "go on profiling after `profd pause`",
	.usage = "[OPTION...]",
	.about = "Only root and members of the daemon's group may.",
	.examples = resume_examples,
	.options = options,
	.trailer = TRAILER,
	.run = run_resume,
};
