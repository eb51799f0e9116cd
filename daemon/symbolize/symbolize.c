/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/log.h"
#include "base/map.h"
#include "process/process.h"
#include "symbolize/index.h"
#include "symbolize/jit.h"
#include "symbolize/kernel_list.h"
#include "symbolize/names.h"

#define LOG_ROOM "symbolize"

enum {
	ENTRIES_KEPT_MAX = 8 << 20,     /* of all indexes together: 200 MB */
	JIT_BYTES_KEPT_MAX = 256 << 20, /* of all maps together */
	TEXT_BYTES = 48,                /* of a kept name beside its characters */
	JIT_MAP_BYTES = 256,            /* of a map beside its functions */
};

/* Two images with the same of all these are the same file; the vDSO has only its number and size.
 */
struct index_key {
	uint64_t number, device, inode, size, mtime_ns;
};

struct jit {
	struct jit_map *map;
	uint64_t used_at; /* questions */
};

struct symbolizer {
	const char *debug_folder;
	struct intern *texts;
	struct map *indexes; /* struct index_key -> struct index * */
	struct map *jits;    /* uint32_t pid -> struct jit */
	struct kernel_list kernel;
	bool jit_warned;
	size_t entries_kept, jit_bytes, text_bytes;
	uint64_t questions;
};

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->debug_folder = "/usr/lib/debug";
	s->texts = intern_new();
	s->indexes = map_new(sizeof(struct index_key), sizeof(struct index *));
	s->jits = map_new(sizeof(uint32_t), sizeof(struct jit));
	if (kernel_list_init(&s->kernel, "/proc/kallsyms") < 0 || !s->texts || !s->indexes ||
		!s->jits) {
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
		jit_map_free(((struct jit *)value)->map);
	map_free(s->indexes);
	map_free(s->jits);
	kernel_list_close(&s->kernel);
	intern_free(s->texts);
	free(s);
}

void symbolizer_set_debug_folder(struct symbolizer *s, const char *path)
{
	s->debug_folder = path;
}

void symbolizer_set_kallsyms(struct symbolizer *s, const char *path)
{
	s->kernel.path = path;
}

/* The number of a name that is kept; 0: out of memory. */
static uint32_t text_keep(struct symbolizer *s, const char *name)
{
	uint32_t before = intern_count(s->texts), text = intern(s->texts, name);

	if (intern_count(s->texts) > before)
		s->text_bytes += strlen(name) + TEXT_BYTES;
	return text;
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
	return text_keep(s, name);
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
	s->kernel.changed = true;
}

void symbolizer_set_kernel_pauses(struct symbolizer *s, uint64_t unknown_ns, uint64_t changed_ns)
{
	s->kernel.unknown_pause_ns = unknown_ns;
	s->kernel.changed_pause_ns = changed_ns;
}

bool symbolize_kernel(struct symbolizer *s, uint64_t address, struct symbol *out)
{
	struct kernel_function f;

	if (!kernel_list_find(&s->kernel, address, &f))
		return false;
	return fill(s, text_keep(s, f.name), intern_text(s->texts, text_keep(s, f.module)),
		f.offset, out);
}

/* ---- JIT ---------------------------------------------------------------------------------------
 */

static struct jit_map *jit_of(struct symbolizer *s, uint32_t pid)
{
	struct jit *jit = map_put(s->jits, &pid, NULL);

	if (jit && !jit->map) {
		jit->map = jit_map_new();
		if (!jit->map)
			map_del(s->jits, &pid);
		else
			s->jit_bytes += JIT_MAP_BYTES;
	}
	if (!jit || !jit->map)
		return NULL;
	jit->used_at = ++s->questions;
	return jit->map;
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
	return fill(s, text_keep(s, name), "[jit]", offset, out);
}

int symbolizer_preload_jit(struct symbolizer *s, uint32_t pid, struct err *err)
{
	struct jit_map *m = jit_of(s, pid);

	return m ? update_jit(s, m, pid, err) : err_set(err, -ENOMEM, "no memory left");
}

void symbolizer_forget_jit(struct symbolizer *s, uint32_t pid)
{
	struct jit *jit = map_get(s->jits, &pid);

	if (!jit)
		return;
	s->jit_bytes -= jit_map_bytes(jit->map) + JIT_MAP_BYTES;
	jit_map_free(jit->map);
	map_del(s->jits, &pid);
}

/* ---- forgetting --------------------------------------------------------------------------------
 */

static void index_drop(struct symbolizer *s, const struct index_key *key)
{
	struct index_key copy = *key; /* it may lie in the map */
	struct index **x = map_get(s->indexes, &copy);

	s->entries_kept -= (*x)->count;
	index_free(*x);
	map_del(s->indexes, &copy);
}

void symbolizer_forget_image(struct symbolizer *s, uint32_t number)
{
	const void *key;
	void *value;

	for (size_t at = 0; map_next(s->indexes, &at, &key, &value);)
		if (((const struct index_key *)key)->number == number) {
			index_drop(s, key);
			at = 0;
		}
}

static size_t indexes_bytes(const struct symbolizer *s)
{
	const void *key;
	void *value;
	size_t sum = 0;

	for (size_t at = 0; map_next(s->indexes, &at, &key, &value);)
		sum += index_bytes(*(struct index **)value);
	return sum;
}

size_t symbolizer_bytes(const struct symbolizer *s)
{
	return indexes_bytes(s) + s->jit_bytes + s->text_bytes;
}

static void texts_drop(struct symbolizer *s)
{
	struct intern *empty = intern_new();
	const void *key;
	void *value;

	if (!empty)
		return;
	for (size_t at = 0; map_next(s->indexes, &at, &key, &value);) {
		struct index *x = *(struct index **)value;

		for (size_t i = 0; i < x->count; i++)
			x->entries[i].text = 0;
	}
	intern_free(s->texts);
	s->texts = empty;
	s->text_bytes = 0;
}

/* The index or perf map that was not asked for longest. Returns its bytes; 0: there is none. */
static size_t oldest_drop(struct symbolizer *s)
{
	const struct index_key *index = NULL;
	const uint32_t *pid = NULL;
	uint64_t oldest = UINT64_MAX;
	const void *key;
	void *value;
	size_t bytes = 0;

	for (size_t at = 0; map_next(s->indexes, &at, &key, &value);) {
		const struct index *x = *(struct index **)value;

		if (x->used_at >= oldest)
			continue;
		oldest = x->used_at;
		index = key;
		bytes = index_bytes(x);
	}
	for (size_t at = 0; map_next(s->jits, &at, &key, &value);) {
		const struct jit *jit = value;

		if (jit->used_at >= oldest)
			continue;
		oldest = jit->used_at;
		pid = key;
		bytes = jit_map_bytes(jit->map) + JIT_MAP_BYTES;
	}
	if (pid) {
		uint32_t copy = *pid;

		symbolizer_forget_jit(s, copy);
	} else if (index) {
		index_drop(s, index);
	}
	return bytes;
}

void symbolizer_trim(struct symbolizer *s, size_t bytes)
{
	size_t now = symbolizer_bytes(s), dropped = 1;

	if (now <= bytes)
		return;
	now -= s->text_bytes;
	texts_drop(s);
	now += s->text_bytes;
	while (now > bytes && dropped) {
		dropped = oldest_drop(s);
		now -= dropped;
	}
}
