/* SPDX-License-Identifier: BSD-2-Clause */
/* A subcommand is one const struct. Parsing, help and suggestions all come from its tables. */
#ifndef PROFD_CLI_COMMAND_H
#define PROFD_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit statuses of profd itself */

struct cli_option {
	char letter;          /* 0: none */
	const char *name;     /* long, without the dashes; NULL ends a table */
	const char *argument; /* what it is called in help; NULL: takes none */
	const char *preset;   /* default, for help; NULL: none to tell */
	const char *help;
	/* Puts `value` (NULL where it takes none) into the command's own config. */
	int (*set)(void *config, const char *value, struct err *err);
};

struct cli_example {
	const char *line, *what; /* `line` NULL ends a table */
};

struct cli_command {
	const char *name;
	const char *group;   /* its heading in the overview; NULL: it is not for people */
	const char *summary; /* one line of the overview */
	const char *usage;   /* what follows `profd NAME `; several lines are separated by \n */
	const char *about;   /* paragraphs after the examples; lines are printed as they are */
	const struct cli_example *examples;
	unsigned n_shown;   /* how many of them the overview has */
	bool takes_command; /* words behind `--` are a command to run; else `--` is an error */
	const struct cli_option *options;
	const char *trailer; /* lines after the options: exit status and the like */
	int (*run)(
		const struct cli_command *self, int argc, char **argv); /* exit status of profd */
};

enum { CLI_PARSED = 0, CLI_HELP = 1 };

/* Reads options from argv[1] on. `*rest` becomes what stands behind `--` (NULL-terminated), or NULL
 * where there is no
 * `--`; any other word that is no option is an error. CLI_PARSED, CLI_HELP where -h or --help was
 * met, or negative errno with a text that names the option. */
int cli_parse(const struct cli_command *command, int argc, char **argv, void *config, char ***rest,
	struct err *err);

/* The whole program: finds the command in `commands` (NULL-terminated) and runs it. Exit status. */
int cli_run(const struct cli_command *const *commands, int argc, char **argv);

void cli_help_overview(FILE *to, const struct cli_command *const *commands);
void cli_help_command(FILE *to, const struct cli_command *command);

/* The nearest of `n` names to a mistyped word, or NULL where none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

/* Reports wrong usage and where to read on; returns CLI_USAGE. `command` may be NULL. */
int cli_wrong_usage(const struct cli_command *command, const struct err *err);

extern const struct cli_command record_command, daemon_command, ps_command, status_command,
	report_command, pause_command, resume_command, doctor_command;
extern const struct cli_command engine_command; /* for the daemon, not for people */

#endif
