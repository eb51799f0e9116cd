/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `completion` command: what a shell may offer for the value of an option, and a writer
 * for each shell. */
#ifndef PROFD_CLI_COMPLETION_H
#define PROFD_CLI_COMPLETION_H

#include "cli/command.h"

/* Of what a value is. The scripts have a function for each of them. */
enum completion_kind {
	COMPLETION_NOTHING, /* a number, a pattern: nothing to offer */
	COMPLETION_FILE,
	COMPLETION_PIDS, /* a list with commas */
	COMPLETION_COMM, /* the name of a process */
	COMPLETION_USER,
	COMPLETION_CONTAINER, /* how its ID begins, or `host` */
	COMPLETION_CGROUP,    /* its path below /sys/fs/cgroup */
	COMPLETION_TIME,
	COMPLETION_UNKNOWN /* an argument that the table does not have */
};

/* By what the argument is called: FILE, PID[,PID...], SECONDS, ... */
enum completion_kind completion_kind(const char *argument);

/* What `profd COMMAND` takes as words that are no options. */
enum completion_kind completion_words_kind(const struct cli_command *command);

typedef void completion_writer(FILE *to, const struct cli_command *const *commands);
completion_writer completion_bash, completion_zsh, completion_fish;

#endif
