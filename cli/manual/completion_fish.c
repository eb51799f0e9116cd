/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for fish 3, with what is said about each option. */
#include "cli/manual/completion.h"

static const char head[] =
	"# Completion of profd for fish, made by `profd completion fish`.\n"
	"# In one shell: profd completion fish | source\n"
	"\n"
	"# Whether the words before the cursor are those of this command, and not behind `--`.\n"
	"function __profd_in\n"
	"    set -l words (commandline -opc)\n"
	"    test (count $words) -ge 2; and contains -- $words[2] $argv\n"
	"        and not contains -- -- $words\n"
	"end\n"
	"\n"
	"function __profd_at_command\n"
	"    test (count (commandline -opc)) -eq 1\n"
	"end\n"
	"\n"
	"function __profd_behind_dashes\n"
	"    set -l words (commandline -opc)\n"
	"    test (count $words) -ge 2; and contains -- $words[2] $argv\n"
	"        and contains -- -- $words\n"
	"end\n"
	"\n"
	"# Whatever the command behind `--` takes.\n"
	"function __profd_command\n"
	"    set -l words (commandline -opc)\n"
	"    set -l at (contains -i -- -- $words)\n"
	"    set -l line (string escape -- $words[(math $at + 1)..-1]) (commandline -ct)\n"
	"    complete -C (string join ' ' -- $line)\n"
	"end\n"
	"\n"
	"# PID and name of each process, but threads of the kernel. (By sh: fish complains aloud about\n"
	"# files of processes that end just then.)\n"
	"function __profd_processes\n"
	"    sh -c 'for folder in /proc/[0-9]*; do\n"
	"        name= line=\n"
	"        IFS= read -r name <\"$folder/comm\"\n"
	"        IFS= read -r line <\"$folder/cmdline\"\n"
	"        [ -z \"$line\" ] || printf \"%s\\t%s\\n\" \"${folder#/proc/}\" \"$name\"\n"
	"    done 2>/dev/null' | string replace -ra '[^\\tA-Za-z0-9._+-]' '?'\n"
	"end\n"
	"\n"
	"function __profd_pids\n"
	"    __fish_complete_list , __profd_processes\n"
	"end\n"
	"\n"
	"function __profd_comm\n"
	"    __profd_processes | string replace -r '.*\\t' '' | string match -v '*\\?*' | sort -u\n"
	"end\n"
	"\n"
	"function __profd_container\n"
	"    echo host\n"
	"    sh -c 'cat /proc/[0-9]*/cgroup 2>/dev/null' | string match -r '[0-9a-f]{64}' \\\n"
	"        | string sub -l 12 | sort -u\n"
	"end\n"
	"\n"
	"function __profd_cgroup\n"
	"    set -l typed (commandline -ct | string replace -r '^--cgroup=' '')\n"
	"    for folder in /sys/fs/cgroup/(string trim -l -c / -- $typed)*/\n"
	"        string replace /sys/fs/cgroup '' -- (string trim -r -c / -- $folder)\n"
	"    end\n"
	"end\n"
	"\n"
	"complete -c profd -f\n"
	"complete -c profd -n __profd_at_command -l help -s h -d 'the overview'\n"
	"complete -c profd -n __profd_at_command -l version -s V -d 'the version'\n";

/* -F: files are offered as well. */
static const char *const functions[] = {
	[COMPLETION_NOTHING] = "-x",
	[COMPLETION_FILE] = "-r -F",
	[COMPLETION_PIDS] = "-x -a '(__profd_pids)'",
	[COMPLETION_COMM] = "-x -a '(__profd_comm)'",
	[COMPLETION_USER] = "-x -a '(__fish_complete_users)'",
	[COMPLETION_CONTAINER] = "-x -a '(__profd_container)'",
	[COMPLETION_CGROUP] = "-x -a '(__profd_cgroup)'",
	[COMPLETION_TIME] = "-x -a '10m 1h 1d now today yesterday all'",
	[COMPLETION_UNKNOWN] = "-r -F",
};

/* Inside of single quotes. */
static void put_quoted(FILE *to, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			fputc(' ', to);
		else
			fprintf(to, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
}

/* Words for -a, each with its meaning behind a tab. fish reads the list as words once more, so the
 * meaning is in quotes within the quotes. */
static void put_words(FILE *to, const struct cli_choice *choice)
{
	fputs(" -a '", to);
	for (size_t i = 0; cli_choice_at(choice, i).name; i++) {
		struct cli_word word = cli_choice_at(choice, i);

		fprintf(to, "%s%s", i ? " " : "", word.name);
		if (!word.help)
			continue;
		fputs("\\t\\'", to);
		for (const char *c = word.help; *c; c++)
			fprintf(to, "%s%c", *c == '\'' || *c == '\\' ? "\\\\\\" : "", *c);
		fputs("\\'", to);
	}
	fputc('\'', to);
}

static void put_option(FILE *to, const struct cli_command *c, const struct cli_option *o)
{
	const struct cli_choice *choice = cli_choice_of(c, o->name);

	fprintf(to, "complete -c profd -n '__profd_in %s' -l %s", c->name, o->name);
	if (o->letter)
		fprintf(to, " -s %c", o->letter);
	if (o->argument)
		fprintf(to, " %s", choice ? "-x" : functions[completion_kind(o->argument)]);
	if (choice)
		put_words(to, choice);
	fputs(" -d '", to);
	put_quoted(to, o->help);
	fputs("'\n", to);
}

static void put_command(FILE *to, const struct cli_command *c)
{
	const struct cli_choice *words = cli_choice_of(c, "");

	fprintf(to, "\ncomplete -c profd -n __profd_at_command -a %s -d '", c->name);
	put_quoted(to, c->summary);
	fputs("'\n", to);
	for (const struct cli_option *o = c->options; o->name; o++)
		put_option(to, c, o);
	put_option(to, c, &cli_help_option);
	if (c->takes_words.most) {
		fprintf(to, "complete -c profd -n '__profd_in %s'%s", c->name, words ? "" : " -F");
		if (words)
			put_words(to, words);
		fputc('\n', to);
	}
	if (c->takes_command)
		fprintf(to,
			"complete -c profd -n '__profd_in %s' -a -- -d 'a command follows'\n"
			"complete -c profd -n '__profd_behind_dashes %s' -x -a '(__profd_command)'\n",
			c->name, c->name);
}

void completion_fish(FILE *to, const struct cli_command *const *commands)
{
	fputs(head, to);
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group)
			put_command(to, *c);
	fprintf(to, "\ncomplete -c profd -n __profd_at_command -a help -d "
		    "'how profd, or one of its commands, is used'\n"
		    "complete -c profd -n '__profd_in help' -a '");
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group)
			fprintf(to, "%s ", (*c)->name);
	fprintf(to, "help'\n");
}
