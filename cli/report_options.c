/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/when.h"

enum { PRESET_ROWS = 30 };

static const double PRESET_SPAN_S = 3600;
static const char ALL[] = "all"; /* in place of a time: no bound */

static struct cli_word by_word(size_t i)
{
	return (struct cli_word){i < REPORT_BYS ? report_by_name((enum report_by)i) : NULL, NULL};
}

static struct cli_word format_word(size_t i)
{
	const struct render_format *stacks;
	size_t n = 0;

	for (; table_format_at(n); n++)
		if (n == i)
			return (struct cli_word){
				table_format_at(n)->name, table_format_at(n)->help};
	stacks = render_format_at(i - n);
	return stacks ? (struct cli_word){stacks->name, stacks->help}
		      : (struct cli_word){NULL, NULL};
}

static const struct cli_word orders[] = {{"self", NULL}, {"total", NULL}, {NULL, NULL}};

const struct cli_choice report_choices[] = {
	{"by", NULL, by_word},
	{"sort", orders, NULL},
	{"format", NULL, format_word},
	{NULL, NULL, NULL},
};

/* ---- values ------------------------------------------------------------------------------------
 */

static int set_since(void *config, const char *value, struct err *err)
{
	(void)err;
	((struct report_config *)config)->since = value;
	return 0;
}

static int set_until(void *config, const char *value, struct err *err)
{
	(void)err;
	((struct report_config *)config)->until = value;
	return 0;
}

static int set_pid(void *config, const char *value, struct err *err)
{
	struct report_request *r = &((struct report_config *)config)->request;

	return client_add_pids(r->of.pids, &r->of.n_pids, value, err);
}

static int set_comm(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct report_config *)config)->comms, value, err);
}

static int set_container(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct report_config *)config)->containers, value, err);
}

static int set_user(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct report_config *)config)->users, value, err);
}

static int set_thread(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct report_config *)config)->threads, value, err);
}

static int set_by(void *config, const char *value, struct err *err)
{
	struct report_request *r = &((struct report_config *)config)->request;
	int rc = cli_choice_check(&report_command, "by", value, "nothing to make rows by", err);

	if (!rc)
		snprintf(r->by, sizeof(r->by), "%s", value);
	return rc;
}

static int set_sort(void *config, const char *value, struct err *err)
{
	struct report_request *r = &((struct report_config *)config)->request;

	int rc = cli_choice_check(&report_command, "sort", value, "no order", err);

	if (!rc)
		snprintf(r->sort, sizeof(r->sort), "%s", value);
	return rc;
}

static int set_limit(void *config, const char *value, struct err *err)
{
	struct report_config *c = config;

	c->has_limit = true;
	return client_parse_limit(value, &c->request.limit, err);
}

static int set_format(void *config, const char *value, struct err *err)
{
	(void)err;
	((struct report_config *)config)->format = value;
	return 0;
}

static int set_output(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	((struct report_config *)config)->output = value;
	return 0;
}

static int set_store(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	((struct report_config *)config)->store = value;
	return 0;
}

static int set_no_kernel(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct report_config *)config)->request.kernel = false;
	return 0;
}

const struct cli_option report_options[] = {
	{'s', "since", "TIME", "1h before --until; with --store all",
		"the start: 1h30m (so long ago), 03:12, yesterday 03:12, 2026-11-20, "
		"2026-11-20 03:12:30, @1700000000, all",
		set_since},
	{'u', "until", "TIME", "now", "the end, likewise", set_until},
	{'p', "pid", "PID[,PID...]", NULL, "only these processes", set_pid},
	{0, "comm", "NAME", NULL, "only processes of this name; may be repeated", set_comm},
	{0, "container", "ID", NULL, "only in this container (how its ID begins); host: in none",
		set_container},
	{0, "user", "USER", NULL, "only of this user, by name or number", set_user},
	{0, "thread", "NAME|TID", NULL, "only this thread, by name or number", set_thread},
	{'b', "by", "WHAT", "function", "what a row is", set_by},
	{0, "sort", "ORDER", "self", "the share that the order goes by", set_sort},
	{'n', "limit", "N", "30 in a table, else all", "so many rows; 0: all", set_limit},
	{'f', "format", "FORMAT", "by the name of FILE, else table", "how it is written",
		set_format},
	{'o', "output", "FILE", "standard output", "where it goes", set_output},
	{0, "no-kernel", NULL, NULL, "leave out kernel frames", set_no_kernel},
	{0, "store", "FILE", NULL, "read this profile file or store; takes no daemon", set_store},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- all of it ---------------------------------------------------------------------------------
 */

static int bound(
	const char *option, const char *value, double now_unix_s, double *unix_s, struct err *err)
{
	int rc = 0;

	*unix_s = 0;
	if (strcmp(value, ALL) != 0)
		rc = when_parse(value, now_unix_s, unix_s, err);
	return rc < 0 ? err_prefix(err, "%s", option) : 0;
}

/* Without a start the span ends where --until says: an hour of last night, not of today. Who names
 * a file means all of it. */
static int parse_span(struct report_config *c, double now_unix_s, struct err *err)
{
	struct report_request *r = &c->request;
	double end;
	int rc = c->until ? bound("--until", c->until, now_unix_s, &r->of.until_unix_s, err) : 0;

	if (!rc && c->since)
		rc = bound("--since", c->since, now_unix_s, &r->of.since_unix_s, err);
	if (rc < 0)
		return rc;
	end = r->of.until_unix_s > 0 ? r->of.until_unix_s : now_unix_s;
	if (!c->since && !c->store)
		r->of.since_unix_s = end > PRESET_SPAN_S ? end - PRESET_SPAN_S : 0;
	if (r->of.since_unix_s > now_unix_s)
		return err_set(err, -EINVAL, "--since: '%.60s' is still to come", c->since);
	if (r->of.until_unix_s > 0 && r->of.since_unix_s >= r->of.until_unix_s)
		return err_set(err, -EINVAL, "--since has to be before --until");
	return 0;
}

static const struct table_format *table_by_extension(const char *dot)
{
	for (size_t i = 0; table_format_at(i); i++)
		if (!strcasecmp(dot + 1, table_format_at(i)->extension))
			return table_format_at(i);
	return NULL;
}

static const struct render_format *stacks_by_extension(const char *dot)
{
	if (!strcasecmp(dot, ".folded"))
		return render_format_find("collapsed");
	for (size_t i = 0; render_format_at(i); i++)
		if (!strcasecmp(dot + 1, render_format_at(i)->extension))
			return render_format_at(i);
	return NULL;
}

static int choose_format(struct report_config *c, struct err *err)
{
	const char *dot = c->output ? strrchr(c->output, '.') : NULL;

	if (c->format) {
		c->table = table_format_find(c->format);
		c->stacks = c->table ? NULL : render_format_find(c->format);
		if (!c->table && !c->stacks) {
			cli_choice_check(&report_command, "format", c->format, "not a format", err);
			return err_prefix(err, "--format");
		}
	} else {
		c->table = dot ? table_by_extension(dot) : NULL;
		c->stacks = dot && !c->table ? stacks_by_extension(dot) : NULL;
		if (!c->stacks && !c->table)
			c->table = table_format_at(0);
	}
	snprintf(c->request.format, sizeof(c->request.format), "%s",
		c->table ? c->table->name : c->stacks->name);
	/* Who reads a file or a pipe wants all of it. */
	if (!c->has_limit && c->table == table_format_at(0))
		c->request.limit = PRESET_ROWS;
	return 0;
}

static void point(struct client_texts *texts, char ***list, size_t *n)
{
	*list = (char **)texts->list;
	*n = texts->n;
}

int report_parse(const struct cli_command *self, int argc, char **argv, double now_unix_s,
	struct report_config *c, struct err *err)
{
	struct report_request *r = &c->request;
	char **rest;
	int rc;

	*c = (struct report_config){
		.request = {.id = 1, .by = "function", .sort = "self", .kernel = true}};
	rc = cli_parse(self, argc, argv, c, &rest, err);
	if (rc)
		return rc;
	point(&c->comms, &r->of.comms, &r->of.n_comms);
	point(&c->containers, &r->of.containers, &r->of.n_containers);
	point(&c->users, &r->of.users, &r->of.n_users);
	point(&c->threads, &r->of.threads, &r->of.n_threads);
	if (c->store && c->client.socket)
		return err_set(err, -EINVAL,
			"both --store and --socket were given; the one reads a file, the other asks a "
			"daemon");
	rc = parse_span(c, now_unix_s, err);
	if (!rc)
		rc = choose_format(c, err);
	return rc;
}
