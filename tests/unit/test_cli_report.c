/* SPDX-License-Identifier: BSD-2-Clause */
/* profd report as it is typed, and the request that it makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "typed_words.h"

static const double NOW = 1795170615; /* 2026-11-20 10:30:15 UTC */

static int parse(const char *line, struct report_config *c, struct err *err)
{
	static char *argv[WORDS_MAX + 1];
	int argc = split("report", line, argv);

	*err = (struct err){0};
	return report_parse(&report_command, argc, argv, NOW, c, err);
}

static void parse_well(const char *line, struct report_config *c)
{
	struct err err;

	setenv("TZ", "UTC0", 1);
	if (parse(line, c, &err) != CLI_PARSED)
		fail_msg("%s: %s", line, err.text);
}

static void test_report_defaults(void **state)
{
	struct report_config c;

	(void)state;
	parse_well("", &c);
	assert_true(c.request.of.since_unix_s == NOW - 3600);
	assert_true(c.request.of.until_unix_s == 0);
	assert_string_equal(c.request.by, "function");
	assert_string_equal(c.request.sort, "self");
	assert_string_equal(c.request.format, "table");
	assert_int_equal(c.request.limit, 30);
	assert_true(c.request.kernel);
	assert_true(c.request.id > 0);
	assert_int_equal(c.request.of.n_pids + c.request.of.n_comms + c.request.of.n_users, 0);
}

static void test_report_everything(void **state)
{
	struct report_config c;

	(void)state;
	parse_well("-s|2d|-u|03:12|--pid|7,8|-p|8|--comm|a,b|--comm|c|--container|0a1b|--user|1000|"
		   "--thread|pool-1|--by|line|--sort|total|-n|5|-q|--no-kernel|-o|x.csv",
		&c);
	assert_true(c.request.of.since_unix_s == NOW - 172800);
	assert_true(c.request.of.until_unix_s == 1795132800 + 11520);
	assert_int_equal(c.request.of.n_pids, 2);
	assert_int_equal(c.request.of.n_comms, 2);
	assert_string_equal(c.request.of.comms[0], "a,b"); /* names may hold a comma */
	assert_string_equal(c.request.of.containers[0], "0a1b");
	assert_string_equal(c.request.of.users[0], "1000");
	assert_string_equal(c.request.of.threads[0], "pool-1");
	assert_string_equal(c.request.by, "line");
	assert_string_equal(c.request.sort, "total");
	assert_string_equal(c.request.format, "csv");
	assert_int_equal(c.request.limit, 5);
	assert_true(c.client.quiet && !c.request.kernel);
}

/* Without a start the span is the hour before its end. */
static void test_report_spans(void **state)
{
	static const struct {
		const char *line;
		double since_unix_s, until_unix_s;
	} rows[] = {
		{"--until|yesterday 03:12", 1795132800 - 86400 + 11520 - 3600,
			1795132800 - 86400 + 11520},
		{"--since|all", 0, 0},
		{"--since|all|--until|1h", 0, NOW - 3600},
		{"--until|all", NOW - 3600, 0},
		{"--store|x.profd", 0, 0}, /* a file is meant as a whole */
		{"--store|x|--until|1h", 0, NOW - 3600},
		{"--store|x|--since|1h", NOW - 3600, 0},
		{"--since|@1700000000|--until|@1700000001", 1700000000, 1700000001},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report_config c;

		parse_well(rows[i].line, &c);
		if (c.request.of.since_unix_s != rows[i].since_unix_s ||
			c.request.of.until_unix_s != rows[i].until_unix_s)
			fail_msg("%s: %.3f to %.3f", rows[i].line, c.request.of.since_unix_s,
				c.request.of.until_unix_s);
	}
}

static void test_report_formats(void **state)
{
	static const struct {
		const char *line, *format;
		unsigned limit;
	} rows[] = {
		{"-f|json", "json", 0},
		{"-f|json|-n|7", "json", 7},
		{"-f|table|-n|0", "table", 0},
		{"-o|a.svg", "flamegraph", 0},
		{"-o|a.folded", "collapsed", 0},
		{"-o|a.collapsed", "collapsed", 0},
		{"-o|a.b.JSON", "json", 0},
		{"-o|a.txt", "table", 30},
		{"-o|a", "table", 30},
		{"-o|-", "table", 30},
		{"-o|a.svg|-f|csv", "csv", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report_config c;

		parse_well(rows[i].line, &c);
		assert_string_equal(c.request.format, rows[i].format);
		assert_int_equal(c.request.limit, rows[i].limit);
		assert_true(!c.table != !c.stacks);
	}
}

static void test_report_wrong_usage(void **state)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{"--since|soon", "--since: 'soon' is not a time"},
		{"--until|25:00", "--until"},
		{"--since|2026-11-21", "still to come"},
		{"--since|1h|--until|2h", "before --until"},
		{"--since|1h|--until|1h", "before --until"},
		{"--by|colour", "function, line, module"},
		{"--by|modul", "did you mean 'module'"},
		{"--sort|name", "self, total"},
		{"--limit|-1", "whole number"},
		{"--limit|1.5", "whole number"},
		{"--limit|99999999", "whole number"},
		{"--format|pdf", "table, json, csv"},
		{"--pid|x", "process ID"},
		{"--store|a|--socket|b", "both --store and --socket"},
		{"--comm=", "--comm: an empty value"},
		{"--output=", "empty"},
		{"4711", "--pid 4711"},
		{"gunicorn", "takes nothing else"},
		{"--|ls", "takes nothing else"},
		{"--sinse|1h", "did you mean '--since'"},
	};

	(void)state;
	setenv("TZ", "UTC0", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report_config c;
		struct err err;

		if (parse(rows[i].line, &c, &err) >= 0 || !strstr(err.text, rows[i].text))
			fail_msg("`%s`: \"%s\" lacks \"%s\"", rows[i].line, err.text, rows[i].text);
	}
}

/* What the command line makes of any options is a request that a server takes. */
static void test_report_requests_are_valid(void **state)
{
	static const char *const lines[] = {"", "--since|all", "--until|1d|-f|flamegraph",
		"-p|1,2,3|--comm|a|--container|host|--user|root|--thread|7|--by|thread|-n|0"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct report_request *decoded = calloc(1, sizeof(*decoded));
		struct report_config c;
		struct err err = {0};
		json_t *message;

		parse_well(lines[i], &c);
		message = serve_encode_report(&c.request);
		assert_non_null(message);
		if (serve_decode_report(message, decoded, &err))
			fail_msg("%s: %s", lines[i], err.text);
		assert_string_equal(decoded->format, c.request.format);
		assert_int_equal(decoded->of.n_threads, c.request.of.n_threads);
		report_request_clear(decoded);
		free(decoded);
		json_decref(message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_defaults),
		cmocka_unit_test(test_report_everything),
		cmocka_unit_test(test_report_spans),
		cmocka_unit_test(test_report_formats),
		cmocka_unit_test(test_report_wrong_usage),
		cmocka_unit_test(test_report_requests_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
