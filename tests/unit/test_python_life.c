/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept of Python processes over weeks: what goes, when it goes, and that it comes back when
 * it is asked for. And children that are gone before their code objects were read. */
#include "test_python_scripts.h"
#include "test_python_target.h"

enum { FRAMES_KEPT = 64 };

/* A running script, and frames of it with the names that CPython gives them. */
struct world {
	struct target target;
	struct python_frame frames[FRAMES_KEPT];
	struct expected_frame expected[FRAMES_KEPT];
	size_t n;
};

static void frames_keep(struct target *t, const struct expected *e, void *arg)
{
	static struct walked walked;
	struct world *w = arg;

	walk(t, e->tid, e->self, NULL, 1, &walked);
	for (size_t i = 0; i < walked.n && i < e->n && w->n < FRAMES_KEPT; i++) {
		w->frames[w->n] = walked.frames[i];
		w->expected[w->n++] = e->frames[i];
	}
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct interpreters in = {.n = 0};

	for (unsigned minor = 11; minor <= 14 && !in.n; minor++)
		interpreters_find(&in, minor);
	*state = w;
	if (!in.n) {
		print_message("# SKIP no CPython from 3.11 on\n");
		return 0;
	}
	target_start(&w->target, in.paths[0], script_stacks);
	expected_read(&w->target, frames_keep, w);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->n)
		target_stop(&w->target);
	free(w);
	return 0;
}

static struct world *world_of(void **state)
{
	struct world *w = *state;

	if (!w->n)
		skip();
	return w;
}

/* All frames as `p` has them. */
static void check(const struct world *w, const struct process *p)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct python_function *f;
		struct location l = {0};

		assert_int_equal(python_location(w->target.python, p, &w->frames[i], &l), 0);
		f = python_function(w->target.python, l.scope);
		assert_non_null(f);
		assert_string_equal(f->qualname, w->expected[i].qualname);
		assert_string_equal(f->file, w->expected[i].file);
		assert_int_equal(l.line, w->expected[i].line);
	}
}

static void test_functions_reset(void **state)
{
	struct world *w = world_of(state);
	struct python *p = w->target.python;
	struct location l = {0};
	struct python_stats before, after;
	size_t bytes;

	assert_int_equal(python_bytes(p), 0);
	assert_false(python_functions_reset(p, 0));
	check(w, w->target.process);
	bytes = python_bytes(p);
	assert_true(bytes > 1000);
	assert_false(python_functions_reset(p, bytes));
	check(w, w->target.process);
	assert_int_equal(python_bytes(p), bytes);
	assert_int_equal(python_location(p, w->target.process, &w->frames[0], &l), 0);
	python_stats(p, &before);
	for (int i = 0; i < 10; i++) {
		assert_true(python_functions_reset(p, bytes - 1));
		assert_int_equal(python_bytes(p), 0);
		assert_null(python_function(p, l.scope));
		check(w, w->target.process);
		assert_int_equal(python_bytes(p), bytes);
	}
	python_stats(p, &after); /* is not forgotten */
	assert_int_equal(after.code_objects, before.code_objects * 11);
}

/* The objects of a process go with it. */
static void test_forget_process(void **state)
{
	struct world *w = world_of(state);
	struct python *p = w->target.python;
	struct err err;
	size_t all;

	check(w, w->target.process);
	all = python_bytes(p);
	python_forget(p, (uint32_t)w->target.pid);
	assert_true(python_bytes(p) < all);
	assert_int_equal(python_process(p, w->target.process, &err), 1);
	check(w, w->target.process);
	assert_int_equal(python_bytes(p), all);
}

static bool has_eval(const struct world *w, uint32_t image)
{
	for (uint64_t vaddr = 0; vaddr < 64 << 20; vaddr += 16)
		if (python_is_eval(w->target.python, image, vaddr))
			return true;
	return false;
}

/* While a process still runs it, an image that is forgotten serves that process. */
static void test_forget_image(void **state)
{
	struct world *w = world_of(state);
	struct python *p = w->target.python;
	const struct process *process = w->target.process;
	uint32_t image = 0;
	struct err err;

	for (size_t i = 0; i < process->n_mappings && !image; i++)
		if (process->mappings[i].image && has_eval(w, process->mappings[i].image->number))
			image = process->mappings[i].image->number;
	assert_int_not_equal(image, 0);
	python_forget_image(p, image);
	python_forget_image(p, image);
	python_forget_image(p, 12345);
	assert_false(has_eval(w, image));
	check(w, process);
	assert_true(strlen(python_version(p, process->pid)) > 0);
	python_forget(p, process->pid);
	assert_int_equal(python_process(p, process, &err), 1); /* looked at anew */
	assert_true(has_eval(w, image));
	python_forget(p, process->pid);
	python_forget_image(p, image); /* nobody runs it */
	assert_false(has_eval(w, image));
}

/* A process that ended: its number, and that of its parent, are all that is left. */
static struct process gone_child(const struct world *w)
{
	struct process child = *w->target.process;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	child.pid = (uint32_t)pid;
	child.parent = (uint32_t)w->target.pid;
	child.generation += 1000;
	child.exited = true;
	return child;
}

static void test_child_that_is_gone(void **state)
{
	struct world *w = world_of(state);
	struct process child = gone_child(w);
	struct python_frame other = w->frames[0];
	struct location l = {.line = 77};
	struct err err;

	assert_int_equal(python_process(w->target.python, &child, &err), 1);
	check(w, &child);
	other.fingerprint ^= 1; /* an object that the parent does not have */
	assert_true(python_location(w->target.python, &child, &other, &l) < 0);
	assert_int_equal(l.line, 77);
}

/* A child that ran another program, the same interpreter at other addresses, has nothing in common
 * with its parent. */
static void test_child_that_ran_another_program(void **state)
{
	struct world *w = world_of(state);
	struct process child = gone_child(w);
	struct location l;
	struct err err;

	child.mappings = calloc(child.n_mappings, sizeof(*child.mappings));
	for (size_t i = 0; i < child.n_mappings; i++) {
		child.mappings[i] = w->target.process->mappings[i];
		child.mappings[i].start += 0x1000000;
		child.mappings[i].end += 0x1000000;
		child.mappings[i].bias += 0x1000000;
	}
	check(w, w->target.process); /* its parent knows them all */
	assert_int_equal(python_process(w->target.python, &child, &err), 1);
	assert_int_equal(python_location(w->target.python, &child, &w->frames[0], &l), -ESRCH);
	free(child.mappings);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_functions_reset),
		TEST(test_forget_process),
		TEST(test_forget_image),
		TEST(test_child_that_is_gone),
		TEST(test_child_that_ran_another_program),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
