/* SPDX-License-Identifier: BSD-2-Clause */
/* The walker and code objects against real interpreters: what profd sees of a thread must be what
 * CPython itself says of it, frame by frame: function, file, line. */
#include "test_python_scripts.h"
#include "test_python_target.h"

static struct walked walked;

static const struct python_function *resolve(
	struct target *t, const struct python_frame *f, uint32_t *line)
{
	struct location l = {0};

	assert_int_equal(python_location(t->python, t->process, f, &l), 0);
	assert_int_equal(l.kind, FRAME_PYTHON);
	*line = l.line;
	return python_function(t->python, l.scope);
}

/* entry_*: called from C, inner_*: by Python code of the same eval loop. The outermost frame of a
 * thread is called from C always. */
static void check_entry(const struct python_frame *f, const char *qualname, bool outermost)
{
	const char *dot = strrchr(qualname, '.'), *name = dot ? dot + 1 : qualname;

	if (outermost || !strncmp(name, "entry_", 6)) {
		if (!f->entry)
			fail_msg("%s is not marked as entered from C", qualname);
	} else if (!strncmp(name, "inner_", 6) && f->entry) {
		fail_msg("%s is marked as entered from C", qualname);
	}
}

static void check_thread(struct target *t, const struct expected *e, void *arg)
{
	size_t n = e->n > PROFD_MAX_PYTHON_FRAMES ? PROFD_MAX_PYTHON_FRAMES : e->n;

	(void)arg;
	walk(t, e->tid, e->self, NULL, 1, &walked);
	assert_int_equal(
		walked.end, e->n > PROFD_MAX_PYTHON_FRAMES ? WALK_TRUNCATED : WALK_COMPLETE);
	if (walked.n != n)
		fail_msg("%zu frames instead of %zu in the thread of %s", walked.n, n,
			e->frames[0].qualname);
	for (size_t i = 0; i < n; i++) {
		const struct expected_frame *x = &e->frames[i];
		uint32_t line = 0;
		const struct python_function *f = resolve(t, &walked.frames[i], &line);

		assert_string_equal(f->qualname, x->qualname);
		assert_string_equal(f->file, x->file);
		if (line != x->line)
			fail_msg("line %u instead of %u of %s", line, x->line, x->qualname);
		check_entry(&walked.frames[i], x->qualname, i + 1 == e->n);
	}
}

static void stacks(const char *interpreter)
{
	struct target t;

	target_start(&t, interpreter, script_stacks);
	assert_int_equal(expected_read(&t, check_thread, NULL), 24);
	target_stop(&t);
}

/* ---- threads -----------------------------------------------------------------------------------
 */

enum { SECOND = 1000000000 };

struct last_thread {
	struct expected e;
	size_t n;
};

/* With its own memory of the thread: found by a search, then again without one. */
static void check_matching(struct target *t, const struct expected *e, void *arg)
{
	struct last_thread *last = arg;
	struct profd_python_thread cache = {0};
	unsigned searched;

	walk(t, e->tid, e->self, &cache, SECOND, &walked);
	assert_int_equal(walked.end, WALK_COMPLETE);
	assert_int_equal(walked.n, e->n);
	searched = walked.reads;
	walk(t, e->tid, e->self, &cache, 2ULL * SECOND, &walked);
	assert_int_equal(walked.n, e->n);
	assert_true(walked.reads <= searched);
	last->n += walked.reads < searched;
	if (!last->e.n || e->n > last->e.n) /* the deepest */
		last->e.n = e->n, last->e.self = e->self, last->e.tid = e->tid;
}

static void threads(const char *interpreter)
{
	struct last_thread last = {0}, later = {0};
	struct profd_python_thread cache = {0};
	struct target t;
	unsigned reads;

	target_start(&t, interpreter, script_threads);
	assert_int_equal(expected_read(&t, check_matching, &last), 51);
	assert_true(last.n >= 50);

	/* A thread that is no Python thread: one search, then none for a while, then one again. */
	walk(&t, 1, 0x1234, &cache, SECOND, &walked);
	assert_int_equal(walked.end, WALK_NO_THREAD);
	reads = walked.reads;
	assert_true(reads > 100);
	walk(&t, 1, 0x1234, &cache, SECOND + 1000, &walked);
	assert_int_equal(walked.end, WALK_NO_THREAD);
	assert_true(walked.reads <= 3);
	walk(&t, 1, 0x1234, &cache, 2ULL * SECOND, &walked);
	assert_int_equal(walked.reads, reads);

	/* It enters Python: noticed at once, not when the time is over. */
	fputs("new\n", t.in);
	fflush(t.in);
	assert_int_equal(expected_read(&t, check_matching, &later), 52);
	assert_int_equal(later.e.n, last.e.n + 2); /* depth 51 after 49 */
	walk(&t, 1, later.e.self, &cache, 2ULL * SECOND + 1000, &walked);
	assert_int_equal(walked.end, WALK_COMPLETE);
	assert_int_equal(walked.n, later.e.n);
	assert_true(walked.reads < reads);
	target_stop(&t);
}

/* ---- reused addresses --------------------------------------------------------------------------
 */

static void find_victim(struct target *t, const struct expected *e, void *arg)
{
	struct python_frame *victim = arg;

	walk(t, e->tid, e->self, NULL, 1, &walked);
	assert_true(walked.n >= 2);
	if (!strcmp(e->frames[1].qualname, "victim"))
		*victim = walked.frames[1];
}

static void reuse(const char *interpreter)
{
	struct python_frame victim = {0};
	struct location l = {.line = 77};
	struct python_stats stats;
	struct target t;
	char line[64];

	target_start(&t, interpreter, script_reuse);
	assert_int_equal(expected_read(&t, find_victim, &victim), 1);
	assert_true(victim.code);
	fputs("go\n", t.in);
	fflush(t.in);
	assert_non_null(fgets(line, sizeof(line), t.out));
	assert_string_equal(line, "reused 1\n");
	assert_int_equal(python_location(t.python, t.process, &victim, &l), -ESTALE);
	assert_int_equal(l.line, 77);
	python_stats(t.python, &stats);
	assert_int_equal(stats.changed, 1);
	assert_int_equal(stats.code_objects, 0);
	target_stop(&t);
}

/* ---- lines -------------------------------------------------------------------------------------
 */

/* The frame that the walker would make of a code object. */
static struct python_frame frame_of(struct target *t, uint64_t code)
{
	__u64 words[PROFD_PYTHON_CODE_BYTES / 8];
	const struct profd_python *py = &t->layout;
	uint32_t first_line;

	assert_int_equal(process_read((uint32_t)t->pid, code, words, py->code_bytecode),
		(ssize_t)py->code_bytecode);
	assert_int_equal(words[1], py->code_type);
	memcpy(&first_line, (char *)words + py->code_first_line, sizeof(first_line));
	return (struct python_frame){.code = code,
		.fingerprint =
			profd_python_fingerprint(&words[py->code_ident / 8], first_line, words[2])};
}

static void check_code(struct target *t, struct python_frame *f, char *line)
{
	const struct python_function *function;
	unsigned long code;
	unsigned first, number, offset;
	uint32_t got = 0;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "code %lu %u %n", &code, &first, &at) == 2) {
		*f = frame_of(t, code);
		function = resolve(t, f, &got);
		assert_int_equal(function->first_line, first);
		assert_memory_equal(function->qualname, line + at, strlen(function->qualname));
		assert_string_equal(function->file, strchr(line, '\t') + 1);
	} else {
		assert_int_equal(sscanf(line, "line %u %u", &offset, &number), 2);
		f->instruction = offset;
		resolve(t, f, &got);
		assert_int_equal(got, number);
	}
}

static void lines(const char *interpreter)
{
	struct python_frame f = {0};
	struct python_stats stats;
	struct target t;
	char line[2048];
	size_t n = 0;

	target_start(&t, interpreter, script_lines);
	while (fgets(line, sizeof(line), t.out) && strcmp(line, "done\n") != 0) {
		if (!t.process)
			target_inspect(&t);
		check_code(&t, &f, line);
		n++;
	}
	assert_true(n > 20000);
	python_stats(t.python, &stats);
	assert_true(stats.code_objects > 300);
	assert_int_equal(stats.changed + stats.unreadable, 0);
	target_stop(&t);
}

/* ---- one test per version ----------------------------------------------------------------------
 */

static void with(unsigned minor, void (*test)(const char *interpreter))
{
	struct interpreters in;

	interpreters_find(&in, minor);
	if (!in.n) {
		print_message(
			"no CPython 3.%u: none in PATH (python3.%u), in pyenv, in PROFD_TEST_PYTHONS\n",
			minor, minor);
		skip();
	}
	for (size_t i = 0; i < in.n; i++) {
		print_message("with %s\n", in.paths[i]);
		test(in.paths[i]);
	}
}

#define TESTS(minor)                                                                               \
	static void stacks_##minor(void **state)                                                   \
	{                                                                                          \
		(void)state;                                                                       \
		with(minor, stacks);                                                               \
	}                                                                                          \
	static void threads_##minor(void **state)                                                  \
	{                                                                                          \
		(void)state;                                                                       \
		with(minor, threads);                                                              \
	}                                                                                          \
	static void reuse_##minor(void **state)                                                    \
	{                                                                                          \
		(void)state;                                                                       \
		with(minor, reuse);                                                                \
	}                                                                                          \
	static void lines_##minor(void **state)                                                    \
	{                                                                                          \
		(void)state;                                                                       \
		with(minor, lines);                                                                \
	}
#define TEST_ROWS(minor)                                                                           \
	cmocka_unit_test(stacks_##minor), cmocka_unit_test(threads_##minor),                       \
		cmocka_unit_test(reuse_##minor), cmocka_unit_test(lines_##minor)

TESTS(11)
TESTS(12)
TESTS(13)
TESTS(14)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_ROWS(11), TEST_ROWS(12), TEST_ROWS(13), TEST_ROWS(14)};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
