/* SPDX-License-Identifier: BSD-2-Clause */
/* profd report: where the time went, out of the store.
 *
 *   open the output  ->  connect to the daemon, or (--store) start a private engine  ->  ask
 *   ->  `reported`: name the output, say what it is about */
#include "cli/report.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/output.h"
#include "cli/private.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/when.h"

enum { ENGINE_GRACE_MS = 5000, DATE_CHARS = 10 };

struct asking {
	struct report_config *config;
	struct output output;
	struct signals signals;
	struct peer peer;
	json_t *reported; /* the message */
	int given_up;     /* the signal that ended it */
};

/* ---- before ------------------------------------------------------------------------------------
 */

static double unix_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A picture is for a browser. */
static int refuse_terminal(const struct report_config *c, struct err *err)
{
	const bool direct = !c->output || !strcmp(c->output, "-");

	if (!c->stacks || !strcmp(c->stacks->name, "collapsed") || !direct ||
		!isatty(STDOUT_FILENO))
		return 0;
	return err_set(err, -EINVAL,
		"a %s is not for a terminal; name a file, as in --output report.%s",
		c->stacks->name, c->stacks->extension);
}

/* A private engine works in another folder. */
static int find_store(struct report_config *c, struct err *err)
{
	char path[PATH_MAX];
	json_t *whole;

	if (!c->store)
		return 0;
	if (!realpath(c->store, path))
		return err_set(
			err, -errno, "cannot read the store %.200s: %s", c->store, strerror(errno));
	whole = json_string(path);
	if (!whole || strlen(path) >= sizeof(c->request.of.store)) {
		json_decref(whole);
		return err_set(err, -EINVAL,
			"the path of the store %.200s is too long or not UTF-8; make a link to it",
			c->store);
	}
	json_decref(whole);
	memcpy(c->request.of.store, path, strlen(path) + 1);
	return 0;
}

/* How a table is laid out, for who looks at it. */
static void set_style(struct report_config *c)
{
	if (c->output || !c->table || !isatty(STDOUT_FILENO))
		return;
	c->request.columns = terminal_columns(STDOUT_FILENO);
	c->request.colours = terminal_has_colour(STDOUT_FILENO);
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static int connect_to(struct asking *a, struct err *err)
{
	struct report_config *c = a->config;
	int rc;

	if (c->store)
		return private_start(&a->peer, &a->signals, err);
	do {
		rc = connect_daemon(
			&a->peer, connect_path(c->client.socket, NULL), a->signals.fd, err);
		if (rc == -EINTR)
			a->given_up = client_signal(&a->signals);
	} while (rc == -EINTR && !a->given_up);
	return rc;
}

static int explain_engine(int wait_status, struct err *err)
{
	if (WIFSIGNALED(wait_status))
		return err_set(err, -EPIPE,
			"the engine that read the store was killed by signal %d (%s)",
			WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	return err->code;
}

static int wait_answer(struct asking *a, struct err *err)
{
	const bool is_private = a->peer.engine != 0;
	int rc = client_wait(&a->peer, &a->signals, a->config->request.id, SERVE_REPORTED,
		&a->reported, &a->given_up, err);
	int wait_status;

	wait_status = peer_close(&a->peer, rc ? 0 : ENGINE_GRACE_MS);
	return is_private && rc == -EPIPE ? explain_engine(wait_status, err) : rc;
}

/* A pipe may be slow to take it: signals then act as usual. */
static int keep_output(struct asking *a, struct err *err)
{
	const bool direct = a->output.direct_fd >= 0;
	int rc;

	if (direct)
		signals_let_go(&a->signals);
	rc = output_commit(&a->output, err);
	if (direct)
		signals_hold(&a->signals);
	/* Who reads has seen enough (`| head`): the same end as without signals held, and no words.
	 */
	if (rc == -EPIPE && direct)
		a->given_up = SIGPIPE;
	return rc;
}

static int ask(struct asking *a, struct err *err)
{
	struct report_config *c = a->config;
	int rc = refuse_terminal(c, err);

	if (!rc)
		rc = find_store(c, err);
	if (!rc)
		rc = output_open(&a->output, c->output ? c->output : "-", err);
	a->output.may_be_empty = true; /* stacks of a time without any */
	if (!rc)
		rc = signals_open(&a->signals, err);
	if (!rc)
		rc = connect_to(a, err);
	if (!rc) {
		rc = serve_send_report(a->peer.channel, &c->request, a->output.fd, err);
		if (rc == -EPIPE) /* what it said before it went is the reason */
			rc = 0;
	}
	if (!rc)
		rc = wait_answer(a, err);
	return rc ? rc : keep_output(a, err);
}

/* ---- what it is about --------------------------------------------------------------------------
 */

static const char *coarseness(double s, char *to, size_t bytes)
{
	if (s < 60)
		snprintf(to, bytes, "%.2g s", s);
	else if (s < 3600)
		snprintf(to, bytes, "%.2g min", s / 60);
	else
		snprintf(to, bytes, "%.3g h", s / 3600);
	return to;
}

static void say_span(const json_t *r)
{
	char first[32], last[32], covered[32], coarse[32], samples[32], lost[32];
	bool same_day;

	when_text(client_real(r, "first_unix_s"), first);
	when_text(client_real(r, "last_unix_s"), last);
	same_day = !strncmp(first, last, DATE_CHARS);
	say("%s to %s: %s covered, %s samples, %s lost; windows of %s%s", first,
		same_day ? last + DATE_CHARS + 1 : last,
		terminal_duration(client_real(r, "covered_s"), covered),
		terminal_count(client_count(r, "samples"), samples),
		terminal_count(client_count(r, "lost"), lost),
		client_count(r, "windows") > 1 ? "at most " : "",
		coarseness(client_real(r, "longest_window_s"), coarse, sizeof(coarse)));
}

static void say_about(const struct asking *a)
{
	const json_t *r = json_object_get(a->reported, "reported");
	const json_t *notes = json_object_get(r, "notes");
	char rows[32], all[32], bytes[32];
	size_t i;
	json_t *note;

	if (!client_count(r, "windows"))
		say("nothing was recorded in that time%s",
			a->config->since ? "" : "; --since all shows what there is");
	else
		say_span(r);
	if (client_count(r, "rows") < client_count(r, "rows_all"))
		say("%s of %s rows; --limit 0 shows all",
			terminal_count(client_count(r, "rows"), rows),
			terminal_count(client_count(r, "rows_all"), all));
	json_array_foreach(notes, i, note)
	{
		const char *sentence = json_string_value(note);

		say("%s", sentence ? sentence : "");
	}
	if (a->config->output && strcmp(a->config->output, "-") != 0)
		say("wrote %s (%s)", output_label(&a->output),
			terminal_bytes(a->output.bytes, bytes));
}

static int report(struct report_config *config)
{
	struct asking a = {.config = config,
		.output = {.fd = -1, .folder_fd = -1, .direct_fd = -1},
		.signals = {.fd = -1}};
	struct err err = {0};
	int rc;

	set_style(config);
	rc = ask(&a, &err);
	peer_close(&a.peer, 0);
	output_discard(&a.output);
	if (!rc && !config->client.quiet)
		say_about(&a);
	json_decref(a.reported);
	if (a.signals.fd >= 0)
		signals_close(&a.signals);
	if (a.given_up)
		return 128 + a.given_up;
	return rc < 0 ? client_failed(&err) : CLI_OK;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct report_config *config = calloc(1, sizeof(*config));
	struct err err = {0};
	int rc, status;

	if (!config) {
		say("out of memory");
		return CLI_FAILED;
	}
	rc = report_parse(self, argc, argv, unix_now(), config, &err);
	if (rc == CLI_HELP) {
		cli_help_command(stdout, self);
		status = fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
	} else if (rc < 0)
		status = cli_wrong_usage(self, &err);
	else {
		log_set_level(config->client.quiet ? LOG_LEVEL_QUIET : LOG_LEVEL_WARN);
		status = report(config);
	}
	free(config);
	return status;
}

static const struct cli_example examples[] = {
	{"profd report --since 1h",
		"the hottest functions of the last hour, of all that you may see"},
	{"profd report --since 'yesterday 03:00' --until 'yesterday 03:30' --by process",
		"which processes were busy last night"},
	{"profd report --comm gunicorn --since 1d -o day.svg", "a flamegraph of a day"},
	{"profd report --since 2d --format csv --by module > modules.csv", "for a spreadsheet"},
	{"profd report --store monday.profd",
		"a profile file of `profd record`, or a store from elsewhere; takes no daemon"},
	{"profd report --store monday.profd -o monday.svg", "a flamegraph of it"},
	{NULL, NULL},
};

const struct cli_command report_command = {
	.name = "report",
	.group = "Ask what was recorded",
	.summary = "where the time went, in the past that the daemon recorded",
	.usage = "[OPTION...]",
	.about =
		"SELF is the share of the time that was spent in a function itself, TOTAL with all that\n"
		"it called; the error bar behind a share is half of the 95 % interval. Processes are\n"
		"chosen by --pid, --comm, --container and --user together: all that are given have to\n"
		"fit, and where one is repeated, any of its values. Users see their own processes; root and members of the daemon's group see all.\n"
		"Windows are joined as they age (to a minute, to an hour), so older spans are coarser:\n"
		"whole windows that overlap the span are counted.",
	.examples = examples,
	.n_shown = 2,
	.options = report_options,
	.choices = report_choices,
	.trailer =
		"Exit status: 0, also where nothing matches; 1 failure; 2 wrong usage; 128+N given up by\n"
		"signal N.",
	.run = run,
};
