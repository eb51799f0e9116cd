/* SPDX-License-Identifier: BSD-2-Clause */
/* Help that teaches by example, made from the same tables that parsing uses. */
#include "cli/command.h"

#include <limits.h>
#include <string.h>

static void print_examples(FILE *to, const struct cli_example *examples, unsigned most)
{
	for (const struct cli_example *e = examples; e->line && most--; e++)
		fprintf(to, "  %s\n      %s\n", e->line, e->what);
}

void cli_help_overview(FILE *to, const struct cli_command *const *commands)
{
	const char *group = NULL;

	fprintf(to,
		"profd %s: shows where running programs spend their time, without stopping or\n"
		"changing them: Python, native and kernel frames in one stack.\n\nFor example:\n",
		PROFD_VERSION);
	for (const struct cli_command *const *c = commands; *c; c++)
		print_examples(to, (*c)->examples, (*c)->n_shown);
	for (const struct cli_command *const *c = commands; *c; c++) {
		if (!(*c)->group)
			continue;
		if (!group || strcmp(group, (*c)->group) != 0)
			fprintf(to, "\n%s:\n", (*c)->group);
		group = (*c)->group;
		fprintf(to, "  %-10s %s\n", (*c)->name, (*c)->summary);
	}
	fprintf(to, "\n  %-10s %s\n", "help",
		"this overview; `profd help COMMAND` for one command");
	fprintf(to, "\n`profd --version` tells the version.\n");
}

static void print_usage(FILE *to, const struct cli_command *command)
{
	const char *line = command->usage;
	const char *lead = "Usage:";

	while (line) {
		const char *end = strchr(line, '\n');

		fprintf(to, "%-6s profd %s %.*s\n", lead, command->name,
			(int)(end ? end - line : (long)strlen(line)), line);
		line = end ? end + 1 : NULL;
		lead = "   or:";
	}
}

static void print_option(FILE *to, const struct cli_option *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->argument ? " " : "",
		o->argument ? o->argument : "");
	for (const char *line = o->help; line;) {
		const char *end = strchr(line, '\n');

		fprintf(to, "  %-25s %.*s", left, (int)(end ? end - line : (long)strlen(line)),
			line);
		left[0] = '\0';
		if (!end && o->preset)
			fprintf(to, " [%s]", o->preset);
		fputc('\n', to);
		line = end ? end + 1 : NULL;
	}
}

void cli_help_command(FILE *to, const struct cli_command *command)
{
	static const struct cli_option help = {'h', "help", NULL, NULL, "this text", NULL};

	print_usage(to, command);
	fprintf(to, "\n%s\n\nFor example:\n", command->summary);
	print_examples(to, command->examples, UINT_MAX);
	if (command->about)
		fprintf(to, "\n%s\n", command->about);
	fprintf(to, "\nOptions:\n");
	for (const struct cli_option *o = command->options; o->name; o++)
		print_option(to, o);
	print_option(to, &help);
	if (command->trailer)
		fprintf(to, "\n%s\n", command->trailer);
}
