/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/top/top_state.h"

#define DELAY_MIN_S 0.1
#define DELAY_MAX_S 60.0

/* In the order of enum top_view and of enum top_sort. */
static const struct cli_word views[] = {
	{"functions", "where the time goes, by function"},
	{"lines", "the same by line"},
	{"processes", "who uses it"},
	{"threads", NULL},
	{"tree", "who calls whom, from the start down"},
	{NULL, NULL},
};

static const struct cli_word sorts[] = {
	{"self", "without what a function calls"},
	{"total", "with it"},
	{"samples", NULL},
	{"name", NULL},
	{NULL, NULL},
};

const struct cli_choice top_choices[] = {
	{"view", views, NULL},
	{"sort", sorts, NULL},
	{NULL, NULL, NULL},
};

/* ---- values ------------------------------------------------------------------------------------
 */

/* A plain decimal number: strtod() alone would take "inf", "nan", "0x1p3" and " 5". */
static bool parse_decimal(const char *value, double *number)
{
	char *end;

	if (!*value || value[strspn(value, "0123456789.eE+-")])
		return false;
	errno = 0;
	*number = strtod(value, &end);
	return end != value && !*end && isfinite(*number) && !errno;
}

static int set_seconds(double *to, const char *value, double least, double most, struct err *err)
{
	double s;

	if (!parse_decimal(value, &s))
		return err_set(err, -EINVAL,
			"'%.60s' is not a number of seconds; give one as in 2 or 0.5", value);
	if (s < least || s > most || s <= 0)
		return err_set(err, -EINVAL, "%.60s is out of range: %s%g to %.0f seconds", value,
			least > 0 ? "" : "above ", least, most);
	*to = s;
	return 0;
}

static int set_delay(void *config, const char *value, struct err *err)
{
	return set_seconds(
		&((struct top_config *)config)->delay_s, value, DELAY_MIN_S, DELAY_MAX_S, err);
}

static int set_duration(void *config, const char *value, struct err *err)
{
	return set_seconds(
		&((struct top_config *)config)->duration_s, value, 0, SERVE_DURATION_MAX_S, err);
}

static int set_span(void *config, const char *value, struct err *err)
{
	return set_seconds(
		&((struct top_config *)config)->span_s, value, 0, SERVE_DURATION_MAX_S, err);
}

static int set_whole(const char *value, double least, double most, double *to, struct err *err)
{
	if (!parse_decimal(value, to) || *to != floor(*to))
		return err_set(err, -EINVAL, "'%.60s' is not a whole number", value);
	if (*to < least || *to > most)
		return err_set(
			err, -EINVAL, "%.60s is out of range: %.0f to %.0f", value, least, most);
	return 0;
}

static int set_rate(void *config, const char *value, struct err *err)
{
	struct top_config *c = config;
	double hz;
	int rc = set_whole(value, 1, SERVE_RATE_MAX_HZ, &hz, err);

	if (!rc) {
		c->request.rate_hz = (uint32_t)hz;
		c->has_rate = true;
	}
	return rc;
}

static int set_limit(void *config, const char *value, struct err *err)
{
	struct top_config *c = config;
	double rows;
	int rc = set_whole(value, 0, INT_MAX, &rows, err);

	if (!rc) {
		c->limit = (size_t)rows;
		c->has_limit = true;
	}
	return rc;
}

/* The number of the word in the list, or negative errno. */
static int find_word(const char *option, const char *value, const char *what, struct err *err)
{
	const struct cli_word *words = cli_choice_of(&top_command, option)->words;
	int rc = cli_choice_check(&top_command, option, value, what, err), i = 0;

	while (!rc && strcmp(words[i].name, value) != 0)
		i++;
	return rc < 0 ? rc : i;
}

static int set_view(void *config, const char *value, struct err *err)
{
	int view = find_word("view", value, "no view", err);

	if (view >= 0)
		((struct top_config *)config)->view = (enum top_view)view;
	return view < 0 ? view : 0;
}

static int set_sort(void *config, const char *value, struct err *err)
{
	struct top_config *c = config;
	int sort = find_word("sort", value, "no order", err);

	if (sort >= 0) {
		c->sort = (enum top_sort)sort;
		c->has_sort = true;
	}
	return sort < 0 ? sort : 0;
}

static int set_filter(void *config, const char *value, struct err *err)
{
	((struct top_config *)config)->filter = value;
	return top_filter_check(value, err);
}

static int set_replay(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	((struct top_config *)config)->replay = value;
	return 0;
}

/* ---- which processes ---------------------------------------------------------------------------
 */

static int set_pid(void *config, const char *value, struct err *err)
{
	struct watch_request *r = &((struct top_config *)config)->request;

	return client_add_pids(r->pids, &r->n_pids, value, err);
}

static int set_comm(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct top_config *)config)->comms, value, err);
}

static int set_container(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct top_config *)config)->containers, value, err);
}

static int set_user(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct top_config *)config)->users, value, err);
}

/* ---- switches ----------------------------------------------------------------------------------
 */

static int set_subprocesses(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct top_config *)config)->request.subprocesses = true;
	return 0;
}

static int set_no_kernel(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct top_config *)config)->request.kernel = false;
	return 0;
}

static int set_no_native(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct top_config *)config)->request.native = false;
	return 0;
}

static int set_once(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct top_config *)config)->once = true;
	return 0;
}

const struct cli_option top_options[] = {
	{'p', "pid", "PID[,PID...]", NULL, "these processes instead of all that you may see",
		set_pid},
	{0, "comm", "NAME", NULL, "only processes of this name; may be repeated", set_comm},
	{0, "container", "ID", NULL, "only in this container (how its ID begins); host: in none",
		set_container},
	{'u', "user", "USER", NULL, "only of this user, by name or number", set_user},
	{'s', "subprocesses", NULL, NULL, "children of --pid or COMMAND, too, present and future",
		set_subprocesses},
	{'r', "rate", "HZ", "99, or the daemon's own",
		"samples a second of each running thread, 1 to 20000", set_rate},
	{'d', "delay", "SECONDS", "1", "how often the picture changes, 0.1 to 60", set_delay},
	{0, "duration", "SECONDS", NULL, "end after that time; with --once one delay, unless given",
		set_duration},
	{0, "view", "VIEW", "functions", "what the rows are", set_view},
	{0, "sort", "ORDER", "self",
		"what is highest first; processes, threads and the tree\n"
		"begin with total",
		set_sort},
	{'f', "filter", "REGEX", NULL, "rows whose function, file, module or process matches",
		set_filter},
	{0, "span", "SECONDS", "all", "show the last so many seconds only", set_span},
	{0, "no-kernel", NULL, NULL, "leave out kernel frames; takes samples of its own",
		set_no_kernel},
	{0, "no-native", NULL, NULL, "leave out native frames; likewise", set_no_native},
	{0, "once", NULL, NULL, "print a table instead of the screen, and end", set_once},
	{0, "json", NULL, NULL, "with --once: a JSON object", client_set_json},
	{'n', "limit", "N", "30 in a table, else all", "rows of --once; 0: all", set_limit},
	{0, "replay", "FILE", NULL, "play what `record -f profd` wrote, or a store", set_replay},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET,
		"the daemon that samples, where there is one; also\n"
		"PROFD_SOCKET; none: sample without a daemon",
		client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{'v', "verbose", NULL, NULL, "say who samples, and what the engine does",
		client_set_verbose},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- all of it ---------------------------------------------------------------------------------
 */

static void point(struct client_texts *texts, char ***list, size_t *n)
{
	*list = (char **)texts->list;
	*n = texts->n;
}

static int check_replay(const struct top_config *c, struct err *err)
{
	const struct watch_request *r = &c->request;

	if (!c->replay)
		return 0;
	if (c->command)
		return err_set(
			err, -EINVAL, "both --replay and a command were given; choose one of them");
	if (c->has_rate || r->subprocesses || !r->kernel || !r->native)
		return err_set(err, -EINVAL,
			"--rate, --subprocesses, --no-kernel and --no-native are about sampling; --replay "
			"plays a file as it was recorded");
	if (c->client.socket)
		return err_set(err, -EINVAL,
			"both --replay and --socket were given; the one reads a file, the other asks a "
			"daemon");
	return 0;
}

static int check_processes(const struct top_config *c, struct err *err)
{
	const struct watch_request *r = &c->request;

	if (c->command && !c->command[0])
		return err_set(err, -EINVAL, "no command after --");
	if (c->command && (r->n_pids || c->comms.n || c->containers.n || c->users.n))
		return err_set(err, -EINVAL,
			"both a command and --pid, --comm, --container or --user were given; choose one "
			"of them");
	if (r->subprocesses && !c->command && !r->n_pids)
		return err_set(err, -EINVAL,
			"--subprocesses is about children of --pid, or of a command behind --");
	for (size_t i = 0; i < r->n_pids; i++)
		if (r->pids[i] == (uint32_t)getpid())
			return err_set(
				err, -EINVAL, "process %d is this profd itself", (int)getpid());
	return 0;
}

static int check(const struct top_config *c, struct err *err)
{
	int rc = check_replay(c, err);

	if (!rc)
		rc = check_processes(c, err);
	if (!rc && c->client.json && !c->once)
		rc = err_set(err, -EINVAL, "--json is for --once: profd top --once --json");
	if (!rc && c->has_limit && !c->once)
		rc = err_set(err, -EINVAL, "--limit is for --once; the screen scrolls");
	return rc;
}

int top_parse(const struct cli_command *self, int argc, char **argv, struct top_config *c,
	struct err *err)
{
	struct watch_request *r = &c->request;
	int rc;

	*c = (struct top_config){
		.request = {.id = 1, .kernel = true, .native = true}, .filter = "", .delay_s = 1};
	rc = cli_parse(self, argc, argv, c, &c->command, err);
	if (rc)
		return rc;
	point(&c->comms, &r->comms, &r->n_comms);
	point(&c->containers, &r->containers, &r->n_containers);
	point(&c->users, &r->users, &r->n_users);
	r->interval_s = c->delay_s;
	r->on_exec = c->command != NULL;
	if (!c->replay && !c->has_rate && (c->command || r->n_pids || !r->kernel || !r->native))
		r->rate_hz = TOP_PRESET_RATE_HZ;
	if (!c->has_sort)
		c->sort = top_usual_sort(c->view);
	return check(c, err);
}
