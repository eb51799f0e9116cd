/* SPDX-License-Identifier: BSD-2-Clause */
/* profd daemon as it is typed, and how its configuration is put together: defaults, file, options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "typed_words.h"

struct made {
	struct daemon_options options;
	struct daemon_config config, scratch;
	char file[32];
};

static int made_new(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	*state = m;
	return m ? 0 : -1;
}

static int made_drop(void **state)
{
	struct made *m = *state;

	if (m->file[0])
		unlink(m->file);
	free(m);
	return 0;
}

static int parse_daemon(struct made *m, const char *line, struct err *err)
{
	static char *argv[WORDS_MAX + 1];
	int argc = split("daemon", line, argv);
	char **rest;

	*err = (struct err){0};
	m->options.scratch = &m->scratch;
	return cli_parse(&daemon_command, argc, argv, &m->options, &rest, err);
}

static void write_file(struct made *m, const char *text)
{
	int fd;

	if (!m->file[0]) {
		strcpy(m->file, "/tmp/profd-daemon-XXXXXX");
		fd = mkstemp(m->file);
	} else
		fd = open(m->file, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	m->options.config = m->file;
}

static void configure(struct made *m)
{
	struct err err = {0};

	if (daemon_configure(&m->options, &m->config, &err))
		fail_msg("%s", err.text);
}

static void test_options_win_over_the_file(void **state)
{
	struct made *m = *state;
	struct err err;

	write_file(m, "rate = 7\nwindow = 5s\nname = a, b\nuser = root\nstore = /srv/a.db\n");
	assert_int_equal(parse_daemon(m, "--rate|9|--max-cpu|0.5|--socket|/run/x.sock", &err), 0);
	configure(m);
	assert_int_equal(m->config.rate_hz, 9);
	assert_true(m->config.window_s == 5 && m->config.max_cpu_percent == 0.5);
	assert_string_equal(m->config.store, "/srv/a.db");
	assert_string_equal(m->config.socket, "/run/x.sock");
	assert_int_equal(m->config.names.n, 2);
	assert_int_equal(m->config.users.n, 1);
}

/* As at a reload: the file of now, the options of the start. */
static void test_reload(void **state)
{
	struct made *m = *state;
	struct err err = {0};

	write_file(m, "rate = 7\nwindow = 5s\n");
	assert_int_equal(parse_daemon(m, "--rate|9", &err), 0);
	configure(m);
	write_file(m, "rate = 8\n");
	configure(m);
	assert_int_equal(m->config.rate_hz, 9);
	assert_true(m->config.window_s == 10); /* back at its default */
	write_file(m, "rate = fast\n");
	assert_int_equal(daemon_configure(&m->options, &m->config, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1: rate"));
}

static void test_a_choice_replaces_the_files(void **state)
{
	struct made *m = *state;
	struct err err;

	write_file(m, "name = a, b\nuser = root\npid = 5\n");
	assert_int_equal(parse_daemon(m, "--name|x|--name|y,z|--container|0a", &err), 0);
	configure(m);
	assert_int_equal(m->config.names.n, 3);
	assert_string_equal(m->config.names.list[0], "x");
	assert_int_equal(m->config.containers.n, 1);
	assert_int_equal(m->config.users.n + m->config.n_pids, 0);
}

static void test_paths_from_here(void **state)
{
	struct made *m = *state;
	char folder[PATH_MAX], whole[PATH_MAX + 16];
	struct err err;

	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(whole, sizeof(whole), "%s/try.db", folder);
	write_file(m, "");
	assert_int_equal(parse_daemon(m, "--store|try.db|-r|5", &err), 0);
	configure(m);
	assert_string_equal(m->config.store, whole);
	assert_int_equal(parse_daemon(m, "--store|:memory:", &err), 0);
	configure(m);
	assert_string_equal(m->config.store, ":memory:");
}

static void test_daemon_wrong_usage(void **state)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{"--rate|0", "--rate: '0' is not"},
		{"--rate|1000", "1 to 999"},
		{"--window|0.5", "--window: '0.5' is out of range"},
		{"--max-cpu|-1", "--max-cpu: '-1'"},
		{"--pid|x", "--pid: 'x'"},
		{"--user=", "--user: an empty value"},
		{"--name|a,,b", "empty entry"},
		{"--store=", "an empty path"},
		{"--config=", "an empty path"},
		{"--conf|x", "did you mean '--config'"},
		{"start", "takes nothing else"},
	};
	struct made *m = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err;

		if (parse_daemon(m, rows[i].line, &err) >= 0 || !strstr(err.text, rows[i].text))
			fail_msg("`%s`: \"%s\" lacks \"%s\"", rows[i].line, err.text, rows[i].text);
	}
}

static void test_no_config_file(void **state)
{
	struct made *m = *state;
	struct err err = {0};

	m->options.config = "/nonexistent/profd.conf";
	assert_int_equal(daemon_configure(&m->options, &m->config, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/profd.conf"));
}

int main(void)
{
#define MADE(test) cmocka_unit_test_setup_teardown(test, made_new, made_drop)
	const struct CMUnitTest tests[] = {
		MADE(test_options_win_over_the_file),
		MADE(test_reload),
		MADE(test_a_choice_replaces_the_files),
		MADE(test_paths_from_here),
		MADE(test_daemon_wrong_usage),
		MADE(test_no_config_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
