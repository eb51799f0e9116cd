/* SPDX-License-Identifier: BSD-2-Clause */
/* Help that teaches by example, made from the same tables that parsing uses. No line is wider than
 * 80 columns, whatever the tables hold. */
#include "cli/command.h"

#include <limits.h>
#include <string.h>

enum {
	COLUMNS = 80,
	OPTION_COLUMNS = 25, /* of the option itself, before what is said about it */
	TEXT_AT = 2 + OPTION_COLUMNS + 1,
	EXAMPLE_AT = 6,
	TEXT_BYTES = 1024, /* about one option */
};

const char cli_help_what[] =
	"shows where running programs spend their time, without stopping or changing them: "
	"Python, native and kernel frames in one stack.";

const struct cli_option cli_help_option = {'h', "help", NULL, NULL, "this text", NULL};

/* ---- filling -----------------------------------------------------------------------------------
 */

/* Words put into lines. */
struct filler {
	FILE *to;
	unsigned indent; /* of all lines; the first one stands there already */
	unsigned at;     /* the column of the next character */
};

static void line_end(struct filler *f)
{
	fputc('\n', f->to);
	f->at = 0;
}

static void put_word(struct filler *f, const char *word, size_t len)
{
	if (f->at > f->indent && f->at + 1 + len > COLUMNS)
		line_end(f);
	if (!f->at)
		f->at = (unsigned)fprintf(f->to, "%*s", (int)f->indent, "");
	else if (f->at > f->indent) {
		fputc(' ', f->to);
		f->at++;
	}
	fwrite(word, 1, len, f->to);
	f->at += (unsigned)len;
}

/* The words of `len` bytes. */
static void put_words(struct filler *f, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		const char *word = text + strspn(text, " \n");
		size_t n = strcspn(word, " \n");

		if (word >= end)
			break;
		put_word(f, word, n);
		text = word + n;
	}
}

static size_t line_length(const char *line)
{
	return strcspn(line, "\n");
}

/* Paragraphs: lines that begin with a blank, and empty ones, stay as they are. */
static void put_paragraphs(FILE *to, const char *text)
{
	struct filler f = {to, 0, 0};

	for (const char *line = text;;) {
		size_t len = line_length(line);

		if (!len || *line == ' ') {
			if (f.at)
				line_end(&f);
			fprintf(to, "%.*s\n", (int)len, line);
		} else
			put_words(&f, line, len);
		if (!line[len])
			break;
		line += len + 1;
	}
	if (f.at)
		line_end(&f);
}

static void print_examples(FILE *to, const struct cli_example *examples, unsigned most)
{
	for (const struct cli_example *e = examples; e->line && most--; e++) {
		struct filler f = {to, EXAMPLE_AT, 0};

		fprintf(to, "  %s\n", e->line);
		put_words(&f, e->what, strlen(e->what));
		line_end(&f);
	}
}

/* ---- the overview ------------------------------------------------------------------------------
 */

void cli_help_overview(FILE *to, const struct cli_command *const *commands)
{
	const char *group = NULL;
	struct filler f = {to, 0, 0};

	f.at = (unsigned)fprintf(to, "profd %s:", PROFD_VERSION);
	put_words(&f, cli_help_what, strlen(cli_help_what));
	line_end(&f);
	fprintf(to, "\nFor example:\n");
	for (const struct cli_command *const *c = commands; *c; c++)
		print_examples(to, (*c)->examples, (*c)->n_shown);
	for (const struct cli_command *const *c = commands; *c; c++) {
		if (!(*c)->group)
			continue;
		if (!group || strcmp(group, (*c)->group) != 0)
			fprintf(to, "\n%s:\n", (*c)->group);
		group = (*c)->group;
		fprintf(to, "  %-11s %s\n", (*c)->name, (*c)->summary);
	}
	fprintf(to, "  %-11s %s\n", "help", "this overview; `profd help COMMAND` for one command");
	fprintf(to, "\n`profd --version` tells the version.\n");
}

/* ---- one command -------------------------------------------------------------------------------
 */

static void print_usage(FILE *to, const struct cli_command *command)
{
	const char *line = command->usage;
	const char *lead = "Usage:";

	while (line) {
		size_t len = line_length(line);
		struct filler f = {to, (unsigned)strlen("Usage: profd"), 0};

		f.at = (unsigned)fprintf(to, "%-6s profd %s", lead, command->name);
		put_words(&f, line, len);
		line_end(&f);
		line = line[len] ? line + len + 1 : NULL;
		lead = "   or:";
	}
}

/* `rows by: function, line, ...` */
static void put_names(struct filler *f, const struct cli_choice *choice)
{
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		const bool is_last = !cli_choice_at(choice, i + 1).name;
		char word[64];
		int n = snprintf(word, sizeof(word), "%s%s", cli_choice_at(choice, i).name,
			is_last ? "" : ",");

		put_word(f, word, n < (int)sizeof(word) ? (size_t)n : sizeof(word) - 1);
	}
}

/* `flamegraph: an SVG for any browser`, a line each. */
static void print_meanings(FILE *to, const struct cli_choice *choice)
{
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		struct cli_word word = cli_choice_at(choice, i);
		struct filler f = {to, TEXT_AT + 2, 0};

		f.at = (unsigned)fprintf(
			to, "%*s%s%s", TEXT_AT, "", word.name, word.help ? ":" : "");
		if (word.help)
			put_words(&f, word.help, strlen(word.help));
		line_end(&f);
	}
}

static void print_option(FILE *to, const struct cli_option *o, const struct cli_choice *choice)
{
	const bool has_meanings = choice && cli_choice_at(choice, 0).help;
	struct filler f = {to, TEXT_AT, 0};
	char left[64], text[TEXT_BYTES], preset[128];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->argument ? " " : "",
		o->argument ? o->argument : "");
	f.at = (unsigned)fprintf(to, "  %-*s ", OPTION_COLUMNS, left);
	if (f.at > TEXT_AT)
		line_end(&f);
	snprintf(text, sizeof(text), "%s%s", o->help, choice && !has_meanings ? ":" : "");
	put_words(&f, text, strlen(text));
	if (choice && !has_meanings)
		put_names(&f, choice);
	if (o->preset) {
		snprintf(preset, sizeof(preset), "[%s]", o->preset);
		if (TEXT_AT + strlen(preset) <= COLUMNS)
			put_word(&f, preset, strlen(preset));
		else
			put_words(&f, preset, strlen(preset));
	}
	line_end(&f);
	if (has_meanings)
		print_meanings(to, choice);
}

void cli_help_command(FILE *to, const struct cli_command *command)
{
	print_usage(to, command);
	fprintf(to, "\n%s\n", command->summary);
	if (command->examples[0].line)
		fprintf(to, "\nFor example:\n");
	print_examples(to, command->examples, UINT_MAX);
	if (command->about) {
		fputc('\n', to);
		put_paragraphs(to, command->about);
	}
	fprintf(to, "\nOptions:\n");
	for (const struct cli_option *o = command->options; o->name; o++)
		print_option(to, o, cli_choice_of(command, o->name));
	print_option(to, &cli_help_option, NULL);
	if (command->trailer) {
		fputc('\n', to);
		put_paragraphs(to, command->trailer);
	}
}
