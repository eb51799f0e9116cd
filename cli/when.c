/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/when.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char when_forms[] =
	"1h30m (ago), 03:12, yesterday 03:12, 2026-11-20, 2026-11-20 03:12, @1700000000";

/* ---- pieces: each moves `*at` on, or leaves it and returns false -------------------------------
 */

static bool take_word(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0 || isalpha((unsigned char)(*at)[len]))
		return false;
	*at += len;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* `least` to `most` digits, and not one more. */
static bool take_digits(const char **at, size_t least, size_t most, int *number)
{
	size_t len = strspn(*at, "0123456789");

	if (len < least || len > most)
		return false;
	*number = 0;
	for (size_t i = 0; i < len; i++)
		*number = *number * 10 + (*(*at)++ - '0');
	return true;
}

/* Digits with or without a fraction. */
static bool take_decimal(const char **at, double *number)
{
	size_t len = strspn(*at, "0123456789.");
	char digits[32], *end;

	if (!len || len >= sizeof(digits) || !isdigit((unsigned char)**at))
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*number = strtod(digits, &end);
	*at += len;
	return !*end && isfinite(*number);
}

/* HH:MM[:SS[.fraction]] */
static bool take_clock(const char **at, struct tm *tm, double *fraction)
{
	const char *start = *at;

	*fraction = 0;
	tm->tm_sec = 0;
	if (!take_digits(at, 1, 2, &tm->tm_hour) || !take_char(at, ':') ||
		!take_digits(at, 2, 2, &tm->tm_min))
		goto not_one;
	if (take_char(at, ':') && !take_digits(at, 2, 2, &tm->tm_sec))
		goto not_one;
	if (**at == '.') {
		char digits[16] = "0";
		size_t len = 1 + strspn(*at + 1, "0123456789");

		if (len < 2 || len > 12)
			goto not_one;
		memcpy(digits + 1, *at, len);
		*fraction = strtod(digits, NULL);
		*at += len;
	}
	if (tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60)
		return true;
not_one:
	*at = start;
	return false;
}

/* YYYY-MM-DD, one that the calendar has. */
static bool take_date(const char **at, struct tm *tm)
{
	const char *start = *at;
	struct tm check = {0};
	int year, month, day;

	if (take_digits(at, 4, 4, &year) && take_char(at, '-') && take_digits(at, 2, 2, &month) &&
		take_char(at, '-') && take_digits(at, 2, 2, &day) && year >= 1970) {
		check.tm_year = tm->tm_year = year - 1900;
		check.tm_mon = tm->tm_mon = month - 1;
		check.tm_mday = tm->tm_mday = day;
		if (timegm(&check) >= 0 && check.tm_mon == month - 1 && check.tm_mday == day)
			return true;
	}
	*at = start;
	return false;
}

/* `Z`, `+02:00`, `-0530`: seconds east of Greenwich. */
static bool take_zone(const char **at, int *east_s)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes = 0;

	*east_s = 0;
	if (take_char(at, 'Z') || take_char(at, 'z'))
		return true;
	if (!take_char(at, '+') && !take_char(at, '-'))
		return false;
	if (strspn(*at, "0123456789") == 4) {
		if (!take_digits(at, 4, 4, &hours))
			return false;
		minutes = hours % 100;
		hours /= 100;
	} else if (!take_digits(at, 2, 2, &hours) ||
		   (take_char(at, ':') && !take_digits(at, 2, 2, &minutes)))
		return false;
	*east_s = sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

/* ---- whole forms -------------------------------------------------------------------------------
 */

/* 1h30m, in any order. */
static bool parse_ago(const char *at, double *ago_s)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"s", 1}, {"w", 604800}};
	static const size_t n_units = sizeof(units) / sizeof(units[0]);

	*ago_s = 0;
	do {
		double number;
		size_t i = 0;

		if (!take_decimal(&at, &number))
			return false;
		while (i < n_units && strncmp(at, units[i].name, strlen(units[i].name)) != 0)
			i++;
		if (i == n_units)
			return false;
		at += strlen(units[i].name);
		*ago_s += number * units[i].seconds;
	} while (*at);
	return true;
}

/* Local time of a day that may be out of its month: mktime() puts that right, and finds out about
 * daylight saving. */
static double local_time(struct tm tm, double fraction)
{
	tm.tm_isdst = -1;
	return (double)mktime(&tm) + fraction;
}

static bool parse_clock(const char *at, double now_unix_s, double *unix_s)
{
	time_t now = (time_t)now_unix_s;
	double fraction;
	struct tm tm;

	if (!localtime_r(&now, &tm) || !take_clock(&at, &tm, &fraction) || *at)
		return false;
	*unix_s = local_time(tm, fraction);
	if (*unix_s > now_unix_s) {
		tm.tm_mday--;
		*unix_s = local_time(tm, fraction);
	}
	return true;
}

static bool parse_named_day(const char *at, double now_unix_s, double *unix_s)
{
	time_t now = (time_t)now_unix_s;
	double fraction = 0;
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return false;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	if (take_word(&at, "yesterday"))
		tm.tm_mday--;
	else if (!take_word(&at, "today"))
		return false;
	if (*at && (!take_char(&at, ' ') || !take_clock(&at, &tm, &fraction) || *at))
		return false;
	*unix_s = local_time(tm, fraction);
	return true;
}

static bool parse_date(const char *at, double *unix_s)
{
	struct tm tm = {0};
	double fraction = 0;
	int east_s;

	if (!take_date(&at, &tm))
		return false;
	if (*at && ((!take_char(&at, ' ') && !take_char(&at, 'T')) ||
			   !take_clock(&at, &tm, &fraction)))
		return false;
	if (!*at) {
		*unix_s = local_time(tm, fraction);
		return true;
	}
	if (!take_zone(&at, &east_s) || *at)
		return false;
	*unix_s = (double)timegm(&tm) + fraction - east_s;
	return true;
}

static bool parse_unix(const char *at, double *unix_s)
{
	return take_char(&at, '@') && take_decimal(&at, unix_s) && !*at;
}

int when_parse(const char *text, double now_unix_s, double *unix_s, struct err *err)
{
	double ago_s;

	if (!strcmp(text, "now"))
		*unix_s = now_unix_s;
	else if (parse_ago(text, &ago_s))
		*unix_s = now_unix_s - ago_s;
	else if (!parse_clock(text, now_unix_s, unix_s) &&
		 !parse_named_day(text, now_unix_s, unix_s) && !parse_date(text, unix_s) &&
		 !parse_unix(text, unix_s))
		return err_set(err, -EINVAL, "'%.60s' is not a time; write one as in %s", text,
			when_forms);
	if (*unix_s < 0 || *unix_s > 253402300799.0) /* the end of the year 9999 */
		return err_set(err, -EINVAL, "'%.60s' is no time between 1970 and 9999", text);
	return 0;
}

double when_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

char *when_text(double unix_s, char *to)
{
	time_t whole = unix_s > 0 && unix_s < 253402300799.0 ? (time_t)unix_s : 0;
	struct tm tm;

	if (!localtime_r(&whole, &tm) || !strftime(to, 32, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(to, 32, "@%lld", (long long)whole);
	return to;
}

char *when_age(double s, char *to)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};

	if (!(s > 0))
		s = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (s >= 2 * units[i].seconds) {
			snprintf(to, 32, "%.0f %s", fmin(floor(s / units[i].seconds), 1e9),
				units[i].name);
			return to;
		}
	snprintf(to, 32, "%.0f s", floor(s));
	return to;
}
