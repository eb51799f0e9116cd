/* SPDX-License-Identifier: BSD-2-Clause */
/* Times as they are typed, seen from one moment in two time zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/when.h"

/* 2026-11-20 10:30:15.5 UTC, a Friday. */
static const double NOW = 1795170615.5;
static const double MIDNIGHT = 1795132800; /* the UTC day's */

static void zone(const char *name)
{
	setenv("TZ", name, 1);
	tzset();
}

static void expect(const char *text, double unix_s)
{
	struct err err = {0};
	double got = -1;
	int rc = when_parse(text, NOW, &got, &err);

	if (rc || got != unix_s)
		fail_msg("`%s`: %d, %.3f instead of %.3f %s", text, rc, got, unix_s, err.text);
}

static void test_ago(void **state)
{
	(void)state;
	zone("UTC0");
	expect("now", NOW);
	expect("0s", NOW);
	expect("90s", NOW - 90);
	expect("45m", NOW - 2700);
	expect("45min", NOW - 2700);
	expect("1h", NOW - 3600);
	expect("1.5h", NOW - 5400);
	expect("1h30m", NOW - 5400);
	expect("2d", NOW - 172800);
	expect("1w2d", NOW - 9 * 86400);
}

static void test_clock(void **state)
{
	(void)state;
	zone("UTC0");
	expect("03:12", MIDNIGHT + 3 * 3600 + 12 * 60);
	expect("3:12", MIDNIGHT + 3 * 3600 + 12 * 60);
	expect("03:12:30", MIDNIGHT + 3 * 3600 + 12 * 60 + 30);
	expect("10:30:15", MIDNIGHT + 10 * 3600 + 30 * 60 + 15);
	expect("10:30:15.25", MIDNIGHT + 10 * 3600 + 30 * 60 + 15.25);
	expect("10:30:16", MIDNIGHT - 86400 + 10 * 3600 + 30 * 60 + 16); /* is to come */
	expect("23:59", MIDNIGHT - 60);
	expect("00:00", MIDNIGHT);
}

static void test_days(void **state)
{
	(void)state;
	zone("UTC0");
	expect("today", MIDNIGHT);
	expect("today 03:12", MIDNIGHT + 11520);
	expect("today 23:00", MIDNIGHT + 23 * 3600); /* as said, also where it is to come */
	expect("yesterday", MIDNIGHT - 86400);
	expect("yesterday 03:12", MIDNIGHT - 86400 + 11520);
	expect("2026-11-20", MIDNIGHT);
	expect("2026-11-20 03:12", MIDNIGHT + 11520);
	expect("2026-11-20 03:12:30", MIDNIGHT + 11550);
	expect("2026-11-20T03:12:30", MIDNIGHT + 11550);
	expect("2024-02-29", 1709164800);
	expect("1970-01-01", 0);
}

static void test_zones_of_their_own(void **state)
{
	static const char *const zones[] = {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5"};

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		zone(zones[i]);
		expect("2026-11-20T03:12:30Z", MIDNIGHT + 11550);
		expect("2026-11-20 03:12:30.5z", MIDNIGHT + 11550.5);
		expect("2026-11-20T03:12+02:00", MIDNIGHT + 11520 - 7200);
		expect("2026-11-20T03:12-0530", MIDNIGHT + 11520 + 5 * 3600 + 1800);
		expect("2026-11-20T03:12+02", MIDNIGHT + 11520 - 7200);
		expect("@1700000000", 1700000000);
		expect("@1700000000.25", 1700000000.25);
		expect("1h", NOW - 3600);
	}
}

/* The zone's day is another than that of UTC, and days of a change are not 24 hours long. */
static void test_the_local_zone(void **state)
{
	double unix_s;

	(void)state;
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	expect("today", MIDNIGHT - 3600);
	expect("03:12", MIDNIGHT + 11520 - 3600);
	expect("11:30:15", NOW - 0.5);
	expect("11:31", MIDNIGHT - 86400 + 10 * 3600 + 31 * 60);
	expect("2026-07-01 12:00", 1782900000); /* summer time: 10:00 UTC */
	/* Monday noon after the hour of 25 October came twice: yesterday has 25 hours. */
	assert_int_equal(when_parse("yesterday", 1793012400, &unix_s, NULL), 0);
	assert_true(unix_s == 1792879200);
	zone("PST8");
	expect("today", MIDNIGHT + 8 * 3600);
	expect("02:30", MIDNIGHT + 10 * 3600 + 30 * 60);
	expect("02:31", MIDNIGHT - 86400 + 10 * 3600 + 31 * 60);
}

static void test_what_is_no_time(void **state)
{
	static const char *const lines[] = {"", " ", "h", "1", "-1h", "1h ", "1x", "1h30", "1.2.3h",
		"1e5s", "infs", "0x10s", "99999999999999999999999999999999999999s", "24:00",
		"10:60", "10:30:60", "10", "10:3", "10:30:5", "10:30 ", "10:30.5.5", "10:30:15.",
		"tomorrow", "yesterday03:12", "yesterday 3", "yesterdays", "today 25:00",
		"2026-13-01", "2026-02-29", "2026-00-10", "2026-01-00", "1969-12-31", "2026-1-1",
		"26-01-01", "2026-11-20 ", "2026-11-20T", "2026-11-20 03", "2026-11-20X03:12",
		"2026-11-20 03:12+24:00", "2026-11-20 03:12+1", "2026-11-20Z", "2026-11-20 03:12Zz",
		"@", "@-1", "@1e9", "@x", "@ 5", "@999999999999", "3000w\x80", "5000w"};

	(void)state;
	zone("UTC0");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct err err = {0};
		double unix_s;

		if (when_parse(lines[i], NOW, &unix_s, &err) != -EINVAL || !err.text[0])
			fail_msg("`%s` gives %.3f", lines[i], unix_s);
	}
}

static void test_text_and_age(void **state)
{
	static const struct {
		double s;
		const char *text;
	} ages[] = {{-5, "0 s"}, {0.9, "0 s"}, {119, "119 s"}, {120, "2 min"}, {7199, "119 min"},
		{7200, "2 h"}, {172799, "47 h"}, {172800, "2 d"}, {8640000, "100 d"}};
	char text[32];

	(void)state;
	zone("UTC0");
	assert_string_equal(when_text(NOW, text), "2026-11-20 10:30:15");
	zone("PST8");
	assert_string_equal(when_text(NOW, text), "2026-11-20 02:30:15");
	assert_string_equal(when_text(-1, text), when_text(0, (char[32]){0}));
	assert_non_null(when_text(1e300, text));
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
		assert_string_equal(when_age(ages[i].s, text), ages[i].text);
	assert_non_null(when_age(1e300, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ago),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_zones_of_their_own),
		cmocka_unit_test(test_the_local_zone),
		cmocka_unit_test(test_what_is_no_time),
		cmocka_unit_test(test_text_and_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
