/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/aggregate.h"

/* Stacks are written as letters, leaf first: E an eval loop, other capitals native frames; lower
 * case Python frames, the entry frame of a run followed by a dot. */
enum { MAX = 64 };

static size_t parse_native(const char *text, struct location *out, bool *is_eval)
{
	size_t n = 0;

	for (; *text; text++, n++) {
		out[n] = (struct location){.kind = FRAME_NATIVE, .address = (unsigned char)*text};
		is_eval[n] = *text == 'E';
	}
	return n;
}

static size_t parse_python(const char *text, struct location *out, bool *entry)
{
	size_t n = 0;

	for (; *text; text++)
		if (*text == '.')
			entry[n - 1] = true;
		else {
			out[n] = (struct location){
				.kind = FRAME_PYTHON, .address = (unsigned char)*text};
			entry[n++] = false;
		}
	return n;
}

static void check_merge(const char *native, bool native_complete, const char *python,
	bool python_complete, const char *expected, bool expect_matched)
{
	struct location n[MAX], p[MAX], out[2 * MAX];
	bool is_eval[MAX], entry[MAX], matched;
	struct merge_input in = {.native = n,
		.is_eval = is_eval,
		.native_complete = native_complete,
		.python = p,
		.entry = entry,
		.python_complete = python_complete};
	char text[2 * MAX + 1];
	size_t length;

	in.n_native = parse_native(native, n, is_eval);
	in.n_python = parse_python(python, p, entry);
	length = merge_stack(&in, out, &matched);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)out[i].address;
	text[length] = '\0';
	assert_string_equal(text, expected);
	assert_int_equal(matched, expect_matched);
}

static void test_merge_whole(void **state)
{
	(void)state;
	check_merge("AB", true, "", true, "AB", true);
	check_merge("AEB", true, "a.", true, "AaB", true);
	check_merge("AEB", true, "abc.", true, "AabcB", true);
	check_merge("AEBEC", true, "ab.cd.", true, "AabBcdC", true);
	check_merge("EEC", true, "a.b.", true, "abC", true);
}

static void test_merge_eval_without_frame_yet(void **state)
{
	(void)state;
	/* The innermost eval loop has not linked its frame yet, or not any more: it goes to its
	 * caller's account, and so does what it calls; the others find theirs. */
	check_merge("EBEC", true, "cd.", true, "BcdC", true);
	check_merge("AEBEC", true, "cd.", true, "ABcdC", true);
	/* A thread that is not in Python at all keeps its native frames. */
	check_merge("AEB", true, "", true, "AEB", true);
}

static void test_merge_cut(void **state)
{
	(void)state;
	/* The outer native frames are missing: runs are matched from the leaf, the rest follows. */
	check_merge("AEB", false, "ab.cd.", true, "AabBcd", true);
	/* The outer Python frames are missing: outer eval loops stay. */
	check_merge("AEBEC", true, "ab", false, "AabBEC", true);
}

static void test_merge_mismatch(void **state)
{
	(void)state;
	/* More runs than eval loops: no native frame between them is trusted. */
	check_merge("AEBC", true, "a.b.", true, "Aab", false);
	check_merge("AB", true, "a.", true, "ABa", false);
	/* Two eval loops too many. */
	check_merge("AEEEB", true, "a.", true, "Aa", false);
	check_merge("A", false, "a.", true, "Aa", false);
}

/* ---- tree and profile ---- */

struct name_arg {
	unsigned calls;
};

/* Names a location by its address modulo 100, so that 1 and 101 are the same function. Multiples of
 * 7 are unknown. */
static bool name_modulo(
	void *arg, const struct location *l, struct intern *strings, struct frame *out)
{
	char text[32];

	((struct name_arg *)arg)->calls++;
	snprintf(text, sizeof(text), "f%u", (unsigned)(l->address % 100));
	out->name = intern(strings, text);
	return l->address % 7 != 0;
}

static struct location native(uint64_t address)
{
	return (struct location){.kind = FRAME_NATIVE, .scope = 1, .address = address};
}

static void test_profile_merges_equal_names(void **state)
{
	struct aggregate *a = aggregate_new(NULL);
	struct location one[] = {native(1), native(2)}, two[] = {native(101), native(2)},
			three[] = {native(1), native(7)};
	struct name_arg arg = {0};
	struct profile *p;

	(void)state;
	assert_int_equal(aggregate_add(a, one, 2, 10), 0);
	assert_int_equal(aggregate_add(a, one, 2, 10), 0);
	assert_int_equal(aggregate_add(a, two, 2, 5), 0);
	assert_int_equal(aggregate_add(a, three, 2, 1), 0);
	p = aggregate_profile(a, name_modulo, &arg, NULL);
	assert_non_null(p);
	assert_int_equal(arg.calls, 4);  /* once per location */
	assert_int_equal(p->n_nodes, 4); /* root, f1, f2, f7 */
	assert_int_equal(p->quality.samples, 4);
	assert_int_equal(p->quality.frames_seen, 8);
	assert_int_equal(p->quality.unsymbolized_frames, 1);
	for (uint32_t i = 1; i < p->n_nodes; i++) {
		const char *name = p->strings[p->frames[p->nodes[i].frame].name];

		assert_true(p->nodes[i].parent < i);
		if (!strcmp(name, "f2")) {
			assert_int_equal(p->nodes[i].self_samples, 3);
			assert_int_equal(p->nodes[i].self_weight_ns, 25);
		}
	}
	profile_free(p);
	aggregate_free(a);
}

static void test_profile_empty(void **state)
{
	struct aggregate *a = aggregate_new(NULL);
	struct name_arg arg = {0};
	struct profile *p = aggregate_profile(a, name_modulo, &arg, NULL);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->n_nodes, 1);
	assert_int_equal(p->quality.samples, 0);
	assert_int_equal(p->nodes[0].frame, 0);
	profile_free(p);
	aggregate_free(a);
}

/* Sums survive whatever the shape of the tree: random stacks against plain counters. */
static void test_profile_sums(void **state)
{
	struct aggregate *a = aggregate_new(NULL);
	struct name_arg arg = {0};
	uint64_t weight = 0, samples = 0, got_weight = 0, got_samples = 0;
	struct location stack[40];
	struct profile *p;

	(void)state;
	srand(7);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)(rand() % 40);

		for (size_t j = 0; j < n; j++)
			stack[j] = native((uint64_t)(rand() % 5 + 1));
		assert_int_equal(aggregate_add(a, stack, n, (uint64_t)i), 0);
		weight += (uint64_t)i;
		samples++;
	}
	p = aggregate_profile(a, name_modulo, &arg, NULL);
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		got_weight += p->nodes[i].self_weight_ns;
		got_samples += p->nodes[i].self_samples;
	}
	assert_int_equal(got_weight, weight);
	assert_int_equal(got_samples, samples);
	assert_int_equal(p->quality.samples, samples);
	profile_free(p);
	aggregate_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_whole),
		cmocka_unit_test(test_merge_eval_without_frame_yet),
		cmocka_unit_test(test_merge_cut),
		cmocka_unit_test(test_merge_mismatch),
		cmocka_unit_test(test_profile_merges_equal_names),
		cmocka_unit_test(test_profile_empty),
		cmocka_unit_test(test_profile_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
