/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes out of the model of `profd top`: JSON, tables, pictures; and what goes in by the
 * protocol. */
#include "top_feed.h"

#include <errno.h>
#include <locale.h>
#include <sys/socket.h>

#include "cli/terminal.h"

#define EVIL "evil\x1b[31m\nname\xe2\x80\xae"

struct program {
	struct feed f;
	struct top_model *m;
	uint32_t process, main, work, read, evil;
};

/* 100 samples: main 10 > work 30 > read 40; [python3+0x10] 20 */
static void program_init(struct program *p)
{
	feed_init(&p->f);
	p->m = top_model_new();
	assert_non_null(p->m);
	p->process = feed_process(&p->f, "python3", 7);
	p->main = feed_python(
		&p->f, feed_thread(&p->f, p->process, "main", 7), "main", "/srv/app.py", 1);
	p->work = feed_python(&p->f, p->main, "work", "/srv/app.py", 5);
	p->read = feed_native(&p->f, p->work, "read", "libc.so.6");
	p->evil = feed_native(&p->f, p->main, "[python3+0x10]", "python3");
}

static void program_run(struct program *p)
{
	feed_count(&p->f, p->main, 10);
	feed_count(&p->f, p->work, 30);
	feed_count(&p->f, p->read, 40);
	feed_count(&p->f, p->evil, 20);
	p->f.head.lost = 3;
	p->f.head.truncated = 2;
	p->f.head.failed = 1;
	feed_add(&p->f, p->m);
}

static void program_clear(struct program *p)
{
	feed_clear(&p->f);
	top_model_free(p->m);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static json_t *json_of(struct program *p, const struct top_query *q)
{
	json_t *object = top_page_json(page_of(p->m, q), q);

	assert_non_null(object);
	return object;
}

static double real_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void test_json(void **state)
{
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	struct program p;
	json_t *object, *row;

	(void)state;
	program_init(&p);
	program_run(&p);
	object = json_of(&p, &q);
	assert_string_equal(json_string_value(json_object_get(object, "view")), "functions");
	assert_true(real_of(object, "span_s") == 1);
	assert_true(real_of(object, "samples") == 100);
	assert_true(real_of(object, "rate_hz") == 100);
	assert_true(real_of(object, "lost") == 3);
	assert_true(real_of(object, "truncated") == 2);
	assert_true(real_of(object, "failed") == 1);
	assert_true(real_of(object, "busy_cpus") == 1);
	assert_true(real_of(object, "cpus") == 2);
	assert_true(real_of(object, "processes") == 1);
	assert_true(real_of(object, "threads") == 1);
	assert_true(real_of(object, "ended") == 0);
	assert_true(json_is_null(json_object_get(object, "gil")));
	assert_true(real_of(json_object_get(object, "profiler"), "cpu_percent") == 0.5);
	assert_true(real_of(json_object_get(object, "profiler"), "rss_bytes") == 1 << 20);
	assert_true(real_of(object, "rows_all") == 4);
	row = json_array_get(json_object_get(object, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "function")), "read");
	assert_true(json_is_null(json_object_get(row, "file")));
	assert_true(json_is_null(json_object_get(row, "line")));
	assert_string_equal(json_string_value(json_object_get(row, "module")), "libc.so.6");
	assert_string_equal(json_string_value(json_object_get(row, "kind")), "native");
	assert_string_equal(json_string_value(json_object_get(row, "process")), "python3 (7)");
	assert_true(is_near(real_of(row, "self"), 0.4) && is_near(real_of(row, "total"), 0.4));
	assert_true(real_of(row, "self_samples") == 40 && real_of(row, "total_samples") == 40);
	assert_int_equal(json_array_size(json_object_get(row, "trend")), 1);
	assert_null(json_object_get(row, "name"));
	assert_null(json_object_get(row, "depth"));
	json_decref(object);
	program_clear(&p);
}

static void test_json_of_other_views(void **state)
{
	struct top_query q = {.view = TOP_PROCESSES};
	struct program p;
	json_t *object, *row;

	(void)state;
	program_init(&p);
	program_run(&p);
	object = json_of(&p, &q);
	row = json_array_get(json_object_get(object, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "python3 (7)");
	assert_true(real_of(row, "pid") == 7);
	assert_null(json_object_get(row, "function"));
	json_decref(object);

	q.view = TOP_TREE;
	object = json_of(&p, &q);
	row = json_array_get(json_object_get(object, "rows"), 1);
	assert_true(real_of(row, "depth") == 1);
	assert_true(json_is_true(json_object_get(row, "unfolded")));
	json_decref(object);

	q.view = TOP_FUNCTIONS;
	q.focus = row_of(page_of(p.m, &q), "work")->key;
	q.view = TOP_CALLERS;
	object = json_of(&p, &q);
	row = json_array_get(json_object_get(object, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "role")), "caller");
	json_decref(object);
	program_clear(&p);
}

static void test_json_of_nothing_and_of_what_is_hostile(void **state)
{
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct program p;
	json_t *object;
	char *text;

	(void)state;
	program_init(&p);
	object = json_of(&p, &q);
	assert_int_equal(json_array_size(json_object_get(object, "rows")), 0);
	assert_true(json_is_null(json_object_get(object, "rate_hz")));
	json_decref(object);
	feed_count(&p.f, feed_native(&p.f, p.main, EVIL "\xff", "a.so"), 1);
	feed_add(&p.f, p.m);
	object = json_of(&p, &q);
	text = json_dumps(object, 0);
	assert_non_null(text);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\xef\xbf\xbd"));
	free(text);
	json_decref(object);
	program_clear(&p);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

static void table_of(struct program *p, const struct top_query *q, unsigned columns, bool colours,
	struct buf *out)
{
	buf_reset(out);
	assert_int_equal(top_page_table(page_of(p->m, q), q, columns, colours, out), 0);
	assert_non_null(out->data);
}

static void test_table(void **state)
{
	struct top_query q = {.view = TOP_FUNCTIONS, .sort = TOP_BY_SELF};
	struct program p;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	program_init(&p);
	program_run(&p);
	table_of(&p, &q, 0, false, &out);
	assert_string_equal(out.data,
		"functions, 100 samples in 1.0 s, 100 Hz, 1.00 of 2 CPUs busy, 1 process,\n"
		"profd itself 0.75 % of a CPU, 3 lost, 2 truncated, 1 failed\n\n"
		"  SELF   TOTAL  SAMPLES  FUNCTION        FILE:LINE      KIND     PROCESS\n"
		" 40.0%   40.0%       40  read            libc.so.6      native   python3 (7)\n"
		" 30.0%   70.0%       70  work            /srv/app.py:5  python   python3 (7)\n"
		" 20.0%   20.0%       20  [python3+0x10]  python3        native   python3 (7)\n"
		" 10.0%  100.0%      100  main            /srv/app.py:1  python   python3 (7)\n");
	q.view = TOP_PROCESSES;
	q.filter = "none";
	table_of(&p, &q, 0, false, &out);
	assert_non_null(strstr(out.data, "\n\nnothing matches\n"));
	q.filter = NULL;
	top_model_reset(p.m);
	table_of(&p, &q, 0, false, &out);
	assert_non_null(strstr(out.data, "\n\nno samples: "));
	buf_free(&out);
	program_clear(&p);
}

/* Every line fits, whatever the width; all views; nothing that a terminal would obey. */
static void check_lines(const char *text, unsigned columns)
{
	char line[8192], clean[8192];

	while (*text) {
		size_t n = strcspn(text, "\n");

		assert_true(n < sizeof(line));
		memcpy(line, text, n);
		line[n] = '\0';
		if (terminal_text(line, 8000, clean, sizeof(clean)) > columns)
			fail_msg("over %u columns: %s", columns, line);
		assert_string_equal(line, clean);
		text += n + (text[n] == '\n');
	}
}

static void test_tables_fit(void **state)
{
	struct top_query q = {.sort = TOP_BY_TOTAL};
	struct program p;
	struct buf out;
	char path[600];

	(void)state;
	buf_init(&out, 1 << 20);
	program_init(&p);
	memset(path, 'p', sizeof(path));
	memcpy(path + sizeof(path) - 12, "/the_end.py", 12);
	feed_count(&p.f, feed_python(&p.f, p.work, "with_a_long_path", path, 123456), 50);
	feed_count(&p.f, feed_native(&p.f, p.work, EVIL, EVIL), 50);
	feed_count(&p.f, feed_native(&p.f, p.work, "\xe5\xb9\x85\xe5\xb9\x85\xe5\xb9\x85", "w.so"),
		50);
	feed_process(&p.f, "other", 8);
	program_run(&p);
	for (unsigned view = 0; view <= TOP_CALLERS; view++) {
		q.focus = row_of(page_of(p.m, &(struct top_query){0}), "work")->key;
		q.view = (enum top_view)view;
		for (unsigned columns = 40; columns <= 200; columns += 7) {
			table_of(&p, &q, columns, false, &out);
			check_lines(out.data, columns);
		}
	}
	q.view = TOP_FUNCTIONS;
	table_of(&p, &q, 80, false, &out);
	assert_non_null(strstr(out.data, "the_end.py:123456")); /* the end of a path */
	assert_non_null(strstr(out.data, "with_a_long_path"));
	q.limit = 2;
	table_of(&p, &q, 80, false, &out);
	assert_non_null(strstr(out.data, "\n2 of 7 rows\n"));
	table_of(&p, &q, 80, true, &out);
	assert_non_null(strstr(out.data, "\x1b[33mmain\x1b[0m"));
	q = (struct top_query){.view = TOP_TREE, .sort = TOP_BY_TOTAL};
	table_of(&p, &q, 80, false, &out);
	assert_non_null(strstr(out.data, "- main"));
	assert_non_null(strstr(out.data, "  - work"));
	buf_free(&out);
	program_clear(&p);
}

static void test_table_of_what_has_ended(void **state)
{
	struct top_query q = {.view = TOP_PROCESSES};
	struct program p;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	program_init(&p);
	feed_process_of(&p.f, 7)->ended = true;
	program_run(&p);
	table_of(&p, &q, 80, false, &out);
	assert_non_null(strstr(out.data, "python3 (7) (ended)"));
	assert_non_null(strstr(out.data, "1 ended"));
	assert_null(strstr(out.data, "FILE:LINE"));
	buf_free(&out);
	program_clear(&p);
}

/* ---- pictures ----------------------------------------------------------------------------------
 */

static void render(
	struct program *p, const struct top_query *q, const char *format, struct buf *out)
{
	struct err err = {0};

	buf_reset(out);
	if (top_model_render(p->m, q, format, "profd top", out, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_picture(void **state)
{
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct err err = {0};
	struct program p;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 24);
	program_init(&p);
	program_run(&p);
	render(&p, &q, "collapsed", &out); /* the only process and its only thread are left out */
	assert_string_equal(out.data, "main (/srv/app.py:1) 10\n"
				      "main (/srv/app.py:1);[python3+0x10] 20\n"
				      "main (/srv/app.py:1);work (/srv/app.py:5) 30\n"
				      "main (/srv/app.py:1);work (/srv/app.py:5);read 40\n");
	q.filter = "work";
	render(&p, &q, "collapsed", &out);
	assert_string_equal(out.data, "main (/srv/app.py:1);work (/srv/app.py:5) 30\n"
				      "main (/srv/app.py:1);work (/srv/app.py:5);read 40\n");
	q.filter = "python3 .7";
	render(&p, &q, "collapsed", &out);
	assert_non_null(strstr(out.data, "main (/srv/app.py:1) 10\n"));
	q.filter = NULL;
	render(&p, &q, "flamegraph", &out);
	assert_non_null(strstr(out.data, "100 samples"));
	assert_non_null(strstr(out.data, "3 lost"));
	assert_non_null(strstr(out.data, "2 truncated"));
	assert_non_null(strstr(out.data, "failed: cause-not-known 1"));
	assert_non_null(strstr(out.data, "1970-01-01 00:16:40 UTC"));
	assert_int_equal(top_model_render(p.m, &q, "nothing", "", &out, &err), -EINVAL);
	q.filter = "(";
	assert_int_equal(top_model_render(p.m, &q, "collapsed", "", &out, &err), -EINVAL);
	buf_free(&out);
	program_clear(&p);
}

static void test_picture_of_a_span_and_several_processes(void **state)
{
	struct top_query q = {.view = TOP_TREE, .span_s = 1};
	struct program p;
	struct buf out;
	uint32_t other;

	(void)state;
	buf_init(&out, 1 << 20);
	program_init(&p);
	program_run(&p);
	other = feed_process(&p.f, "cc", 8);
	feed_count(&p.f, feed_native(&p.f, feed_thread(&p.f, other, "cc", 8), "parse", "cc"), 7);
	feed_count(&p.f, p.read, 5);
	feed_count(&p.f,
		feed_native(&p.f, feed_thread(&p.f, p.process, "t", 9), "poll", "libc.so.6"), 3);
	feed_add(&p.f, p.m);
	render(&p, &q, "collapsed", &out);
	assert_string_equal(out.data,
		"cc (8);parse 7\n"
		"python3 (7);main (7);main (/srv/app.py:1);work (/srv/app.py:5);read 5\n"
		"python3 (7);t (9);poll 3\n");
	buf_free(&out);
	program_clear(&p);
}

/* ---- by the protocol ---------------------------------------------------------------------------
 */

/* One interval from a sender to the model. */
static void pass_on(struct watch_sender *sender, struct channel *from, struct channel *to,
	struct watch_receiver *receiver, const struct serve_watch *interval, struct top_model *m)
{
	struct watch_interval out;
	struct err err = {0};
	int rc = 0;

	assert_int_equal(watch_sender_send(sender, from, interval), 0);
	while (rc == 0) {
		json_t *message;
		int fd;

		assert_true(channel_flush(from) >= 0);
		rc = channel_receive(to, &message, &fd, &err);
		if (rc == 0)
			continue;
		assert_int_equal(rc, 1);
		rc = watch_receiver_take(receiver, message, &out, &err);
		json_decref(message);
	}
	if (rc != 1 || top_model_add(m, receiver, &out, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_by_the_protocol(void **state)
{
	static char *strings[] = {"", "python3", "main", "app.py", "work"};
	static struct frame frames[] = {{FRAME_ROOT, 0, 0, 0, 0}, {FRAME_PROCESS, 1, 0, 7, 0},
		{FRAME_THREAD, 2, 0, 8, 0}, {FRAME_PYTHON, 2, 3, 1, 0}, {FRAME_PYTHON, 4, 3, 5, 0}};
	struct stack_node nodes[] = {
		{0, 0, 0, 0}, {0, 1, 0, 0}, {1, 2, 0, 0}, {2, 3, 40, 400}, {3, 4, 60, 600}};
	struct profile profile = {.strings = strings,
		.n_strings = 5,
		.frames = frames,
		.n_frames = 5,
		.nodes = nodes,
		.n_nodes = 5};
	struct serve_watch_process process = {
		.pid = 7, .comm = "python3", .user = "me", .threads = 2, .gil = 0.5};
	struct serve_watch interval = {.start_unix_s = 1000,
		.interval_s = 1,
		.elapsed_s = 1,
		.rate_hz = 99,
		.cpus = 2,
		.profile = &profile,
		.processes = &process,
		.n_processes = 1};
	struct top_model *m = top_model_new();
	struct top_query q = {.view = TOP_FUNCTIONS};
	struct err err = {0};
	const struct top_page *page;

	(void)state;
	for (int watch = 0; watch < 2; watch++) { /* the second is another receiver */
		struct watch_receiver *receiver = watch_receiver_new();
		struct watch_sender *sender = watch_sender_new(1);
		struct channel *from, *to;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		from = channel_new(pair[0], &err);
		to = channel_new(pair[1], &err);
		assert_true(from && to && receiver && sender);
		for (int i = 1; i <= 2; i++) {
			interval.elapsed_s = i;
			interval.start_unix_s = 1000 + 10 * watch + i;
			pass_on(sender, from, to, receiver, &interval, m);
		}
		channel_free(from);
		channel_free(to);
		watch_sender_free(sender);
		watch_receiver_free(receiver);
	}
	page = page_of(m, &q);
	check_row(page, "work", 240, 240, 400);
	check_row(page, "main", 160, 400, 400);
	assert_string_equal(row_of(page, "work")->process, "python3 (7)");
	assert_true(is_near(page->span_s, 4) && is_near(page->elapsed_s, 4));
	assert_true(is_near(page->gil, 0.5));
	assert_int_equal(page->processes, 1);
	assert_int_equal(page->threads, 2);
	q.view = TOP_THREADS;
	assert_int_equal(row_of(page_of(m, &q), "main (8)")->tid, 8);
	assert_int_equal(page_of(m, &q)->rows[0].pid, 7);
	top_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_other_views),
		cmocka_unit_test(test_json_of_nothing_and_of_what_is_hostile),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_tables_fit),
		cmocka_unit_test(test_table_of_what_has_ended),
		cmocka_unit_test(test_picture),
		cmocka_unit_test(test_picture_of_a_span_and_several_processes),
		cmocka_unit_test(test_by_the_protocol),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
