/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the `daemon` command: what was asked for on the command line. */
#ifndef PROFD_CLI_DAEMON_H
#define PROFD_CLI_DAEMON_H

#include <limits.h>
#include <stdbool.h>

#include "cli/command.h"
#include "pipeline/pipeline.h"

enum { DAEMON_SETTINGS_MAX = 256 };

/* Kept as they were given, because every reload applies them again, over the file. */
struct daemon_options {
	const char *config; /* --config, or NULL: the default file, where there is one */
	struct {
		const char *name, *value; /* as in the file */
	} settings[DAEMON_SETTINGS_MAX];
	size_t n_settings;
	char store[PATH_MAX], socket[PATH_MAX]; /* whole paths that `settings` may point to */
	char whole_config[PATH_MAX];            /* likewise of `config` */
	bool chooses; /* names what is profiled: the file's choice is void */
	bool verbose;
	struct daemon_config
		*scratch; /* values are tried on it while parsing; owned by the caller */
};

extern const struct cli_option daemon_options[];

/* Makes the configuration: the defaults, the file over them, the options over that. The file is
 * read anew. 0, or negative errno with a text. `arg` is a struct daemon_options. */
int daemon_configure(void *arg, struct daemon_config *out, struct err *err);

#endif
