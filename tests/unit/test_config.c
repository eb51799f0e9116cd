/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's settings: every kind of value, what is refused and where, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/pipeline.h"

/* A config is over 256 KiB: each test has one of its own on the heap. */
static int config_new(void **state)
{
	struct daemon_config *c = malloc(sizeof(*c));

	if (c)
		config_default(c);
	*state = c;
	return c ? 0 : -1;
}

static int config_drop(void **state)
{
	free(*state);
	return 0;
}

static void set(struct daemon_config *c, const char *name, const char *value)
{
	struct err err = {0};

	if (config_set(c, name, value, &err))
		fail_msg("%s = %s: %s", name, value, err.text);
}

/* Loads a file of these bytes; its path is in `path` (32 bytes). */
static int load(struct daemon_config *c, const char *text, size_t len, char *path, struct err *err)
{
	int fd, rc;

	strcpy(path, "/tmp/profd-config-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	*err = (struct err){0};
	rc = config_load(c, path, err);
	unlink(path);
	return rc;
}

static void test_defaults(void **state)
{
	const struct daemon_config *c = *state;

	assert_string_equal(c->store, PROFD_DEFAULT_STORE);
	assert_string_equal(c->socket, PROFD_DEFAULT_SOCKET);
	assert_string_equal(c->group, "profd");
	assert_int_equal(c->rate_hz, 19);
	assert_true(c->window_s == 10 && c->max_cpu_percent == 2);
	assert_true(c->kernel && c->native && !c->command_lines);
	assert_int_equal(c->n_pids + c->names.n + c->users.n + c->cgroups.n + c->containers.n, 0);
	assert_int_equal(c->keep_fine_s, 6 * 3600);
	assert_int_equal(c->keep_minute_s, 7 * 86400);
	assert_int_equal(c->keep_hour_s, 90 * 86400);
	assert_int_equal(c->store_max_bytes, 1 << 30);
}

static void test_durations_and_sizes(void **state)
{
	static const struct {
		const char *value;
		uint64_t seconds;
	} durations[] = {{"90", 90}, {"90s", 90}, {"90 s", 90}, {"1.5h", 5400}, {"90m", 5400},
		{"90min", 5400}, {"7d", 604800}, {"2w", 1209600}, {"6H", 21600}};
	static const struct {
		const char *value;
		uint64_t bytes;
	} sizes[] = {{"2000000", 2000000}, {"500MB", 500000000}, {"1GiB", 1073741824},
		{"1G", 1073741824}, {"1.5 GiB", 1610612736}, {"1gb", 1000000000},
		{"2048K", 2097152}, {"1TiB", 1099511627776}};
	struct daemon_config *c = *state;

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		set(c, "keep_hour", durations[i].value);
		assert_int_equal(c->keep_hour_s, durations[i].seconds);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		set(c, "store_max", sizes[i].value);
		assert_int_equal(c->store_max_bytes, sizes[i].bytes);
	}
	set(c, "window", "1500ms");
	assert_true(c->window_s == 1.5);
	set(c, "max_cpu_percent", "0.5 %");
	assert_true(c->max_cpu_percent == 0.5);
}

static void test_switches(void **state)
{
	static const char *const words[][2] = {
		{"yes", "no"}, {"True", "False"}, {"on", "OFF"}, {"1", "0"}};
	struct daemon_config *c = *state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		set(c, "command_lines", words[i][0]);
		assert_true(c->command_lines);
		set(c, "command_lines", words[i][1]);
		assert_false(c->command_lines);
	}
}

static void test_lists(void **state)
{
	struct daemon_config *c = *state;

	set(c, "pid", "12, 7,12");
	set(c, "pid", "7,2147483647");
	assert_int_equal(c->n_pids, 3);
	assert_int_equal(c->pids[1], 7);
	assert_int_equal(c->pids[2], INT32_MAX);
	set(c, "name", "python3,  gunicorn: worker ,c#");
	set(c, "name", "python3");
	assert_int_equal(c->names.n, 3);
	assert_string_equal(c->names.list[1], "gunicorn: worker");
	set(c, "name", "");
	set(c, "pid", "");
	assert_int_equal(c->names.n + c->n_pids, 0);
	set(c, "user", "www-data,1000");
	set(c, "cgroup", "/system.slice/web.service");
	set(c, "container", "0a1b2c");
	assert_int_equal(c->users.n, 2);
	assert_string_equal(c->cgroups.list[0], "/system.slice/web.service");
	assert_string_equal(c->containers.list[0], "0a1b2c");
}

static void test_lists_are_bounded(void **state)
{
	struct daemon_config *c = *state;
	struct err err = {0};
	char text[CONFIG_TEXT_BYTES + 1];

	for (int i = 0; i < CONFIG_TEXTS_MAX; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		set(c, "user", text);
	}
	assert_int_equal(config_set(c, "user", "one-more", &err), -E2BIG);
	assert_int_equal(config_set(c, "user", "n0", &err), 0);
	for (int i = 1; i <= 1024; i++) {
		snprintf(text, sizeof(text), "%d", i);
		set(c, "pid", text);
	}
	assert_int_equal(config_set(c, "pid", "5000", &err), -E2BIG);
	assert_int_equal(c->n_pids, 1024);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(config_set(c, "name", text, &err), -ENAMETOOLONG);
	text[CONFIG_TEXT_BYTES - 1] = '\0';
	set(c, "name", text);
	assert_string_equal(c->names.list[0], text);
}

/* What is refused, with a text that holds the name and the word given. */
static void test_refused(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} rows[] = {{"rate", "0", "1 to 999"}, {"rate", "1000", "1 to 999"},
		{"rate", "1.5", "whole"}, {"rate", "-1", "whole"}, {"rate", "", "whole"},
		{"rate", "0x10", "whole"}, {"rate", "19 Hz", "whole"}, {"rate", "nan", "whole"},
		{"window", "0.5", "1 to 60"}, {"window", "61s", "1 to 60"},
		{"window", "10 parsecs", "duration"}, {"window", "-10", "duration"},
		{"window", "", "duration"}, {"window", "inf", "duration"},
		{"max_cpu_percent", "101", "percent"}, {"max_cpu_percent", "2 CPUs", "percent"},
		{"kernel", "maybe", "yes nor no"}, {"kernel", "", "yes nor no"},
		{"keep_fine", "0", "out of range"}, {"keep_hour", "9999999w", "out of range"},
		{"store_max", "1", "out of range"}, {"store_max", "9999999 TiB", "out of range"},
		{"store_max", "much", "size"}, {"store_max", "1.2.3G", "size"},
		{"store_max", "1e9", "size"}, {"store", "profd.db", "whole path"},
		{"store", "", "whole path"}, {"socket", "profd.sock", "whole path"},
		{"socket",
			"/run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"107"},
		{"group", "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
			"63"},
		{"pid", "0", "process ID"}, {"pid", "1,x", "'x'"}, {"pid", "1.0", "process ID"},
		{"pid", "2147483648", "process ID"}, {"pid", "-5", "process ID"},
		{"name", "a,,b", "empty"}, {"name", ",", "empty"}, {"colour", "red", "max_cpu"},
		{"", "red", "there is no setting"}};
	struct daemon_config *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = {0};
		int rc;

		c->n_pids = c->names.n = 0;
		rc = config_set(c, rows[i].name, rows[i].value, &err);
		if (rc >= 0 || !strstr(err.text, rows[i].text) || !strstr(err.text, rows[i].name))
			fail_msg("%s = %s: %d \"%s\" lacks \"%s\"", rows[i].name, rows[i].value, rc,
				err.text, rows[i].text);
	}
}

static void test_file(void **state)
{
	static const char text[] = "# the daemon of this host\n"
				   "\n"
				   "rate = 49 # a second\n"
				   "  window=5s\r\n"
				   "\tname = python3, c#, F# \n"
				   "name = #none\n"
				   "name = ruby\n"
				   "group =\n"
				   "store = /srv/a = b.db";
	struct daemon_config *c = *state;
	struct err err;
	char path[32];

	if (load(c, text, strlen(text), path, &err))
		fail_msg("%s", err.text);
	assert_int_equal(c->rate_hz, 49);
	assert_true(c->window_s == 5);
	assert_int_equal(c->names.n, 1); /* the empty value forgot the first three */
	assert_string_equal(c->names.list[0], "ruby");
	assert_string_equal(c->group, "");
	assert_string_equal(c->store, "/srv/a = b.db");
	assert_int_equal(load(c, "", 0, path, &err), 0);
	assert_int_equal(c->rate_hz, 49);
}

/* The error names the file and the line, and nothing of the file takes effect. */
static void test_file_with_a_mistake(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *why;
	} rows[] = {{"rate = 49\n\n# x\nwindow = soon\n", 4, "soon"},
		{"rate = 49\nrate\n", 2, "name = value"}, {"rate = 49\n= 5\n", 2, "no name"},
		{"rate = 49\nraet = 5", 2, "raet"}, {"rate = 49\npid = 1,2,\n", 2, "empty"}};
	struct daemon_config *c = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err;
		char path[32], place[48];
		int rc = load(c, rows[i].text, strlen(rows[i].text), path, &err);

		snprintf(place, sizeof(place), "%s:%u: ", path, rows[i].line);
		assert_true(rc < 0);
		if (strncmp(err.text, place, strlen(place)) != 0 || !strstr(err.text, rows[i].why))
			fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.text, place, rows[i].why);
		assert_int_equal(c->rate_hz, 19);
		assert_int_equal(c->n_pids, 0);
	}
}

static void test_no_file_to_read(void **state)
{
	struct daemon_config *c = *state;
	size_t len = 512 * 1024;
	char *big = malloc(len), path[32];
	struct err err = {0};

	assert_non_null(big);
	assert_int_equal(config_load(c, "/nonexistent/profd.conf", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/profd.conf"));
	assert_int_equal(config_load(c, "/", &err), -EISDIR);
	assert_int_equal(load(c, "rate = 49\n\0rate = 50\n", 21, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a text file"));
	memset(big, '\n', len);
	assert_int_equal(load(c, big, len, path, &err), -E2BIG);
	assert_int_equal(c->rate_hz, 19);
	free(big);
}

/* The file that is installed: taken as it is it changes nothing, and with its comments taken off
 * every line of a setting is valid and says the default. */
static void test_the_installed_file(void **state)
{
	struct daemon_config *c = *state, *preset = malloc(sizeof(*preset));
	FILE *file = fopen("systemd/profd.conf", "r");
	char line[512];
	unsigned settings = 0;
	struct err err = {0};

	assert_non_null(preset);
	if (!file) {
		free(preset);
		print_message("skipped: run in the top folder of the source\n");
		skip();
	}
	config_default(preset);
	assert_int_equal(config_load(c, "systemd/profd.conf", &err), 0);
	assert_memory_equal(c, preset, sizeof(*c));
	while (fgets(line, sizeof(line), file)) {
		char *equals = strchr(line, '='), *end = strchr(line, '\n');

		if (line[0] != '#' || line[1] == ' ' || !equals || !end)
			continue;
		*end = '\0';
		for (end = equals; end[-1] == ' '; end--)
			;
		*end = '\0';
		set(c, line + 1, equals + 1 + strspn(equals + 1, " "));
		settings++;
	}
	fclose(file);
	assert_int_equal(settings, 18);
	assert_memory_equal(c, preset, sizeof(*c));
	free(preset);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, config_new, config_drop)
	const struct CMUnitTest tests[] = {
		EACH(test_defaults),
		EACH(test_durations_and_sizes),
		EACH(test_switches),
		EACH(test_lists),
		EACH(test_lists_are_bounded),
		EACH(test_refused),
		EACH(test_file),
		EACH(test_file_with_a_mistake),
		EACH(test_no_file_to_read),
		EACH(test_the_installed_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
