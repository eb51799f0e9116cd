/* SPDX-License-Identifier: BSD-2-Clause */
/* Which names match. A text is looked at once for each filter, so that a page of thousands of rows
 * takes no time; patterns that could take for ever, or all memory, are refused. */
#include "cli/top/top_model_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

enum {
	TEXT_MAX = 2048,    /* of a name: what comes behind is not looked at */
	REPEATS_MAX = 1000, /* "a{30}" inside of "(...){20}" are 600 */
};

enum verdict { UNKNOWN, MATCHES, DIFFERS };

/* The larger number of "{2,30}"; 1 where it is none. */
static unsigned long repeats_at(const char *s)
{
	unsigned long most = 1;

	for (const char *at = s + 1; *at && *at != '}';) {
		char *end;
		unsigned long n = strtoul(at, &end, 10);

		if (end == at)
			break;
		most = n > most ? n : most;
		at = *end == ',' ? end + 1 : end;
	}
	return most;
}

/* Behind a "[...]". */
static const char *skip_bracket(const char *s)
{
	s++;
	if (*s == '^')
		s++;
	if (*s == ']')
		s++;
	while (*s && *s != ']') {
		if (*s == '[' && (s[1] == ':' || s[1] == '.' || s[1] == '=')) {
			char kind = s[1];

			for (s += 2; *s && !(*s == kind && s[1] == ']'); s++)
				;
			if (*s)
				s++;
		}
		if (*s)
			s++;
	}
	return *s ? s + 1 : s;
}

static int check(const char *pattern, struct err *err)
{
	unsigned long repeats = 1;

	if (strlen(pattern) > TOP_FILTER_MAX)
		return err_set(err, -EINVAL, "the filter is longer than %d bytes", TOP_FILTER_MAX);
	for (const char *s = pattern; *s;) {
		if (*s == '\\' && s[1] >= '1' && s[1] <= '9')
			return err_set(err, -EINVAL,
				"\\%c: references to a group are not supported in a filter", s[1]);
		if (*s == '{')
			repeats *= repeats_at(s);
		if (repeats > REPEATS_MAX)
			return err_set(err, -EINVAL,
				"the filter repeats too often; at most %d times are supported",
				REPEATS_MAX);
		if (*s == '[')
			s = skip_bracket(s);
		else
			s += *s == '\\' && s[1] ? 2 : 1;
	}
	return 0;
}

static bool has_upper_case(const char *pattern)
{
	mbstate_t state = {0};

	while (*pattern) {
		wchar_t c;
		size_t n;

		if (*pattern == '\\' && pattern[1])
			pattern++; /* "\W" is a class */
		else if (*pattern >= 'A' && *pattern <= 'Z')
			return true;
		n = mbrtowc(&c, pattern, strlen(pattern), &state);
		if (!n || n == (size_t)-1 || n == (size_t)-2) {
			state = (mbstate_t){0};
			n = 1;
		} else if (n > 1 && iswupper((wint_t)c)) {
			return true;
		}
		pattern += n;
	}
	return false;
}

static int compile(const char *pattern, regex_t *to, struct err *err)
{
	int flags = REG_EXTENDED | REG_NOSUB | (has_upper_case(pattern) ? 0 : REG_ICASE);
	int rc = check(pattern, err), failed;
	char why[128];

	if (rc < 0)
		return rc;
	failed = regcomp(to, pattern, flags);
	if (!failed)
		return 0;
	regerror(failed, to, why, sizeof(why));
	return err_set(err, failed == REG_ESPACE ? -ENOMEM : -EINVAL,
		"the filter is no regular expression: %s", why);
}

int top_filter_check(const char *filter, struct err *err)
{
	regex_t compiled;
	int rc = filter && *filter ? compile(filter, &compiled, err) : 0;

	if (filter && *filter && rc == 0)
		regfree(&compiled);
	return rc;
}

void top_filter_forget(struct top_filter *f)
{
	if (f->cap)
		memset(f->verdicts, UNKNOWN, f->cap);
}

void top_filter_clear(struct top_filter *f)
{
	if (top_filter_is_on(f))
		regfree(&f->compiled);
	free(f->verdicts);
	*f = (struct top_filter){0};
}

int top_filter_set(struct top_filter *f, const char *pattern, struct err *err)
{
	regex_t compiled;
	int rc;

	pattern = pattern ? pattern : "";
	if (!strcmp(pattern, f->pattern))
		return 0;
	if (*pattern) {
		rc = compile(pattern, &compiled, err);
		if (rc < 0)
			return rc;
	}
	if (top_filter_is_on(f))
		regfree(&f->compiled);
	if (*pattern)
		f->compiled = compiled;
	memcpy(f->pattern, pattern, strlen(pattern) + 1);
	top_filter_forget(f);
	return 0;
}

static enum verdict look(const struct top_filter *f, const char *text)
{
	char start[TEXT_MAX + 1];
	size_t n = strnlen(text, TEXT_MAX + 1);

	if (n > TEXT_MAX) {
		memcpy(start, text, TEXT_MAX);
		start[TEXT_MAX] = '\0';
		text = start;
	}
	return regexec(&f->compiled, text, 0, NULL, 0) == 0 ? MATCHES : DIFFERS;
}

bool top_filter_text(struct top_filter *f, const struct top_forest *forest, uint32_t text)
{
	if (!top_filter_is_on(f))
		return true;
	if (text >= f->cap) {
		uint32_t cap = forest->cap_strings;
		uint8_t *more = realloc(f->verdicts, cap);

		if (!more)
			return look(f, top_forest_name(forest, text)) == MATCHES;
		memset(more + f->cap, UNKNOWN, cap - f->cap);
		f->verdicts = more;
		f->cap = cap;
	}
	if (f->verdicts[text] == UNKNOWN)
		f->verdicts[text] = (uint8_t)look(f, top_forest_name(forest, text));
	return f->verdicts[text] == MATCHES;
}

bool top_filter_frame(struct top_filter *f, const struct top_forest *forest, uint32_t frame)
{
	const struct frame *content = &forest->p.frames[frame];

	return top_filter_text(f, forest, content->name) ||
	       (content->file && top_filter_text(f, forest, content->file)) ||
	       (content->module && top_filter_text(f, forest, content->module));
}
