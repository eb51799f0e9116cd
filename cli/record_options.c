/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "render/render.h"

enum { PRESET_RATE_HZ = 99 }; /* not 100: that would beat with what happens 100 times a second */

/* Whatever can be drawn; and behind that the samples themselves. */
struct record_format record_format_at(size_t i)
{
	size_t n = 0;

	for (; render_format_at(n); n++)
		if (n == i)
			return (struct record_format){render_format_at(n)->name,
				render_format_at(n)->extension, render_format_at(n)->help};
	if (i > n)
		return (struct record_format){NULL, NULL, NULL};
	return (struct record_format){SERVE_FORMAT_PROFD, "profd",
		"a profile file: `profd report --store FILE` makes any other format of it, `profd "
		"diff` compares two"};
}

static struct record_format format_find(const char *name)
{
	size_t i = 0;

	while (record_format_at(i).name && strcmp(record_format_at(i).name, name) != 0)
		i++;
	return record_format_at(i);
}

static struct cli_word format_word(size_t i)
{
	struct record_format f = record_format_at(i);

	return (struct cli_word){f.name, f.help};
}

static const struct cli_word sources[] = {{"auto", NULL}, {"ebpf", NULL}, {NULL, NULL}};

const struct cli_choice record_choices[] = {
	{"format", NULL, format_word},
	{"source", sources, NULL},
	{NULL, NULL, NULL},
};

/* ---- values ------------------------------------------------------------------------------------
 */

static int set_pid(void *config, const char *value, struct err *err)
{
	struct record_request *r = &((struct record_config *)config)->request;

	return client_add_pids(r->pids, &r->n_pids, value, err);
}

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

static int set_duration(void *config, const char *value, struct err *err)
{
	struct record_config *c = config;
	double s;

	if (!parse_decimal(value, &s))
		return err_set(err, -EINVAL,
			"'%.60s' is not a number of seconds; give one as in 60 or 2.5", value);
	if (s <= 0 || s > SERVE_DURATION_MAX_S)
		return err_set(err, -EINVAL,
			"%.60s is out of range: above 0 and at most %.0f seconds; without --duration it "
			"lasts until Ctrl-C",
			value, SERVE_DURATION_MAX_S);
	c->request.duration_s = s;
	return 0;
}

static int set_rate(void *config, const char *value, struct err *err)
{
	struct record_config *c = config;
	double hz;

	if (!parse_decimal(value, &hz) || hz != floor(hz))
		return err_set(
			err, -EINVAL, "'%.60s' is not a whole number of samples a second", value);
	if (hz < 1 || hz > SERVE_RATE_MAX_HZ)
		return err_set(err, -EINVAL, "%.60s is out of range: 1 to %d samples a second",
			value, SERVE_RATE_MAX_HZ);
	c->request.rate_hz = (uint32_t)hz;
	return 0;
}

static int set_output(void *config, const char *value, struct err *err)
{
	struct record_config *c = config;

	if (!*value)
		return err_set(err, -EINVAL, "an empty file name");
	c->output = value;
	return 0;
}

static int set_format(void *config, const char *value, struct err *err)
{
	struct record_config *c = config;

	c->format = format_find(value);
	return cli_choice_check(&record_command, "format", value, "not a format", err);
}

static int set_source(void *config, const char *value, struct err *err)
{
	struct record_config *c = config;
	int rc = cli_choice_check(&record_command, "source", value, "not a source", err);

	if (!rc)
		snprintf(c->request.source, sizeof(c->request.source), "%s", value);
	return rc;
}

/* ---- switches ----------------------------------------------------------------------------------
 */

static int set_subprocesses(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct record_config *)config)->request.subprocesses = true;
	return 0;
}

static int set_threads(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct record_config *)config)->request.threads = true;
	return 0;
}

static int set_no_kernel(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct record_config *)config)->request.kernel = false;
	return 0;
}

static int set_no_native(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct record_config *)config)->request.native = false;
	return 0;
}

const struct cli_option record_options[] = {
	{'p', "pid", "PID[,PID...]", NULL, "profile these running processes", set_pid},
	{'d', "duration", "SECONDS", "until Ctrl-C or the end",
		"stop after that time; decimals are allowed", set_duration},
	{'r', "rate", "HZ", "99", "samples a second of each running thread, 1 to 20000", set_rate},
	{'o', "output", "FILE", "profd-NAME-PID-TIME.svg",
		"where the profile goes; - is standard output", set_output},
	{'f', "format", "FORMAT", "by the name of FILE, else flamegraph", "how it is written",
		set_format},
	{0, "subprocesses", NULL, NULL, "children too, present and future, each under its own root",
		set_subprocesses},
	{0, "threads", NULL, NULL, "keep threads apart, each under its own root", set_threads},
	{0, "no-kernel", NULL, NULL, "leave out kernel frames", set_no_kernel},
	{0, "no-native", NULL, NULL, "leave out native frames", set_no_native},
	{0, "source", "SOURCE", "auto", "how to sample", set_source},
	{0, "socket", "PATH", CLIENT_SOCKET_PRESET,
		"the daemon that samples, where there is one; also PROFD_SOCKET; none: sample "
		"without a daemon",
		client_set_socket},
	{0, "json", NULL, NULL, "the summary as one JSON object on standard output",
		client_set_json},
	{'q', "quiet", NULL, NULL, "say nothing but errors", client_set_quiet},
	{'v', "verbose", NULL, NULL, "say who samples, and what the engine does",
		client_set_verbose},
	{0, NULL, NULL, NULL, NULL, NULL},
};

/* ---- all of it ---------------------------------------------------------------------------------
 */

static struct record_format format_by_name(const char *output)
{
	const char *dot = output ? strrchr(output, '.') : NULL;

	if (dot && (!strcasecmp(dot, ".folded") || !strcasecmp(dot, ".txt")))
		return format_find("collapsed");
	for (size_t i = 0; dot && record_format_at(i).name; i++)
		if (!strcasecmp(dot + 1, record_format_at(i).extension))
			return record_format_at(i);
	return record_format_at(0);
}

static int check(struct record_config *c, struct err *err)
{
	const struct record_request *r = &c->request;

	if (c->command && !c->command[0])
		return err_set(err, -EINVAL, "no command after --");
	if (c->command && r->n_pids)
		return err_set(
			err, -EINVAL, "both --pid and a command were given; choose one of them");
	if (!c->command && !r->n_pids)
		return err_set(
			err, -EINVAL, "nothing to profile; give --pid PID, or a command behind --");
	for (size_t i = 0; i < r->n_pids; i++)
		if (r->pids[i] == (uint32_t)getpid())
			return err_set(
				err, -EINVAL, "process %d is this profd itself", (int)getpid());
	if (c->client.json && c->output && !strcmp(c->output, "-"))
		return err_set(err, -EINVAL,
			"--json and --output - would both write to standard output; give --output a file");
	if (!strcmp(c->format.name, SERVE_FORMAT_PROFD) && c->output && !strcmp(c->output, "-") &&
		isatty(STDOUT_FILENO))
		return err_set(
			err, -EINVAL, "a profile file is not for a terminal; give --output a file");
	return 0;
}

int record_parse(const struct cli_command *self, int argc, char **argv, struct record_config *c,
	struct err *err)
{
	int rc;

	*c = (struct record_config){.request = {.id = 1,
					    .rate_hz = PRESET_RATE_HZ,
					    .source = "auto",
					    .kernel = true,
					    .native = true}};
	rc = cli_parse(self, argc, argv, c, &c->command, err);
	if (rc)
		return rc;
	if (!c->format.name)
		c->format = format_by_name(c->output);
	snprintf(c->request.format, sizeof(c->request.format), "%s", c->format.name);
	c->request.on_exec = c->command != NULL;
	return check(c, err);
}

void record_default_output(
	char *to, size_t bytes, const char *name, unsigned pid, const char *extension)
{
	char safe[64], when[32];
	time_t now = time(NULL);
	struct tm local;
	size_t n = 0;

	for (; *name && n < sizeof(safe) - 1; name++) {
		bool keep = strchr(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+", *name);

		safe[n++] = keep ? *name : '_';
	}
	safe[n] = '\0';
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", localtime_r(&now, &local));
	snprintf(to, bytes, "profd-%s-%u-%s.%s", n ? safe : "process", pid, when, extension);
}
