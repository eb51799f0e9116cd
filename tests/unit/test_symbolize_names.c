/* SPDX-License-Identifier: BSD-2-Clause */
/* Choice among aliases and demangling, hostile names included. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/names.h"
#include "symbolize/symbolize.h"

static void check(const char *raw, const char *wanted)
{
	char name[SYMBOL_NAME_MAX + 1];

	memset(name, 'x', sizeof(name));
	name_demangle(raw, name);
	assert_string_equal(name, wanted);
}

static void test_cxx(void **state)
{
	(void)state;
	check("_ZN3foo3barEv", "foo::bar");
	check("_ZN3foo3barEiPKc", "foo::bar"); /* no parameter lists */
	check("_ZN3FooC2Ev", "Foo::Foo");
	check("_ZN3FooD0Ev", "Foo::~Foo");
	check("_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size");
	check("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()");
	check("_ZN12_GLOBAL__N_15innerEv", "(anonymous namespace)::inner");
	check("_ZN3foo3barEv.cold", "foo::bar");
	check("_ZThn8_N3Foo3barEv", "non-virtual thunk to Foo::bar()");
}

static void test_rust(void **state)
{
	(void)state;
	check("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	check("_ZN5hello4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
		"hello::main::{{closure}}");
	check("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
		"<Test + 'static as foo::Bar<Test>>::bar");
	check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	check("_RNvMCs1234_7mycrateNtB2_3Bar3new", "<mycrate::Bar>::new");
	check("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>");
}

static void test_plain(void **state)
{
	(void)state;
	check("main", "main");
	check("_Z", "_Z");
	check("_ZN", "_ZN");
	check("_R", "_R");
	check("_Zebra", "_Zebra");
	check("_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault");
	check("foo.part.0", "foo.part.0");
	check("<script>\xff\x01\"&", "<script>\xff\x01\"&"); /* to escape is the renderer's task */
}

static void test_cut(void **state)
{
	char raw[3 * RAW_NAME_MAX], wanted[SYMBOL_NAME_MAX + 1];

	(void)state;
	for (size_t n = SYMBOL_NAME_MAX - 2; n < SYMBOL_NAME_MAX + 3; n++) {
		memset(raw, 'a', n);
		raw[n] = '\0';
		memset(wanted, 'a', SYMBOL_NAME_MAX);
		wanted[n < SYMBOL_NAME_MAX ? n : SYMBOL_NAME_MAX] = '\0';
		if (n > SYMBOL_NAME_MAX)
			memcpy(wanted + SYMBOL_NAME_MAX - 3, "...", 4);
		check(raw, wanted);
	}
	memset(raw, 'a', sizeof(raw) - 1);
	raw[sizeof(raw) - 1] = '\0';
	check(raw, wanted);
	memcpy(raw, "_Z", 2); /* too long to be demangled */
	memcpy(wanted, "_Z", 2);
	check(raw, wanted);
}

/* The demangler takes no more than 1024 bytes; the scopes of longer names are read by hand. */
static void test_long_templates(void **state)
{
	char raw[RAW_NAME_MAX] = "_ZN5boost12_GLOBAL__N_16spirit2qiI";

	(void)state;
	for (int i = 0; i < 600; i++)
		strcat(raw, "Pi");
	strcat(raw, "E5parseEv");
	check(raw, "boost::(anonymous namespace)::spirit::qi<...>");
	strcpy(raw, "_ZNKSt6vectorI");
	for (int i = 0; i < 600; i++)
		strcat(raw, "Pi");
	check(raw, "std::vector<...>");
}

/* Back references double the text again and again: 2^34 pieces. Must come back at once, and cut. */
static void test_exponential(void **state)
{
	char raw[RAW_NAME_MAX] = "_Z1fI1A", name[SYMBOL_NAME_MAX + 1];
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len;

	(void)state;
	/* S_ is f, S0_ A, S1_ B, S2_ B<A, A>, and each further one has the one before it twice. */
	len = strlen(raw);
	len += (size_t)sprintf(raw + len, "1BIS0_S0_E");
	for (const char *digit = digits + 2; *digit; digit++)
		len += (size_t)sprintf(raw + len, "S1_IS%c_S%c_E", *digit, *digit);
	sprintf(raw + len, "EvT_");
	name_demangle(raw, name);
	assert_true(strlen(name) <= SYMBOL_NAME_MAX);
	assert_string_equal(name + SYMBOL_NAME_MAX - 3, "...");
	assert_memory_equal(name, "f<A, B<A, A>, B<B<A, A>, B<A, A> >", 34);
}

/* Deep nesting must end at the demangler's own limits and not at the end of our stack. */
static void test_deep(void **state)
{
	static const char *const pieces[] = {"P", "N", "I", "X", "F", "1aI", "K", "Dp", "L_Z", "T_",
		"S", "R", "NvC1a", "B_", "T", "St", "U", "UlvE", "DT", "cv", "sr", "Z"};
	char raw[RAW_NAME_MAX + 100], name[SYMBOL_NAME_MAX + 1];

	(void)state;
	for (size_t kind = 0; kind < 2; kind++) {
		for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
			for (size_t max = 200; max <= RAW_NAME_MAX + 50; max += 411) {
				size_t len = (size_t)sprintf(raw, "%s", kind ? "_R" : "_Z1fI");

				while (len < max)
					len += (size_t)sprintf(raw + len, "%s", pieces[p]);
				name_demangle(raw, name);
				assert_true(strlen(name) > 0 && strlen(name) <= SYMBOL_NAME_MAX);
			}
		}
	}
}

static void test_random(void **state)
{
	static const char alphabet[] = "_ZNRISTPKCELXDMBvsilcj0123456789aAtdp$.h";
	uint32_t random = 12345;
	char raw[1200], name[SYMBOL_NAME_MAX + 1];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = 2;

		memcpy(raw, round & 1 ? "_R" : "_Z", 2);
		random = random * 1103515245 + 12345;
		for (size_t n = (random >> 16) % (round % 50 ? 60 : 1100); n; n--) {
			random = random * 1103515245 + 12345;
			raw[len++] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
		}
		raw[len] = '\0';
		name_demangle(raw, name);
		assert_true(strlen(name) <= SYMBOL_NAME_MAX);
		assert_true(strlen(name) > 0);
	}
}

static void test_internal(void **state)
{
	(void)state;
	assert_true(name_is_internal(""));
	assert_true(name_is_internal(".Ltmp3"));
	assert_true(name_is_internal("$x"));
	assert_true(name_is_internal("$d.12"));
	assert_true(name_is_internal("$a"));
	assert_false(name_is_internal("$xyz"));
	assert_false(name_is_internal("$"));
	assert_false(name_is_internal("main"));
	assert_false(name_is_internal(".text.unlikely"));
}

static void test_version(void **state)
{
	(void)state;
	assert_int_equal(name_bare_length("memcpy@@GLIBC_2.14"), 6);
	assert_int_equal(name_bare_length("memcpy@GLIBC_2.2.5"), 6);
	assert_int_equal(name_bare_length("memcpy"), 6);
	assert_int_equal(name_bare_length("@odd"), 4);
	assert_int_equal(name_bare_length(""), 0);
}

static void check_order(const struct name_choice *a, const struct name_choice *b)
{
	assert_true(name_is_better(a, b));
	assert_false(name_is_better(b, a));
	assert_false(name_is_better(a, a));
}

static void test_choice(void **state)
{
	/* Each is better than the one behind it. */
	struct name_choice order[] = {
		{"alpha", true, true, NAME_GLOBAL},
		{"gamma", true, true, NAME_GLOBAL},    /* the alphabet */
		{"alphabet", true, true, NAME_GLOBAL}, /* the shorter */
		{"write", true, true, NAME_WEAK},      /* global before weak */
		{"_ZN1aE", true, true, NAME_WEAK},     /* _Z is no underscore */
		{"__vdso_time", true, true, NAME_WEAK},
		{"_IO_puts", true, true, NAME_GLOBAL}, /* underscores */
		{"__libc_malloc", true, true, NAME_GLOBAL},
		{"a", true, true, NAME_LOCAL},
		{"__GI___libc_read", true, true, NAME_LOCAL},
		{"a", true, false, NAME_GLOBAL},
		{"a", false, true, NAME_GLOBAL},
		{"a", false, false, NAME_LOCAL},
	};
	size_t n = sizeof(order) / sizeof(*order);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			check_order(&order[i], &order[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cxx),
		cmocka_unit_test(test_rust),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_long_templates),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_internal),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
