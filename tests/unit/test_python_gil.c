/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the GIL is held, as seen from outside: of every interpreter that is there, and of memory
 * that lies. */
#include "python/gil.h"
#include "test_python_target.h"

enum { LOOKS = 200, TRIES = 20000, PAUSE_US = 500 };

static const char busy[] = "print('ready', flush=True)\n"
			   "n = 0\n"
			   "while True:\n"
			   "    n = (n + 1) % 1000\n";

/* Never runs again after it has begun to wait. */
static const char asleep[] = "import sys\n"
			     "print('ready', flush=True)\n"
			     "sys.stdin.readline()\n";

/* The main thread sleeps while another one computes. */
static const char in_thread[] = "import threading\n"
				"def loop():\n"
				"    print('ready', flush=True)\n"
				"    n = 0\n"
				"    while True:\n"
				"        n = (n + 1) % 1000\n"
				"thread = threading.Thread(target=loop, daemon=True)\n"
				"thread.start()\n"
				"thread.join()\n";

static const struct scenario {
	const char *name, *script;
	bool held;
} scenarios[] = {{"busy", busy, true}, {"asleep", asleep, false}, {"in a thread", in_thread, true}};

/* Between its word and what comes then the target takes or gives up the GIL; when is its own
 * affair. */
static void wait_until(const struct target *t, bool wanted)
{
	for (int i = 0; i < TRIES; i++) {
		bool held = !wanted;
		int rc = python_gil_held(t->python, t->process, &held);

		if (rc < 0)
			fail_msg("python_gil_held: %s", strerror(-rc));
		if (held == wanted)
			return;
		usleep(PAUSE_US);
	}
	fail_msg("the GIL never is %s", wanted ? "held" : "free");
}

static void check_scenario(const char *interpreter, const struct scenario *s)
{
	struct target t;
	char line[64];
	unsigned held_looks = 0;

	target_start(&t, interpreter, s->script);
	assert_non_null(fgets(line, sizeof(line), t.out));
	target_inspect(&t);
	wait_until(&t, s->held);
	for (int i = 0; i < LOOKS; i++) {
		bool held;

		assert_int_equal(python_gil_held(t.python, t.process, &held), 0);
		held_looks += held;
	}
	/* Alone, a thread that computes has no reason to let go. */
	if (s->held ? held_looks < LOOKS * 95 / 100 : held_looks)
		fail_msg("%s, %s: held in %u of %d looks", interpreter, s->name, held_looks, LOOKS);
	target_stop(&t);
}

static void check_version(unsigned minor)
{
	struct interpreters in;

	interpreters_find(&in, minor);
	if (!in.n) {
		print_message("no CPython 3.%u here (PROFD_TEST_PYTHONS may name one)\n", minor);
		skip();
	}
	for (size_t i = 0; i < in.n; i++)
		for (size_t k = 0; k < sizeof(scenarios) / sizeof(scenarios[0]); k++)
			check_scenario(in.paths[i], &scenarios[k]);
}

static void test_3_11(void **state)
{
	(void)state;
	check_version(11);
}

static void test_3_12(void **state)
{
	(void)state;
	check_version(12);
}

static void test_3_13(void **state)
{
	(void)state;
	check_version(13);
}

static void test_3_14(void **state)
{
	(void)state;
	check_version(14);
}

/* ---- who has none ------------------------------------------------------------------------------
 */

static void test_no_python(void **state)
{
	struct python *p = python_new(NULL);
	struct process_table *processes = process_table_new(NULL);
	struct process *self = process_get(processes, (uint32_t)getpid(), NULL);
	bool held = true;

	(void)state;
	assert_non_null(self);
	assert_int_equal(python_gil_held(p, self, &held), -ESRCH); /* not looked at */
	assert_int_equal(python_process(p, self, NULL), 0);
	assert_int_equal(python_gil_held(p, self, &held), -ESRCH);
	assert_true(held);
	python_free(p);
	process_table_free(processes);
}

static void test_process_that_is_gone(void **state)
{
	struct interpreters in;
	struct target t;
	char line[64];
	bool held = true;

	(void)state;
	interpreters_find(&in, 11);
	if (!in.n) {
		print_message("no CPython 3.11 here\n");
		skip();
	}
	target_start(&t, in.paths[0], asleep);
	assert_non_null(fgets(line, sizeof(line), t.out));
	target_inspect(&t);
	kill(t.pid, SIGKILL);
	assert_int_equal(waitpid(t.pid, NULL, 0), t.pid);
	assert_int_equal(python_gil_held(t.python, t.process, &held), -ESRCH);
	assert_true(held);
	fclose(t.in);
	fclose(t.out);
	unlink(t.script);
	python_free(t.python);
	process_table_free(t.processes);
}

/* ---- memory that lies --------------------------------------------------------------------------
 * This process itself is the one that is looked at. */

struct memory {
	uint64_t main; /* in the runtime */
	int32_t gil;   /* likewise, up to 3.11 */
	struct {
		uint64_t gil_pointer, interval, last_holder;
		int32_t locked;
	} interp;
};

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static const struct layout in_runtime = {
	.runtime_main = offsetof(struct memory, main), .runtime_gil = offsetof(struct memory, gil)};

/* `interp` begins where the pointer is, as its offset may not be 0. */
static const struct layout in_interp = {.runtime_main = offsetof(struct memory, main),
	.interp_gil = offsetof(struct memory, interp.locked),
	.interp_gil_pointer = offsetof(struct memory, interp.gil_pointer)};

static void test_values(void **state)
{
	static const struct {
		int32_t locked;
		int rc;
		bool held;
	} rows[] = {{1, 0, true}, {0, 0, false}, {-1, 0, false}, {2, -EINVAL, false},
		{-2, -EINVAL, false}, {0x7fffffff, -EINVAL, false}};
	struct memory m = {0};
	uint32_t self = (uint32_t)getpid();

	(void)state;
	m.main = address(&m);
	m.interp.gil_pointer = address(&m.interp.interval);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool held[2] = {!rows[i].held, !rows[i].held};

		m.gil = rows[i].locked;
		m.interp.locked = rows[i].locked;
		assert_int_equal(gil_held(self, address(&m), &in_runtime, &held[0]), rows[i].rc);
		m.interp.gil_pointer = address(&m.interp.locked) - 16;
		assert_int_equal(gil_held(self, address(&m), &in_interp, &held[1]), rows[i].rc);
		for (int k = 0; k < 2; k++)
			assert_int_equal(held[k], rows[i].rc ? !rows[i].held : rows[i].held);
	}
}

static void test_lies(void **state)
{
	static const uint64_t bad[] = {8, 0x7fffffffe000, UINT64_MAX - 7, UINT64_MAX / 2, 1};
	struct layout none = {.runtime_main = 8}, far = in_interp;
	struct memory m = {0};
	uint32_t self = (uint32_t)getpid();
	bool held = true;

	(void)state;
	assert_int_equal(gil_held(self, address(&m), &none, &held), -ENOTSUP);
	assert_true(held);
	assert_int_equal(gil_held(self, address(&m), &in_interp, &held), 0); /* not set up */
	assert_false(held);
	held = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.main = bad[i];
		assert_true(gil_held(self, address(&m), &in_interp, &held) < 0);
		assert_true(gil_held(self, bad[i], &in_interp, &held) < 0);
		assert_true(gil_held(self, bad[i], &in_runtime, &held) < 0);
	}
	m.main = address(&m);
	m.interp.gil_pointer = address(&m.interp.locked) - 8; /* another build's struct */
	assert_int_equal(gil_held(self, address(&m), &in_interp, &held), -ENOTSUP);
	far.interp_gil = 60000; /* of a table of offsets that is wrong */
	assert_int_equal(gil_held(self, address(&m), &far, &held), -ENOTSUP);
	assert_true(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_3_11),
		cmocka_unit_test(test_3_12),
		cmocka_unit_test(test_3_13),
		cmocka_unit_test(test_3_14),
		cmocka_unit_test(test_no_python),
		cmocka_unit_test(test_process_that_is_gone),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
