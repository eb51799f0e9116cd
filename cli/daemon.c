/* SPDX-License-Identifier: BSD-2-Clause */
/* profd daemon: the host, all the time, into a store. */
#include "cli/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/client.h"
#include "cli/terminal.h"

/* ---- options -----------------------------------------------------------------------------------
 */

/* Tries the value at once, so that a mistake is one of usage. */
static int keep(struct daemon_options *o, const char *name, const char *value, struct err *err)
{
	struct err why = {0};
	int rc = config_set(o->scratch, name, value, &why);

	if (rc < 0) /* the option is named already, so not `rate: ` once more */
		return err_set(err, rc, "%s", why.text + strlen(name) + strlen(": "));
	if (o->n_settings == DAEMON_SETTINGS_MAX)
		return err_set(err, -E2BIG,
			"more than %d settings on the command line; put them into a file for --config",
			DAEMON_SETTINGS_MAX);
	o->settings[o->n_settings].name = name;
	o->settings[o->n_settings++].value = value;
	return 0;
}

/* As typed it is seen from the folder that profd was started in, which the daemon leaves. */
static int keep_path(
	struct daemon_options *o, const char *name, char *whole, const char *value, struct err *err)
{
	char folder[PATH_MAX];
	int n;

	if (!*value)
		return err_set(err, -EINVAL, "an empty path");
	if (value[0] == '/' || !strcmp(value, ":memory:"))
		return keep(o, name, value, err);
	if (!getcwd(folder, sizeof(folder)))
		return err_set(err, -errno, "cannot tell the current folder: %s; give a whole path",
			strerror(errno));
	n = snprintf(whole, PATH_MAX, "%s/%s", folder, value);
	if (n < 0 || n >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the path is too long");
	return keep(o, name, whole, err);
}

static int set_config(void *config, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty path");
	((struct daemon_options *)config)->config = value;
	return 0;
}

static int set_store(void *config, const char *value, struct err *err)
{
	struct daemon_options *o = config;

	return keep_path(o, "store", o->store, value, err);
}

static int set_socket(void *config, const char *value, struct err *err)
{
	struct daemon_options *o = config;

	return keep_path(o, "socket", o->socket, value, err);
}

static int set_rate(void *config, const char *value, struct err *err)
{
	return keep(config, "rate", value, err);
}

static int set_window(void *config, const char *value, struct err *err)
{
	return keep(config, "window", value, err);
}

static int set_max_cpu(void *config, const char *value, struct err *err)
{
	return keep(config, "max_cpu_percent", value, err);
}

static int keep_choice(
	struct daemon_options *o, const char *name, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "an empty value");
	o->chooses = true;
	return keep(o, name, value, err);
}

static int set_pid(void *config, const char *value, struct err *err)
{
	return keep_choice(config, "pid", value, err);
}

static int set_name(void *config, const char *value, struct err *err)
{
	return keep_choice(config, "name", value, err);
}

static int set_user(void *config, const char *value, struct err *err)
{
	return keep_choice(config, "user", value, err);
}

static int set_cgroup(void *config, const char *value, struct err *err)
{
	return keep_choice(config, "cgroup", value, err);
}

static int set_container(void *config, const char *value, struct err *err)
{
	return keep_choice(config, "container", value, err);
}

static int set_verbose(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct daemon_options *)config)->verbose = true;
	return 0;
}

const struct cli_option daemon_options[] = {
	{0, "config", "FILE", PROFD_DEFAULT_CONFIG, "settings; options win over them", set_config},
	{0, "store", "FILE", PROFD_DEFAULT_STORE, "where the profiles go, an SQLite file",
		set_store},
	{0, "socket", "PATH", PROFD_DEFAULT_SOCKET,
		"where it listens for `profd report` and others", set_socket},
	{'r', "rate", "HZ", "19", "samples a second of each busy CPU, 1 to 999", set_rate},
	{'w', "window", "SECONDS", "10", "time that one entry of the store covers, 1 to 60",
		set_window},
	{0, "max-cpu", "PERCENT", "2",
		"what profiling may cost, of one CPU; above that the rate goes down; 0: no limit",
		set_max_cpu},
	{'p', "pid", "PID[,PID...]", NULL, "profile these processes, not the whole host", set_pid},
	{'n', "name", "NAME", NULL, "profile what has this name (comm or executable)", set_name},
	{'u', "user", "USER", NULL, "profile what runs as this user, by name or number", set_user},
	{0, "cgroup", "CGROUP", NULL, "profile what is in this control group or below it",
		set_cgroup},
	{0, "container", "ID", NULL, "profile what is in this container (how its ID begins)",
		set_container},
	{'v', "verbose", NULL, NULL, "log what happens inside", set_verbose},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- the configuration -------------------------------------------------------------------------
 */

static int load_file(const struct daemon_options *o, struct daemon_config *out, struct err *err)
{
	struct err why = {0};
	int rc = config_load(out, o->config ? o->config : PROFD_DEFAULT_CONFIG, &why);

	if (!rc || (rc == -ENOENT && !o->config))
		return 0;
	return err_set(err, rc, "%s", why.text);
}

int daemon_configure(void *arg, struct daemon_config *out, struct err *err)
{
	const struct daemon_options *o = arg;
	int rc;

	config_default(out);
	rc = load_file(o, out, err);
	if (o->chooses)
		out->n_pids = out->names.n = out->users.n = out->cgroups.n = out->containers.n = 0;
	for (size_t i = 0; !rc && i < o->n_settings; i++)
		rc = config_set(out, o->settings[i].name, o->settings[i].value, err);
	return rc;
}

/* ---- the command -------------------------------------------------------------------------------
 */

/* A reload reads it again, from another folder. */
static int find_config(struct daemon_options *o, struct err *err)
{
	if (!o->config || o->config[0] == '/')
		return 0;
	if (!realpath(o->config, o->whole_config))
		return err_set(err, -errno, "cannot read the configuration %.200s: %s", o->config,
			strerror(errno));
	o->config = o->whole_config;
	return 0;
}

static int serve(struct daemon_options *o, struct daemon_start *start)
{
	struct err err = {0};
	int rc = find_config(o, &err);

	start->reload = daemon_configure;
	start->arg = o;
	if (!rc)
		rc = daemon_configure(o, &start->config, &err);
	if (!rc)
		rc = daemon_run(start, &err);
	if (rc < 0)
		say("%s", err.text[0] ? err.text : strerror(-rc));
	return rc < 0 ? CLI_FAILED : CLI_OK;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
	struct daemon_options *o = calloc(1, sizeof(*o));
	struct daemon_start *start = calloc(1, sizeof(*start));
	int status = CLI_FAILED;

	if (!o || !start) {
		say("out of memory");
		free(o);
		free(start);
		return CLI_FAILED;
	}
	o->scratch = &start->config;
	if (client_parse(self, argc, argv, o, &status)) {
		log_set_level(o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
		status = serve(o, start);
	}
	free(start);
	free(o);
	return status;
}

static const struct cli_example examples[] = {
	{"profd daemon", "the whole host, 19 samples a second of each busy CPU; as root"},
	{"systemctl enable --now profd", "the same at every start of the host"},
	{"profd daemon --name gunicorn --name celery --rate 49",
		"what has one of these names, more finely"},
	{"profd daemon --store ./try.db --socket ./try.sock",
		"beside the system's; then: profd report --socket ./try.sock"},
	{NULL, NULL},
};

const struct cli_command daemon_command = {
	.name = "daemon",
	.group = "Record always",
	.summary = "profile the host all the time into a store, and answer questions",
	.usage = "[OPTION...]",
	.about =
		"It needs root, or the capabilities CAP_BPF and CAP_PERFMON, and CAP_SYS_PTRACE for the\n"
		"processes of other users. It stays in the foreground and logs to standard error. SIGTERM\n"
		"and SIGINT end it after the open window was written; SIGHUP reads the configuration\n"
		"again (all but the store and the socket). Options that name what is profiled may be\n"
		"repeated: all that any of them names is profiled, and what the file names does not count.",
	.examples = examples,
	.n_shown = 1,
	.options = daemon_options,
	.trailer = "Exit status: 0 after SIGTERM or SIGINT; 1 failure; 2 wrong usage.",
	.run = run,
};
