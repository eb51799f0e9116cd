/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of Python frames and native frames of the C eval loop must be one to one. The native frames
 * come from an independent unwinder (libdwfl, which stops the target with ptrace). */
#include <elfutils/libdwfl.h>

#include "python/image.h"
#include "test_python_scripts.h"
#include "test_python_target.h"

static struct walked walked;

struct native {
	struct target *t;
	size_t frames, eval_frames;
	bool reached_start;
};

static int count_frame(Dwfl_Frame *frame, void *arg)
{
	struct native *n = arg;
	Dwarf_Addr pc;
	bool activation;
	const struct mapping *m;

	if (!dwfl_frame_pc(frame, &pc, &activation))
		return DWARF_CB_ABORT;
	pc -= activation ? 0 : 1;
	m = process_mapping(n->t->process, pc);
	n->frames++;
	if (m && m->image && python_is_eval(n->t->python, m->image->number, pc - m->bias))
		n->eval_frames++;
	return DWARF_CB_OK;
}

static void count_native(struct target *t, uint32_t tid, struct native *n)
{
	static char *debug_path;
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.debuginfo_path = &debug_path};
	Dwfl *dwfl = dwfl_begin(&callbacks);

	assert_non_null(dwfl);
	assert_int_equal(dwfl_linux_proc_report(dwfl, t->pid), 0);
	assert_int_equal(dwfl_report_end(dwfl, NULL, NULL), 0);
	assert_int_equal(dwfl_linux_proc_attach(dwfl, t->pid, false), 0);
	/* Its result tells only whether it got to the outermost frame, which glibc ends in more
	 * than one way. */
	(void)dwfl_getthread_frames(dwfl, (pid_t)tid, count_frame, n);
	dwfl_end(dwfl);
}

static void check_thread(struct target *t, const struct expected *e, void *arg)
{
	struct native n = {.t = t};
	size_t entries = 0;

	(void)arg;
	walk(t, e->tid, e->self, NULL, 1, &walked);
	if (walked.end != WALK_COMPLETE)
		return; /* the one that is too deep */
	for (size_t i = 0; i < walked.n; i++)
		entries += walked.frames[i].entry;
	count_native(t, e->tid, &n);
	assert_true(n.frames >= 4);
	assert_true(entries > 0);
	if (n.eval_frames != entries)
		fail_msg(
			"%zu native eval-loop frames for %zu runs of Python frames in the thread of %s",
			n.eval_frames, entries, e->frames[e->n - 2].qualname);
}

static void runs(const char *interpreter)
{
	struct target t;

	target_start(&t, interpreter, script_stacks);
	assert_int_equal(expected_read(&t, check_thread, NULL), 24);
	target_stop(&t);
}

static void test_runs(void **state)
{
	static const unsigned minors[] = {11, 12, 13, 14};
	struct interpreters in;
	size_t n = 0;

	(void)state;
	for (size_t m = 0; m < sizeof(minors) / sizeof(*minors); m++) {
		interpreters_find(&in, minors[m]);
		if (!in.n)
			print_message("no CPython 3.%u found\n", minors[m]);
		for (size_t i = 0; i < in.n; i++, n++) {
			print_message("with %s\n", in.paths[i]);
			runs(in.paths[i]);
		}
	}
	if (!n)
		skip();
}

/* ---- fragments ---------------------------------------------------------------------------------
 */

/* Whether the file names a `.cold` part itself, by `readelf`. */
static bool cold_symbol(const char *path, uint64_t *start, uint64_t *end)
{
	char command[PATH_BYTES + 128], line[512];
	unsigned long value = 0, size = 0;
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "readelf -sW '%s' 2>/dev/null", path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, " _PyEval_EvalFrameDefault.cold") &&
			sscanf(line, "%*[^:]: %lx %lu", &value, &size) == 2)
			found = true;
	pclose(f);
	*start = value;
	*end = value + size;
	return found;
}

/* Every image of a running interpreter: what is said to be eval loop has the size of one, and the
 * .cold part is in it where the file has a symbol for it. */
static void test_ranges(void **state)
{
	struct interpreters in;
	size_t checked = 0;

	(void)state;
	for (unsigned minor = 11; minor <= 14; minor++) {
		interpreters_find(&in, minor);
		for (size_t i = 0; i < in.n; i++) {
			struct target t;
			char line[64];

			target_start(&t, in.paths[i], "print('up', flush=True)\ninput()\n");
			assert_non_null(fgets(line, sizeof(line), t.out));
			target_inspect(&t);
			for (size_t k = 0; k < t.process->n_mappings; k++) {
				const struct image *image = t.process->mappings[k].image;
				struct python_image *p =
					image ? python_image_open(image, true) : NULL;
				uint64_t start, end, bytes = 0;

				if (!p || !p->eval.n) {
					python_image_close(p);
					continue;
				}
				for (size_t r = 0; r < p->eval.n; r++) {
					print_message("%s: %#lx - %#lx\n", image->name,
						p->eval.ranges[r].start, p->eval.ranges[r].end);
					bytes += p->eval.ranges[r].end - p->eval.ranges[r].start;
				}
				assert_in_range(bytes, 20000, 200000);
				if (cold_symbol(image->path, &start, &end))
					assert_true(eval_contains(&p->eval, start) &&
						    eval_contains(&p->eval, end - 1));
				assert_false(eval_contains(&p->eval, p->runtime));
				python_image_close(p);
				checked++;
			}
			target_stop(&t);
		}
	}
	if (!checked) {
		print_message("no CPython 3.11 - 3.14 found\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs), cmocka_unit_test(test_ranges)};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
