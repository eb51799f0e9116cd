/* SPDX-License-Identifier: BSD-2-Clause */
/* What is typed: options, values, suggestions, help. */
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

#include "cli/record.h"
#include "render/render.h"

enum { WORDS_MAX = 16 };

/* Parses `record` with the words of `line`, which are separated by one blank each ("''" is an empty
 * one). The config points into `storage`. */
static int parse(const char *line, struct record_config *config, struct err *err)
{
	static char storage[2048];
	static char *argv[WORDS_MAX + 1];
	int argc = 0;

	snprintf(storage, sizeof(storage), "record %s", line);
	for (char *save, *word = strtok_r(storage, " ", &save); word;
		word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = strcmp(word, "''") != 0 ? word : word + 2;
	}
	argv[argc] = NULL;
	*err = (struct err){0};
	return record_parse(&record_command, argc, argv, config, err);
}

static void parse_well(const char *line, struct record_config *config)
{
	struct err err;
	int rc = parse(line, config, &err);

	if (rc != CLI_PARSED)
		fail_msg("%s: %d %s", line, rc, err.text);
}

static void test_defaults(void **state)
{
	struct record_config c;

	(void)state;
	parse_well("--pid 4711", &c);
	assert_int_equal(c.request.n_pids, 1);
	assert_int_equal(c.request.pids[0], 4711);
	assert_int_equal(c.request.rate_hz, 99);
	assert_true(c.request.duration_s == 0);
	assert_string_equal(c.request.format, "flamegraph");
	assert_string_equal(c.request.source, "auto");
	assert_true(c.request.kernel && c.request.native);
	assert_false(c.request.threads || c.request.subprocesses || c.request.on_exec);
	assert_false(c.client.json || c.client.quiet || c.client.verbose);
	assert_null(c.output);
	assert_null(c.command);
}

static void test_every_way_to_write_an_option(void **state)
{
	static const char *const lines[] = {"-p 7 -d 2.5 -r 999 -o x -q", "-p7 -d2.5 -r999 -ox -q",
		"--pid=7 --duration=2.5 --rate=999 --output=x --quiet", "-qp 7 -qd2.5 -r 999 -o x",
		"--pid 7 --duration 2.5 --rate 999 --output x -q",
		"-d 9 -d 2.5 -p 7,7 -p 7 -r 1 -r 999 -o x -q"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct record_config c;

		parse_well(lines[i], &c);
		assert_int_equal(c.request.n_pids, 1);
		assert_int_equal(c.request.pids[0], 7);
		assert_true(c.request.duration_s == 2.5);
		assert_int_equal(c.request.rate_hz, 999);
		assert_string_equal(c.output, "x");
		assert_true(c.client.quiet);
	}
}

static void test_switches(void **state)
{
	struct record_config c;

	(void)state;
	parse_well(
		"-p 1,2 -p 3,1 --subprocesses --threads --no-kernel --no-native --source ebpf --json -v",
		&c);
	assert_int_equal(c.request.n_pids, 3);
	assert_int_equal(c.request.pids[2], 3);
	assert_true(
		c.request.subprocesses && c.request.threads && c.client.json && c.client.verbose);
	assert_false(c.request.kernel || c.request.native);
	assert_string_equal(c.request.source, "ebpf");
}

static void test_command(void **state)
{
	struct record_config c;

	(void)state;
	parse_well("-d 5 -- prog --pid 3 -- -x --help", &c);
	assert_int_equal(c.request.n_pids, 0);
	assert_true(c.request.on_exec);
	assert_string_equal(c.command[0], "prog");
	assert_string_equal(c.command[1], "--pid");
	assert_string_equal(c.command[3], "--");
	assert_string_equal(c.command[5], "--help");
	assert_null(c.command[6]);
}

static void test_format_by_file_name(void **state)
{
	static const struct {
		const char *line, *format;
	} rows[] = {
		{"-p 1 -o a.svg", "flamegraph"},
		{"-p 1 -o a.collapsed", "collapsed"},
		{"-p 1 -o a.folded", "collapsed"},
		{"-p 1 -o a.b.TXT", "collapsed"},
		{"-p 1 -o a", "flamegraph"},
		{"-p 1 -o a.html", "flamegraph"},
		{"-p 1 -o -", "flamegraph"},
		{"-p 1 -o a.txt -f flamegraph", "flamegraph"},
		{"-p 1 -o a.svg -f collapsed", "collapsed"},
		{"-p 1 -o a.profd", "profd"},
		{"-p 1 -o a.svg.PROFD", "profd"},
		{"-p 1 -o a.svg -f profd", "profd"},
		{"-p 1 -o a.profd -f flamegraph", "flamegraph"},
		{"-p 1 -f profd", "profd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record_config c;

		parse_well(rows[i].line, &c);
		assert_string_equal(c.request.format, rows[i].format);
		assert_string_equal(c.format.name, rows[i].format);
	}
}

/* All that can be drawn, and the samples themselves. */
static void test_formats(void **state)
{
	size_t n = 0;

	(void)state;
	for (; record_format_at(n).name; n++) {
		struct record_format f = record_format_at(n);
		struct record_config c;
		char line[64];

		assert_true(*f.extension && *f.help);
		assert_int_equal(!strcmp(f.name, SERVE_FORMAT_PROFD), !render_format_at(n));
		snprintf(line, sizeof(line), "-p 1 -f %s", f.name);
		parse_well(line, &c);
		assert_string_equal(c.request.format, f.name);
		assert_string_equal(c.format.extension, f.extension);
		snprintf(line, sizeof(line), "-p 1 -o x.%s", f.extension);
		parse_well(line, &c);
		assert_string_equal(c.request.format, f.name);
	}
	assert_null(render_format_at(n - 1));
	assert_non_null(render_format_at(n - 2));
	assert_null(record_format_at(n + 1).name);
}

/* Every line is wrong usage, and the text holds what is given beside it. */
static void test_wrong_usage(void **state)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{"", "--pid"},
		{"-d 5", "--pid"},
		{"--", "no command"},
		{"-p 1 -- x", "both"},
		{"-p", "-p needs a value"},
		{"--pid", "--pid needs a value"},
		{"-p -- x", "-p needs a value"},
		{"-p abc", "'abc' is not a process ID"},
		{"-p 12x", "'12x' is not"},
		{"-p 0", "start at 1"},
		{"-p -1", "'-1' is not"},
		{"-p 1,", "empty"},
		{"-p ,1", "empty"},
		{"-p 1,,2", "empty"},
		{"-p 1,x", "'x' is not"},
		{"-p ''", "empty"},
		{"-p 1.5", "'1.5' is not"},
		{"-p 0x10", "'0x10'"},
		{"-p 2147483648", "too large"},
		{"-p 99999999999999999999999", "too large"},
		{"-p 1 -d 0", "out of range"},
		{"-p 1 -d -3", "out of range"},
		{"-p 1 -d 1e9", "out of range"},
		{"-p 1 -d nan", "not a number"},
		{"-p 1 -d inf", "not a number"},
		{"-p 1 -d INFINITY", "not a number"},
		{"-p 1 -d 5s", "not a number"},
		{"-p 1 -d 0x5", "not a number"},
		{"-p 1 -d ''", "not a number"},
		{"-p 1 -d 1e999", "not a number"},
		{"-p 1 -d -", "not a number"},
		{"-p 1 -d --", "needs a value"},
		{"-p 1 -r 0", "1 to 20000"},
		{"-p 1 -r -99", "1 to 20000"},
		{"-p 1 -r 20001", "1 to 20000"},
		{"-p 1 -r 1e9", "1 to 20000"},
		{"-p 1 -r 99.5", "whole number"},
		{"-p 1 -r fast", "whole number"},
		{"-p 1 -r nan", "whole number"},
		{"-p 1 -f pdf", "flamegraph, collapsed"},
		{"-p 1 --source perf", "auto, ebpf"},
		{"-p 1 --output=", "empty"},
		{"-p 1 --json -o -", "--json"},
		{"-p 1 --json=yes", "takes no value"},
		{"-p 1 --durtion 5", "did you mean '--duration'"},
		{"-p 1 --dur 5", "did you mean '--duration'"},
		{"-p 1 --zzzzzz", "no option '--zzzzzz'"},
		{"-p 1 -x", "no option '-x'"},
		{"-p 1 -qx", "no option '-x'"},
		{"4711", "--pid 4711"},
		{"python3 app.py", "-- python3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record_config c;
		struct err err;
		int rc = parse(rows[i].line, &c, &err);

		if (rc >= 0 || !strstr(err.text, rows[i].text))
			fail_msg("`%s`: %d, \"%s\" lacks \"%s\"", rows[i].line, rc, err.text,
				rows[i].text);
	}
}

static void test_own_process_is_refused(void **state)
{
	struct record_config c;
	struct err err;
	char line[32];

	(void)state;
	snprintf(line, sizeof(line), "-p %d", (int)getpid());
	assert_true(parse(line, &c, &err) < 0);
	assert_non_null(strstr(err.text, "itself"));
}

static void test_too_many_processes(void **state)
{
	struct record_config c;
	struct err err = {0};
	char *value = malloc(16 * SERVE_PIDS_MAX + 32);
	char *argv[] = {(char[]){"record"}, (char[]){"-p"}, value, NULL};
	size_t n = 0;

	(void)state;
	for (int i = 1; i <= SERVE_PIDS_MAX; i++)
		n += (size_t)sprintf(value + n, "%s%d", i > 1 ? "," : "", 1000000 + i);
	assert_int_equal(record_parse(&record_command, 3, argv, &c, &err), 0);
	assert_int_equal(c.request.n_pids, SERVE_PIDS_MAX);
	sprintf(value + n, ",5");
	assert_true(record_parse(&record_command, 3, argv, &c, &err) < 0);
	assert_non_null(strstr(err.text, "1024"));
	free(value);
}

static void test_help_wins_before_the_command_only(void **state)
{
	struct record_config c;
	struct err err;

	(void)state;
	assert_int_equal(parse("--help", &c, &err), CLI_HELP);
	assert_int_equal(parse("-p 1 -h", &c, &err), CLI_HELP);
	assert_int_equal(parse("-qh", &c, &err), CLI_HELP);
	assert_int_equal(parse("-- ls --help", &c, &err), CLI_PARSED);
}

/* Help is made from the table that parsing uses: every option and its default are in it. */
static void test_help_names_every_option(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	cli_help_command(to, &record_command);
	fclose(to);
	for (const struct cli_option *o = record_options; o->name; o++) {
		assert_non_null(strstr(text, o->name));
		if (o->preset)
			assert_non_null(strstr(text, o->preset));
	}
	for (const struct cli_example *e = record_command.examples; e->line; e++)
		assert_non_null(strstr(text, e->line));
	for (const char *line = text; line && *line;) {
		const char *end = strchr(line, '\n');

		assert_in_range(end - line, 0, 100);
		line = end + 1;
	}
	free(text);
}

static void test_nearest(void **state)
{
	static const char *const names[] = {"record", "report", "status", "top"};

	(void)state;
	assert_string_equal(cli_nearest("recrod", names, 4), "record");
	assert_string_equal(cli_nearest("rec", names, 4), "record");
	assert_string_equal(cli_nearest("stauts", names, 4), "status");
	assert_string_equal(cli_nearest("tpo", names, 4), "top");
	assert_null(cli_nearest("frobnicate", names, 4));
	assert_null(cli_nearest("", names, 4));
	assert_null(cli_nearest(
		"0123456789012345678901234567890123456789012345678901234567890", names, 4));
}

static void test_default_output_name(void **state)
{
	char name[256];

	(void)state;
	record_default_output(name, sizeof(name), "python3", 4711, "svg");
	assert_memory_equal(name, "profd-python3-4711-2", 20);
	assert_string_equal(name + strlen(name) - 4, ".svg");
	assert_int_equal(strlen(name), strlen("profd-python3-4711-20260514-153012.svg"));
	record_default_output(name, sizeof(name), "../e/\n\033[x \xff;", 1, "collapsed");
	assert_memory_equal(name, "profd-.._e____x___-1-2", 20);
	assert_null(strchr(name, '/'));
	record_default_output(name, sizeof(name), "", 1, "collapsed");
	assert_memory_equal(name, "profd-process-1-", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_way_to_write_an_option),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_format_by_file_name),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_own_process_is_refused),
		cmocka_unit_test(test_too_many_processes),
		cmocka_unit_test(test_help_wins_before_the_command_only),
		cmocka_unit_test(test_help_names_every_option),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_default_output_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
