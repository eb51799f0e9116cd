/* SPDX-License-Identifier: BSD-2-Clause */
/* profd top: where running processes spend their time, as it happens. What is shown and how is in
 * top_*.c; this is what the user is told of it. */
#include "cli/top/top.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/terminal.h"

static int check_terminal(const struct top_config *c, struct err *err)
{
	if (c->once || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		return 0;
	return err_set(err, -ENOTTY,
		"standard input and output have to be a terminal; profd top --once prints a table, with "
		"--json an object");
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct top_config *config = calloc(1, sizeof(*config));
	struct err err = {0};
	int rc, status;

	if (!config) {
		say("out of memory");
		return CLI_FAILED;
	}
	rc = top_parse(self, argc, argv, config, &err);
	if (!rc)
		rc = check_terminal(config, &err);
	if (client_parsed(self, rc, &err, &status)) {
		client_set_log_level(&config->client);
		status = config->once ? top_once(config) : top_live(config);
	}
	free(config);
	return status;
}

static const struct cli_example examples[] = {
	{"profd top", "the hottest functions of all processes that you may see"},
	{"profd top --pid 4711 --subprocesses --view tree",
		"a process and its workers, as a call tree that unfolds"},
	{"profd top --comm gunicorn --span 10", "the last ten seconds of every gunicorn"},
	{"profd top --rate 499 -- python3 app.py", "a command from its first instruction on"},
	{"profd top --once --json --duration 5 --pid 4711", "for scripts"},
	{"profd top --replay night.profd", "what was recorded with --format profd, once more"},
	{NULL, NULL},
};

const struct cli_command top_command = {
	.name = "top",
	.group = "Record now",
	.summary = "watch live where running processes spend their time",
	.usage = "[OPTION...]\n[OPTION...] -- COMMAND [ARG...]\n--replay FILE [OPTION...]",
	.about =
		"Nothing is changed in the processes, and they are never stopped. SELF is the share of the\n"
		"time that was spent in a function itself, TOTAL with all that it called, TREND how that\n"
		"went in the last intervals. The key h shows what else there is: views, callers and\n"
		"callees, a filter, another rate, saving what is on the screen.\n"
		"\n"
		"Where the daemon runs, its own samples are shown, which costs nothing more and takes no\n"
		"privilege for one's own processes. With --pid, --rate or a command there are samples for\n"
		"this view alone, 99 a second of each running thread unless --rate says so. Without a\n"
		"daemon it takes root, or the capabilities CAP_BPF and CAP_PERFMON.\n"
		"\n"
		"A COMMAND runs as the user who calls profd. It reads nothing, since the keys are for\n"
		"profd, and the last 64 KiB of what it writes are shown after the screen is left. It goes\n"
		"on then, and profd waits for it. With --once it shares the terminal, and all of its\n"
		"output goes to the standard error.\n"
		"\n"
		"The object of --once --json has the members view, span_s, samples, rate_hz, lost,\n"
		"truncated, failed, busy_cpus, cpus, processes, threads, ended, gil, profiler, rows_all,\n"
		"and rows, a list. A row has function (of processes and threads: name, pid, tid), file,\n"
		"line, module, kind, process, more_processes, ended, the shares self and total, 0 to 1,\n"
		"self_samples, total_samples, and trend, its shares of the last intervals. What is not\n"
		"known is null.",
	.examples = examples,
	.n_shown = 1,
	.takes_command = true,
	.options = top_options,
	.choices = top_choices,
	.trailer =
		"Exit status: 0, or that of COMMAND (128+N where signal N killed it, 127 where it was not\n"
		"found, 126 where it cannot be run); 1 failure; 2 wrong usage; 128+N ended by signal N.",
	.run = run,
};
