/* SPDX-License-Identifier: BSD-2-Clause */
/* profd engine: one client's request in a process of its own. The daemon runs it as
 *
 *     3  the client's socket    4  the client's output, or closed    5  what it is for
 *
 * and nobody else can: without those descriptors it refuses. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "pipeline/pipeline.h"

enum { ENGINE_SOCKET = 3, ENGINE_OUTPUT = 4, ENGINE_ORDER = 5 };

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	(void)self;
	(void)argv;
	if (argc > 1 || !is_open(ENGINE_SOCKET) || !is_open(ENGINE_ORDER)) {
		say("`profd engine` is run by the daemon only; people use `profd record`");
		return CLI_USAGE;
	}
	log_set_level(LOG_LEVEL_WARN);
	return pipeline_work(
		       ENGINE_SOCKET, is_open(ENGINE_OUTPUT) ? ENGINE_OUTPUT : -1, ENGINE_ORDER) < 0
		       ? CLI_FAILED
		       : CLI_OK;
}

static const struct cli_example examples[] = {{NULL, NULL}};
static const struct cli_option options[] = {{0, NULL, NULL, NULL, NULL, NULL}};

const struct cli_command engine_command = {
	.name = "engine",
	.summary = "answer one client of the daemon; run by the daemon only",
	.usage = "",
	.examples = examples,
	.options = options,
	.run = run,
};
