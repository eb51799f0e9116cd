/* SPDX-License-Identifier: BSD-2-Clause */
/* profd doctor: what works here, what does not, and what to do about it. The private engine checks
 * the machine, because that is what would sample; the daemon and the store are checked from here.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/private.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "pipeline/pipeline.h"

enum { ENGINE_GRACE_MS = 5000, NAME_COLUMNS = 26, TEXT_COLUMNS = 1000 };

struct doctor_config {
	struct client_config client;
	const char *store; /* as given, or NULL */
};

/* With a private engine, which Ctrl-C ends. */
struct examination {
	struct peer peer;
	struct signals signals;
	int given_up; /* the signal that did */
};

static int set_store(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	((struct doctor_config *)config)->store = value;
	return 0;
}

static const struct cli_option options[] = {
	{0, "json", NULL, NULL, "one JSON object instead of a list", client_set_json},
	{0, "store", "FILE", PROFD_DEFAULT_STORE, "the store to look at", set_store},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET, CLIENT_SOCKET_HELP, client_set_socket},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- checks ------------------------------------------------------------------------------------
 */

static void add(
	json_t *checks, const char *name, const char *result, const char *found, const char *fix)
{
	json_array_append_new(
		checks, json_pack("{s:s, s:s, s:o, s:o}", "name", name, "result", result, "found",
				serve_text(found), "fix", fix ? serve_text(fix) : json_null()));
}

static void check_daemon(const struct doctor_config *c, json_t *checks)
{
	struct client_config config = c->client;
	struct peer peer = {0};
	struct err err = {0};
	char found[600];
	json_t *message;
	const json_t *s;
	const char *path, *trouble;
	bool named;
	int rc;

	path = connect_path(config.socket, &named);

	if (!strcmp(path, CONNECT_NONE)) {
		add(checks, "daemon", "warning", "not looked for: the socket is `none`", NULL);
		return;
	}
	rc = client_ask(&peer, &config, SERVE_STATUS, SERVE_STATUS, &message, &err);
	peer_close(&peer, 0);
	if (rc < 0) {
		/* Recording works without one. */
		add(checks, "daemon", rc == -ENOENT && !named ? "warning" : "failed", err.text,
			"`profd record` works without it, as root; the daemon is for what was in the past");
		return;
	}
	s = json_object_get(message, "status");
	trouble = client_text(json_object_get(s, "store"), "error");

	snprintf(found, sizeof(found), "profd %.40s at %.200s%s", client_text(s, "version"), path,
		json_is_true(json_object_get(s, "paused")) ? ", paused" : "");
	add(checks, "daemon", "ok", found, NULL);
	if (*trouble)
		add(checks, "daemon's store", "failed", trouble, "`profd status` shows more");
	json_decref(message);
}

/* The least that shows that it can be read: the rows of this second. */
static int read_store(struct examination *e, const char *path, struct err *err)
{
	FD_CLOSE int out = memfd_create("profd-doctor", MFD_CLOEXEC);
	struct report_request *r = calloc(1, sizeof(*r));
	json_t *message;
	int rc;

	if (out < 0 || !r) {
		free(r);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*r = (struct report_request){.id = 2,
		.of.since_unix_s = (double)time(NULL),
		.by = "function",
		.sort = "self",
		.format = "json",
		.limit = 1,
		.kernel = true};
	snprintf(r->of.store, sizeof(r->of.store), "%s", path);
	rc = serve_send_report(e->peer.channel, r, out, err);
	if (!rc)
		rc = client_wait(
			&e->peer, &e->signals, 2, SERVE_REPORTED, &message, &e->given_up, err);
	if (!rc)
		json_decref(message);
	free(r);
	return rc;
}

/* With its journal, where the newest windows are. */
static uint64_t size_of(const char *store)
{
	char journal[PATH_MAX + 8];
	struct stat st;
	uint64_t bytes = 0;

	snprintf(journal, sizeof(journal), "%s-wal", store);
	if (stat(store, &st) == 0)
		bytes += (uint64_t)st.st_size;
	if (stat(journal, &st) == 0)
		bytes += (uint64_t)st.st_size;
	return bytes;
}

static void check_store(struct examination *e, const struct doctor_config *c, json_t *checks)
{
	const char *path = c->store ? c->store : PROFD_DEFAULT_STORE;
	char whole[PATH_MAX], found[PATH_MAX + 64], size[32];
	struct err err = {0};
	int rc;

	if (!realpath(path, whole)) {
		snprintf(found, sizeof(found), "%s: %s", path, strerror(errno));
		add(checks, "store", c->store ? "failed" : "warning", found,
			"the daemon makes it when it first runs; --store names one elsewhere");
		return;
	}
	rc = e->peer.channel ? read_store(e, whole, &err)
			     : err_set(&err, -EPIPE, "not looked at, for want of an engine");
	if (rc == -EINTR)
		return;
	if (rc < 0) {
		add(checks, "store", rc == -EACCES && !c->store ? "warning" : "failed", err.text,
			rc == -EACCES ? "ask through the daemon: `profd report` without --store"
				      : NULL);
		return;
	}
	snprintf(found, sizeof(found), "%s, %s", whole, terminal_bytes(size_of(whole), size));
	add(checks, "store", "ok", found, NULL);
}

/* All but those of the daemon and the store: they know nothing of --socket and --store. */
static void take_checks(json_t *checks, const json_t *message)
{
	size_t i;
	json_t *check;

	json_array_foreach(json_object_get(json_object_get(message, "doctor"), "checks"), i, check)
	{
		const char *name = client_text(check, "name");

		if (strcmp(name, "daemon") != 0 && strcmp(name, "store") != 0)
			json_array_append(checks, check);
	}
}

/* What the engine finds out, and what it could not because it does not even run. */
static void check_machine(struct examination *e, json_t *checks)
{
	struct err err = {0};
	json_t *message;
	int rc = private_start(&e->peer, &e->signals, &err);

	if (!rc)
		rc = serve_send_plain(e->peer.channel, SERVE_DOCTOR, 1, &err);
	if (!rc)
		rc = client_wait(
			&e->peer, &e->signals, 1, SERVE_DOCTOR, &message, &e->given_up, &err);
	if (!rc) {
		take_checks(checks, message);
		json_decref(message);
	} else if (rc != -EINTR) {
		add(checks, "engine", "failed", err.text, NULL);
		peer_close(&e->peer, 0);
	}
}

/* ---- showing -----------------------------------------------------------------------------------
 */

static const struct mark {
	const char *result, *colour;
} marks[] = {{"ok", "\033[32m"}, {"warning", "\033[33m"}, {"failed", "\033[1;31m"}};

static bool is_result(const json_t *check, const char *result)
{
	return !strcmp(client_text(check, "result"), result);
}

static size_t count_of(const json_t *checks, const char *result)
{
	size_t n = 0, i;
	json_t *check;

	json_array_foreach((json_t *)checks, i, check) n += is_result(check, result);
	return n;
}

static void print_check(const json_t *check)
{
	const bool colour = terminal_has_colour(STDOUT_FILENO);
	const char *fix = client_text(check, "fix"), *on = "";

	for (size_t i = 0; colour && i < sizeof(marks) / sizeof(marks[0]); i++)
		if (is_result(check, marks[i].result))
			on = marks[i].colour;
	fputs(on, stdout);
	client_put_cell(stdout, client_text(check, "result"), 9, false);
	fputs(*on ? "\033[0m" : "", stdout);
	client_put_cell(stdout, client_text(check, "name"), NAME_COLUMNS, false);
	fputs("  ", stdout);
	client_put(stdout, client_text(check, "found"), TEXT_COLUMNS);
	if (*fix) {
		printf("\n%*s-> ", 9 + NAME_COLUMNS + 2, "");
		client_put(stdout, fix, TEXT_COLUMNS);
	}
	fputc('\n', stdout);
}

static void print(const json_t *checks)
{
	const size_t failed = count_of(checks, "failed"), warnings = count_of(checks, "warning");
	size_t i;
	json_t *check;

	json_array_foreach((json_t *)checks, i, check) print_check(check);
	printf("\n");
	if (!failed && !warnings)
		printf("all is well\n");
	else
		printf("%zu failed, %zu with a warning, %zu ok\n", failed, warnings,
			count_of(checks, "ok"));
}

static int show(const struct doctor_config *c, json_t *checks)
{
	const bool well = !count_of(checks, "failed");
	struct err err = {0};
	int status;

	if (c->client.json) {
		json_t *all = json_pack("{s:b, s:O}", "ok", well, "checks", checks);
		int rc = all ? client_print_json(all, &err)
			     : err_set(&err, -ENOMEM, "out of memory");

		json_decref(all);
		status = rc < 0 ? client_failed(&err) : CLI_OK;
	} else {
		print(checks);
		status = client_finish_output();
	}
	return status == CLI_OK && !well ? CLI_FAILED : status;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* The signal that ended it, or 0. */
static int examine(const struct doctor_config *c, json_t *checks, struct err *err)
{
	struct examination e = {.signals = {.fd = -1}};

	if (signals_open(&e.signals, err) == 0) {
		check_machine(&e, checks);
		if (!e.given_up)
			check_store(&e, c, checks);
		peer_close(&e.peer, e.given_up ? 0 : ENGINE_GRACE_MS);
	}
	signals_close(&e.signals);
	return e.given_up;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct doctor_config config = {0};
	struct err err = {0};
	json_t *checks;
	int status, signal_number;

	if (!client_parse(self, argc, argv, &config, &status))
		return status;
	log_set_level(LOG_LEVEL_QUIET); /* what the engine has to say is in its checks */
	checks = json_array();
	signal_number = checks ? examine(&config, checks, &err) : 0;
	if (signal_number)
		status = 128 + signal_number;
	else if (err.code || !checks)
		status = client_failed(&err);
	else {
		check_daemon(&config, checks);
		status = show(&config, checks);
	}
	json_decref(checks);
	return status;
}

static const struct cli_example examples[] = {
	{"profd doctor",
		"what works here, what does not, and how to fix it; try it as root as well"},
	{"profd doctor --json | jq '.checks[] | select(.result != \"ok\")'", "for other tools"},
	{NULL, NULL},
};

const struct cli_command doctor_command = {
	.name = "doctor",
	.group = "Help",
	.summary = "what works here, what does not, and how to fix it",
	.usage = "[OPTION...]",
	.about =
		"The checks are made with the rights of the user who calls it. A warning is about\n"
		"something that profd can do without.",
	.examples = examples,
	.n_shown = 1,
	.options = options,
	.trailer = "Exit status: 0 nothing failed; 1 something failed; 2 wrong usage.",
	.run = run,
};
