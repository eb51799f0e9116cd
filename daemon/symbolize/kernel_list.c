/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/kernel_list.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"

enum {
	PAGE_SHIFT = 12,
	UNKNOWN_MAX = 4096, /* pages that are remembered */
};
static const uint64_t unknown_pause_ns = 10 * NS_PER_S;
static const uint64_t changed_pause_ns = 60 * NS_PER_S;
/* For pages that stay unknown, and lists without any address. */
static const uint64_t longest_pause_ns = 640 * NS_PER_S;

struct unknown_page {
	uint64_t due_ns, pause_ns;
};

int kernel_list_init(struct kernel_list *l, const char *path)
{
	*l = (struct kernel_list){.path = path,
		.unknown_pause_ns = unknown_pause_ns,
		.changed_pause_ns = changed_pause_ns};
	l->unknown = map_new(sizeof(uint64_t), sizeof(struct unknown_page));
	return l->unknown ? 0 : -ENOMEM;
}

void kernel_list_close(struct kernel_list *l)
{
	kernel_symbols_free(l->symbols);
	map_free(l->unknown);
}

static void read_list(struct kernel_list *l, uint64_t now_ns)
{
	kernel_symbols_free(l->symbols);
	l->symbols = kernel_symbols_read(l->path, !l->was_read);
	l->was_read = true;
	l->changed = false;
	l->read_ns = now_ns;
}

/* A fresh list does not know the page: the pause doubles each time. */
static void unknown_note(struct kernel_list *l, uint64_t address, uint64_t now_ns)
{
	uint64_t page = address >> PAGE_SHIFT;
	struct unknown_page *u;

	if (map_count(l->unknown) >= UNKNOWN_MAX) {
		struct map *empty = map_new(sizeof(uint64_t), sizeof(struct unknown_page));

		if (!empty)
			return;
		map_free(l->unknown);
		l->unknown = empty;
	}
	u = map_put(l->unknown, &page, NULL);
	if (!u)
		return;
	u->pause_ns = u->pause_ns ? u->pause_ns * 2 : l->unknown_pause_ns;
	if (u->pause_ns > longest_pause_ns)
		u->pause_ns = longest_pause_ns;
	u->due_ns = now_ns + u->pause_ns;
}

static bool unknown_is_due(const struct kernel_list *l, uint64_t address, uint64_t now_ns)
{
	uint64_t page = address >> PAGE_SHIFT, pause_ns = l->unknown_pause_ns;
	const struct unknown_page *u = map_get(l->unknown, &page);

	if (!l->symbols || kernel_symbols_are_hidden(l->symbols))
		pause_ns = longest_pause_ns;
	return now_ns - l->read_ns >= pause_ns && (!u || now_ns >= u->due_ns);
}

/* The kernel itself stays where it is; what lies in modules and BPF programs can go, and something
 * else can take its place. */
static bool is_due(const struct kernel_list *l, uint64_t address, const struct kernel_function *f,
	uint64_t now_ns)
{
	if (!f)
		return unknown_is_due(l, address, now_ns);
	return l->changed && strcmp(f->module, "kernel") != 0 &&
	       now_ns - l->read_ns >= l->changed_pause_ns;
}

bool kernel_list_find(struct kernel_list *l, uint64_t address, struct kernel_function *out)
{
	bool found = l->symbols && kernel_symbols_find(l->symbols, address, out);
	uint64_t now_ns;

	if (found && !l->changed)
		return true;
	now_ns = clock_now_ns();
	if (l->was_read && !is_due(l, address, found ? out : NULL, now_ns))
		return found;
	read_list(l, now_ns);
	found = l->symbols && kernel_symbols_find(l->symbols, address, out);
	if (!found)
		unknown_note(l, address, now_ns);
	return found;
}
