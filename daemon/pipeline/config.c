/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon is told: a file of `name = value` lines, and the same settings one by one from
 * the command line. A setting is a row of a table: its name, how its value is read, where it goes.
 */
#include "pipeline/pipeline.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fd.h"
#include "store/store.h"

enum { FILE_MAX_BYTES = 256 * 1024, KNOWN_BYTES = 400 };

#define YEARS_S    (366.0 * 86400)
#define PIDS_MAX   (sizeof((struct daemon_config *)0)->pids / sizeof(uint32_t))
#define OF(member) offsetof(struct daemon_config, member)

struct setting {
	const char *name;
	/* Puts `value` (trimmed) where `s` says; the text of an error speaks of the value only. */
	int (*set)(struct daemon_config *c, const struct setting *s, const char *value,
		struct err *err);
	size_t offset; /* in struct daemon_config */
	size_t bytes;  /* of a text */
	double least, most;
};

static void *place(struct daemon_config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* A plain decimal number at the start of `value`: strtod() alone would take "inf" and "0x1p3".
 * `*unit` is what stands behind it, blanks skipped. */
static bool parse_number(const char *value, double *number, const char **unit)
{
	size_t len = strspn(value, "0123456789.");
	char digits[32], *end;

	if (!len || len >= sizeof(digits))
		return false;
	memcpy(digits, value, len);
	digits[len] = '\0';
	*number = strtod(digits, &end);
	*unit = value + len + strspn(value + len, " \t");
	return !*end && end != digits && isfinite(*number);
}

struct unit {
	const char *name;
	double factor;
};

static const struct unit seconds[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"min", 60}, {"m", 60},
	{"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {NULL, 0}};
static const struct unit bytes[] = {{"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"TB", 1e12}, {"K", 1024}, {"KiB", 1024}, {"M", 1048576}, {"MiB", 1048576},
	{"G", 1073741824}, {"GiB", 1073741824}, {"T", 1099511627776}, {"TiB", 1099511627776},
	{NULL, 0}};

static bool parse_measure(const char *value, const struct unit *units, double *to)
{
	const char *unit;

	if (!parse_number(value, to, &unit))
		return false;
	for (; units->name; units++)
		if (!strcasecmp(unit, units->name)) {
			*to *= units->factor;
			return true;
		}
	return false;
}

static int set_whole(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	const char *unit;
	double number;

	if (!parse_number(value, &number, &unit) || *unit || number != floor(number) ||
		number < s->least || number > s->most)
		return err_set(err, -EINVAL, "'%.60s' is not a whole number from %.0f to %.0f",
			value, s->least, s->most);
	*(uint32_t *)place(c, s) = (uint32_t)number;
	return 0;
}

static int set_percent(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	const char *unit;
	double number;

	if (!parse_number(value, &number, &unit) || (*unit && strcmp(unit, "%") != 0) ||
		number < s->least || number > s->most)
		return err_set(err, -EINVAL,
			"'%.60s' is not a share of one CPU in percent, %.0f to %.0f", value,
			s->least, s->most);
	*(double *)place(c, s) = number;
	return 0;
}

static int parse_duration(const struct setting *s, const char *value, double *to, struct err *err)
{
	if (!parse_measure(value, seconds, to))
		return err_set(err, -EINVAL,
			"'%.60s' is not a duration; write one as in 10s, 90m, 6h or 7d", value);
	if (*to < s->least || *to > s->most)
		return err_set(err, -EINVAL, "'%.60s' is out of range: %.0f to %.0f seconds", value,
			s->least, s->most);
	return 0;
}

static int set_duration(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	return parse_duration(s, value, place(c, s), err);
}

static int set_whole_duration(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	double number;
	int rc = parse_duration(s, value, &number, err);

	if (!rc)
		*(uint64_t *)place(c, s) = (uint64_t)number;
	return rc;
}

static int set_size(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	double number;

	if (!parse_measure(value, bytes, &number))
		return err_set(err, -EINVAL, "'%.60s' is not a size; write one as in 500MB or 1GiB",
			value);
	if (number < s->least || number > s->most)
		return err_set(err, -EINVAL, "'%.60s' is out of range: %.0f MiB to %.0f TiB", value,
			s->least / 1048576, s->most / 1099511627776);
	*(uint64_t *)place(c, s) = (uint64_t)number;
	return 0;
}

static int set_switch(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	static const char *const words[][2] = {
		{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t is_on = 0; is_on < 2; is_on++)
			if (!strcasecmp(value, words[i][is_on])) {
				*(bool *)place(c, s) = is_on;
				return 0;
			}
	return err_set(err, -EINVAL, "'%.60s' is neither yes nor no", value);
}

static int set_text(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	if (strlen(value) >= s->bytes)
		return err_set(
			err, -ENAMETOOLONG, "the value is longer than %zu bytes", s->bytes - 1);
	memcpy(place(c, s), value, strlen(value) + 1);
	return 0;
}

/* Relative paths would depend on where the daemon was started. */
static int set_path(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, -EINVAL,
			"'%.200s' is not a whole path; write it from the root on, as in /var/lib/...",
			value);
	return set_text(c, s, value, err);
}

/* A store in memory is for trying things out. */
static int set_store(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	return strcmp(value, ":memory:") ? set_path(c, s, value, err) : set_text(c, s, value, err);
}

/* ---- lists -------------------------------------------------------------------------------------
 */

static const char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

typedef int add_fn(
	struct daemon_config *c, const struct setting *s, const char *item, struct err *);

static int add_each(struct daemon_config *c, const struct setting *s, const char *value,
	add_fn *add, struct err *err)
{
	char *copy = strdup(value);
	int rc = copy ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (char *at = copy, *next; !rc && at; at = next) {
		const char *item;

		next = strchr(at, ',');
		if (next)
			*next++ = '\0';
		item = trim(at);
		rc = *item ? add(c, s, item, err)
			   : err_set(err, -EINVAL, "'%.60s' has an empty entry", value);
	}
	free(copy);
	return rc;
}

static int add_text(
	struct daemon_config *c, const struct setting *s, const char *item, struct err *err)
{
	struct config_texts *texts = place(c, s);

	if (strlen(item) >= CONFIG_TEXT_BYTES)
		return err_set(err, -ENAMETOOLONG, "'%.60s...' is longer than %d bytes", item,
			CONFIG_TEXT_BYTES - 1);
	for (size_t i = 0; i < texts->n; i++)
		if (!strcmp(texts->list[i], item))
			return 0;
	if (texts->n == CONFIG_TEXTS_MAX)
		return err_set(err, -E2BIG, "more than %d entries", CONFIG_TEXTS_MAX);
	memcpy(texts->list[texts->n++], item, strlen(item) + 1);
	return 0;
}

/* An empty value forgets what was named before, here and for PIDs. */
static int set_texts(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	if (*value)
		return add_each(c, s, value, add_text, err);
	((struct config_texts *)place(c, s))->n = 0;
	return 0;
}

static int add_pid(
	struct daemon_config *c, const struct setting *s, const char *item, struct err *err)
{
	const char *unit;
	double pid;

	(void)s;
	if (!parse_number(item, &pid, &unit) || *unit || strchr(item, '.') || pid < 1 ||
		pid > INT32_MAX)
		return err_set(err, -EINVAL, "'%.60s' is not a process ID", item);
	for (size_t i = 0; i < c->n_pids; i++)
		if (c->pids[i] == (uint32_t)pid)
			return 0;
	if (c->n_pids == PIDS_MAX)
		return err_set(err, -E2BIG, "more than %zu processes", PIDS_MAX);
	c->pids[c->n_pids++] = (uint32_t)pid;
	return 0;
}

static int set_pids(
	struct daemon_config *c, const struct setting *s, const char *value, struct err *err)
{
	if (*value)
		return add_each(c, s, value, add_pid, err);
	c->n_pids = 0;
	return 0;
}

/* ---- the settings ------------------------------------------------------------------------------
 */

/* The names are those of the options of `profd daemon`, where there is one. */
static const struct setting settings[] = {
	{"store", set_store, OF(store), sizeof(((struct daemon_config *)0)->store), 0, 0},
	/* sockaddr_un has room for 107 bytes of a path: unix(7) */
	{"socket", set_path, OF(socket), 108, 0, 0},
	{"group", set_text, OF(group), sizeof(((struct daemon_config *)0)->group), 0, 0},
	{"rate", set_whole, OF(rate_hz), 0, 1, 999},
	{"window", set_duration, OF(window_s), 0, 1, 60},
	{"max_cpu_percent", set_percent, OF(max_cpu_percent), 0, 0, 100},
	{"kernel", set_switch, OF(kernel), 0, 0, 0},
	{"native", set_switch, OF(native), 0, 0, 0},
	{"command_lines", set_switch, OF(command_lines), 0, 0, 0},
	{"pid", set_pids, OF(pids), 0, 0, 0},
	{"name", set_texts, OF(names), 0, 0, 0},
	{"user", set_texts, OF(users), 0, 0, 0},
	{"cgroup", set_texts, OF(cgroups), 0, 0, 0},
	{"container", set_texts, OF(containers), 0, 0, 0},
	{"keep_fine", set_whole_duration, OF(keep_fine_s), 0, 1, 10 * YEARS_S},
	{"keep_minute", set_whole_duration, OF(keep_minute_s), 0, 1, 10 * YEARS_S},
	{"keep_hour", set_whole_duration, OF(keep_hour_s), 0, 1, 10 * YEARS_S},
	{"store_max", set_size, OF(store_max_bytes), 0, 1048576, 1024.0 * 1099511627776},
};
static const size_t N_SETTINGS = sizeof(settings) / sizeof(settings[0]);

void config_default(struct daemon_config *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->store, sizeof(c->store), "%s", PROFD_DEFAULT_STORE);
	snprintf(c->socket, sizeof(c->socket), "%s", PROFD_DEFAULT_SOCKET);
	snprintf(c->group, sizeof(c->group), "profd");
	c->rate_hz = 19; /* prime: it does not beat with what happens 10 or 20 times a second */
	c->window_s = 10;
	c->max_cpu_percent = 2;
	c->kernel = c->native = true;
	c->keep_fine_s = store_limits_default.fine_s;
	c->keep_minute_s = store_limits_default.minute_s;
	c->keep_hour_s = store_limits_default.hour_s;
	c->store_max_bytes = store_limits_default.max_bytes;
}

static int unknown(const char *name, struct err *err)
{
	char known[KNOWN_BYTES] = "";

	for (size_t i = 0; i < N_SETTINGS; i++) {
		size_t n = strlen(known);

		snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", settings[i].name);
	}
	return err_set(err, -EINVAL, "there is no setting '%.40s'; there are %s", name, known);
}

int config_set(struct daemon_config *c, const char *name, const char *value, struct err *err)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (!strcmp(name, settings[i].name)) {
			int rc = settings[i].set(c, &settings[i], value, err);

			return rc < 0 ? err_prefix(err, "%s", name) : 0;
		}
	return unknown(name, err);
}

/* ---- the file ----------------------------------------------------------------------------------
 */

/* A `#` begins a comment at the start of a line and after a blank; elsewhere it is part of a value.
 */
static void cut_comment(char *line)
{
	for (char *at = line; (at = strchr(at, '#')); at++)
		if (at == line || at[-1] == ' ' || at[-1] == '\t') {
			*at = '\0';
			return;
		}
}

static int read_line(struct daemon_config *c, char *line, struct err *err)
{
	const char *name;
	char *equals;

	cut_comment(line);
	equals = strchr(line, '=');
	if (!*trim(line))
		return 0;
	if (!equals)
		return err_set(err, -EINVAL, "'%.60s' is no `name = value`", trim(line));
	*equals = '\0';
	name = trim(line);
	if (!*name)
		return err_set(err, -EINVAL, "there is no name before the `=`");
	return config_set(c, name, trim(equals + 1), err);
}

static int read_lines(struct daemon_config *c, char *text, const char *path, struct err *err)
{
	unsigned number = 1;

	for (char *line = text, *next; line; line = next, number++) {
		int rc;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		rc = read_line(c, line, err);
		if (rc < 0)
			return err_prefix(err, "%.200s:%u", path, number);
	}
	return 0;
}

static int read_file(const char *path, struct buf *text, struct err *err)
{
	int rc = file_read(path, text);

	if (rc == -E2BIG)
		return err_set(err, rc, "%.200s is larger than %d KiB; is it the right file?", path,
			FILE_MAX_BYTES / 1024);
	if (rc < 0)
		return err_set(
			err, rc, "cannot read the configuration %.200s: %s", path, strerror(-rc));
	if (text->len && memchr(text->data, '\0', text->len))
		return err_set(err, -EINVAL, "%.200s is not a text file", path);
	return 0;
}

int config_load(struct daemon_config *c, const char *path, struct err *err)
{
	struct daemon_config *next = malloc(sizeof(*next));
	struct buf text;
	int rc;

	buf_init(&text, FILE_MAX_BYTES);
	rc = next ? read_file(path, &text, err) : err_set(err, -ENOMEM, "out of memory");
	if (!rc && text.len) {
		*next = *c;
		rc = read_lines(next, text.data, path, err);
		if (!rc)
			*c = *next;
	}
	buf_free(&text);
	free(next);
	return rc;
}
