/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for zsh, with what is said about each option. */
#include <string.h>

#include "cli/manual/completion.h"

static const char head[] =
	"#compdef profd\n"
	"# Completion of profd for zsh, made by `profd completion zsh`.\n"
	"# In one shell: source <(profd completion zsh)\n"
	"\n"
	"# Into `reply`: PIDs; `shown`: a line about each; `names`: those that are plain.\n"
	"_profd_processes() {\n"
	"  local folder name line\n"
	"  reply=() shown=() names=()\n"
	"  for folder in /proc/<->(N); do\n"
	"    name= line=\n"
	"    { IFS= read -r name <$folder/comm\n"
	"      IFS= read -r -d '' line <$folder/cmdline } 2>/dev/null\n"
	"    [[ -n $line ]] || continue # a thread of the kernel\n"
	"    reply+=(${folder:t})\n"
	"    shown+=(\"${(r:8:)${folder:t}}${name//[^A-Za-z0-9._+-]/?}\")\n"
	"    [[ -n $name && $name != *[^A-Za-z0-9._+-]* ]] && names+=($name)\n"
	"  done\n"
	"}\n"
	"\n"
	"_profd_pid() {\n"
	"  local -a reply shown\n"
	"  local -aU names\n"
	"  _profd_processes\n"
	"  compadd \"$@\" -l -d shown -a reply\n"
	"}\n"
	"\n"
	"_profd_pids() {\n"
	"  _sequence \"$@\" _profd_pid\n"
	"}\n"
	"\n"
	"_profd_comm() {\n"
	"  local -a reply shown\n"
	"  local -aU names\n"
	"  _profd_processes\n"
	"  compadd \"$@\" -a names\n"
	"}\n"
	"\n"
	"_profd_container() {\n"
	"  local folder line\n"
	"  local -aU ids=(host)\n"
	"  for folder in /proc/<->(N); do\n"
	"    { while IFS= read -r line; do\n"
	"      [[ $line =~ [0-9a-f]{64} ]] && ids+=(${MATCH[1,12]})\n"
	"    done <$folder/cgroup } 2>/dev/null\n"
	"  done\n"
	"  compadd \"$@\" -a ids\n"
	"}\n"
	"\n"
	"_profd_cgroup() {\n"
	"  _path_files \"$@\" -/ -W /sys/fs/cgroup\n"
	"}\n"
	"\n"
	"_profd_time() {\n"
	"  compadd \"$@\" 10m 1h 1d now today yesterday all\n"
	"}\n"
	"\n"
	"# What follows `--` is a command with its own words.\n"
	"_profd_behind_dashes() {\n"
	"  local at=${words[(ie)--]}\n"
	"  (( at < CURRENT )) || return 1\n"
	"  shift $at words\n"
	"  (( CURRENT -= at ))\n"
	"  _normal\n"
	"}\n"
	"\n"
	"_profd() {\n"
	"  local curcontext=$curcontext\n"
	"  local -a topics\n";

static const char tail[] = "  esac\n"
			   "}\n"
			   "\n"
			   "if [[ $funcstack[1] == _profd ]]; then\n"
			   "  _profd \"$@\"\n"
			   "else\n"
			   "  compdef _profd profd\n"
			   "fi\n";

static const char *const functions[] = {
	[COMPLETION_NOTHING] = " ",
	[COMPLETION_FILE] = "_files",
	[COMPLETION_PIDS] = "_profd_pids",
	[COMPLETION_COMM] = "_profd_comm",
	[COMPLETION_USER] = "_users",
	[COMPLETION_CONTAINER] = "_profd_container",
	[COMPLETION_CGROUP] = "_profd_cgroup",
	[COMPLETION_TIME] = "_profd_time",
	[COMPLETION_UNKNOWN] = "_files",
};

/* Inside of single quotes; the characters of `special` get a backslash. */
static void put_quoted(FILE *to, const char *text, const char *special)
{
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", to);
		else if (*text == '\n')
			fputc(' ', to);
		else if (strchr(special, *text))
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
}

/* Evaluated once more by _arguments, so all that is no letter or digit gets a backslash. */
static void put_evaluated(FILE *to, const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,/";

	for (; *text; text++)
		if (*text == '\'')
			fputs("\\'\\''", to);
		else
			fprintf(to, "%s%c", strchr(plain, *text) ? "" : "\\", *text);
}

/* `((flamegraph\:an\ SVG collapsed\:lines))`, or `(self total)` where nothing is said about them.
 */
static void put_words(FILE *to, const struct cli_choice *choice)
{
	const bool has_help = cli_choice_at(choice, 0).help;

	fputs(has_help ? "((" : "(", to);
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		struct cli_word word = cli_choice_at(choice, i);

		fprintf(to, "%s%s", i ? " " : "", word.name);
		if (word.help) {
			fputs("\\:", to);
			put_evaluated(to, word.help);
		}
	}
	fputs(has_help ? "))" : ")", to);
}

static void put_option(FILE *to, const struct cli_command *c, const struct cli_option *o)
{
	const struct cli_choice *choice = cli_choice_of(c, o->name);

	fprintf(to, " \\\n      ");
	if (o->letter)
		fprintf(to, "'*'{-%c%s,--%s%s}'[", o->letter, o->argument ? "+" : "", o->name,
			o->argument ? "=" : "");
	else
		fprintf(to, "'*--%s%s[", o->name, o->argument ? "=" : "");
	put_quoted(to, o->help, "\\[]:");
	fputc(']', to);
	if (o->argument) {
		fputc(':', to);
		put_quoted(to, o->argument, "\\[]:");
		fputc(':', to);
		if (choice)
			put_words(to, choice);
		else
			fputs(functions[completion_kind(o->argument)], to);
	}
	fputc('\'', to);
}

static void put_command(FILE *to, const struct cli_command *c)
{
	const struct cli_choice *words = cli_choice_of(c, "");

	fprintf(to, "  %s)\n", c->name);
	if (c->takes_command)
		fprintf(to, "    _profd_behind_dashes && return\n");
	fprintf(to, "    _arguments -s%s :", c->takes_command ? "" : " -S");
	for (const struct cli_option *o = c->options; o->name; o++)
		put_option(to, c, o);
	put_option(to, c, &cli_help_option);
	if (c->takes_words.most) {
		fprintf(to, " \\\n      '*:");
		put_quoted(to, c->takes_words.name, "\\:");
		fputc(':', to);
		if (words)
			put_words(to, words);
		else
			fputs(functions[completion_words_kind(c)], to);
		fputc('\'', to);
	}
	fprintf(to, " ;;\n");
}

void completion_zsh(FILE *to, const struct cli_command *const *commands)
{
	fputs(head, to);
	fprintf(to, "  topics=(");
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group) {
			fprintf(to, "\n    '%s:", (*c)->name);
			put_quoted(to, (*c)->summary, "\\:");
			fputc('\'', to);
		}
	fprintf(to,
		"\n    'help:how profd, or one of its commands, is used'\n  )\n"
		"  if (( CURRENT == 2 )); then\n"
		"    _describe -t commands 'command of profd' topics\n"
		"    return\n"
		"  fi\n"
		"  shift words\n"
		"  (( CURRENT-- ))\n"
		"  case $words[1] in\n"
		"  help)\n"
		"    (( CURRENT == 2 )) && _describe -t commands 'command of profd' topics ;;\n");
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group)
			put_command(to, *c);
	fputs(tail, to);
}
