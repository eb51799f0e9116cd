/* SPDX-License-Identifier: BSD-2-Clause */
/* For python_steps.c: who calls whom in a script, by its docstring: a path in a line of its own,
 * indented by four. `    a1 > a2 > a3` says that main() calls a1, or who calls it by an earlier
 * line, and so on; what stands in parentheses is a remark. */
#ifndef PROFD_TEST_PYTHON_RULES_H
#define PROFD_TEST_PYTHON_RULES_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { RULES_MAX = 256 };

struct rule {
	char caller[64], callee[64];
	bool seen;
};

struct rules {
	struct rule rules[RULES_MAX];
	size_t n;
};

static inline void rule_add(struct rules *r, const char *caller, const char *callee)
{
	if (r->n == RULES_MAX)
		return;
	r->rules[r->n].seen = false;
	snprintf(r->rules[r->n].caller, sizeof(r->rules->caller), "%s", caller);
	snprintf(r->rules[r->n++].callee, sizeof(r->rules->callee), "%s", callee);
}

/* `caller`: NULL for any. */
static inline bool rule_holds(const struct rules *r, const char *caller, const char *callee)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->rules[i].callee, callee) &&
			(!caller || !strcmp(r->rules[i].caller, caller)))
			return true;
	return false;
}

/* One line of the docstring. A path begins at a name that an earlier line has, or below main(). */
static inline void rules_line(struct rules *r, char *line)
{
	char *save = NULL, *open = strchr(line, '(');
	const char *caller = "main";
	bool first = true;

	while (open) {
		char *close = strchr(open, ')');

		if (!close)
			return;
		memset(open, ' ', (size_t)(close - open) + 1);
		open = strchr(open, '(');
	}
	for (char *name = strtok_r(line, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
		if (!strcmp(name, ">"))
			continue;
		if (!first || !rule_holds(r, NULL, name))
			rule_add(r, caller, name);
		caller = name;
		first = false;
	}
}

static inline bool rules_read(struct rules *r, const char *script)
{
	FILE *f = fopen(script, "r");
	bool inside = false;
	char line[512];

	r->n = 0;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char *mark = strstr(line, "\"\"\"");

		if (mark && (inside || strstr(mark + 3, "\"\"\"")))
			break;
		inside |= mark != NULL;
		if (inside && !strncmp(line, "    ", 4) && line[4] != ' ')
			rules_line(r, line);
	}
	fclose(f);
	return r->n > 0;
}

#endif
