/* SPDX-License-Identifier: BSD-2-Clause */
/* profd diff as it is typed, and the request that it makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/diff.h"

enum { WORDS_MAX = 40 };

static const double NOW = 1795170615; /* 2026-11-20 10:30:15 UTC */
static char folder[64];

static int parse(const char *line, struct diff_config *c, struct err *err)
{
	static char storage[2048];
	static char *argv[WORDS_MAX + 1];
	int argc = 0;

	snprintf(storage, sizeof(storage), "diff|%s", line);
	for (char *save, *word = strtok_r(storage, "|", &save); word;
		word = strtok_r(NULL, "|", &save)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	*err = (struct err){0};
	setenv("TZ", "UTC0", 1);
	return diff_parse(&diff_command, argc, argv, NOW, c, err);
}

static void parse_well(const char *line, struct diff_config *c)
{
	struct err err;

	if (parse(line, c, &err) != CLI_PARSED)
		fail_msg("%s: %s", line, err.text);
}

static void refuse(const char *line, const char *expected)
{
	struct diff_config c;
	struct err err;

	if (parse(line, &c, &err) >= 0)
		fail_msg("%s is taken", line);
	if (!strstr(err.text, expected))
		fail_msg("%s: '%s' is not in: %s", line, expected, err.text);
	diff_config_clear(&c);
}

/* ---- sides -------------------------------------------------------------------------------------
 */

static void spans_are_two_times(void **state)
{
	static const double day = 1795132800; /* 2026-11-20 00:00 UTC */
	static const struct {
		const char *word;
		double since_unix_s, until_unix_s;
	} rows[] = {
		{"2h..1h", NOW - 7200, NOW - 3600},
		{"1h..", NOW - 3600, 0},
		{"..30m", 0, NOW - 1800},
		{"..", 0, 0},
		{"yesterday 03:00..yesterday 04:00", day - 86400 + 10800, day - 86400 + 14400},
		{"03:00..03:12:30.5", day + 10800, day + 11550.5},
		{"@1700000000..@1700000001", 1700000000, 1700000001},
		{"2026-11-19..2026-11-20,comm=a,b", day - 86400, day},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[200];
		struct diff_config c;

		snprintf(line, sizeof(line), "..|%s", rows[i].word);
		parse_well(line, &c);
		assert_int_equal(c.sides[1].kind, DIFF_SPAN);
		if (c.request.after.since_unix_s != rows[i].since_unix_s ||
			c.request.after.until_unix_s != rows[i].until_unix_s)
			fail_msg("%s: %.3f to %.3f", rows[i].word, c.request.after.since_unix_s,
				c.request.after.until_unix_s);
		assert_true(diff_asks_daemon(&c) && !diff_records(&c));
		diff_config_clear(&c);
	}
}

static void files_are_what_is_there(void **state)
{
	static const char *const names[] = {"old.profd", "a..b", "with,comma", "x,y=1", "1h..2h"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128], line[300];
		struct diff_config c;
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
		snprintf(line, sizeof(line), "%s|%s,comm=x", path, path);
		parse_well(line, &c);
		assert_int_equal(c.sides[0].kind, DIFF_FILE);
		assert_string_equal(c.sides[0].path, path);
		assert_string_equal(c.sides[1].path, path);
		assert_int_equal(c.request.before.n_comms, 0);
		assert_string_equal(c.request.after.comms[0], "x");
		assert_false(diff_asks_daemon(&c) || diff_records(&c));
		diff_config_clear(&c);
		unlink(path);
	}
}

/* A path is one also where nothing is there: that is found out when it is read. */
static void paths_are_files(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well("./none..x|../none", &c);
	assert_int_equal(c.sides[0].kind, DIFF_FILE);
	assert_int_equal(c.sides[1].kind, DIFF_FILE);
	assert_string_equal(c.sides[1].path, "../none");
	diff_config_clear(&c);
}

static void processes_are_numbers(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well("4711|pid:7,8,thread=main|-d|2.5|-r|199|--subprocesses", &c);
	assert_true(diff_records(&c) && !diff_asks_daemon(&c));
	assert_int_equal(c.sides[0].n_pids, 1);
	assert_int_equal(c.sides[0].pids[0], 4711);
	assert_int_equal(c.sides[1].n_pids, 2);
	assert_int_equal(c.sides[1].pids[1], 8);
	assert_int_equal(c.request.before.n_pids, 0); /* the file has nothing else */
	assert_string_equal(c.request.after.threads[0], "main");
	assert_true(c.duration_s == 2.5 && c.rate_hz == 199 && c.subprocesses);
	diff_config_clear(&c);
	parse_well("4711|./file", &c);
	assert_true(diff_records(&c) && c.duration_s == 30 && c.rate_hz == 99 && !c.subprocesses);
	diff_config_clear(&c);
}

static void a_side_chooses_for_itself(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well("--comm|web|--comm|db|--pid|1,2|--user|www|2h..1h|"
		   "1h..,comm=a,b,comm=c,container=0a,user=7,thread=pool-1,pid=4,pid=5",
		&c);
	assert_int_equal(c.request.before.n_comms, 2);
	assert_string_equal(c.request.before.comms[1], "db");
	assert_int_equal(c.request.before.n_pids, 2);
	assert_string_equal(c.request.before.users[0], "www");
	assert_int_equal(c.request.before.n_containers + c.request.before.n_threads, 0);
	assert_int_equal(c.request.after.n_comms, 2);
	assert_string_equal(c.request.after.comms[0], "a,b"); /* names may hold a comma */
	assert_string_equal(c.request.after.comms[1], "c");
	assert_string_equal(c.request.after.containers[0], "0a");
	assert_string_equal(c.request.after.users[0], "7");
	assert_string_equal(c.request.after.threads[0], "pool-1");
	assert_int_equal(c.request.after.n_pids, 2);
	assert_int_equal(c.request.after.pids[1], 5);
	diff_config_clear(&c);
}

/* ---- options -----------------------------------------------------------------------------------
 */

static void defaults(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well("2h..1h|1h..", &c);
	assert_string_equal(c.request.by, "function");
	assert_string_equal(c.request.sort, "total");
	assert_string_equal(c.request.format, "table");
	assert_int_equal(c.request.limit, 30);
	assert_true(c.request.kernel && c.request.id > 0 && c.fail_above < 0);
	diff_config_clear(&c);
}

static void everything(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well(
		"-b|line|--sort|self|-n|7|-o|x.csv|--no-kernel|-q|--fail-above|2.5|2h..1h|--|1h..",
		&c);
	assert_string_equal(c.request.by, "line");
	assert_string_equal(c.request.sort, "self");
	assert_string_equal(c.request.format, "csv");
	assert_int_equal(c.request.limit, 7);
	assert_true(!c.request.kernel && c.client.quiet && c.fail_above == 2.5);
	diff_config_clear(&c);
}

static void formats_come_from_names(void **state)
{
	static const struct {
		const char *line, *format;
		uint32_t limit;
	} rows[] = {
		{"..|..|-o|x.svg", "flamegraph", 0},
		{"..|..|-o|x.JSON", "json", 0},
		{"..|..|-o|x.txt", "table", 30},
		{"..|..|-o|x", "table", 30},
		{"..|..|--json", "json", 0},
		{"..|..|--json|--format|json|-o|x.svg", "json", 0},
		{"..|..|-f|flamegraph|-o|x.txt", "flamegraph", 0},
		{"..|..|-f|csv|-n|3", "csv", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diff_config c;

		parse_well(rows[i].line, &c);
		assert_string_equal(c.request.format, rows[i].format);
		assert_int_equal(c.request.limit, rows[i].limit);
		diff_config_clear(&c);
	}
}

static void with_a_store_spans_are_of_it(void **state)
{
	struct diff_config c;

	(void)state;
	parse_well("--store|x.db|2h..1h|1h..", &c);
	assert_false(diff_asks_daemon(&c));
	diff_config_clear(&c);
	parse_well("--store|x.db|2h..1h|./file", &c);
	assert_false(diff_asks_daemon(&c));
	diff_config_clear(&c);
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

static void wrong_sides(void **state)
{
	(void)state;
	refuse("..", "too few words: profd diff BEFORE AFTER");
	refuse("..|..|..", "one word too many");
	refuse("1h|..",
		"BEFORE: '1h' is one time; a span has two, as in 2h..1h, or `1h..` until now");
	refuse("..|nofile.profd", "AFTER: 'nofile.profd' is no file that is there");
	refuse("..|", "too few words");
	refuse(",comm=x|..", "names nothing");
	refuse("1h..2h|..", "the start of '1h..2h' has to be before its end");
	refuse("2126-01-01..|..", "still to come");
	refuse("never..1h|..", "'never' is not a time");
	refuse("0|..", "process IDs start at 1");
	refuse("pid:x|..", "'x' is not a process ID");
	refuse("..,comm=|..", "comm: an empty value");
	refuse("..,pid=a|..", "pid: 'a' is not a process ID");
	refuse("/|..", "span of the daemon's store");
}

static void wrong_options(void **state)
{
	(void)state;
	refuse("--by|process|..|..", "function, line, module");
	refuse("--sort|size|..|..", "total, self");
	refuse("--format|collapsed|..|..", "table, json, csv, flamegraph");
	refuse("--fail-above|x|..|..", "not a number of points");
	refuse("--fail-above|101|..|..", "from 0 to 100");
	refuse("--fail-above|-1|..|..", "not a number of points");
	refuse("--duration|0|1|2", "above 0");
	refuse("--duration|inf|1|2", "not a number of seconds");
	refuse("--rate|20001|1|2", "from 1 to 20000");
	refuse("--rate|1.5|1|2", "whole number");
	refuse("--limit|-1|..|..", "not a whole number of rows");
	refuse("--json|--format|csv|..|..", "both --json and --format csv");
}

static void wrong_together(void **state)
{
	(void)state;
	refuse("./file|1h..",
		"'1h..' is a span of the daemon's store and './file' is not: name the "
		"store of the span with --store FILE");
	refuse("1h..|4711", "--store FILE");
	refuse("--store|x|./a|./b", "neither side is one");
	refuse("--store|x|4711|4712", "neither side is one");
	refuse("--duration|5|./a|./b", "for processes to record");
	refuse("--rate|5|..|..", "for processes to record");
	refuse("--pid|7|4711|4712", "--pid chooses within files and spans");
	refuse("--socket|/x|./a|./b", "no side asks one");
	refuse("--socket|/x|--store|y|..|..", "no side asks one");
}

/* ---- the answer --------------------------------------------------------------------------------
 */

/* An error leaves no message behind that somebody would free again. */
static void an_error_is_no_answer(void **state)
{
	const struct err refusal = {-EPERM, "process 7 is not yours"};
	struct err err = {0};
	struct channel *server;
	json_t *message = NULL;
	struct inquiry q;
	int pair[2];

	(void)state;
	inquiry_init(&q);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	q.peer.channel = channel_new(pair[0], &err);
	server = channel_new(pair[1], &err);
	assert_true(q.peer.channel && server);
	assert_int_equal(serve_send_hello(server, &err), 0);
	assert_int_equal(serve_send_error(server, 1, &refusal), 0);
	assert_int_equal(inquiry_wait(&q, 1, SERVE_COMPARED, &message, &err), -EPERM);
	assert_string_equal(err.text, refusal.text);
	assert_null(message);
	channel_free(server);
	inquiry_close(&q);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/profd-test-diff-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_two_times),
		cmocka_unit_test(files_are_what_is_there),
		cmocka_unit_test(paths_are_files),
		cmocka_unit_test(processes_are_numbers),
		cmocka_unit_test(a_side_chooses_for_itself),
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything),
		cmocka_unit_test(formats_come_from_names),
		cmocka_unit_test(with_a_store_spans_are_of_it),
		cmocka_unit_test(wrong_sides),
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(wrong_together),
		cmocka_unit_test(an_error_is_no_answer),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
