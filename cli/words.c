/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that take one of a few words. */
#include <errno.h>
#include <string.h>

#include "cli/command.h"

enum { NAMES_MAX = 32, KNOWN_BYTES = 300 };

const struct cli_choice *cli_choice_of(const struct cli_command *command, const char *option)
{
	for (const struct cli_choice *c = command->choices; c && c->option; c++)
		if (!strcmp(c->option, option))
			return c;
	return NULL;
}

struct cli_word cli_choice_at(const struct cli_choice *choice, size_t i)
{
	return choice->at ? choice->at(i) : choice->words[i];
}

int cli_choice_refuse(
	const struct cli_choice *choice, const char *value, const char *what, struct err *err)
{
	const char *names[NAMES_MAX], *nearest;
	char known[KNOWN_BYTES] = "";
	size_t n = 0;

	for (; n < NAMES_MAX && cli_choice_at(choice, n).name; n++) {
		size_t len = strlen(known);

		names[n] = cli_choice_at(choice, n).name;
		snprintf(known + len, sizeof(known) - len, "%s%s", n ? ", " : "", names[n]);
	}
	nearest = cli_nearest(value, names, n);
	return err_set(err, -EINVAL, "'%.60s' is %s; there are %s%s%s%s", value, what, known,
		nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

int cli_choice_check(const struct cli_command *command, const char *option, const char *value,
	const char *what, struct err *err)
{
	const struct cli_choice *choice = cli_choice_of(command, option);

	for (size_t i = 0; cli_choice_at(choice, i).name; i++)
		if (!strcmp(cli_choice_at(choice, i).name, value))
			return 0;
	return cli_choice_refuse(choice, value, what, err);
}
