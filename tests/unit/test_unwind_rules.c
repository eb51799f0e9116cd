/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of unwind rules: there are 65,536, for weeks of files that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/rules.h"

enum { FILE_RULES = 4096 };

static struct profd_rule rule_of(int32_t i)
{
	return (struct profd_rule){.cfa = PROFD_CFA_REG, .cfa_reg = 7, .cfa_off = i};
}

/* Every number that is in use leads to its rule, here and in the mirror. */
static void check(const struct rules *r, const struct profd_rule *mirror, const uint16_t *numbers,
	int32_t first, int32_t n)
{
	uint32_t n_all;
	const struct profd_rule *all = rules_all(r, &n_all);

	for (int32_t i = first; i < first + n; i++) {
		struct profd_rule rule = rule_of(i);

		assert_in_range(numbers[i % FILE_RULES], RULE_FIRST, n_all - 1);
		assert_memory_equal(&all[numbers[i % FILE_RULES]], &rule, sizeof(rule));
		assert_memory_equal(&mirror[numbers[i % FILE_RULES]], &rule, sizeof(rule));
	}
}

static void test_files_come_and_go(void **state)
{
	struct rules *r = rules_new();
	struct profd_rule *mirror = calloc(PROFD_MAX_RULES, sizeof(*mirror)), kept = rule_of(-8);
	bool *used = calloc(PROFD_MAX_RULES, sizeof(*used));
	static uint16_t numbers[FILE_RULES];
	unsigned sweeps = 0;
	uint16_t kept_number;
	uint32_t n;

	(void)state;
	assert_int_equal(rules_mirror(r, mirror, PROFD_MAX_RULES), 0);
	rules_allow(r, 1);
	kept_number = rules_add(r, &kept);
	for (int32_t file = 0; file < 200; file++) {
		if (rules_are_short(r, FILE_RULES)) {
			memset(used, 0, PROFD_MAX_RULES);
			used[kept_number] = true;
			for (int i = 0; i < FILE_RULES; i++) /* the last file is there still */
				used[numbers[i]] = true;
			rules_sweep(r, used);
			sweeps++;
			assert_false(rules_are_short(r, FILE_RULES));
			check(r, mirror, numbers, (file - 1) * FILE_RULES, FILE_RULES);
		}
		rules_allow(r, FILE_RULES);
		for (int32_t i = file * FILE_RULES; i < (file + 1) * FILE_RULES; i++) {
			struct profd_rule rule = rule_of(i);

			numbers[i % FILE_RULES] = rules_add(r, &rule);
		}
		check(r, mirror, numbers, file * FILE_RULES, FILE_RULES);
		assert_int_equal(rules_add(r, &kept), kept_number);
	}
	assert_true(sweeps > 5);
	rules_all(r, &n);
	assert_true(n <= PROFD_MAX_RULES);
	free(used);
	free(mirror);
	rules_free(r);
}

/* Nothing is taken back twice, and the first three never. */
static void test_sweep_twice(void **state)
{
	struct rules *r = rules_new();
	bool *used = calloc(PROFD_MAX_RULES, sizeof(*used));
	struct profd_rule a = rule_of(1), b = rule_of(2), none = {.cfa = PROFD_CFA_NONE};
	uint16_t x, y;

	(void)state;
	rules_add(r, &a);
	rules_sweep(r, used);
	rules_sweep(r, used);
	x = rules_add(r, &a);
	y = rules_add(r, &b);
	assert_int_not_equal(x, y);
	assert_int_equal(rules_add(r, &a), x);
	assert_int_equal(rules_add(r, &none), RULE_NONE);
	free(used);
	rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_come_and_go),
		cmocka_unit_test(test_sweep_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
