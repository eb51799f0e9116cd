/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	PRESET_ROWS = 30,
	PRESET_RATE_HZ = 99, /* as that of a recording */
	PRESET_DURATION_S = 30,
};

/* ---- values ------------------------------------------------------------------------------------
 */

static struct cli_word format_word(size_t i)
{
	const struct diff_format *f = diff_format_at(i);

	return f ? (struct cli_word){f->name, f->help} : (struct cli_word){NULL, NULL};
}

static const struct cli_word bys[] = {
	{"function", NULL}, {"line", NULL}, {"module", NULL}, {NULL, NULL}};
static const struct cli_word orders[] = {
	{"total", "with all that it calls: what got slower, under the name that you know"},
	{"self", "in itself alone: where the time itself went"},
	{NULL, NULL},
};

const struct cli_choice diff_choices[] = {
	{"by", bys, NULL},
	{"sort", orders, NULL},
	{"format", NULL, format_word},
	{NULL, NULL, NULL},
};

static int set_pid(void *config, const char *value, struct err *err)
{
	struct diff_common *c = &((struct diff_config *)config)->common;

	return client_add_pids(c->pids, &c->n_pids, value, err);
}

static int set_comm(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct diff_config *)config)->common.comms, value, err);
}

static int set_container(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct diff_config *)config)->common.containers, value, err);
}

static int set_user(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct diff_config *)config)->common.users, value, err);
}

static int set_thread(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct diff_config *)config)->common.threads, value, err);
}

static int set_by(void *config, const char *value, struct err *err)
{
	struct diff_request *r = &((struct diff_config *)config)->request;
	int rc = cli_choice_check(&diff_command, "by", value, "nothing to compare by", err);

	if (!rc)
		snprintf(r->by, sizeof(r->by), "%s", value);
	return rc;
}

static int set_sort(void *config, const char *value, struct err *err)
{
	struct diff_request *r = &((struct diff_config *)config)->request;
	int rc = cli_choice_check(&diff_command, "sort", value, "no order", err);

	if (!rc)
		snprintf(r->sort, sizeof(r->sort), "%s", value);
	return rc;
}

static int set_format(void *config, const char *value, struct err *err)
{
	int rc = cli_choice_check(&diff_command, "format", value, "no format", err);

	if (!rc)
		((struct diff_config *)config)->format_name = value;
	return rc;
}

static int set_limit(void *config, const char *value, struct err *err)
{
	struct diff_config *c = config;

	c->has_limit = true;
	return client_parse_limit(value, &c->request.limit, err);
}

static int set_path(const char **to, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	*to = value;
	return 0;
}

static int set_output(void *config, const char *value, struct err *err)
{
	return set_path(&((struct diff_config *)config)->output, value, err);
}

static int set_store(void *config, const char *value, struct err *err)
{
	return set_path(&((struct diff_config *)config)->store, value, err);
}

static int set_no_kernel(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct diff_config *)config)->request.kernel = false;
	return 0;
}

static int set_subprocesses(void *config, const char *value, struct err *err)
{
	struct diff_config *c = config;

	(void)value;
	(void)err;
	c->subprocesses = c->has_recording_option = true;
	return 0;
}

/* A plain decimal number: strtod() alone would take "inf", "nan", "0x1p3" and " 5". */
static bool parse_decimal(const char *value, double *number)
{
	char *end;

	if (!*value || value[strspn(value, "0123456789.")])
		return false;
	*number = strtod(value, &end);
	return end != value && !*end && isfinite(*number);
}

static int set_duration(void *config, const char *value, struct err *err)
{
	struct diff_config *c = config;
	double s;

	if (!parse_decimal(value, &s) || !(s > 0) || s > SERVE_DURATION_MAX_S)
		return err_set(err, -EINVAL,
			"'%.60s' is not a number of seconds above 0; give one as in 60 or 2.5",
			value);
	c->duration_s = s;
	c->has_recording_option = true;
	return 0;
}

static int set_rate(void *config, const char *value, struct err *err)
{
	struct diff_config *c = config;
	double hz;

	if (!parse_decimal(value, &hz) || hz != floor(hz) || hz < 1 || hz > SERVE_RATE_MAX_HZ)
		return err_set(err, -EINVAL,
			"'%.60s' is not a whole number of samples a second from 1 to %d", value,
			SERVE_RATE_MAX_HZ);
	c->rate_hz = (uint32_t)hz;
	c->has_recording_option = true;
	return 0;
}

static int set_fail_above(void *config, const char *value, struct err *err)
{
	double percent;

	if (!parse_decimal(value, &percent) || percent > 100)
		return err_set(err, -EINVAL,
			"'%.60s' is not a number of points of share from 0 to 100, as in 2.5",
			value);
	((struct diff_config *)config)->fail_above = percent;
	return 0;
}

const struct cli_option diff_options[] = {
	{'p', "pid", "PID[,PID...]", NULL, "only these processes, on both sides", set_pid},
	{0, "comm", "NAME", NULL, "only processes of this name; may be repeated", set_comm},
	{0, "container", "ID", NULL, "only in this container (how its ID begins); host: in none",
		set_container},
	{0, "user", "USER", NULL, "only of this user, by name or number", set_user},
	{0, "thread", "NAME|TID", NULL, "only this thread, by name or number", set_thread},
	{'b', "by", "WHAT", "function", "what is compared", set_by},
	{0, "sort", "ORDER", "total", "whose change tells what stands first", set_sort},
	{'n', "limit", "N", "30 in a table, else all", "so many rows; 0: all", set_limit},
	{'f', "format", "FORMAT", "by the name of FILE, else table", "how it is written",
		set_format},
	{0, "json", NULL, NULL, "short for --format json", client_set_json},
	{'o', "output", "FILE", "standard output", "where it goes", set_output},
	{0, "fail-above", "PERCENT", NULL,
		"exit status 1 where a share grew significantly by more than that, in points of share "
		"(of 100)",
		set_fail_above},
	{0, "no-kernel", NULL, NULL, "leave out kernel frames", set_no_kernel},
	{0, "store", "FILE", NULL, "spans of time are of this store; takes no daemon", set_store},
	{'d', "duration", "SECONDS", "30", "how long processes are recorded", set_duration},
	{'r', "rate", "HZ", "99", "samples a second of each running thread of them", set_rate},
	{0, "subprocesses", NULL, NULL, "record their children, too", set_subprocesses},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET,
		"the daemon whose store it is, or that records; also PROFD_SOCKET; none: record without "
		"a daemon",
		client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{'v', "verbose", NULL, NULL, "say who samples, and what the engine does",
		client_set_verbose},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- all of it ---------------------------------------------------------------------------------
 */

bool diff_records(const struct diff_config *c)
{
	return c->sides[0].kind == DIFF_PROCESS || c->sides[1].kind == DIFF_PROCESS;
}

bool diff_asks_daemon(const struct diff_config *c)
{
	return c->sides[0].kind == DIFF_SPAN && c->sides[1].kind == DIFF_SPAN && !c->store;
}

static int check_sides(const struct diff_config *c, struct err *err)
{
	const bool has_span = c->sides[0].kind == DIFF_SPAN || c->sides[1].kind == DIFF_SPAN;
	const struct diff_side *span = &c->sides[c->sides[0].kind == DIFF_SPAN ? 0 : 1];
	const struct diff_side *other = &c->sides[c->sides[0].kind == DIFF_SPAN ? 1 : 0];

	if (c->store && !has_span)
		return err_set(err, -EINVAL,
			"--store %.100s is for spans of time, and neither side is one", c->store);
	if (has_span && !c->store && !diff_asks_daemon(c))
		return err_set(err, -EINVAL,
			"'%.60s' is a span of the daemon's store and '%.100s' is not: name the store of "
			"the span with --store FILE, so that both are read from files",
			span->word, other->word);
	if (c->has_recording_option && !diff_records(c))
		return err_set(err, -EINVAL,
			"--duration, --rate and --subprocesses are for processes to record, and neither "
			"side is one; a process is given as its ID, as in 4711");
	if (c->common.n_pids && diff_records(c))
		return err_set(err, -EINVAL,
			"--pid chooses within files and spans; a process to record is a side itself");
	if (c->client.socket && !diff_asks_daemon(c) && !diff_records(c))
		return err_set(err, -EINVAL,
			"--socket names a daemon, and no side asks one: both are read from files");
	return 0;
}

static int check_format(struct diff_config *c, struct err *err)
{
	const char *dot = c->output ? strrchr(c->output, '.') : NULL;

	if (c->client.json && c->format_name && strcmp(c->format_name, "json") != 0)
		return err_set(
			err, -EINVAL, "both --json and --format %.60s were given", c->format_name);
	if (c->client.json)
		c->format_name = "json";
	c->format = c->format_name ? diff_format_find(c->format_name) : NULL;
	for (size_t i = 0; dot && !c->format && diff_format_at(i); i++)
		if (!strcasecmp(dot + 1, diff_format_at(i)->extension))
			c->format = diff_format_at(i);
	if (!c->format)
		c->format = diff_format_at(0);
	snprintf(c->request.format, sizeof(c->request.format), "%s", c->format->name);
	/* Who reads a file or a pipe wants all of it. */
	if (!c->has_limit && c->format == diff_format_at(0))
		c->request.limit = PRESET_ROWS;
	return 0;
}

int diff_parse(const struct cli_command *self, int argc, char **argv, double now_unix_s,
	struct diff_config *c, struct err *err)
{
	struct report_selection *const of[] = {&c->request.before, &c->request.after};
	char **words;
	int rc;

	memset(c, 0, sizeof(*c));
	c->request.id = 1;
	snprintf(c->request.by, sizeof(c->request.by), "function");
	snprintf(c->request.sort, sizeof(c->request.sort), "total");
	c->request.kernel = true;
	c->duration_s = PRESET_DURATION_S;
	c->rate_hz = PRESET_RATE_HZ;
	c->fail_above = -1;
	rc = cli_parse(self, argc, argv, c, &words, err);
	if (rc)
		return rc;
	for (int i = 0; i < 2 && !rc; i++) {
		rc = diff_side_parse(&c->sides[i], of[i], words[i], now_unix_s, err);
		if (rc < 0)
			return err_prefix(err, i ? "AFTER" : "BEFORE");
		diff_side_select(&c->sides[i], &c->common, of[i]);
	}
	rc = check_sides(c, err);
	return rc ? rc : check_format(c, err);
}

void diff_config_clear(struct diff_config *c)
{
	free(c->sides[0].copy);
	free(c->sides[1].copy);
	c->sides[0].copy = c->sides[1].copy = NULL;
}
