/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/names.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/symbolize.h"

static size_t leading_underscores(const char *name)
{
	if (!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) || !strncmp(name, "__vdso_", 7))
		return 0;
	return strspn(name, "_");
}

bool name_is_better(const struct name_choice *a, const struct name_choice *b)
{
	size_t x, y;

	if (a->is_function != b->is_function)
		return a->is_function;
	if (a->has_size != b->has_size)
		return a->has_size;
	if ((a->binding == NAME_LOCAL) != (b->binding == NAME_LOCAL))
		return b->binding == NAME_LOCAL;
	x = leading_underscores(a->name);
	y = leading_underscores(b->name);
	if (x != y)
		return x < y;
	if (a->binding != b->binding)
		return a->binding < b->binding;
	x = strlen(a->name);
	y = strlen(b->name);
	if (x != y)
		return x < y;
	return strcmp(a->name, b->name) < 0;
}

bool name_is_internal(const char *name)
{
	if (!*name || !strncmp(name, ".L", 2))
		return true;
	return name[0] == '$' && name[1] && strchr("adtx", name[1]) && (!name[2] || name[2] == '.');
}

size_t name_bare_length(const char *name)
{
	const char *at = strchr(name, '@');

	return at && at != name ? (size_t)(at - name) : strlen(name);
}

/* ---- demangling --------------------------------------------------------------------------------
 */

/* A few mangled bytes can stand for gigabytes of text (back references double it again and again).
 * libiberty's callback interface keeps its state on the stack only, so we leave it by a jump as
 * soon as we have enough. */
struct demangled {
	jmp_buf enough;
	char *out;
	size_t len;
};

static void take_piece(const char *text, size_t len, void *arg)
{
	struct demangled *d = arg;
	size_t room = SYMBOL_NAME_MAX - d->len;

	if (!len)
		return;
	memcpy(d->out + d->len, text, len < room ? len : room);
	d->len += len < room ? len : room;
	if (len > room)
		longjmp(d->enough, 1);
}

typedef int demangle_function(const char *, int, demangle_callbackref, void *);

/* How many bytes it yields; SYMBOL_NAME_MAX + 1 where it would be more; 0: not its kind of name. */
static size_t demangle_by(demangle_function *demangle, const char *raw, char *out)
{
	struct demangled d = {.out = out};

	if (setjmp(d.enough))
		return SYMBOL_NAME_MAX + 1;
	/* Without DMGL_PARAMS: overloads share a box, and templates stay readable. Recursion stays
	 * limited. */
	return demangle(raw, DMGL_ANSI, take_piece, &d) ? d.len : 0;
}

/* libiberty refuses names above half of its recursion limit, 1024 bytes, which deep templates
 * exceed. Their leading scopes are easy to read: _ZN5boost6spirit2qiI... -> boost::spirit::qi<...>
 */
#define UNNAMED "(anonymous namespace)"
static size_t demangle_scopes(const char *raw, char *out)
{
	const char *p = raw + 2; /* behind _Z */
	size_t len = 0;

	if (*p == 'N')
		p += 1 + strspn(p + 1, "rVKRO"); /* qualifiers of a nested name */
	if (!strncmp(p, "St", 2)) {
		memcpy(out, "std", 3);
		len = 3;
		p += 2;
	}
	while (*p >= '1' && *p <= '9') {
		char *name;
		unsigned long n = strtoul(p, &name, 10);
		bool unnamed;

		if (n > strnlen(name, RAW_NAME_MAX) ||
			len + n + sizeof(UNNAMED) + 8 > SYMBOL_NAME_MAX)
			break;
		p = name + n;
		unnamed = n == 12 && !memcmp(name, "_GLOBAL__N_1", 12);
		len += (size_t)sprintf(out + len, "%s%.*s", len ? "::" : "",
			unnamed ? (int)sizeof(UNNAMED) - 1 : (int)n, unnamed ? UNNAMED : name);
	}
	if (!len || *p != 'I')
		return 0;
	memcpy(out + len, "<...>", 5);
	return len + 5;
}

void name_demangle(const char *raw, char *out)
{
	size_t raw_len = strlen(raw), len = 0;

	if (raw_len < RAW_NAME_MAX) {
		if (raw[0] == '_' && (raw[1] == 'R' || raw[1] == 'Z'))
			len = demangle_by(rust_demangle_callback, raw, out);
		if (!len && raw[0] == '_' && raw[1] == 'Z') {
			len = demangle_by(cplus_demangle_v3_callback, raw, out);
			if (!len && raw_len > DEMANGLE_RECURSION_LIMIT / 2)
				len = demangle_scopes(raw, out);
		}
	}
	if (!len) {
		len = raw_len;
		memcpy(out, raw, len < SYMBOL_NAME_MAX ? len : SYMBOL_NAME_MAX);
	}
	if (len > SYMBOL_NAME_MAX) {
		len = SYMBOL_NAME_MAX;
		memcpy(out + len - 3, "...", 3);
	}
	out[len] = '\0';
}
