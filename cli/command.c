/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/command.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/terminal.h"

enum { COMMANDS_MAX = 32 };

/* A closed standard descriptor would be given to the next file opened, and messages would end up in
 * it. The stand-ins close on exec: a command that profd starts finds its descriptors as the caller
 * left them. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static const struct cli_command *find(const struct cli_command *const *commands, const char *name)
{
	for (; *commands; commands++)
		if (!strcmp((*commands)->name, name))
			return *commands;
	return NULL;
}

static int unknown_command(const struct cli_command *const *commands, const char *word)
{
	const char *names[COMMANDS_MAX] = {"help"};
	const char *nearest;
	size_t n = 1;
	struct err err;

	for (; *commands && n < COMMANDS_MAX; commands++)
		if ((*commands)->group)
			names[n++] = (*commands)->name;
	nearest = cli_nearest(word, names, n);
	err_set(&err, -1, "there is no command '%.60s'%s%s%s", word,
		nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return cli_wrong_usage(NULL, &err);
}

int cli_wrong_usage(const struct cli_command *command, const struct err *err)
{
	say("%s", err->text);
	say("`profd help%s%s` shows how it is used", command ? " " : "",
		command ? command->name : "");
	return CLI_USAGE;
}

static int help(const struct cli_command *const *commands, const char *topic)
{
	const struct cli_command *command = topic ? find(commands, topic) : NULL;

	if (topic && !command && strcmp(topic, "help") != 0)
		return unknown_command(commands, topic);
	if (command)
		cli_help_command(stdout, command);
	else
		cli_help_overview(stdout, commands);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static int version(void)
{
	printf("profd %s\n", PROFD_VERSION);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_run(const struct cli_command *const *commands, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct cli_command *command;

	fill_standard_descriptors();
	if (!word) {
		cli_help_overview(stderr, commands);
		return CLI_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return help(commands, NULL);
	if (!strcmp(word, "help"))
		return help(commands, argc > 2 ? argv[2] : NULL);
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return version();
	command = find(commands, word);
	if (!command)
		return unknown_command(commands, word);
	return command->run_about ? command->run_about(command, commands, argc - 1, argv + 1)
				  : command->run(command, argc - 1, argv + 1);
}
