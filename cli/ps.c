/* SPDX-License-Identifier: BSD-2-Clause */
/* profd ps: what the daemon profiles now. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/when.h"

enum {
	PROCESSES_MAX = 4 << 20, /* more than Linux has process IDs */
	CONTAINER_SHOWN = 12,    /* of its ID, as other tools show it */
	COMMAND_LEAST = 20,
	UNLIMITED_COLUMNS = 4000, /* where nobody looks, nothing is cut */
};

enum sort { SORT_CPU, SORT_PID, SORT_NAME };

struct ps_config {
	struct client_config client;
	struct client_texts users, containers, comms;
	enum sort sort;
};

/* ---- options -----------------------------------------------------------------------------------
 */

static const struct cli_word orders[] = {[SORT_CPU] = {"cpu", NULL},
	[SORT_PID] = {"pid", NULL},
	[SORT_NAME] = {"name", NULL},
	{NULL, NULL}};
static const struct cli_choice choices[] = {{"sort", orders, NULL}, {NULL, NULL, NULL}};

static int set_sort(void *config, const char *value, struct err *err)
{
	for (size_t i = 0; orders[i].name; i++)
		if (!strcmp(value, orders[i].name)) {
			((struct ps_config *)config)->sort = (enum sort)i;
			return 0;
		}
	return cli_choice_check(&ps_command, "sort", value, "no order", err);
}

static int set_user(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct ps_config *)config)->users, value, err);
}

static int set_container(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct ps_config *)config)->containers, value, err);
}

static int set_comm(void *config, const char *value, struct err *err)
{
	return client_add_text(&((struct ps_config *)config)->comms, value, err);
}

static const struct cli_option options[] = {
	{0, "sort", "ORDER", "cpu", "the column that the order goes by", set_sort},
	{0, "comm", "NAME", NULL, "only processes of this name; may be repeated", set_comm},
	{0, "user", "USER", NULL, "only of this user, by name or number", set_user},
	{0, "container", "ID", NULL, "only in this container (how its ID begins); host: in none",
		set_container},
	{0, "json", NULL, NULL, "an array of objects instead of a table", client_set_json},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{'q', "quiet", NULL, NULL, "say nothing beside the table", client_set_quiet},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- which processes, in which order -----------------------------------------------------------
 */

static bool is_user(const json_t *process, const char *wanted)
{
	char uid[24];

	snprintf(uid, sizeof(uid), "%llu", (unsigned long long)client_count(process, "uid"));
	return !strcmp(client_text(process, "user"), wanted) || !strcmp(uid, wanted);
}

static bool is_in(const json_t *process, const char *wanted)
{
	const char *container = client_text(process, "container");

	return *container ? !strncmp(container, wanted, strlen(wanted)) : !strcmp(wanted, "host");
}

static bool is_called(const json_t *process, const char *wanted)
{
	return !strcmp(client_text(process, "comm"), wanted);
}

static bool passes(const struct client_texts *texts, const json_t *process,
	bool (*matches)(const json_t *process, const char *wanted))
{
	size_t i = 0;

	while (i < texts->n && !matches(process, texts->list[i]))
		i++;
	return !texts->n || i < texts->n;
}

static bool is_wanted(const struct ps_config *c, const json_t *process)
{
	return passes(&c->users, process, is_user) && passes(&c->containers, process, is_in) &&
	       passes(&c->comms, process, is_called);
}

static int compare_pid(const void *a, const void *b)
{
	const uint64_t x = client_count(*(json_t *const *)a, "pid"),
		       y = client_count(*(json_t *const *)b, "pid");

	return x < y ? -1 : x > y;
}

static int compare_cpu(const void *a, const void *b)
{
	const double x = client_real(*(json_t *const *)a, "cpus"),
		     y = client_real(*(json_t *const *)b, "cpus");

	return x > y ? -1 : x < y ? 1 : compare_pid(a, b);
}

static int compare_name(const void *a, const void *b)
{
	const int order = strcmp(
		client_text(*(json_t *const *)a, "comm"), client_text(*(json_t *const *)b, "comm"));

	return order ? order : compare_pid(a, b);
}

/* ---- asking ------------------------------------------------------------------------------------
 */

/* Adds what is wanted of one page to `list`; `*more` tells whether another follows. */
static int take_page(const struct ps_config *c, const json_t *message, json_t *list, bool *more,
	uint64_t *left_out)
{
	const json_t *ps = json_object_get(message, "ps");
	size_t i;
	json_t *process;

	json_array_foreach(json_object_get(ps, "processes"), i, process)
	{
		if (json_array_size(list) >= PROCESSES_MAX)
			return -E2BIG;
		if (is_wanted(c, process) && json_array_append(list, process) < 0)
			return -ENOMEM;
	}
	*more = json_is_true(json_object_get(ps, "more"));
	*left_out = client_count(ps, "left_out");
	return 0;
}

static int ask(const struct ps_config *c, json_t *list, uint64_t *left_out, struct err *err)
{
	struct peer peer = {0};
	json_t *message;
	bool more = false;
	int rc = client_ask(&peer, &c->client, SERVE_PS, SERVE_PS, &message, err);

	while (!rc) {
		rc = take_page(c, message, list, &more, left_out);
		json_decref(message);
		if (rc < 0)
			err_set(err, rc, "cannot keep the list of processes: %s", strerror(-rc));
		if (rc < 0 || !more)
			break;
		rc = peer_answer(&peer, -1, 1, SERVE_PS, &message, err);
	}
	peer_close(&peer, 0);
	return rc;
}

/* A new list with the same processes in the order asked for. NULL: out of memory. */
static json_t *sorted(const json_t *list, enum sort sort)
{
	static int (*const compare[])(const void *, const void *) = {
		[SORT_CPU] = compare_cpu, [SORT_PID] = compare_pid, [SORT_NAME] = compare_name};
	size_t n = json_array_size(list);
	json_t **rows = calloc(n + 1, sizeof(*rows)), *out = json_array();

	for (size_t i = 0; rows && i < n; i++)
		rows[i] = json_array_get(list, i);
	if (rows)
		qsort(rows, n, sizeof(*rows), compare[sort]);
	for (size_t i = 0; rows && out && i < n; i++)
		if (json_array_append(out, rows[i]) < 0) {
			json_decref(out);
			out = NULL;
		}
	if (!rows) {
		json_decref(out);
		out = NULL;
	}
	free(rows);
	return out;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

struct column {
	const char *title;
	bool is_number;
	size_t most; /* columns; 0: all that is left */
	/* The text of a cell into `to`. */
	void (*cell)(const json_t *process, char *to, size_t bytes);
};

static void cell_pid(const json_t *process, char *to, size_t bytes)
{
	snprintf(to, bytes, "%llu", (unsigned long long)client_count(process, "pid"));
}

static void cell_user(const json_t *process, char *to, size_t bytes)
{
	const char *user = client_text(process, "user");

	if (*user)
		snprintf(to, bytes, "%s", user);
	else
		snprintf(to, bytes, "%llu", (unsigned long long)client_count(process, "uid"));
}

static void cell_cpu(const json_t *process, char *to, size_t bytes)
{
	if (client_has(process, "cpus"))
		snprintf(to, bytes, "%.1f", 100 * client_real(process, "cpus"));
	else
		snprintf(to, bytes, "-");
}

static void cell_runtime(const json_t *process, char *to, size_t bytes)
{
	const char *python = client_text(process, "python");

	snprintf(to, bytes, "%s%s", *python ? "python " : "native", python);
}

static void cell_container(const json_t *process, char *to, size_t bytes)
{
	const char *container = client_text(process, "container");

	snprintf(to, bytes, "%.*s", CONTAINER_SHOWN, *container ? container : "-");
}

static void cell_age(const json_t *process, char *to, size_t bytes)
{
	char age[32];
	double started = client_real(process, "started_unix_s");

	if (started > 0)
		snprintf(to, bytes, "%s", when_age((double)time(NULL) - started, age));
	else
		snprintf(to, bytes, "-");
}

/* The name alone where it says which program it is, else with the program behind it. */
static void cell_command(const json_t *process, char *to, size_t bytes)
{
	const char *comm = client_text(process, "comm"), *exe = client_text(process, "exe");
	const char *slash = strrchr(exe, '/');

	if (!*exe)
		snprintf(to, bytes, "%s", comm);
	else if (slash && !strncmp(slash + 1, comm, strlen(comm)))
		snprintf(to, bytes, "%s", exe);
	else
		snprintf(to, bytes, "%s (%s)", comm, exe);
}

static const struct column columns[] = {
	{"PID", true, 10, cell_pid},
	{"USER", false, 16, cell_user},
	{"CPU%", true, 10, cell_cpu},
	{"RUNTIME", false, 16, cell_runtime},
	{"CONTAINER", false, CONTAINER_SHOWN, cell_container},
	{"AGE", true, 10, cell_age},
	{"COMMAND", false, 0, cell_command},
};
enum { N_COLUMNS = sizeof(columns) / sizeof(columns[0]), CELL_BYTES = 6000 };

static void fit(const json_t *list, size_t *widths)
{
	char text[CELL_BYTES], clean[CELL_BYTES];
	size_t i;
	json_t *process;

	for (size_t k = 0; k < N_COLUMNS; k++) {
		widths[k] = strlen(columns[k].title);
		json_array_foreach((json_t *)list, i, process)
		{
			size_t width;

			if (!columns[k].most)
				break;
			columns[k].cell(process, text, sizeof(text));
			width = terminal_text(text, columns[k].most, clean, sizeof(clean));
			if (width > widths[k])
				widths[k] = width;
		}
	}
}

/* `process` NULL: the titles. */
static void print_row(const json_t *process, const size_t *widths, size_t room)
{
	char text[CELL_BYTES];

	for (size_t k = 0; k < N_COLUMNS; k++) {
		const struct column *c = &columns[k];

		if (process)
			c->cell(process, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", c->title);
		if (!c->most) {
			client_put(stdout, text, room > COMMAND_LEAST ? room : COMMAND_LEAST);
			break;
		}
		client_put_cell(stdout, text, widths[k], c->is_number);
		fputs("  ", stdout);
		room = room > widths[k] + 2 ? room - widths[k] - 2 : 0;
	}
	fputc('\n', stdout);
}

static void print_table(const json_t *list)
{
	const size_t room =
		isatty(STDOUT_FILENO) ? terminal_columns(STDOUT_FILENO) : UNLIMITED_COLUMNS;
	size_t widths[N_COLUMNS], i;
	json_t *process;

	fit(list, widths);
	print_row(NULL, widths, room);
	json_array_foreach((json_t *)list, i, process) print_row(process, widths, room);
}

static int show(const struct ps_config *c, const json_t *list, uint64_t left_out, struct err *err)
{
	char n[32];

	if (c->client.json)
		return client_print_json(list, err);
	print_table(list);
	if (client_finish_output() != CLI_OK)
		return err_set(err, -EIO, "the table is not whole");
	if (!json_array_size(list) && !c->client.quiet)
		say("nothing to show: users see their own processes, root and members of the daemon's "
		    "group see all%s",
			c->users.n + c->comms.n + c->containers.n ? "; or nothing fits" : "");
	if (left_out && !c->client.quiet)
		say("%s more processes are not shown: they did not fit into the answer",
			terminal_count(left_out, n));
	return 0;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct ps_config config = {0};
	json_t *list = NULL, *found = json_array();
	struct err err = {0};
	uint64_t left_out = 0;
	int status, rc;

	if (!client_parse(self, argc, argv, &config, &status)) {
		json_decref(found);
		return status;
	}
	rc = found ? ask(&config, found, &left_out, &err) : err_set(&err, -ENOMEM, "out of memory");
	if (!rc) {
		list = sorted(found, config.sort);
		rc = list ? show(&config, list, left_out, &err)
			  : err_set(&err, -ENOMEM, "out of memory");
	}
	json_decref(found);
	json_decref(list);
	return rc < 0 ? client_failed(&err) : CLI_OK;
}

static const struct cli_example examples[] = {
	{"profd ps", "the busiest first"},
	{"profd ps --user www-data --sort pid", "those of one user"},
	{"profd ps --json | jq '.[] | select(.python)'", "Python processes, for other tools"},
	{NULL, NULL},
};

const struct cli_command ps_command = {
	.name = "ps",
	.group = "Ask what was recorded",
	.summary = "list the processes that the daemon profiles",
	.usage = "[OPTION...]",
	.about =
		"CPU% is of one CPU, by the samples of the last window (10 s by default). Users see\n"
		"their own processes; root and members of the daemon's group see all. Of an option that\n"
		"is repeated any value may fit; of different options all have to.",
	.examples = examples,
	.options = options,
	.choices = choices,
	.trailer = "Exit status: 0; 1 the daemon could not be reached; 2 wrong usage.",
	.run = run,
};
