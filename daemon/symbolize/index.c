/* SPDX-License-Identifier: BSD-2-Clause */
/* Building: read the tables -> drop what names no code -> sort -> one name per address -> give
 * symbols without a size their end -> link nested ones. String tables are in memory only meanwhile.
 */
#include "symbolize/index.h"

#include <stdlib.h>
#include <string.h>

#include "symbolize/names.h"

enum {
	TABLE_DYNAMIC,
	TABLE_FULL,
	TABLE_MINI,
	TABLES,
	NAME_BITS = 30,
	STRINGS_BYTES_MAX = 512 << 20, /* below 1 << NAME_BITS; an unstripped browser has 300 MB */
	ENTRIES_MAX = 4 << 20,         /* 100 MB of index */
	SYMBOLS_STEP = 2048,
	DIGIT_BITS = 11, /* of the radix sort */
	DIGITS = 1 << DIGIT_BITS,
	NESTING_MAX = 64,
};
_Static_assert(STRINGS_BYTES_MAX < 1 << NAME_BITS, "an offset has to fit");
_Static_assert(sizeof(struct index_entry) == 24, "a million of them has to stay small");

/* In index_entry.text while the index is built. */
enum { IS_FUNCTION = 1, HAS_SIZE = 2, BINDING_SHIFT = 2 };

struct build {
	struct index *index;
	struct index_entry *entries;
	size_t count, cap;
	char *strings[TABLES];
	bool failed; /* out of memory */
};

static uint64_t entry_end(const struct index_entry *e)
{
	uint64_t end = e->value + e->bytes;

	return end < e->value ? UINT64_MAX : end;
}

static void add_entry(struct build *b, const struct index_entry *e)
{
	if (b->count == ENTRIES_MAX)
		return;
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 1024;
		struct index_entry *entries = realloc(b->entries, cap * sizeof(*entries));

		if (!entries) {
			b->failed = true;
			return;
		}
		b->entries = entries;
		b->cap = cap;
	}
	b->entries[b->count++] = *e;
}

static enum name_binding binding_of(const Elf64_Sym *symbol)
{
	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_LOCAL:
		return NAME_LOCAL;
	case STB_WEAK:
		return NAME_WEAK;
	default:
		return NAME_GLOBAL;
	}
}

/* Takes what lies in an executable section of the same file. */
static void consider(struct build *b, int table, const Elf64_Sym *symbol)
{
	const struct index_table *t = &b->index->tables[table];
	int type = ELF64_ST_TYPE(symbol->st_info);
	bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
	const Elf64_Shdr *section;
	uint64_t room, bytes;

	if ((!function && type != STT_NOTYPE) || symbol->st_shndx == SHN_UNDEF ||
		symbol->st_shndx >= SHN_LORESERVE || symbol->st_shndx >= t->file->n_sections ||
		symbol->st_name >= t->strings_bytes)
		return;
	section = &t->file->sections[symbol->st_shndx];
	if (!(section->sh_flags & SHF_EXECINSTR) ||
		symbol->st_value - section->sh_addr >= section->sh_size ||
		name_is_internal(b->strings[table] + symbol->st_name))
		return;
	room = section->sh_size - (symbol->st_value - section->sh_addr);
	bytes = symbol->st_size && symbol->st_size < room ? symbol->st_size : room;
	add_entry(b,
		&(struct index_entry){
			.value = symbol->st_value,
			.bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX,
			.name = (uint32_t)table << NAME_BITS | symbol->st_name,
			.text = (function ? IS_FUNCTION : 0U) | (symbol->st_size ? HAS_SIZE : 0U) |
				(uint32_t)binding_of(symbol) << BINDING_SHIFT,
		});
}

static void read_table(struct build *b, int table, struct elf_file *file, uint32_t section_type)
{
	const Elf64_Shdr *section = elf_file_section_of_type(file, section_type);
	struct index_table *t = &b->index->tables[table];
	uint64_t left, at;
	Elf64_Sym *step;
	size_t strings_bytes;

	if (!section || section->sh_entsize != sizeof(*step) ||
		section->sh_link >= file->n_sections)
		return;
	b->strings[table] = (char *)elf_file_load(
		file, &file->sections[section->sh_link], STRINGS_BYTES_MAX, &strings_bytes);
	if (!b->strings[table])
		return;
	t->file = file;
	t->strings_at = file->sections[section->sh_link].sh_offset;
	t->strings_bytes = strings_bytes;
	step = malloc(SYMBOLS_STEP * sizeof(*step));
	if (!step) {
		b->failed = true;
		return;
	}
	at = section->sh_offset;
	for (left = section->sh_size / sizeof(*step); left && !b->failed;) {
		size_t n = left < SYMBOLS_STEP ? (size_t)left : SYMBOLS_STEP;

		n = elf_file_read(file, step, n * sizeof(*step), at) / sizeof(*step);
		for (size_t i = 0; i < n; i++)
			consider(b, table, &step[i]);
		if (!n)
			break;
		left -= n;
		at += n * sizeof(*step);
	}
	free(step);
}

static void read_tables(struct build *b, const struct image *image, const char *debug_folder)
{
	struct index *x = b->index;

	if (!image->is_elf || elf_file_borrow(&x->image, image->fd) < 0)
		return;
	read_table(b, TABLE_DYNAMIC, &x->image, SHT_DYNSYM);
	if (elf_file_section_of_type(&x->image, SHT_SYMTAB))
		read_table(b, TABLE_FULL, &x->image, SHT_SYMTAB);
	else if (debug_file_open(&x->debug, &x->image, image, debug_folder))
		read_table(b, TABLE_FULL, &x->debug, SHT_SYMTAB);
	else if (mini_debug_open(&x->mini, &x->image))
		read_table(b, TABLE_MINI, &x->mini, SHT_SYMTAB);
}

/* Radix sort by address, stable; digits that are the same everywhere cost one pass over the
 * entries. A million entries take a fifth of qsort's time. */
static void sort_entries(struct build *b)
{
	struct index_entry *from = b->entries, *to = malloc(b->count * sizeof(*to)), *swap;
	size_t *at = malloc(DIGITS * sizeof(*at));

	b->failed = b->failed || !to || !at;
	for (int shift = 0; shift < 64 && !b->failed; shift += DIGIT_BITS) {
		size_t sum = 0;

		memset(at, 0, DIGITS * sizeof(*at));
		for (size_t i = 0; i < b->count; i++)
			at[from[i].value >> shift & (DIGITS - 1)]++;
		if (at[from[0].value >> shift & (DIGITS - 1)] == b->count)
			continue;
		for (size_t d = 0; d < DIGITS; d++) {
			size_t n = at[d];

			at[d] = sum;
			sum += n;
		}
		for (size_t i = 0; i < b->count; i++)
			to[at[from[i].value >> shift & (DIGITS - 1)]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	free(at);
	free(to);
	b->entries = from;
}

static struct name_choice choice_of(const struct build *b, const struct index_entry *e)
{
	return (struct name_choice){
		.name = b->strings[e->name >> NAME_BITS] + (e->name & ((1U << NAME_BITS) - 1)),
		.is_function = e->text & IS_FUNCTION,
		.has_size = e->text & HAS_SIZE,
		.binding = (enum name_binding)(e->text >> BINDING_SHIFT),
	};
}

static void keep_best_names(struct build *b)
{
	size_t kept = 0;

	for (size_t i = 1; i < b->count; i++) {
		struct name_choice best, next;

		if (b->entries[i].value != b->entries[kept].value) {
			b->entries[++kept] = b->entries[i];
			continue;
		}
		best = choice_of(b, &b->entries[kept]);
		next = choice_of(b, &b->entries[i]);
		if (name_is_better(&next, &best))
			b->entries[kept] = b->entries[i];
	}
	b->count = kept + 1;
}

/* A symbol without a size is one of hand-written assembly: a function up to the next symbol where
 * it stands alone, but a mere label where it lies inside a function. */
static void close_open_ends(struct build *b)
{
	uint64_t covered = 0;
	size_t kept = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct index_entry *e = &b->entries[i];

		if (!(e->text & HAS_SIZE) && e->value < covered)
			continue;
		if ((e->text & HAS_SIZE) && entry_end(e) > covered)
			covered = entry_end(e);
		b->entries[kept++] = *e;
	}
	b->count = kept;
	for (size_t i = 0; i + 1 < kept; i++) {
		struct index_entry *e = &b->entries[i];
		uint64_t room = b->entries[i + 1].value - e->value;

		if (!(e->text & HAS_SIZE) && e->bytes > room)
			e->bytes = (uint32_t)room;
	}
}

/* What ends before one entry ends before all later ones too, so each is passed over once. */
static void link_nested(struct build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		uint32_t outer = (uint32_t)i;

		while (outer && entry_end(&b->entries[outer - 1]) <= b->entries[i].value)
			outer = b->entries[outer - 1].outer;
		b->entries[i].outer = outer;
		b->entries[i].text = 0;
	}
}

struct index *index_build(const struct image *image, const char *debug_folder)
{
	struct index *x = calloc(1, sizeof(*x));
	struct build b = {.index = x};

	if (!x)
		return NULL;
	x->image.fd = x->debug.fd = x->mini.fd = -1;
	read_tables(&b, image, debug_folder);
	if (b.count && !b.failed)
		sort_entries(&b);
	if (b.count && !b.failed) {
		struct index_entry *shrunk;

		keep_best_names(&b);
		close_open_ends(&b);
		link_nested(&b);
		shrunk = realloc(b.entries, b.count * sizeof(*shrunk));
		b.entries = shrunk ? shrunk : b.entries;
	}
	for (int i = 0; i < TABLES; i++)
		free(b.strings[i]);
	x->entries = b.entries;
	x->count = b.count;
	if (b.failed) {
		index_free(x);
		return NULL;
	}
	return x;
}

static size_t elf_file_bytes(const struct elf_file *f)
{
	return f->n_sections * sizeof(*f->sections) + (f->bytes ? (size_t)f->size : 0);
}

size_t index_bytes(const struct index *x)
{
	return sizeof(*x) + x->count * sizeof(*x->entries) +
	       x->starts.n * sizeof(*x->starts.offsets) + elf_file_bytes(&x->image) +
	       elf_file_bytes(&x->debug) + elf_file_bytes(&x->mini);
}

void index_free(struct index *x)
{
	if (!x)
		return;
	starts_free(&x->starts);
	elf_file_close(&x->image);
	elf_file_close(&x->debug);
	elf_file_close(&x->mini);
	free(x->entries);
	free(x);
}

struct index_entry *index_find(const struct index *x, uint64_t vaddr)
{
	size_t low = 0, high = x->count;

	while (low < high) { /* the first entry behind vaddr */
		size_t middle = low + (high - low) / 2;

		if (x->entries[middle].value <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = 0; low && i < NESTING_MAX; i++) {
		struct index_entry *e = &x->entries[low - 1];

		if (vaddr - e->value < e->bytes)
			return e;
		low = e->outer;
	}
	return NULL;
}

bool index_name(const struct index *x, const struct index_entry *e, char *name, size_t bytes)
{
	const struct index_table *t = &x->tables[e->name >> NAME_BITS];
	uint64_t offset = e->name & ((1U << NAME_BITS) - 1);
	size_t n = bytes - 1;

	if (n > t->strings_bytes - offset)
		n = (size_t)(t->strings_bytes - offset);
	n = elf_file_read(t->file, name, n, t->strings_at + offset);
	name[n] = '\0';
	name[name_bare_length(name)] = '\0';
	return name[0] != '\0';
}

bool index_start(struct index *x, uint64_t vaddr, uint64_t *start)
{
	if (!x->starts_read)
		x->starts_read = starts_read(&x->starts, &x->image);
	return starts_find(&x->starts, vaddr, start);
}
