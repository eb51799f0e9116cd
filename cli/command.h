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
	char letter;      /* 0: none */
	const char *name; /* long, without the dashes; NULL ends a table */
	/* What it is called in help; NULL: takes none. Completion goes by this word: see
	 * completion_kind(). */
	const char *argument;
	const char *preset; /* default, for help; NULL: none to tell */
	const char *help;   /* filled into lines */
	/* Puts `value` (NULL where it takes none) into the command's own config. */
	int (*set)(void *config, const char *value, struct err *err);
};

struct cli_word {
	const char *name; /* NULL ends a table */
	const char *help; /* NULL: there is nothing to say about it */
};

/* The words that an option takes, where they are few. Parsing, its errors, help, man page and
 * completion all take them from here, so that they are written once. */
struct cli_choice {
	/* Its long name; "": the words that are no options; NULL ends a table. */
	const char *option;
	/* One of these two: a table, or the i-th word of a table elsewhere (no name: no more). */
	const struct cli_word *words;
	struct cli_word (*at)(size_t i);
};

struct cli_example {
	const char *line, *what; /* `line` NULL ends a table */
};

struct cli_command {
	const char *name;
	const char *group;   /* its heading in the overview; NULL: it is not for people */
	const char *summary; /* one line of the overview */
	const char *usage;   /* what follows `profd NAME `; several lines are separated by \n */
	const char *about;   /* paragraphs after the examples, with an empty line between them;
			      * filled, but for lines that begin with a blank */
	const struct cli_example *examples;
	unsigned n_shown;   /* how many of them the overview has */
	bool takes_command; /* words behind `--` are a command to run; else `--` is an error */
	/* Words that are no options, between them or after them. `name` is what `usage` calls them.
	 */
	struct {
		unsigned least, most;
		const char *name;
	} takes_words;
	const struct cli_option *options;
	const struct cli_choice *choices; /* NULL: no option has any */
	/* Paragraphs after the options. The first is "Exit status: 0 MEANING; 1 MEANING; ...". */
	const char *trailer;
	int (*run)(
		const struct cli_command *self, int argc, char **argv); /* exit status of profd */
	/* Instead of `run`, of a command about the commands; they end with NULL. */
	int (*run_about)(const struct cli_command *self, const struct cli_command *const *commands,
		int argc, char **argv);
};

enum { CLI_PARSED = 0, CLI_HELP = 1 };

/* Reads options from argv[1] on. Of a command that takes a command, `*rest` becomes what stands
 * behind `--` (NULL-terminated), or NULL where there is no `--`; of one that takes words, these
 * words (NULL-terminated; the slots of argv are used for it). Any other word that is no option is
 * an error. CLI_PARSED, CLI_HELP where -h or --help was met, or negative errno with a text that
 * names the option. */
int cli_parse(const struct cli_command *command, int argc, char **argv, void *config, char ***rest,
	struct err *err);

/* The whole program: finds the command in `commands` (NULL-terminated) and runs it. Exit status. */
int cli_run(const struct cli_command *const *commands, int argc, char **argv);

extern const char cli_help_what[];              /* what profd is, in a sentence */
extern const struct cli_option cli_help_option; /* that every command has beside its own */
void cli_help_overview(FILE *to, const struct cli_command *const *commands);
void cli_help_command(FILE *to, const struct cli_command *command);

/* The nearest of `n` names to a mistyped word, or NULL where none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

/* What `option` takes, or NULL where that is not one of a few words. */
const struct cli_choice *cli_choice_of(const struct cli_command *command, const char *option);
struct cli_word cli_choice_at(const struct cli_choice *choice, size_t i);

/* For the setter of an option with a choice: 0, or -EINVAL with the text "'VALUE' is WHAT; there
 * are
 * ...", and which of them may have been meant. The second is for one that has found out itself. */
int cli_choice_check(const struct cli_command *command, const char *option, const char *value,
	const char *what, struct err *err);
int cli_choice_refuse(
	const struct cli_choice *choice, const char *value, const char *what, struct err *err);

/* Reports wrong usage and where to read on; returns CLI_USAGE. `command` may be NULL. */
int cli_wrong_usage(const struct cli_command *command, const struct err *err);

extern const struct cli_command record_command, daemon_command, ps_command, status_command,
	report_command, diff_command, pause_command, resume_command, doctor_command;
extern const struct cli_command top_command;
extern const struct cli_command completion_command;
extern const struct cli_command engine_command; /* for the daemon, not for people */
extern const struct cli_command manual_command; /* for `make` */

#endif
