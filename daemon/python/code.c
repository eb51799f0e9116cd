/* SPDX-License-Identifier: BSD-2-Clause */
/* Three tables:
 *
 *   of a process: (code address, fingerprint) --> code object --> function number --> qualname,
 * file, first line
 *                                                      +--------> lines
 *
 * Functions and lines are shared by all processes that run the same source.
 *
 * The target runs on while its memory is read. A code object is believed when its identity, read
 * before and after the strings and the location table it points to, has the fingerprint of the
 * sample: then it was alive all the while, and so was what it points to, since code objects never
 * change these. */
#include "python/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"
#include "python/lines.h"
#include "python/text.h"

enum {
	LINETABLE_MAX = 1 << 20,
	CODE_BUF_MAX = LINETABLE_MAX + 65536,
	OB_TYPE = 8,
	OB_SIZE = 16,
	FUNCTIONS_PER_BLOCK = 1024,
	FUNCTION_BYTES = 160,    /* of the entries that one has in all tables */
	OBJECTS_MAX = 1 << 20,   /* code objects of a process, */
	FUNCTIONS_MAX = 4 << 20, /* and functions of all: far above any program, but a target can
				    make them up */
};

struct code_key {
	uint64_t address, fingerprint;
};

struct code_object {
	const struct lines *lines; /* owned by `lines`; NULL: not read */
	uint32_t function;         /* 0: could not be resolved, `error` says why */
	int32_t error;
};

struct function_key {
	uint32_t qualname, file, first_line;
};

struct lines_key {
	uint64_t hash; /* of the location table */
	uint32_t function, bytes;
};

struct codes {
	struct map *numbers; /* struct function_key -> uint32_t */
	struct map *lines;   /* struct lines_key -> struct lines * */
	struct intern *strings;
	struct python_function *
		*blocks; /* function `n` is blocks[(n - 1) / PER_BLOCK][(n - 1) % PER_BLOCK] */
	uint32_t n_functions, n_blocks;
	size_t bytes;    /* of lines and strings, about */
	struct buf text; /* scratch */
	struct python_stats stats;
};

/* What is read of a code object. */
struct identity {
	__u64 words[PROFD_PYTHON_CODE_BYTES / 8];
	uint32_t fingerprint, first_line;
};

struct codes *codes_new(void)
{
	struct codes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	buf_init(&c->text, CODE_BUF_MAX);
	c->numbers = map_new(sizeof(struct function_key), sizeof(uint32_t));
	c->lines = map_new(sizeof(struct lines_key), sizeof(struct lines *));
	c->strings = intern_new();
	if (!c->numbers || !c->lines || !c->strings) {
		codes_free(c);
		return NULL;
	}
	return c;
}

void codes_free(struct codes *c)
{
	size_t at = 0;
	const void *key;
	void *value;

	if (!c)
		return;
	while (c->lines && map_next(c->lines, &at, &key, &value))
		free(*(struct lines **)value);
	for (uint32_t i = 0; i < c->n_blocks; i++)
		free(c->blocks[i]);
	free(c->blocks);
	map_free(c->numbers);
	map_free(c->lines);
	if (c->strings)
		intern_free(c->strings);
	buf_free(&c->text);
	free(c);
}

int codes_reset(struct codes *c)
{
	struct codes *fresh = codes_new(), old = *c;

	if (!fresh)
		return -ENOMEM;
	*c = *fresh;
	c->stats = old.stats;
	*fresh = old;
	codes_free(fresh);
	return 0;
}

size_t codes_bytes(const struct codes *c)
{
	return c->bytes + (size_t)c->n_functions * FUNCTION_BYTES;
}

struct map *codes_objects_new(void)
{
	return map_new(sizeof(struct code_key), sizeof(struct code_object));
}

/* ---- functions ---------------------------------------------------------------------------------
 */

const struct python_function *codes_function(const struct codes *c, uint64_t number)
{
	if (!number || number > c->n_functions)
		return NULL;
	return &c->blocks[(number - 1) / FUNCTIONS_PER_BLOCK][(number - 1) % FUNCTIONS_PER_BLOCK];
}

static struct python_function *function_add(struct codes *c)
{
	struct python_function **blocks;
	uint32_t at = c->n_functions % FUNCTIONS_PER_BLOCK;

	if (c->n_functions >= FUNCTIONS_MAX)
		return NULL;
	if (c->n_functions / FUNCTIONS_PER_BLOCK == c->n_blocks) {
		blocks = realloc(c->blocks, (c->n_blocks + 1) * sizeof(*blocks));
		if (!blocks)
			return NULL;
		c->blocks = blocks;
		blocks[c->n_blocks] = calloc(FUNCTIONS_PER_BLOCK, sizeof(**blocks));
		if (!blocks[c->n_blocks])
			return NULL;
		c->n_blocks++;
	}
	return &c->blocks[c->n_functions++ / FUNCTIONS_PER_BLOCK][at];
}

static uint32_t text_keep(struct codes *c, const char *text)
{
	uint32_t before = intern_count(c->strings), number = intern(c->strings, text);

	if (intern_count(c->strings) > before)
		c->bytes += strlen(text);
	return number;
}

/* 0: out of memory. */
static uint32_t function_number(
	struct codes *c, const char *qualname, const char *file, uint32_t first_line)
{
	struct function_key key = {
		text_keep(c, *qualname ? qualname : "<no name>"), text_keep(c, file), first_line};
	struct python_function *f;
	bool fresh;
	uint32_t *number = map_put(c->numbers, &key, &fresh);

	if (!number || !key.qualname)
		return 0;
	if (fresh || !*number) {
		f = function_add(c);
		if (!f)
			return 0;
		*f = (struct python_function){intern_text(c->strings, key.qualname),
			intern_text(c->strings, key.file), first_line};
		*number = c->n_functions;
	}
	return *number;
}

static const struct lines *lines_get(
	struct codes *c, uint32_t function, const void *table, size_t bytes, uint32_t first_line)
{
	struct lines_key key = {hash_bytes(table, bytes), function, (uint32_t)bytes};
	struct lines **lines = map_put(c->lines, &key, NULL);

	if (lines && !*lines) {
		*lines = lines_decode(table, bytes, first_line);
		c->bytes += *lines ? lines_bytes(*lines) : 0;
	}
	return lines ? *lines : NULL;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static uint32_t int_at(const struct identity *id, uint16_t offset)
{
	uint32_t v;

	memcpy(&v, (const char *)id->words + offset, sizeof(v));
	return v;
}

/* 0, -ESTALE, or why not. */
static int identity_read(
	const struct code_source *source, const struct python_frame *frame, struct identity *id)
{
	const struct profd_python *w = &source->layout->walk;
	size_t bytes = w->code_traceable + 4U;
	ssize_t n = process_read(source->pid, frame->code, id->words, bytes);

	if (n != (ssize_t)bytes)
		return n == -ESRCH || n == -EPERM ? (int)n : -ESTALE; /* unmapped by now */
	if (source->code_type && id->words[OB_TYPE / 8] != source->code_type)
		return -ESTALE;
	id->first_line = int_at(id, w->code_first_line);
	id->fingerprint = profd_python_fingerprint(
		&id->words[w->code_ident / 8], id->first_line, id->words[OB_SIZE / 8]);
	return id->fingerprint == frame->fingerprint ? 0 : -ESTALE;
}

/* Fills `text` with qualname, NUL, file, NUL, location table; sets where the latter two begin. */
static int parts_read(const struct code_source *source, const struct identity *id, struct buf *text,
	size_t *file, size_t *table)
{
	const struct layout *l = source->layout;
	int error;

	buf_reset(text);
	error = text_read(source->pid, l, id->words[l->code_qualname / 8], text);
	if (error || (error = buf_putc(text, '\0')))
		return error;
	*file = text->len;
	error = text_read(source->pid, l, id->words[l->code_filename / 8], text);
	if (error || (error = buf_putc(text, '\0')))
		return error;
	*table = text->len;
	return bytes_read(source->pid, l, id->words[l->code_linetable / 8], LINETABLE_MAX, text);
}

static int object_read(struct codes *c, const struct code_source *source,
	const struct python_frame *frame, struct code_object *out)
{
	struct identity id;
	size_t file = 0, table = 0;
	int error, again;

	error = identity_read(source, frame, &id);
	if (error)
		return error;
	error = parts_read(source, &id, &c->text, &file, &table);
	again = identity_read(source, frame, &id);
	if (again || error)
		return again ? again : error;
	out->function = function_number(c, c->text.data, c->text.data + file, id.first_line);
	if (!out->function)
		return -ENOMEM;
	out->lines = lines_get(
		c, out->function, c->text.data + table, c->text.len - table, id.first_line);
	return out->lines ? 0 : -ENOMEM;
}

/* Failures that another try will not mend, so that a frame that comes with every sample costs no
 * system calls. */
static bool is_final(int error)
{
	return error == -EINVAL || error == -EFAULT;
}

static void count(struct codes *c, int error)
{
	if (error == -ESTALE)
		c->stats.changed++;
	else if (error)
		c->stats.unreadable++;
	else
		c->stats.code_objects++;
}

int codes_find(struct codes *c, const struct code_source *source, const struct python_frame *frame,
	uint64_t *function, uint32_t *line)
{
	struct code_key key = {frame->code, frame->fingerprint};
	struct code_object fresh = {0}, *o = map_get(source->objects, &key);

	if (!o) {
		fresh.error = object_read(c, source, frame, &fresh);
		count(c, fresh.error);
		if (fresh.error && !is_final(fresh.error))
			return fresh.error;
		if (map_count(source->objects) >= OBJECTS_MAX ||
			!(o = map_put(source->objects, &key, NULL)))
			return -ENOMEM;
		*o = fresh;
	}
	if (o->error)
		return o->error;
	*function = o->function;
	*line = lines_find(o->lines, frame->instruction);
	return 0;
}

void codes_stats(const struct codes *c, struct python_stats *stats)
{
	*stats = c->stats;
}
