/* SPDX-License-Identifier: BSD-2-Clause */
/* profd diff: what changed, between two times, files or processes.
 *
 *   open the output  ->  (record the processes)  ->  connect to the daemon, or start a private
 * engine where both sides are files  ->  ask  ->  `compared`: name the output, say what it is
 * about, and whether something grew by more than it may */
#include "cli/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "cli/when.h"

/* On each side: fewer tell nothing at all, and so many find what is not small. */
enum { WINDOWS_LEAST = 5, WINDOWS_WANTED = 20 };

struct comparing {
	struct diff_config *config;
	struct inquiry q;
	struct diff_recording recording;
	json_t *compared; /* the message */
};

/* ---- before ------------------------------------------------------------------------------------
 */

static bool is_picture(const struct diff_format *f)
{
	return !strcmp(f->name, "flamegraph");
}

/* A picture is for a browser. */
static int refuse_terminal(const struct diff_config *c, struct err *err)
{
	const bool direct = !c->output || !strcmp(c->output, "-");

	if (!is_picture(c->format) || !direct || !isatty(STDOUT_FILENO))
		return 0;
	return err_set(err, -EINVAL,
		"a %s is not for a terminal; name a file, as in --output diff.%s", c->format->name,
		c->format->extension);
}

/* How a table is laid out, for who looks at it. */
static void set_style(struct diff_config *c)
{
	if (c->output || c->format != diff_format_at(0) || !isatty(STDOUT_FILENO))
		return;
	c->request.columns = terminal_columns(STDOUT_FILENO);
	c->request.colours = terminal_has_colour(STDOUT_FILENO);
}

/* Where each side is read from. */
static int find_stores(struct comparing *m, struct err *err)
{
	struct diff_config *c = m->config;
	struct report_selection *const of[] = {&c->request.before, &c->request.after};
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		const char *path = NULL;

		if (c->sides[i].kind == DIFF_FILE)
			path = c->sides[i].path;
		else if (c->sides[i].kind == DIFF_SPAN)
			path = c->store;
		if (path)
			rc = inquiry_path(path, of[i]->store, err);
	}
	return rc;
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static int record_sides(struct comparing *m, struct err *err)
{
	struct report_selection *const of[] = {
		&m->config->request.before, &m->config->request.after};
	int rc = diff_record(&m->recording, m->config, &m->q, err);

	for (int i = 0; i < 2 && !rc; i++)
		if (m->recording.paths[i][0])
			rc = inquiry_path(m->recording.paths[i], of[i]->store, err);
	return rc;
}

static int ask(struct comparing *m, struct err *err)
{
	struct diff_config *c = m->config;
	int rc = refuse_terminal(c, err);

	if (!rc)
		rc = find_stores(m, err);
	if (!rc)
		rc = inquiry_open(&m->q, c->output, err);
	if (!rc && diff_records(c))
		rc = record_sides(m, err);
	if (!rc)
		rc = inquiry_connect(&m->q, !diff_asks_daemon(c), c->client.socket, err);
	if (!rc) {
		rc = serve_send_diff(m->q.peer.channel, &c->request, m->q.output.fd, err);
		if (rc == -EPIPE) /* what it said before it went is the reason */
			rc = 0;
	}
	if (!rc)
		rc = inquiry_wait(&m->q, c->request.id, SERVE_COMPARED, &m->compared, err);
	return rc ? rc : inquiry_keep(&m->q, err);
}

/* ---- what it is about --------------------------------------------------------------------------
 */

/* "3.2", "0.25" */
static char *points(double share, char *to)
{
	snprintf(to, 32, "%.*f", fabs(100 * share) < 1 ? 2 : 1, 100 * share);
	return to;
}

static void say_side(const struct comparing *m, int i, const json_t *answer)
{
	char lead[80];

	snprintf(lead, sizeof(lead), "%s%s%.50s: ", i ? "after" : "before",
		m->config->sides[i].kind == DIFF_SPAN ? "" : " ",
		m->config->sides[i].kind == DIFF_SPAN ? "" : m->config->sides[i].copy);
	if (client_count(answer, "windows")) /* else a note tells */
		inquiry_say_span(lead, answer);
}

/* So long each side should be. Windows of a minute take longer to be enough than those of a second.
 */
static double enough_s(const json_t *r)
{
	const json_t *sides[] = {json_object_get(r, "before"), json_object_get(r, "after")};
	double least_s = 0;

	for (int i = 0; i < 2; i++) {
		const double window_s = fmax(client_real(sides[i], "longest_window_s"), 1);
		const bool has_windows = client_count(sides[i], "windows") >= WINDOWS_LEAST;
		const double more_s = has_windows ? 2 * client_real(sides[i], "covered_s")
						  : WINDOWS_WANTED * window_s;

		least_s = fmax(least_s, more_s);
	}
	return least_s;
}

static bool is_empty(const json_t *r, const char *side)
{
	return !client_count(json_object_get(r, side), "samples");
}

static void say_too_little(const struct comparing *m, const json_t *r)
{
	char enough[32];

	say("not enough data: %s", client_text(r, "why"));
	inquiry_coarseness(ceil(enough_s(r)), enough);
	if (is_empty(r, "before") || is_empty(r, "after"))
		say("next: choose a time and processes that were busy; `profd report --by process` shows "
		    "them");
	else if (diff_records(m->config))
		say("next: record for longer, as in --duration %.0f, or at a higher --rate",
			ceil(enough_s(r)));
	else
		say("next: compare about %s of each side in which the program is busy", enough);
}

static void say_same(const json_t *r)
{
	const double detectable = client_real(r, "detectable");
	char least[32], largest[32];

	say("nothing changed that can be told from chance");
	if (client_has(r, "detectable") && detectable < 1)
		say("changes below %s points of share (%s in the largest) may stay hidden; four times "
		    "the time would halve that",
			points(detectable, least),
			points(client_real(r, "detectable_largest"), largest));
}

static void say_changed(const struct comparing *m, const json_t *r)
{
	const uint64_t n = client_count(r, "significant");
	char count[32], grew[32];

	terminal_count(n, count);
	if (client_real(r, "worst") > 0)
		say("%s %s%s changed; %.200s grew most, by %s points of %s share", count,
			m->config->request.by, n == 1 ? "" : "s", client_text(r, "worst_function"),
			points(client_real(r, "worst"), grew), m->config->request.sort);
	else
		say("%s %s%s changed; none grew by its %s share", count, m->config->request.by,
			n == 1 ? "" : "s", m->config->request.sort);
}

static void say_about(const struct comparing *m)
{
	const json_t *r = json_object_get(m->compared, "compared");
	const char *verdict = client_text(r, "verdict");
	char bytes[32];
	size_t i;
	json_t *note;

	say_side(m, 0, json_object_get(r, "before"));
	say_side(m, 1, json_object_get(r, "after"));
	json_array_foreach(json_object_get(r, "notes"), i, note)
	{
		const char *sentence = json_string_value(note);

		say("%s", sentence ? sentence : "");
	}
	if (!strcmp(verdict, "changed"))
		say_changed(m, r);
	else if (!strcmp(verdict, "same"))
		say_same(r);
	else
		say_too_little(m, r);
	if (m->config->output && strcmp(m->config->output, "-") != 0)
		say("wrote %s (%s)", output_label(&m->q.output),
			terminal_bytes(m->q.output.bytes, bytes));
}

/* The exit status that --fail-above asks for. */
static int judge(const struct comparing *m)
{
	const json_t *r = json_object_get(m->compared, "compared");
	const double worst = client_real(r, "worst"), most = m->config->fail_above;
	char grew[32];

	if (most < 0)
		return CLI_OK;
	if (!strcmp(client_text(r, "verdict"), "not enough data"))
		say("--fail-above %g finds nothing without enough data", most);
	if (!(worst > 0) || !(100 * worst > most))
		return CLI_OK;
	say("%.200s grew by %s points of %s share, more than --fail-above %g",
		client_text(r, "worst_function"), points(worst, grew), m->config->request.sort,
		most);
	return CLI_FAILED;
}

static int diff(struct diff_config *config)
{
	struct comparing m = {.config = config};
	struct err err = {0};
	int rc, status = CLI_OK;

	inquiry_init(&m.q);
	set_style(config);
	rc = ask(&m, &err);
	if (!rc && !config->client.quiet)
		say_about(&m);
	if (!rc)
		status = judge(&m);
	diff_recording_remove(&m.recording);
	inquiry_close(&m.q);
	json_decref(m.compared);
	if (m.q.given_up)
		return 128 + m.q.given_up;
	return rc < 0 ? client_failed(&err) : status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct diff_config *config = calloc(1, sizeof(*config));
	struct err err = {0};
	int rc, status;

	if (!config) {
		say("out of memory");
		return CLI_FAILED;
	}
	rc = diff_parse(self, argc, argv, when_now(), config, &err);
	if (client_parsed(self, rc, &err, &status)) {
		client_set_log_level(&config->client);
		status = diff(config);
	}
	free(config);
	return status;
}

static const struct cli_example examples[] = {
	{"profd diff 'yesterday 03:00..yesterday 04:00' 03:00..04:00",
		"what got slower since yesterday, out of the daemon's store"},
	{"profd diff old.profd new.profd -o diff.svg",
		"two recordings (`profd record -f profd`), as a flamegraph of both"},
	{"profd diff 4711 4712 --duration 60", "two processes that run now, recorded side by side"},
	{"profd diff 2h..1h,comm=gunicorn 1h..,comm=gunicorn --by line",
		"one program, line by line"},
	{"profd diff base.profd new.profd --fail-above 2 --json > diff.json",
		"for CI: fails where a function grew by more than 2 points"},
	{NULL, NULL},
};

const struct cli_command diff_command = {
	.name = "diff",
	.group = "Ask what was recorded",
	.summary = "what changed, between two times, files or processes",
	.usage = "[OPTION...] BEFORE AFTER",
	.about =
		"BEFORE and AFTER are each a file (of `profd record -f profd`, or a store), a span of\n"
		"time FROM..TO of the daemon's store (times as in `profd report`; `1h..` is until now,\n"
		"`..` all there is), or a process (4711 or pid:4711), which is recorded first. A side\n"
		"may add what it chooses: ,comm=NAME ,container=ID ,user=USER ,thread=NAME ,pid=PID.\n"
		"A side's own choice takes the place of the option of that name.\n"
		"\n"
		"Compared are shares of the sampled time. A change is called one only where it cannot\n"
		"well be chance: windows of time, not single samples, are compared, so that bursts do\n"
		"not deceive, and all functions together raise a false alarm in at most 5 of 100\n"
		"comparisons of equals. The smallest change that would have been found is told.\n"
		"\n"
		"Shares add up to 1: where one function takes more, the others take less, also if they\n"
		"are as fast as before.",
	.examples = examples,
	.n_shown = 2,
	.takes_words = {2, 2, "BEFORE AFTER"},
	.options = diff_options,
	.choices = diff_choices,
	.trailer =
		"Exit status: 0 also where something changed; 1 failure, or growth above --fail-above;\n"
		"2 wrong usage; 128+N given up by signal N.\n"
		"\n"
		"Where there is not enough data --fail-above finds no growth: that is said, and the exit\n"
		"status is 0.",
	.run = run,
};
