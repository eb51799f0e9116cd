/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolize.h"

#include <errno.h>
#include <stdlib.h>

#include "base/intern.h"
#include "base/log.h"
#include "base/map.h"
#include "process/process.h"
#include "symbolize/index.h"
#include "symbolize/jit.h"
#include "symbolize/kernel.h"
#include "symbolize/names.h"

#define LOG_ROOM "symbolize"

enum {
	ENTRIES_KEPT_MAX = 8 << 20,     /* of all indexes together: 200 MB */
	JIT_BYTES_KEPT_MAX = 256 << 20, /* of all maps together */
};

/* Two images with the same of all these are the same file; the vDSO has only its number and size.
 */
struct index_key {
	uint64_t number, device, inode, size, mtime_ns;
};

struct symbolizer {
	const char *debug_folder, *kallsyms;
	struct intern *texts;
	struct map *indexes; /* struct index_key -> struct index * */
	struct map *jits;    /* uint32_t pid -> struct jit_map * */
	struct kernel_symbols *kernel;
	bool kernel_was_read; /* or was tried to */
	bool kernel_warned, jit_warned;
	size_t entries_kept, jit_bytes;
	uint64_t questions;
};

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->debug_folder = "/usr/lib/debug";
	s->kallsyms = "/proc/kallsyms";
	s->texts = intern_new();
	s->indexes = map_new(sizeof(struct index_key), sizeof(struct index *));
	s->jits = map_new(sizeof(uint32_t), sizeof(struct jit_map *));
	if (!s->texts || !s->indexes || !s->jits) {
		symbolizer_free(s);
		return NULL;
	}
	return s;
}

void symbolizer_free(struct symbolizer *s)
{
	const void *key;
	void *value;

	if (!s)
		return;
	for (size_t at = 0; s->indexes && map_next(s->indexes, &at, &key, &value);)
		index_free(*(struct index **)value);
	for (size_t at = 0; s->jits && map_next(s->jits, &at, &key, &value);)
		jit_map_free(*(struct jit_map **)value);
	map_free(s->indexes);
	map_free(s->jits);
	kernel_symbols_free(s->kernel);
	intern_free(s->texts);
	free(s);
}

void symbolizer_set_debug_folder(struct symbolizer *s, const char *path)
{
	s->debug_folder = path;
}

void symbolizer_set_kallsyms(struct symbolizer *s, const char *path)
{
	s->kallsyms = path;
}

/* False where memory is out. */
static bool fill(struct symbolizer *s, uint32_t text, const char *module, uint64_t offset,
	struct symbol *out)
{
	if (!text)
		return false;
	*out = (struct symbol){
		.name = intern_text(s->texts, text), .module = module, .offset = offset};
	return true;
}

/* ---- native ------------------------------------------------------------------------------------
 */

/* Makes room by forgetting what was not asked for longest. It is built again when it is asked for.
 */
static void drop_oldest_indexes(struct symbolizer *s, const struct index *spare)
{
	while (s->entries_kept > ENTRIES_KEPT_MAX) {
		struct index_key oldest_key;
		struct index *oldest = NULL;
		const void *key;
		void *value;

		for (size_t at = 0; map_next(s->indexes, &at, &key, &value);) {
			struct index *x = *(struct index **)value;

			if (x == spare || !x->count || (oldest && oldest->used_at <= x->used_at))
				continue;
			oldest = x;
			oldest_key = *(const struct index_key *)key;
		}
		if (!oldest)
			return;
		s->entries_kept -= oldest->count;
		index_free(oldest);
		map_del(s->indexes, &oldest_key);
	}
}

static struct index *index_of(struct symbolizer *s, const struct image *image)
{
	struct index_key key = {
		.number = image->number,
		.device = image->device,
		.inode = image->inode,
		.size = image->size,
		.mtime_ns = image->mtime_ns,
	};
	struct index **at = map_get(s->indexes, &key), *x;

	if (at) {
		x = *at;
		if (x->image.size)
			x->image.fd = image->fd; /* the file may have been opened anew */
	} else {
		x = index_build(image, s->debug_folder);
		at = x ? map_put(s->indexes, &key, NULL) : NULL;
		if (!at) {
			index_free(x);
			return NULL;
		}
		*at = x;
		s->entries_kept += x->count;
		drop_oldest_indexes(s, x);
		log_debug("%s: %zu functions", image->path, x->count);
	}
	x->used_at = ++s->questions;
	return x;
}

static uint32_t demangled_text(
	struct symbolizer *s, const struct index *x, const struct index_entry *e)
{
	char raw[RAW_NAME_MAX + 1], name[SYMBOL_NAME_MAX + 1];

	if (!index_name(x, e, raw, sizeof(raw)))
		return 0;
	name_demangle(raw, name);
	return intern(s->texts, name);
}

bool symbolize_native(
	struct symbolizer *s, const struct image *image, uint64_t vaddr, struct symbol *out)
{
	struct index *x = image->is_elf && image->fd >= 0 ? index_of(s, image) : NULL;
	struct index_entry *e = x ? index_find(x, vaddr) : NULL;

	if (!e)
		return false;
	if (!e->text)
		e->text = demangled_text(s, x, e);
	return fill(s, e->text, image->name, vaddr - e->value, out);
}

bool symbolize_function_start(
	struct symbolizer *s, const struct image *image, uint64_t vaddr, uint64_t *start)
{
	struct index *x = image->is_elf && image->fd >= 0 ? index_of(s, image) : NULL;

	return x && index_start(x, vaddr, start);
}

/* ---- kernel ------------------------------------------------------------------------------------
 */

void symbolizer_refresh_kernel(struct symbolizer *s)
{
	kernel_symbols_free(s->kernel);
	s->kernel = NULL;
	s->kernel_was_read = false;
}

bool symbolize_kernel(struct symbolizer *s, uint64_t address, struct symbol *out)
{
	struct kernel_function f;

	if (!s->kernel_was_read) {
		s->kernel = kernel_symbols_read(s->kallsyms, !s->kernel_warned);
		s->kernel_was_read = s->kernel_warned = true;
	}
	if (!s->kernel || !kernel_symbols_find(s->kernel, address, &f))
		return false;
	return fill(s, intern(s->texts, f.name), intern_text(s->texts, intern(s->texts, f.module)),
		f.offset, out);
}

/* ---- JIT ---------------------------------------------------------------------------------------
 */

static struct jit_map *jit_of(struct symbolizer *s, uint32_t pid)
{
	struct jit_map **at = map_get(s->jits, &pid), *m;

	if (at)
		return *at;
	m = jit_map_new();
	at = m ? map_put(s->jits, &pid, NULL) : NULL;
	if (!at) {
		jit_map_free(m);
		return NULL;
	}
	return *at = m;
}

static int update_jit(struct symbolizer *s, struct jit_map *m, uint32_t pid, struct err *err)
{
	size_t before = jit_map_bytes(m);
	int rc;

	if (s->jit_bytes > JIT_BYTES_KEPT_MAX) {
		if (!s->jit_warned)
			log_warn(
				"perf maps take more than %d MiB: later JIT code stays without names",
				JIT_BYTES_KEPT_MAX >> 20);
		s->jit_warned = true;
		return err_set(err, -E2BIG, "no more room for the perf map of process %u", pid);
	}
	rc = jit_map_update(m, pid, err);
	s->jit_bytes = s->jit_bytes - before + jit_map_bytes(m);
	return rc;
}

bool symbolize_jit(struct symbolizer *s, uint32_t pid, uint64_t address, struct symbol *out)
{
	struct jit_map *m = jit_of(s, pid);
	const char *name;
	uint64_t offset;

	if (!m)
		return false;
	if (!jit_map_find(m, address, &name, &offset)) {
		if (!jit_map_is_due(m))
			return false;
		update_jit(s, m, pid, NULL);
		if (!jit_map_find(m, address, &name, &offset))
			return false;
	}
	return fill(s, intern(s->texts, name), "[jit]", offset, out);
}

int symbolizer_preload_jit(struct symbolizer *s, uint32_t pid, struct err *err)
{
	struct jit_map *m = jit_of(s, pid);

	return m ? update_jit(s, m, pid, err) : err_set(err, -ENOMEM, "no memory left");
}

void symbolizer_forget_jit(struct symbolizer *s, uint32_t pid)
{
	struct jit_map **at = map_get(s->jits, &pid);

	if (!at)
		return;
	s->jit_bytes -= jit_map_bytes(*at);
	jit_map_free(*at);
	map_del(s->jits, &pid);
}
