/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion for bash 4 and later, with and without the package bash-completion. It starts no other
 * program, so that it works in the barest container. Names of processes are hostile: what could
 * mean something to the shell is not offered. */
#include "cli/manual/completion.h"

static const char head[] =
	"# Completion of profd for bash, made by `profd completion bash`.\n"
	"# In one shell: source <(profd completion bash)\n"
	"\n"
	"# Those of WORD... that go on from what was typed.\n"
	"_profd_offer() {\n"
	"  local word\n"
	"  for word; do\n"
	"    [[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$prefix$word\")\n"
	"  done\n"
	"}\n"
	"\n"
	"_profd_file() {\n"
	"  compopt -o default\n"
	"}\n"
	"\n"
	"# The list that the second Tab shows has the names of the processes.\n"
	"_profd_pids() {\n"
	"  local folder pid name line pids=() names=()\n"
	"  [[ $cur == *,* ]] && prefix+=${cur%,*}, cur=${cur##*,}\n"
	"  for folder in /proc/[0-9]*; do\n"
	"    pid=${folder##*/} name= line=\n"
	"    [[ $pid == \"$cur\"* ]] || continue\n"
	"    IFS= read -r name <\"$folder/comm\"\n"
	"    IFS= read -r -d '' line <\"$folder/cmdline\"\n"
	"    [[ $line ]] || continue # a thread of the kernel\n"
	"    pids+=(\"$prefix$pid\")\n"
	"    names+=(\"$pid (${name//[^A-Za-z0-9._+-]/?})\")\n"
	"  done 2>/dev/null\n"
	"  if [[ $COMP_TYPE == 63 ]] && ((${#pids[@]} > 1)); then\n"
	"    COMPREPLY=(\"${names[@]}\")\n"
	"  else\n"
	"    COMPREPLY=(\"${pids[@]}\")\n"
	"  fi\n"
	"}\n"
	"\n"
	"_profd_comm() {\n"
	"  local folder name line\n"
	"  local -A names=()\n"
	"  for folder in /proc/[0-9]*; do\n"
	"    name= line=\n"
	"    IFS= read -r name <\"$folder/comm\"\n"
	"    IFS= read -r -d '' line <\"$folder/cmdline\"\n"
	"    [[ $line && $name && $name != *[^A-Za-z0-9._+-]* ]] && names[$name]=1\n"
	"  done 2>/dev/null\n"
	"  _profd_offer \"${!names[@]}\"\n"
	"}\n"
	"\n"
	"_profd_user() {\n"
	"  local users\n"
	"  mapfile -t users < <(compgen -u)\n"
	"  _profd_offer \"${users[@]}\"\n"
	"}\n"
	"\n"
	"_profd_container() {\n"
	"  local folder line\n"
	"  local -A ids=([host]=1)\n"
	"  for folder in /proc/[0-9]*; do\n"
	"    while IFS= read -r line; do\n"
	"      [[ $line =~ [0-9a-f]{64} ]] && ids[${BASH_REMATCH[0]::12}]=1\n"
	"    done <\"$folder/cgroup\"\n"
	"  done 2>/dev/null\n"
	"  _profd_offer \"${!ids[@]}\"\n"
	"}\n"
	"\n"
	"_profd_cgroup() {\n"
	"  local folder\n"
	"  for folder in \"/sys/fs/cgroup/${cur#/}\"*/; do\n"
	"    [[ -d $folder && $folder != *[^A-Za-z0-9._/@:-]* ]] || continue\n"
	"    folder=${folder#/sys/fs/cgroup}\n"
	"    COMPREPLY+=(\"$prefix${folder%/}\")\n"
	"  done\n"
	"}\n"
	"\n"
	"_profd_time() {\n"
	"  _profd_offer 10m 1h 1d now today yesterday all\n"
	"}\n"
	"\n"
	"# Whatever the command whose word has this number takes.\n"
	"_profd_command() {\n"
	"  if declare -F _comp_command_offset >/dev/null; then\n"
	"    _comp_command_offset \"$1\"\n"
	"  elif declare -F _command_offset >/dev/null; then\n"
	"    _command_offset \"$1\"\n"
	"  elif ((COMP_CWORD == $1)) && [[ $cur != */* ]]; then\n"
	"    mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
	"  else\n"
	"    compopt -o default\n"
	"  fi\n"
	"}\n"
	"\n"
	"_profd() {\n"
	"  local cur=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]}\n"
	"  local command=${COMP_WORDS[1]} option=$last prefix= at\n"
	"  COMPREPLY=()\n"
	"\n"
	"  # `=` is a word of its own, unless COMP_WORDBREAKS was changed.\n"
	"  if [[ $cur == = && $last == --* ]]; then\n"
	"    cur=\n"
	"  elif [[ $last == = && ${COMP_WORDS[COMP_CWORD-2]} == --* ]]; then\n"
	"    option=${COMP_WORDS[COMP_CWORD-2]}\n"
	"  elif [[ $cur == --*=* ]]; then\n"
	"    option=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}\n"
	"  fi\n"
	"\n";

static const char tail[] = "}\n"
			   "\n"
			   "complete -F _profd profd\n";

static const char *const functions[] = {
	[COMPLETION_NOTHING] = ":",
	[COMPLETION_FILE] = "_profd_file",
	[COMPLETION_PIDS] = "_profd_pids",
	[COMPLETION_COMM] = "_profd_comm",
	[COMPLETION_USER] = "_profd_user",
	[COMPLETION_CONTAINER] = "_profd_container",
	[COMPLETION_CGROUP] = "_profd_cgroup",
	[COMPLETION_TIME] = "_profd_time",
	[COMPLETION_UNKNOWN] = "_profd_file",
};

static void put_commands(FILE *to, const struct cli_command *const *commands)
{
	for (; *commands; commands++)
		if ((*commands)->group)
			fprintf(to, " %s", (*commands)->name);
	fprintf(to, " help");
}

static void put_words(FILE *to, const struct cli_choice *choice)
{
	fprintf(to, "_profd_offer");
	for (size_t i = 0; cli_choice_at(choice, i).name; i++)
		fprintf(to, " %s", cli_choice_at(choice, i).name);
}

/* The commands that run another: behind `--` that one's completion goes on. */
static void put_behind_dashes(FILE *to, const struct cli_command *const *commands)
{
	unsigned n = 0;

	for (; *commands; commands++)
		if ((*commands)->group && (*commands)->takes_command)
			fprintf(to, "%s%s", n++ ? " | " : "  case $command in\n  ",
				(*commands)->name);
	if (n)
		fprintf(to, ")\n"
			    "    for ((at = 2; at < COMP_CWORD; at++)); do\n"
			    "      [[ ${COMP_WORDS[at]} == -- ]] || continue\n"
			    "      _profd_command $((at + 1))\n"
			    "      return\n"
			    "    done ;;\n"
			    "  esac\n\n");
}

static void put_value(FILE *to, const struct cli_command *c, const struct cli_option *o)
{
	const struct cli_choice *choice = cli_choice_of(c, o->name);

	fprintf(to, "  '%s --%s'", c->name, o->name);
	if (o->letter)
		fprintf(to, " | '%s -%c'", c->name, o->letter);
	fprintf(to, ") ");
	if (choice)
		put_words(to, choice);
	else
		fprintf(to, "%s", functions[completion_kind(o->argument)]);
	fprintf(to, " ;;\n");
}

static void put_options(FILE *to, const struct cli_command *c)
{
	const struct cli_choice *words = cli_choice_of(c, "");

	fprintf(to, "    %s)\n      _profd_offer", c->name);
	for (const struct cli_option *o = c->options; o->name; o++)
		fprintf(to, " --%s", o->name);
	fprintf(to, " --%s%s\n", cli_help_option.name, c->takes_command ? " --" : "");
	if (words) {
		fprintf(to, "      ");
		put_words(to, words);
		fprintf(to, "\n");
	} else if (c->takes_words.most)
		fprintf(to, "      [[ $cur == -* ]] || { COMPREPLY=(); %s; }\n",
			functions[completion_words_kind(c)]);
	fprintf(to, "      ;;\n");
}

void completion_bash(FILE *to, const struct cli_command *const *commands)
{
	fputs(head, to);
	fprintf(to, "  if ((COMP_CWORD == 1)); then\n    _profd_offer");
	put_commands(to, commands);
	fprintf(to, " --help --version\n    return\n  fi\n\n");
	put_behind_dashes(to, commands);
	fprintf(to, "  case \"$command $option\" in\n");
	for (const struct cli_command *const *c = commands; *c; c++)
		for (const struct cli_option *o = (*c)->options; (*c)->group && o->name; o++)
			if (o->argument)
				put_value(to, *c, o);
	fprintf(to, "  *)\n    case $command in\n    help)\n      _profd_offer");
	put_commands(to, commands);
	fprintf(to, "\n      ;;\n");
	for (const struct cli_command *const *c = commands; *c; c++)
		if ((*c)->group)
			put_options(to, *c);
	fprintf(to, "    esac ;;\n  esac\n");
	fputs(tail, to);
}
