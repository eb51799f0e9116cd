/* SPDX-License-Identifier: BSD-2-Clause */
/* profd status: how the daemon is. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/when.h"

enum { TEXT_COLUMNS = 1000 };

/* Labels stand in a column of their own; an empty one continues the block above. */
static void label(const char *text)
{
	printf("%-10s ", text);
}

static void text(const char *hostile)
{
	client_put(stdout, hostile, TEXT_COLUMNS);
}

/* A number with a unit, or a dash where it is not known. */
static void figure(const json_t *object, const char *key, const char *before, const char *after)
{
	if (client_has(object, key))
		printf("%s%.3g%s", before, client_real(object, key), after);
	else
		printf("%s-%s", before, after);
}

static void count(const json_t *object, const char *key, const char *before, const char *after)
{
	char n[32];

	printf("%s%s%s", before, terminal_count(client_count(object, key), n), after);
}

static const char *bytes(const json_t *object, const char *key, char *to)
{
	return client_has(object, key) ? terminal_bytes(client_count(object, key), to) : "-";
}

static void print_alert(const char *lead, const char *hostile)
{
	const bool colour = terminal_has_colour(STDOUT_FILENO);

	fputs(colour ? "\033[1;31m" : "", stdout);
	printf("%s", lead);
	text(hostile);
	printf("%s\n", colour ? "\033[0m" : "");
}

static void print_head(const json_t *s, const char *path)
{
	const char *source = client_text(s, "source");
	char uptime[32];

	printf("profd ");
	text(client_text(s, "version"));
	printf(" at ");
	text(path);
	printf(", up %s", terminal_duration(client_real(s, "uptime_s"), uptime));
	if (*source) {
		printf(", ");
		text(source);
	}
	printf("\n\n");
}

static void print_sampling(const json_t *s)
{
	const json_t *rate = json_object_get(s, "rate_hz");

	label("sampling");
	if (json_is_true(json_object_get(s, "paused")))
		printf("PAUSED; `profd resume` goes on. ");
	figure(rate, "requested", "", " Hz asked for, ");
	figure(rate, "current", "", " Hz now, ");
	figure(rate, "achieved", "", " Hz reached");
	if (client_has(rate, "current") &&
		client_real(rate, "current") < client_real(rate, "requested"))
		printf(" (lower, to keep the budget)");
	printf("\n");
	label("profiled");
	text(client_text(s, "selection"));
	count(s, "processes", ", ", " processes\n");
}

static void print_failures(const json_t *window)
{
	const json_t *failed = json_object_get(window, "failed");
	const char *cause, *lead = ", failed: ";
	json_t *n;

	if (!json_object_size(failed))
		printf(", failed 0");
	json_object_foreach((json_t *)failed, cause, n)
	{
		printf("%s", lead);
		client_put(stdout, cause, 60);
		count(failed, cause, " ", "");
		lead = ", ";
	}
}

static void print_samples(const json_t *s)
{
	const json_t *windows = json_object_get(s, "windows");
	const json_t *last = json_object_get(s, "last_window");

	label("samples");
	count(s, "samples", "", " since the start");
	count(s, "lost", ", lost ", "");
	count(s, "truncated", ", truncated ", "\n");
	label("windows");
	figure(s, "window_s", "", " s; ");
	count(windows, "closed", "", " closed");
	count(windows, "waiting", ", ", " waiting for the store");
	count(windows, "lost", ", ", " lost\n");
	label("last");
	if (!json_is_object(last)) {
		printf("no window is closed yet\n");
		return;
	}
	count(last, "samples", "", " samples");
	count(last, "lost", ", lost ", "");
	count(last, "truncated", ", truncated ", "");
	print_failures(last);
	if (client_has(last, "unsymbolized"))
		printf(", %.1f%% of frames without a name",
			100 * client_real(last, "unsymbolized"));
	printf("\n");
}

static void print_cost(const json_t *s)
{
	const json_t *p = json_object_get(s, "profiler");
	char rss[32];

	label("cost");
	figure(p, "cpu_percent", "", " % of one CPU, and ");
	figure(p, "kernel_cpu_percent", "", " % in the kernel");
	if (client_has(p, "max_cpu_percent"))
		figure(p, "max_cpu_percent", " (at most ", " %)");
	printf("; %s of memory\n", bytes(p, "rss_bytes", rss));
}

static void print_store(const json_t *s)
{
	const json_t *store = json_object_get(s, "store");
	const json_t *windows = json_object_get(store, "windows");
	char size[32], most[32], first[32], last[32];

	label("store");
	text(client_text(store, "path"));
	printf(", %s", bytes(store, "bytes", size));
	if (client_has(store, "max_bytes"))
		printf(" of at most %s", bytes(store, "max_bytes", most));
	printf("\n");
	label("");
	if (!client_has(store, "first_unix_s")) {
		printf("empty\n");
		return;
	}
	printf("%s to %s", when_text(client_real(store, "first_unix_s"), first),
		when_text(client_real(store, "last_unix_s"), last));
	count(store, "samples", ", ", " samples\n");
	label("");
	count(windows, "fine", "", " windows as written");
	count(windows, "minute", ", ", " of a minute");
	count(windows, "hour", ", ", " of an hour\n");
}

static void print_notes(const json_t *s)
{
	const json_t *notes = json_object_get(s, "notes");
	size_t i;
	json_t *note;

	if (json_array_size(notes))
		printf("\n");
	json_array_foreach(notes, i, note)
	{
		const char *sentence = json_string_value(note);

		printf("* ");
		text(sentence ? sentence : "");
		printf("\n");
	}
}

static void print(const json_t *s, const char *path)
{
	const json_t *store = json_object_get(s, "store");

	print_head(s, path);
	if (client_has(store, "error")) {
		print_alert("THE STORE IS IN TROUBLE: ", client_text(store, "error"));
		printf("\n");
	}
	print_sampling(s);
	print_samples(s);
	print_cost(s);
	print_store(s);
	label("clients");
	count(s, "clients", "", "\n");
	print_notes(s);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct client_config config = {0};
	struct peer peer = {0};
	struct err err = {0};
	const json_t *s;
	json_t *message;
	int status, rc;

	if (!client_parse(self, argc, argv, &config, &status))
		return status;
	rc = client_ask(&peer, &config, SERVE_STATUS, SERVE_STATUS, &message, &err);
	peer_close(&peer, 0);
	if (rc < 0)
		return client_failed(&err);
	s = json_object_get(message, "status");
	if (config.json) {
		rc = client_print_json(s, &err);
		status = rc < 0 ? client_failed(&err) : CLI_OK;
	} else {
		print(s, connect_path(config.socket, NULL));
		status = client_finish_output();
	}
	json_decref(message);
	return status;
}

static const struct cli_example examples[] = {
	{"profd status", "rates, losses, what it costs, what is in the store"},
	{"profd status --json | jq .store", "for other tools"},
	{NULL, NULL},
};

static const struct cli_option options[] = {
	{0, "json", NULL, NULL, "one JSON object instead of a table", client_set_json},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{0, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command status_command = {
	.name = "status",
	.group = "Ask what was recorded",
	.summary = "how the daemon is: rates, losses, cost, store",
	.usage = "[OPTION...]",
	.examples = examples,
	.options = options,
	.trailer = "Exit status: 0; 1 the daemon could not be reached; 2 wrong usage.",
	.run = run,
};
