/* SPDX-License-Identifier: BSD-2-Clause */
/* profd completion: a script for one's shell, out of the tables that parsing uses. */
#include "cli/manual/completion.h"

#include <errno.h>
#include <string.h>

#include "cli/terminal.h"

static const struct {
	const char *argument;
	enum completion_kind kind;
} arguments[] = {
	{"FILE", COMPLETION_FILE},
	{"PATH", COMPLETION_FILE},
	{"PID", COMPLETION_PIDS},
	{"PID[,PID...]", COMPLETION_PIDS},
	{"NAME", COMPLETION_COMM},
	{"USER", COMPLETION_USER},
	{"ID", COMPLETION_CONTAINER},
	{"CGROUP", COMPLETION_CGROUP},
	{"TIME", COMPLETION_TIME},
	{"NAME|TID", COMPLETION_NOTHING}, /* of a thread */
	{"SECONDS", COMPLETION_NOTHING},
	{"HZ", COMPLETION_NOTHING},
	{"N", COMPLETION_NOTHING},
	{"PERCENT", COMPLETION_NOTHING},
	{"POINTS", COMPLETION_NOTHING},
	{"REGEX", COMPLETION_NOTHING},
};

enum completion_kind completion_kind(const char *argument)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (!strcmp(arguments[i].argument, argument))
			return arguments[i].kind;
	return COMPLETION_UNKNOWN;
}

enum completion_kind completion_words_kind(const struct cli_command *command)
{
	if (!command->takes_words.most || cli_choice_of(command, ""))
		return COMPLETION_NOTHING;
	return COMPLETION_FILE;
}

/* ---- the command -------------------------------------------------------------------------------
 */

static const struct {
	struct cli_word word;
	completion_writer *write;
} shells[] = {
	{{"bash", NULL}, completion_bash},
	{{"zsh", NULL}, completion_zsh},
	{{"fish", NULL}, completion_fish},
};
enum { N_SHELLS = sizeof(shells) / sizeof(shells[0]) };

static struct cli_word shell_word(size_t i)
{
	return i < N_SHELLS ? shells[i].word : (struct cli_word){NULL, NULL};
}

static int write_for(const char *shell, const struct cli_command *const *commands)
{
	for (size_t i = 0; i < N_SHELLS; i++)
		if (!strcmp(shells[i].word.name, shell))
			shells[i].write(stdout, commands);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	say("cannot write the script: %s", strerror(errno));
	return CLI_FAILED;
}

static int run(const struct cli_command *self, const struct cli_command *const *commands, int argc,
	char **argv)
{
	struct err err = {0};
	char **words;
	int rc = cli_parse(self, argc, argv, NULL, &words, &err);

	if (rc == CLI_HELP) {
		cli_help_command(stdout, self);
		return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
	}
	if (!rc)
		rc = cli_choice_check(self, "", words[0], "no shell that profd knows", &err);
	return rc ? cli_wrong_usage(self, &err) : write_for(words[0], commands);
}

static const struct cli_example examples[] = {
	{"source <(profd completion bash)", "in this bash; put it into ~/.bashrc for all of them"},
	{"profd completion zsh > \"${fpath[1]}/_profd\"",
		"for zsh; that has to be a folder of yours, named before compinit runs"},
	{"profd completion fish > ~/.config/fish/completions/profd.fish", "for fish"},
	{NULL, NULL},
};

static const struct cli_option options[] = {{0, NULL, NULL, NULL, NULL, NULL}};
static const struct cli_choice choices[] = {{"", NULL, shell_word}, {NULL, NULL, NULL}};

const struct cli_command completion_command = {
	.name = "completion",
	.group = "Help",
	.summary = "print a script that completes profd's words in your shell",
	.usage = "bash|zsh|fish",
	.about =
		"`make install` puts the scripts where the shells find them by themselves; this is for a\n"
		"profd that was copied here. What Tab offers: commands, options, their words, process\n"
		"IDs with names, users, containers, files, and behind -- what the command there takes.",
	.examples = examples,
	.takes_words = {1, 1, "bash|zsh|fish"},
	.options = options,
	.choices = choices,
	.trailer = "Exit status: 0; 1 the script could not be written; 2 wrong usage.",
	.run_about = run,
};
