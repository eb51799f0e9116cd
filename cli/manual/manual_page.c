/* SPDX-License-Identifier: BSD-2-Clause */
/* The manual page of a command, and that of all of them. */
#include <limits.h>
#include <string.h>

#include "cli/manual/manual.h"
#include "pipeline/pipeline.h"

enum { TITLE_BYTES = 64, TEXT_BYTES = 1024 };

/* ---- parts of a page ---------------------------------------------------------------------------
 */

/* Words of a line, as the body of a tagged paragraph: `.TP`, the tag, then this. */
static void put_body(FILE *to, const char *text)
{
	roff_text(to, text, strlen(text));
}

static void put_examples(FILE *to, const struct cli_example *examples, unsigned most)
{
	for (const struct cli_example *e = examples; e->line && most--; e++) {
		fputs(".TP\n\\fB", to);
		roff_plain(to, e->line, strlen(e->line));
		fputs("\\fR\n", to);
		put_body(to, e->what);
	}
}

/* `auto`, `ebpf`. */
static void put_names(FILE *to, const struct cli_choice *choice)
{
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		const char *name = cli_choice_at(choice, i).name;

		fputs("\\fB", to);
		roff_plain(to, name, strlen(name));
		fprintf(to, "\\fR%s\n", cli_choice_at(choice, i + 1).name ? "," : ".");
	}
}

static void put_meanings(FILE *to, const struct cli_choice *choice)
{
	fputs(".RS\n", to);
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		struct cli_word word = cli_choice_at(choice, i);

		fputs(".TP\n\\fB", to);
		roff_plain(to, word.name, strlen(word.name));
		fputs("\\fR\n", to);
		put_body(to, word.help ? word.help : "");
	}
	fputs(".RE\n", to);
}

static void put_tag(FILE *to, const struct cli_option *o)
{
	fputs(".TP\n", to);
	if (o->letter)
		fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", to);
	roff_plain(to, o->name, strlen(o->name));
	fputs("\\fR", to);
	if (o->argument) {
		fputs(" \\fI", to);
		roff_plain(to, o->argument, strlen(o->argument));
		fputs("\\fR", to);
	}
	fputc('\n', to);
}

static void put_option(FILE *to, const struct cli_option *o, const struct cli_choice *choice)
{
	const bool has_meanings = choice && cli_choice_at(choice, 0).help;
	const bool has_names = choice && !has_meanings;
	char text[TEXT_BYTES];

	put_tag(to, o);
	snprintf(text, sizeof(text), "%s%s", o->help, has_names ? ":" : o->preset ? "." : "");
	put_body(to, text);
	if (has_names)
		put_names(to, choice);
	if (o->preset) {
		fputs("Default: ", to);
		roff_plain(to, o->preset, strlen(o->preset));
		fputs(".\n", to);
	}
	if (has_meanings)
		put_meanings(to, choice);
}

/* "Exit status: 0 MEANING; 1 MEANING." as a list; other paragraphs as they are. */
static void put_exit_status(FILE *to, const char *trailer)
{
	static const char lead[] = "Exit status: ";
	const char *at = trailer, *end = strstr(trailer, "\n\n");

	end = end ? end : trailer + strlen(trailer);
	roff_section(to, "EXIT STATUS");
	if (strncmp(trailer, lead, strlen(lead)) != 0) {
		roff_paragraphs(to, trailer);
		return;
	}
	for (at += strlen(lead); at < end;) {
		size_t len = strcspn(at, ";"), code = strspn(at, "0123456789+N"), skip;

		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		fputs(".TP\n\\fB", to);
		roff_plain(to, at, code);
		fputs("\\fR\n", to);
		skip = code + strspn(at + code, ", \n");
		if (skip < len)
			roff_text(to, at + skip, len - skip - (at[len - 1] == '.'));
		else
			fputs("success\n", to);
		at += len + (at + len < end);
		at += strspn(at, " \n");
	}
	if (*end) {
		fputs(".PP\n", to);
		roff_paragraphs(to, end + strspn(end, "\n"));
	}
}

/* ---- what surrounds a command ------------------------------------------------------------------
 */

/* Whether this command has such an option, or, where it is NULL, any that people use. */
static bool is_there(const struct cli_command *command, const struct cli_command *const *commands,
	bool (*wanted)(const struct cli_option *))
{
	for (const struct cli_command *const *c = commands; *c; c++)
		for (const struct cli_option *o = (*c)->options; o->name; o++)
			if ((!command || command == *c) && (*c)->group && wanted(o))
				return true;
	return false;
}

static bool asks_daemon(const struct cli_option *o)
{
	return !strcmp(o->name, "socket") && strstr(o->help, "PROFD_SOCKET");
}

static bool takes_time(const struct cli_option *o)
{
	return o->argument && !strcmp(o->argument, "TIME");
}

static void put_environment(
	FILE *to, const struct cli_command *command, const struct cli_command *const *commands)
{
	roff_section(to, "ENVIRONMENT");
	if (is_there(command, commands, asks_daemon)) {
		fputs(".TP\n\\fBPROFD_SOCKET\\fR\n", to);
		put_body(to, "where the daemon listens, when --socket does not say it");
	}
	fputs(".TP\n\\fBNO_COLOR\\fR\n", to);
	put_body(to, "no colours on a terminal, where it is set and not empty");
	if (is_there(command, commands, takes_time)) {
		fputs(".TP\n\\fBTZ\\fR\n", to);
		put_body(to, "the time zone of times that are typed and shown");
	}
}

static const struct {
	const char *path, *what;
} files[] = {
	{PROFD_DEFAULT_SOCKET, "where the daemon listens"},
	{PROFD_DEFAULT_STORE, "the daemon's store, an SQLite file"},
	{PROFD_DEFAULT_CONFIG, "its settings, as `profd.conf(5)` has them"},
};

static bool has_preset(const struct cli_command *c, const char *preset)
{
	for (const struct cli_option *o = c->options; o->name; o++)
		if (o->preset && !strcmp(o->preset, preset))
			return true;
	return false;
}

/* Those that an option has as its default. */
static void put_files(
	FILE *to, const struct cli_command *command, const struct cli_command *const *commands)
{
	bool is_first = true;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		bool is_used = command && has_preset(command, files[i].path);

		for (const struct cli_command *const *c = commands; !command && *c; c++)
			is_used = is_used || has_preset(*c, files[i].path);
		if (!is_used)
			continue;
		if (is_first)
			roff_section(to, "FILES");
		is_first = false;
		fputs(".TP\n\\fI", to);
		roff_plain(to, files[i].path, strlen(files[i].path));
		fputs("\\fR\n", to);
		put_body(to, files[i].what);
	}
}

static void put_reference(FILE *to, const char *prefix, const char *name, int section, bool more)
{
	fputs("\\fB", to);
	roff_plain(to, prefix, strlen(prefix));
	roff_plain(to, name, strlen(name));
	fprintf(to, "\\fR(%d)%s\n", section, more ? "," : "");
}

static void put_see_also(
	FILE *to, const struct cli_command *self, const struct cli_command *const *commands)
{
	roff_section(to, "SEE ALSO");
	if (self)
		put_reference(to, "profd", "", 1, true);
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group && *c != self)
			put_reference(to, "profd-", (*c)->name, 1, true);
	put_reference(to, "profd.conf", "", 5, false);
}

/* ---- pages -------------------------------------------------------------------------------------
 */

void manual_command_page(
	FILE *to, const struct cli_command *command, const struct cli_command *const *commands)
{
	char name[TITLE_BYTES];

	snprintf(name, sizeof(name), "profd-%s", command->name);
	roff_title(to, name, 1);
	roff_section(to, "NAME");
	roff_plain(to, name, strlen(name));
	fputs(" \\- ", to);
	put_body(to, command->summary);
	roff_section(to, "SYNOPSIS");
	for (const char *line = command->usage; line;) {
		size_t len = strcspn(line, "\n");

		fprintf(to, "%s\\fBprofd %s\\fR ", line == command->usage ? "" : ".br\n",
			command->name);
		roff_usage(to, line, len);
		fputc('\n', to);
		line = line[len] ? line + len + 1 : NULL;
	}
	roff_section(to, "DESCRIPTION");
	roff_paragraphs(to, command->about ? command->about : command->summary);
	roff_section(to, "EXAMPLES");
	put_examples(to, command->examples, UINT_MAX);
	roff_section(to, "OPTIONS");
	for (const struct cli_option *o = command->options; o->name; o++)
		put_option(to, o, cli_choice_of(command, o->name));
	put_option(to, &cli_help_option, NULL);
	if (command->trailer)
		put_exit_status(to, command->trailer);
	if (is_there(command, commands, asks_daemon))
		put_environment(to, command, commands);
	put_files(to, command, commands);
	put_see_also(to, command, commands);
}

static void put_commands(FILE *to, const struct cli_command *const *commands)
{
	const char *group = "";

	roff_section(to, "COMMANDS");
	for (const struct cli_command *const *c = commands; *c; c++) {
		if (!(*c)->group)
			continue;
		if (strcmp(group, (*c)->group) != 0)
			fprintf(to, ".SS %s\n", (*c)->group);
		group = (*c)->group;
		fprintf(to, ".TP\n\\fBprofd %s\\fR\n", (*c)->name);
		put_body(to, (*c)->summary);
	}
	fputs(".TP\n\\fBprofd help\\fR [\\fICOMMAND\\fR]\n", to);
	put_body(to, "what there is, or how one command is used");
}

void manual_overview(FILE *to, const struct cli_command *const *commands)
{
	roff_title(to, "profd", 1);
	roff_section(to, "NAME");
	fputs("profd \\- sampling profiler for running programs\n", to);
	roff_section(to, "SYNOPSIS");
	fputs("\\fBprofd\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n"
	      ".br\n\\fBprofd help\\fR [\\fICOMMAND\\fR]\n"
	      ".br\n\\fBprofd \\-\\-version\\fR\n",
		to);
	roff_section(to, "DESCRIPTION");
	fputs("\\fBprofd\\fR\n", to);
	put_body(to, cli_help_what);
	fputs(".PP\nEach command has a page of its own,\n"
	      "as \\fBprofd\\-record\\fR(1), and \\fBprofd help\\fR \\fICOMMAND\\fR shows the same.\n",
		to);
	put_commands(to, commands);
	roff_section(to, "EXAMPLES");
	for (const struct cli_command *const *c = commands; *c; c++)
		put_examples(to, (*c)->examples, (*c)->n_shown);
	put_exit_status(to,
		"Exit status: 0 it worked; 1 it failed; 2 wrong usage; 128+N given up by "
		"signal N.\n\nSome commands pass on that of a command they ran, or answer "
		"a question by it: their pages say so.");
	put_environment(to, NULL, commands);
	put_files(to, NULL, commands);
	put_see_also(to, NULL, commands);
}
