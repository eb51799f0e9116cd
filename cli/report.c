/* SPDX-License-Identifier: BSD-2-Clause */
/* profd report: where the time went, out of the store.
 *
 *   open the output  ->  connect to the daemon, or (--store) start a private engine  ->  ask
 *   ->  `reported`: name the output, say what it is about */
#include "cli/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/inquiry.h"
#include "cli/terminal.h"
#include "cli/when.h"

struct asking {
	struct report_config *config;
	struct inquiry q;
	json_t *reported; /* the message */
};

/* ---- before ------------------------------------------------------------------------------------
 */

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

static int ask(struct asking *a, struct err *err)
{
	struct report_config *c = a->config;
	int rc = refuse_terminal(c, err);

	if (!rc && c->store)
		rc = inquiry_path(c->store, c->request.of.store, err);
	if (!rc)
		rc = inquiry_open(&a->q, c->output, err);
	a->q.output.may_be_empty = true; /* stacks of a time without any */
	if (!rc)
		rc = inquiry_connect(&a->q, c->store != NULL, c->client.socket, err);
	if (!rc) {
		rc = serve_send_report(a->q.peer.channel, &c->request, a->q.output.fd, err);
		if (rc == -EPIPE) /* what it said before it went is the reason */
			rc = 0;
	}
	if (!rc)
		rc = inquiry_wait(&a->q, c->request.id, SERVE_REPORTED, &a->reported, err);
	return rc ? rc : inquiry_keep(&a->q, err);
}

/* ---- what it is about --------------------------------------------------------------------------
 */

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
		inquiry_say_span("", r);
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
		say("wrote %s (%s)", output_label(&a->q.output),
			terminal_bytes(a->q.output.bytes, bytes));
}

static int report(struct report_config *config)
{
	struct asking a = {.config = config};
	struct err err = {0};
	int rc;

	inquiry_init(&a.q);
	set_style(config);
	rc = ask(&a, &err);
	inquiry_close(&a.q);
	if (!rc && !config->client.quiet)
		say_about(&a);
	json_decref(a.reported);
	if (a.q.given_up)
		return 128 + a.q.given_up;
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
	rc = report_parse(self, argc, argv, when_now(), config, &err);
	if (client_parsed(self, rc, &err, &status)) {
		client_set_log_level(&config->client);
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
