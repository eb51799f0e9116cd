/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of `profd top`: what is shown then, where the cursor is, and what is asked of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top/top.h"
#include "cli/top/top_state.h"

enum { ROWS = 100, FITTING = 10, WORDS_MAX = 16 };

struct fixture {
	struct top_state st;
	struct top_page page;
	struct top_item rows[ROWS];
};

static void set_up(struct fixture *f)
{
	*f = (struct fixture){.page = {.rows = f->rows, .n_rows = ROWS}};
	for (size_t i = 0; i < ROWS; i++)
		f->rows[i] = (struct top_item){.key = 1000 + i,
			.name = "python3 (4711)",
			.process = "a.b (7)",
			.file = "",
			.module = ""};
	top_state_init(&f->st, TOP_FUNCTIONS, FITTING);
}

static enum top_action press(struct fixture *f, uint32_t key)
{
	return top_state_press(&f->st, &f->page, key);
}

static void type(struct fixture *f, const char *text)
{
	for (; *text; text++)
		press(f, (uint32_t)(unsigned char)*text);
}

/* ---- the cursor --------------------------------------------------------------------------------
 */

static void test_moving(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	press(&f, TOP_KEY_UP);
	assert_int_equal(f.st.cursor, 0);
	for (int i = 0; i < 12; i++)
		press(&f, i % 2 ? 'j' : TOP_KEY_DOWN);
	assert_int_equal(f.st.cursor, 12);
	assert_int_equal(f.st.first, 3);
	press(&f, TOP_KEY_PAGE_DOWN);
	assert_int_equal(f.st.cursor, 22);
	press(&f, 'G');
	assert_int_equal(f.st.cursor, ROWS - 1);
	assert_int_equal(f.st.first, ROWS - FITTING);
	press(&f, TOP_KEY_DOWN);
	assert_int_equal(f.st.cursor, ROWS - 1);
	press(&f, TOP_KEY_PAGE_UP);
	assert_int_equal(f.st.cursor, ROWS - 1 - FITTING);
	press(&f, TOP_KEY_HOME);
	assert_int_equal(f.st.cursor, 0);
	assert_int_equal(f.st.first, 0);
}

/* The cursor stays with its function while the rows change places, but at the top it stays there.
 */
static void test_following(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	press(&f, TOP_KEY_DOWN);
	press(&f, TOP_KEY_DOWN); /* key 1002 */
	f.rows[40].key = 1002;
	f.rows[2].key = 1040;
	top_state_settle(&f.st, &f.page);
	assert_int_equal(f.st.cursor, 40);
	assert_int_equal(f.st.first, 31);
	f.page.n_rows = 20; /* it has gone */
	top_state_settle(&f.st, &f.page);
	assert_int_equal(f.st.cursor, 19);
	assert_int_equal(f.st.first, 10);
	f.page.n_rows = 0;
	top_state_settle(&f.st, &f.page);
	assert_int_equal(f.st.cursor, 0);
	set_up(&f);
	f.rows[0].key = 1040;
	f.rows[40].key = 1000;
	top_state_settle(&f.st, &f.page);
	assert_int_equal(f.st.cursor, 0);
}

/* Nothing is there yet: no key does any harm. */
static void test_no_page(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	for (uint32_t key = 1; key < 300; key++) {
		set_up(&f);
		top_state_press(&f.st, NULL, key);
	}
	for (uint32_t key = TOP_KEY_UP; key <= TOP_KEY_OTHER; key++) {
		set_up(&f);
		top_state_press(&f.st, NULL, key);
		f.page.n_rows = 0;
		press(&f, key);
		assert_int_equal(f.st.cursor, 0);
	}
}

/* ---- views and orders --------------------------------------------------------------------------
 */

static void test_views(void **state)
{
	const struct {
		uint32_t key;
		enum top_view view;
	} keys[] = {{TOP_KEY_TAB, TOP_LINES}, {TOP_KEY_BACK_TAB, TOP_FUNCTIONS},
		{TOP_KEY_BACK_TAB, TOP_TREE}, {TOP_KEY_TAB, TOP_FUNCTIONS}, {'l', TOP_LINES},
		{'l', TOP_FUNCTIONS}, {'L', TOP_LINES}, {'p', TOP_PROCESSES}, {'t', TOP_THREADS},
		{'c', TOP_TREE}, {'f', TOP_FUNCTIONS}, {TOP_KEY_F1 + 1, TOP_FUNCTIONS},
		{TOP_KEY_F1 + 5, TOP_TREE}, {TOP_KEY_F1 + 4, TOP_THREADS}};
	struct fixture f;
	struct top_query q;

	(void)state;
	set_up(&f);
	press(&f, 'G');
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(press(&f, keys[i].key), TOP_REFRESH);
		top_state_query(&f.st, &q);
		assert_int_equal(q.view, keys[i].view);
		assert_int_equal(f.st.cursor, 0);
	}
}

/* Those of py-spy: 1 own share, 2 total share, 3 own samples, 4 ... */
static void test_orders(void **state)
{
	struct fixture f;
	struct top_query q;

	(void)state;
	set_up(&f);
	for (uint32_t i = 0; i < TOP_SORTS; i++) {
		assert_int_equal(press(&f, '1' + i), TOP_REFRESH);
		top_state_query(&f.st, &q);
		assert_int_equal(q.sort, i);
	}
	press(&f, '>');
	top_state_query(&f.st, &q);
	assert_int_equal(q.sort, TOP_BY_NAME);
	press(&f, '<');
	press(&f, '<');
	top_state_query(&f.st, &q);
	assert_int_equal(q.sort, TOP_BY_TOTAL);
	assert_false(q.reverse);
	press(&f, 'i');
	top_state_query(&f.st, &q);
	assert_true(q.reverse);
	press(&f, 'p'); /* another view has its own */
	top_state_query(&f.st, &q);
	assert_int_equal(q.sort, TOP_BY_TOTAL);
	assert_false(q.reverse);
	press(&f, 'f');
	top_state_query(&f.st, &q);
	assert_true(q.reverse);
}

static void test_spans(void **state)
{
	const double spans[] = {60, 10, 0, 60};
	struct fixture f;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		assert_int_equal(press(&f, 'e'), TOP_REFRESH);
		assert_true(f.st.span_s == spans[i]);
	}
	f.st.span_s = 7; /* of --span */
	press(&f, 'e');
	assert_true(f.st.span_s == 0);
}

static void test_actions(void **state)
{
	const struct {
		uint32_t key;
		enum top_action action;
	} keys[] = {{'q', TOP_QUIT}, {'Q', TOP_QUIT}, {'r', TOP_RESET}, {'R', TOP_RESET},
		{'z', TOP_RESET}, {'+', TOP_FASTER}, {'=', TOP_FASTER}, {'-', TOP_SLOWER},
		{'s', TOP_ASK_SAVE}, {'S', TOP_ASK_SAVE}, {' ', TOP_PAUSE}, {12, TOP_REPAINT},
		{']', TOP_NOTHING}, {'x', TOP_NOTHING}};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		set_up(&f);
		assert_int_equal(press(&f, keys[i].key), keys[i].action);
	}
	set_up(&f);
	press(&f, ' ');
	assert_true(f.st.paused);
	press(&f, ' ');
	assert_false(f.st.paused);
}

static void test_steps_of_a_file(void **state)
{
	const struct {
		uint32_t key;
		int steps;
	} keys[] = {{'[', -1}, {']', 1}, {',', -1}, {'.', 1}, {'{', -10}, {'}', 10}};
	struct fixture f;

	(void)state;
	set_up(&f);
	f.st.replay = true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(press(&f, keys[i].key), TOP_STEP);
		assert_int_equal(f.st.steps, keys[i].steps);
	}
}

/* ---- drilling down -----------------------------------------------------------------------------
 */

static void test_callers(void **state)
{
	struct fixture f;
	struct top_query q;

	(void)state;
	set_up(&f);
	press(&f, TOP_KEY_DOWN);
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_REFRESH);
	top_state_query(&f.st, &q);
	assert_int_equal(q.view, TOP_CALLERS);
	assert_int_equal(q.focus, 1001);
	f.rows[0].role = TOP_ROLE_SELF; /* it leads nowhere */
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_NOTHING);
	f.rows[1].role = TOP_ROLE_CALLEE;
	press(&f, TOP_KEY_DOWN);
	press(&f, TOP_KEY_DOWN);
	press(&f, TOP_KEY_ENTER);
	top_state_query(&f.st, &q);
	assert_int_equal(q.focus, 1002);
	press(&f, TOP_KEY_BACKSPACE);
	top_state_query(&f.st, &q);
	assert_int_equal(q.focus, 1001);
	press(&f, TOP_KEY_ESCAPE);
	top_state_query(&f.st, &q);
	assert_int_equal(q.view, TOP_FUNCTIONS);
	for (int i = 0; i < 3 * TOP_FOCUS_MAX; i++) { /* without end */
		press(&f, TOP_KEY_DOWN);
		press(&f, 'o');
	}
	assert_int_equal(f.st.n_focus, TOP_FOCUS_MAX);
	press(&f, 'p'); /* a view is a view */
	top_state_query(&f.st, &q);
	assert_int_equal(q.view, TOP_PROCESSES);
}

/* Enter on a process shows only that: its name is no pattern. */
static void test_one_process(void **state)
{
	struct fixture f;
	struct top_query q;

	(void)state;
	set_up(&f);
	press(&f, 'p');
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_REFRESH);
	top_state_query(&f.st, &q);
	assert_int_equal(q.view, TOP_FUNCTIONS);
	assert_string_equal(q.filter, "^python3 \\(4711\\)$");
	press(&f, 't');
	press(&f, TOP_KEY_ENTER);
	top_state_query(&f.st, &q);
	assert_string_equal(q.filter, "^a\\.b \\(7\\)$");
	assert_int_equal(press(&f, TOP_KEY_ESCAPE), TOP_REFRESH);
	top_state_query(&f.st, &q);
	assert_string_equal(q.filter, "");
}

static void test_tree(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	press(&f, 'c');
	f.rows[0].has_children = f.rows[0].unfolded = true;
	f.rows[1].depth = 1;
	f.rows[1].has_children = true;
	f.rows[2].depth = 1;
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_FOLD);
	assert_int_equal(f.st.target, 1000);
	assert_int_equal(
		press(&f, TOP_KEY_RIGHT), TOP_NOTHING); /* unfolded: on to the first child */
	assert_int_equal(f.st.cursor, 1);
	assert_int_equal(press(&f, TOP_KEY_RIGHT), TOP_UNFOLD);
	assert_int_equal(f.st.target, 1001);
	assert_int_equal(press(&f, '*'), TOP_UNFOLD_ALL);
	press(&f, TOP_KEY_DOWN);
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_NOTHING); /* a leaf */
	assert_int_equal(press(&f, TOP_KEY_LEFT), TOP_NOTHING);  /* to its parent */
	assert_int_equal(f.st.cursor, 0);
	assert_int_equal(press(&f, TOP_KEY_LEFT), TOP_FOLD);
	assert_int_equal(press(&f, '-'), TOP_SLOWER); /* not of the tree */
}

/* ---- what is typed -----------------------------------------------------------------------------
 */

static void test_filter(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	press(&f, '/');
	assert_int_equal(f.st.mode, TOP_MODE_FILTER);
	assert_int_equal(press(&f, 'q'), TOP_REFRESH); /* a letter, not a command */
	type(&f, "(");
	assert_true(f.st.edit.wrong[0]);
	assert_string_equal(f.st.filter, "q"); /* the last one that made sense */
	press(&f, TOP_KEY_ENTER);
	assert_int_equal(f.st.mode, TOP_MODE_FILTER); /* not while it is wrong */
	type(&f, "a|b)");
	assert_false(f.st.edit.wrong[0]);
	press(&f, '\n');
	assert_int_equal(f.st.mode, TOP_MODE_ROWS);
	assert_string_equal(f.st.filter, "q(a|b)");
	press(&f, '/');
	assert_string_equal(f.st.edit.text, "q(a|b)");
	press(&f, TOP_KEY_ESCAPE);
	assert_string_equal(f.st.filter, "");
	press(&f, '/');
	for (int i = 0; i < 2000; i++)
		press(&f, 'x');
	assert_true(strlen(f.st.filter) <= TOP_FILTER_BYTES);
	assert_true(f.st.edit.wrong[0]);
}

static void test_editing(void **state)
{
	struct fixture f;
	struct top_edit *e = &f.st.edit;

	(void)state;
	set_up(&f);
	top_state_edit(&f.st, TOP_MODE_SAVE, "one two.svg");
	press(&f, TOP_KEY_HOME);
	press(&f, TOP_KEY_DELETE);
	press(&f, 'O');
	press(&f, TOP_KEY_END);
	press(&f, TOP_KEY_BACKSPACE);
	assert_string_equal(e->text, "One two.sv");
	press(&f, 23); /* Ctrl-W */
	assert_string_equal(e->text, "One ");
	press(&f, 0x95a2);
	press(&f, 0xe9);
	assert_string_equal(e->text, "One \u95a2\u00e9");
	press(&f, TOP_KEY_LEFT);
	press(&f, TOP_KEY_BACKSPACE);
	assert_string_equal(e->text, "One \u00e9");
	press(&f, 21); /* Ctrl-U */
	assert_string_equal(e->text, "\u00e9");
	press(&f, 11); /* Ctrl-K */
	assert_string_equal(e->text, "");
	press(&f, TOP_KEY_BACKSPACE);
	press(&f, TOP_KEY_DELETE);
	press(&f, TOP_KEY_LEFT);
	press(&f, TOP_KEY_RIGHT);
	assert_int_equal(e->len, 0);
	for (int i = 0; i < 3 * TOP_EDIT_BYTES; i++)
		press(&f, i % 3 ? 'x' : 0x95a2);
	assert_true(e->len < TOP_EDIT_BYTES);
	assert_int_equal(strlen(e->text), e->len);
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_SAVE);
	press(&f, TOP_KEY_ESCAPE);
	assert_int_equal(f.st.mode, TOP_MODE_ROWS);
	press(&f, 'd');
	type(&f, "0.5");
	assert_int_equal(press(&f, TOP_KEY_ENTER), TOP_DELAY);
	assert_string_equal(e->text, "0.5");
}

static void test_help(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	press(&f, '?');
	assert_int_equal(f.st.mode, TOP_MODE_HELP);
	press(&f, TOP_KEY_DOWN);
	assert_int_equal(f.st.help_first, 1);
	press(&f, TOP_KEY_UP);
	press(&f, TOP_KEY_UP);
	assert_int_equal(f.st.help_first, 0);
	assert_int_equal(press(&f, 'q'), TOP_NOTHING); /* goes back, and does not end */
	assert_int_equal(f.st.mode, TOP_MODE_ROWS);
}

/* ---- the command line --------------------------------------------------------------------------
 */

static int parse(const char *line, struct top_config *config, struct err *err)
{
	static char storage[2048];
	static char *argv[WORDS_MAX + 1];
	int argc = 0;

	snprintf(storage, sizeof(storage), "top %s", line);
	for (char *save, *word = strtok_r(storage, " ", &save); word;
		word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	*err = (struct err){0};
	return top_parse(&top_command, argc, argv, config, err);
}

static void parse_well(const char *line, struct top_config *config)
{
	struct err err;
	int rc = parse(line, config, &err);

	if (rc != CLI_PARSED)
		fail_msg("%s: %d %s", line, rc, err.text);
}

static void test_options(void **state)
{
	static struct top_config c;

	(void)state;
	parse_well("", &c);
	assert_int_equal(c.request.rate_hz, 0); /* the daemon's own samples */
	assert_true(c.delay_s == 1 && c.duration_s == 0 && c.span_s == 0);
	assert_true(c.request.kernel && c.request.native && !c.request.on_exec);
	assert_int_equal(c.view, TOP_FUNCTIONS);
	assert_int_equal(c.sort, TOP_BY_SELF);
	parse_well("-p 7,8 -d 0.5 --view processes -s", &c);
	assert_int_equal(c.request.n_pids, 2);
	assert_int_equal(c.request.rate_hz, 99);
	assert_true(c.request.interval_s == 0.5);
	assert_true(c.request.subprocesses);
	assert_int_equal(c.sort, TOP_BY_TOTAL);
	parse_well("-r 499 -u root --comm a --comm b --sort name --filter x+ --span 10", &c);
	assert_int_equal(c.request.rate_hz, 499);
	assert_int_equal(c.request.n_comms, 2);
	assert_string_equal(c.request.users[0], "root");
	assert_int_equal(c.sort, TOP_BY_NAME);
	assert_string_equal(c.filter, "x+");
	parse_well("--no-kernel -- python3 app.py --once", &c);
	assert_string_equal(c.command[2], "--once");
	assert_int_equal(c.request.rate_hz, 99);
	assert_true(c.request.on_exec && !c.request.kernel && !c.once);
	parse_well("--replay file.profd --once --json --limit 0", &c);
	assert_string_equal(c.replay, "file.profd");
	assert_int_equal(c.request.rate_hz, 0);
}

static void test_wrong_options(void **state)
{
	static const struct {
		const char *line, *text;
	} wrong[] = {
		{"--json", "--once"},
		{"--limit 3", "--once"},
		{"--delay 0", "out of range"},
		{"--delay nan", "number of seconds"},
		{"--rate 0", "out of range"},
		{"--rate 20001", "out of range"},
		{"--span -1", "out of range"},
		{"--view pictures", "functions, lines, processes, threads, tree"},
		{"--sort slow", "self, total, samples, name"},
		{"--filter (", "--filter"},
		{"--subprocesses", "--pid"},
		{"--pid 7 -- true", "both"},
		{"--comm a -- true", "both"},
		{"--", "no command"},
		{"--replay f -- true", "both"},
		{"--replay f --rate 9", "--replay"},
		{"--replay f --socket s", "both"},
		{"4711", "--pid"},
	};
	static struct top_config c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err;
		int rc = parse(wrong[i].line, &c, &err);

		if (rc >= 0 || !strstr(err.text, wrong[i].text))
			fail_msg("%s: %d '%s'", wrong[i].line, rc, err.text);
		if (strstr(wrong[i].line, "--replay f --rate"))
			assert_int_equal(rc, -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moving),
		cmocka_unit_test(test_following),
		cmocka_unit_test(test_no_page),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_steps_of_a_file),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_editing),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_wrong_options),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8")) {
		fprintf(stderr, "the locale C.UTF-8 is missing\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
