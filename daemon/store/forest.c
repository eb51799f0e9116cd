/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/forest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"

#define BROKEN (-1) /* a slot's frame: the stack below it is missing */

enum {
	NODES_MAX = 16 << 20,
	ASKED_MIN = 512,  /* so many stacks are looked up one by one in any case */
	ASKED_SHARE = 16, /* beyond that part of all, reading them all is cheaper */
	DEPTH_MAX = 4096,
};

struct other_key {
	uint32_t root, slot;
};

struct root_key {
	uint32_t parent, kind, name, line;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM,
		"not enough memory for the answer; ask for a shorter time or fewer processes");
}

/* Room for one more. */
static int grow(void **array, uint32_t n, uint32_t *cap, size_t element_bytes)
{
	uint32_t more = *cap ? *cap * 2 : 1024;
	void *p;

	if (n < *cap)
		return 0;
	p = realloc(*array, more * element_bytes);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = more;
	return 0;
}

/* ---- names and frames --------------------------------------------------------------------------
 */

static int text_number(struct forest *t, int64_t row, uint32_t *number, struct err *err)
{
	uint32_t *known = rowmap_at(&t->names, row);
	sqlite3_stmt *s;
	int rc;

	*number = 0;
	if (!known)
		return no_memory(err);
	if (!*known) {
		const char *text;

		rc = db_use(t->db, READ_TEXT, &s, err, "i", row);
		if (!rc)
			rc = db_step(t->db, s, err);
		if (rc < 0)
			return rc;
		if (!rc)
			return reader_damaged(t->db, err, "a text is missing", row);
		text = (const char *)sqlite3_column_text(s, 0);
		*known = 1 + (text ? intern(t->strings, text) : 0);
		db_done(s);
	}
	*number = *known - 1;
	return 0;
}

static int frame_add(struct forest *t, const struct frame *f, uint32_t *number)
{
	if (grow((void **)&t->frames, t->n_frames, &t->cap_frames, sizeof(*t->frames)) < 0)
		return -ENOMEM;
	t->frames[t->n_frames] = *f;
	*number = t->n_frames++;
	return 0;
}

static int frame_read(struct forest *t, int64_t row, struct frame *f, struct err *err)
{
	int64_t kind, line, name, file, module;
	sqlite3_stmt *s;
	int rc = db_use(t->db, READ_FRAME, &s, err, "i", row);

	if (!rc)
		rc = db_step(t->db, s, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return reader_damaged(t->db, err, "a frame is missing", row);
	line = sqlite3_column_int64(s, 0);
	kind = sqlite3_column_int64(s, 1);
	name = sqlite3_column_int64(s, 2);
	file = sqlite3_column_int64(s, 3);
	module = sqlite3_column_int64(s, 4);
	db_done(s);
	if (kind < FRAME_PYTHON || kind > FRAME_NOTE || line < 0 || line > UINT32_MAX)
		return reader_damaged(t->db, err, "a frame makes no sense", row);
	*f = (struct frame){.kind = (uint32_t)kind, .line = (uint32_t)line};
	rc = text_number(t, name, &f->name, err);
	if (!rc)
		rc = text_number(t, file, &f->file, err);
	if (!rc)
		rc = text_number(t, module, &f->module, err);
	return rc;
}

static int frame_number(struct forest *t, int64_t row, uint32_t *number, struct err *err)
{
	uint32_t *known = rowmap_at(&t->rows, row);
	struct frame f;
	int rc;

	if (!known)
		return no_memory(err);
	if (!*known) {
		rc = frame_read(t, row, &f, err);
		if (rc < 0)
			return rc;
		if (!f.name)
			f.name = intern(t->strings, "[unknown]");
		if (frame_add(t, &f, number) < 0)
			return no_memory(err);
		*known = *number + 1;
	}
	*number = *known - 1;
	return 0;
}

/* ---- stacks of the file ------------------------------------------------------------------------
 */

static int slot_add(struct forest *t, int64_t row, uint32_t parent, int64_t frame, uint32_t *slot)
{
	uint32_t *at = rowmap_at(&t->stacks, row);

	if (!at || grow((void **)&t->slots, t->n_slots, &t->cap_slots, sizeof(*t->slots)) < 0)
		return -ENOMEM;
	t->slots[t->n_slots] = (struct stack_slot){.parent = parent, .frame = frame};
	*slot = *at = t->n_slots++;
	return 0;
}

/* All of them in one go, in the order of their numbers: parents come first. */
static int slots_load(struct forest *t, struct err *err)
{
	sqlite3_stmt *s;
	int rc = db_use(t->db, READ_STACKS, &s, err, "");

	while (!rc && (rc = db_step(t->db, s, err)) == 1) {
		int64_t row = sqlite3_column_int64(s, 0), parent = sqlite3_column_int64(s, 1);
		int64_t frame = sqlite3_column_int64(s, 2);
		uint32_t slot, *known = rowmap_at(&t->stacks, row), *below;

		rc = 0;
		if (known && (*known || row <= 0))
			continue;
		below = parent > 0 && parent < row ? rowmap_at(&t->stacks, parent) : NULL;
		if (parent && (!below || !*below))
			frame = BROKEN;
		if (slot_add(t, row, below ? *below : 0, frame, &slot) < 0) {
			db_done(s);
			rc = no_memory(err);
		}
	}
	t->whole = !rc;
	return rc;
}

/* One stack and those below it that are not known yet: from the leaf to the root, then back. */
static int slot_find(struct forest *t, int64_t row, uint32_t *slot, struct err *err)
{
	uint32_t *known = rowmap_at(&t->stacks, row);
	int64_t parent, frame;
	sqlite3_stmt *s;
	uint32_t below;
	int rc;

	if (!known)
		return no_memory(err);
	*slot = *known;
	if (*known || !row)
		return 0;
	if (!t->whole && t->asked++ >= ASKED_MIN && t->asked > t->rows_max / ASKED_SHARE) {
		rc = slots_load(t, err);
		return rc < 0 ? rc : slot_find(t, row, slot, err);
	}
	rc = db_use(t->db, READ_STACK, &s, err, "i", row);
	if (!rc)
		rc = db_step(t->db, s, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return reader_damaged(t->db, err, "a stack is missing", row);
	parent = sqlite3_column_int64(s, 0);
	frame = sqlite3_column_int64(s, 1);
	db_done(s);
	if (parent < 0 || parent >= row)
		return reader_damaged(t->db, err, "a stack lies below a later one", row);
	/* A chain is as long as its stack is deep; the unwinders' limits hold it short, a damaged
	 * file does not. */
	rc = ++t->depth > DEPTH_MAX ? reader_damaged(t->db, err, "a stack is too deep", row)
				    : slot_find(t, parent, &below, err);
	t->depth--;
	if (!rc && slot_add(t, row, below, frame, slot) < 0)
		rc = no_memory(err);
	return rc;
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static int node_add(
	struct forest *t, uint32_t parent, uint32_t frame, uint32_t *node, struct err *err)
{
	if (t->n_nodes == NODES_MAX)
		return err_set(err, -E2BIG,
			"the answer has more than %d stacks; ask for a shorter time or fewer "
			"processes",
			NODES_MAX);
	if (grow((void **)&t->nodes, t->n_nodes, &t->cap_nodes, sizeof(*t->nodes)) < 0)
		return no_memory(err);
	t->nodes[t->n_nodes] = (struct stack_node){.parent = parent, .frame = frame};
	*node = t->n_nodes++;
	return 0;
}

int forest_root(struct forest *t, uint32_t parent, enum frame_kind kind, const char *name,
	uint32_t line, uint32_t *node, struct err *err)
{
	struct root_key key = {parent, kind, intern(t->strings, *name ? name : "?"), line};
	bool fresh;
	uint32_t *known = map_put(t->roots, &key, &fresh), frame;
	struct frame f = {.kind = kind, .name = key.name, .line = line};
	int rc;

	if (!known)
		return no_memory(err);
	if (fresh) {
		rc = frame_add(t, &f, &frame) < 0 ? no_memory(err)
						  : node_add(t, parent, frame, known, err);
		if (rc < 0)
			return rc;
	}
	*node = *known;
	return 0;
}

/* The node of a slot below a root, 0 before there is one; NULL: out of memory. Most stacks have one
 * root only, which stands in the slot itself. */
static uint32_t *slot_node(struct forest *t, uint32_t root, uint32_t slot)
{
	struct stack_slot *s = &t->slots[slot];
	struct other_key key = {root, slot};

	if (!s->node)
		s->root = root;
	return s->root == root ? &s->node : map_put(t->others, &key, NULL);
}

static int slot_name(struct forest *t, uint32_t slot, uint32_t *frame, struct err *err)
{
	struct stack_slot *s = &t->slots[slot];
	int rc;

	if (s->frame == BROKEN)
		return reader_damaged(t->db, err, "the rest of a stack is missing", slot);
	rc = frame_number(t, s->frame, frame, err);
	if (rc < 0)
		return rc;
	s->kernel =
		t->frames[*frame].kind == FRAME_KERNEL || (s->parent && t->slots[s->parent].kernel);
	return 0;
}

/* One step further up: the node of `slot`, whose parent's node is `below`. */
static int node_of_slot(struct forest *t, uint32_t root, uint32_t slot, uint32_t below,
	uint32_t *node, struct err *err)
{
	uint32_t frame, *at;
	int rc = slot_name(t, slot, &frame, err);

	if (rc < 0)
		return rc;
	*node = below;
	/* A stack that is cut has the node of what is left of it, which may be that of the thread:
	 * the root of all has number 0, and is looked for again each time. */
	if (!t->no_kernel || !t->slots[slot].kernel)
		rc = node_add(t, below, frame, node, err);
	if (rc < 0)
		return rc;
	at = slot_node(t, root, slot);
	if (!at)
		return no_memory(err);
	*at = *node;
	return 0;
}

int forest_node(struct forest *t, uint32_t root, uint64_t stack, uint32_t *node, struct err *err)
{
	uint32_t slot, *at;
	int rc = slot_find(t, (int64_t)stack, &slot, err);

	if (rc < 0)
		return rc;
	t->path.n = 0;
	for (*node = root; slot; slot = t->slots[slot].parent) {
		at = slot_node(t, root, slot);
		if (!at)
			return no_memory(err);
		if (*at) {
			*node = *at;
			break;
		}
		if (grow((void **)&t->path.slots, t->path.n, &t->path.cap, sizeof(slot)) < 0)
			return no_memory(err);
		t->path.slots[t->path.n++] = slot;
	}
	while (t->path.n && !rc)
		rc = node_of_slot(t, root, t->path.slots[--t->path.n], *node, node, err);
	return rc;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int forest_alloc(struct forest *t, const int64_t *rows_max)
{
	const struct frame root = {.kind = FRAME_ROOT};
	uint32_t unused;

	t->strings = intern_new();
	t->others = map_new(sizeof(struct other_key), sizeof(uint32_t));
	t->roots = map_new(sizeof(struct root_key), sizeof(uint32_t));
	if (!t->strings || !t->others || !t->roots || rowmap_init(&t->stacks, rows_max[0]) < 0 ||
		rowmap_init(&t->rows, rows_max[1]) < 0 || rowmap_init(&t->names, rows_max[2]) < 0)
		return -ENOMEM;
	if (slot_add(t, 0, 0, 0, &unused) < 0 || frame_add(t, &root, &unused) < 0)
		return -ENOMEM;
	t->frames[0].name = intern(t->strings, "all");
	return node_add(t, 0, 0, &unused, NULL);
}

int forest_init(struct forest *t, struct db *db, bool kernel, struct err *err)
{
	static const char *const sizes[] = {"SELECT max(id) FROM stacks",
		"SELECT max(id) FROM frames", "SELECT max(id) FROM strings"};
	int64_t rows_max[3];
	int rc = 0;

	*t = (struct forest){.db = db, .no_kernel = !kernel};
	for (size_t i = 0; i < 3 && !rc; i++)
		rc = db_number(db, sizes[i], &rows_max[i], err);
	if (rc < 0)
		return rc;
	t->rows_max = rows_max[0];
	return forest_alloc(t, rows_max) < 0 ? no_memory(err) : 0;
}

void forest_free(struct forest *t)
{
	intern_free(t->strings);
	map_free(t->others);
	map_free(t->roots);
	rowmap_free(&t->stacks);
	rowmap_free(&t->rows);
	rowmap_free(&t->names);
	free(t->slots);
	free(t->frames);
	free(t->nodes);
	free(t->path.slots);
	*t = (struct forest){0};
}

int forest_move(struct forest *t, struct profile *p, struct err *err)
{
	uint32_t n = intern_count(t->strings);

	p->strings = calloc(n, sizeof(*p->strings));
	if (!p->strings)
		return no_memory(err);
	for (; p->n_strings < n; p->n_strings++) {
		p->strings[p->n_strings] = strdup(intern_text(t->strings, p->n_strings));
		if (!p->strings[p->n_strings])
			return no_memory(err);
	}
	p->frames = t->frames;
	p->n_frames = t->n_frames;
	p->nodes = t->nodes;
	p->n_nodes = t->n_nodes;
	t->frames = NULL;
	t->nodes = NULL;
	return 0;
}
