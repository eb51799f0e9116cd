/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines are `ffffffff81000000 T name` or `ffffffffc0001000 t name	[module]`; BPF programs are
 * in the "module" bpf. There are no sizes: a function reaches up to the next symbol of any kind,
 * and not far where that one belongs to somebody else. */
#include "symbolize/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/intern.h"
#include "base/log.h"
#include "symbolize/names.h"
#include "symbolize/symbolize.h"

#define LOG_ROOM "symbolize"

enum {
	KALLSYMS_BYTES_MAX = 128 << 20, /* 5 to 15 MB in fact */
	FUNCTION_BYTES_MAX = 1 << 20,   /* the kernel's largest are some 50 kB */
	LAST_OF_MODULE_BYTES_MAX = 64 << 10,
};

struct kernel_entry {
	uint64_t address;
	uint32_t name;    /* offset into `names` */
	uint32_t module;  /* number in `modules`; 0: the kernel itself */
	uint32_t binding; /* enum name_binding */
	bool is_text;     /* false: something else begins here, and the function before it ends */
};

struct kernel_symbols {
	struct kernel_entry *entries;
	size_t count, cap;
	struct buf names;
	struct intern *modules;
	bool failed; /* out of memory */
	uint64_t any_address;
};

static bool add_entry(struct kernel_symbols *k, const struct kernel_entry *e)
{
	if (k->count == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 1 << 16;
		struct kernel_entry *entries = realloc(k->entries, cap * sizeof(*entries));

		if (!entries)
			return false;
		k->entries = entries;
		k->cap = cap;
	}
	k->entries[k->count++] = *e;
	return true;
}

/* T: global text, t: local, W and w: weak (text nearly always). */
static bool is_text_type(char type)
{
	return type == 'T' || type == 't' || type == 'W' || type == 'w';
}

/* Marks of the linker script that stand behind the last function of their section. */
static bool is_end_mark(const char *name, size_t len)
{
	return (len == 6 && !memcmp(name, "_etext", 6)) ||
	       (len == 10 && !memcmp(name, "_einittext", 10));
}

static void parse_line(struct kernel_symbols *k, const char *line, size_t len)
{
	struct kernel_entry e = {0};
	const char *name, *tail;
	char *after;
	size_t name_len;

	e.address = strtoull(line, &after, 16);
	if (after == line || (size_t)(after - line) + 4 > len || after[0] != ' ' || after[2] != ' ')
		return;
	k->any_address |= e.address;
	name = after + 3;
	len -= (size_t)(name - line);
	tail = memchr(name, '\t', len);
	name_len = tail ? (size_t)(tail - name) : len;
	if (!e.address || !name_len)
		return;
	e.is_text = is_text_type(after[1]) && !is_end_mark(name, name_len);
	e.binding = after[1] == 'T' ? NAME_GLOBAL : after[1] == 't' ? NAME_LOCAL : NAME_WEAK;
	if (tail && len - name_len > 3 && tail[1] == '[' && name[len - 1] == ']')
		e.module = intern_bytes(k->modules, tail + 2, len - name_len - 3);
	if (e.is_text) {
		e.name = (uint32_t)k->names.len;
		buf_add(&k->names, name, name_len < SYMBOL_NAME_MAX ? name_len : SYMBOL_NAME_MAX);
		buf_putc(&k->names, '\0');
	}
	if (!add_entry(k, &e))
		k->failed = true;
}

static int by_address(const void *a, const void *b)
{
	const struct kernel_entry *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return 0;
}

static struct name_choice choice_of(const struct kernel_symbols *k, const struct kernel_entry *e)
{
	return (struct name_choice){
		.name = e->is_text ? k->names.data + e->name : "",
		.is_function = e->is_text,
		.binding = (enum name_binding)e->binding,
	};
}

static void keep_best_names(struct kernel_symbols *k)
{
	size_t kept = 0;

	for (size_t i = 1; i < k->count; i++) {
		struct name_choice best, next;

		if (k->entries[i].address != k->entries[kept].address) {
			/* Of neighbours that are no text the first is enough. */
			if (k->entries[i].is_text || k->entries[kept].is_text)
				k->entries[++kept] = k->entries[i];
			continue;
		}
		best = choice_of(k, &k->entries[kept]);
		next = choice_of(k, &k->entries[i]);
		if (name_is_better(&next, &best))
			k->entries[kept] = k->entries[i];
	}
	k->count = k->count ? kept + 1 : 0;
}

static void parse(struct kernel_symbols *k, const struct buf *text)
{
	const char *at = text->data, *end = text->data + text->len;

	while (at < end && !k->failed) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = newline ? (size_t)(newline - at) : (size_t)(end - at);

		parse_line(k, at, len);
		at += len + 1;
	}
	if (k->count)
		qsort(k->entries, k->count, sizeof(*k->entries), by_address);
	keep_best_names(k);
}

struct kernel_symbols *kernel_symbols_read(const char *path, bool warn)
{
	struct kernel_symbols *k = calloc(1, sizeof(*k));
	struct buf text;
	int rc;

	if (!k)
		return NULL;
	buf_init(&text, KALLSYMS_BYTES_MAX);
	buf_init(&k->names, KALLSYMS_BYTES_MAX);
	k->modules = intern_new();
	rc = k->modules ? file_read(path, &text) : -ENOMEM;
	if (rc == 0 && text.len)
		parse(k, &text);
	if (rc < 0 && warn)
		log_warn("kernel functions stay without names: cannot read %s: %s", path,
			strerror(-rc));
	else if (rc == 0 && !k->any_address && warn)
		log_warn(
			"kernel functions stay without names: %s hides the addresses; run as root, or set "
			"sysctl kernel.kptr_restrict to 0",
			path);
	buf_free(&text);
	if (rc == -ENOMEM || k->failed || buf_failed(&k->names)) {
		kernel_symbols_free(k);
		return NULL;
	}
	return k;
}

void kernel_symbols_free(struct kernel_symbols *k)
{
	if (!k)
		return;
	free(k->entries);
	buf_free(&k->names);
	intern_free(k->modules);
	free(k);
}

bool kernel_symbols_are_hidden(const struct kernel_symbols *k)
{
	return !k->any_address;
}

bool kernel_symbols_find(
	const struct kernel_symbols *k, uint64_t address, struct kernel_function *out)
{
	size_t low = 0, high = k->count;
	const struct kernel_entry *e;
	uint64_t limit = FUNCTION_BYTES_MAX;

	while (low < high) { /* the first entry behind the address */
		size_t middle = low + (high - low) / 2;

		if (k->entries[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	e = &k->entries[low - 1];
	if (low == k->count || k->entries[low].module != e->module)
		limit = LAST_OF_MODULE_BYTES_MAX;
	if (!e->is_text || address - e->address >= limit)
		return false;
	*out = (struct kernel_function){
		.name = k->names.data + e->name,
		.module = e->module ? intern_text(k->modules, e->module) : "kernel",
		.offset = address - e->address,
	};
	return true;
}
