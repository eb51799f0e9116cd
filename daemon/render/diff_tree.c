/* SPDX-License-Identifier: BSD-2-Clause */
/* Two profiles as one tree. Frames are one where the rows that are compared are one: by function,
 * lines of it do not tell frames apart, as they move with each release. */
#include "render/diff_picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "render/diff.h"
#include "render/text.h"

enum { KEY_BYTES = 1 << 20 };

static int no_memory(struct err *err)
{
	return err_set(
		err, -ENOMEM, "not enough memory to draw both profiles; compare shorter times");
}

/* ---- both in one -------------------------------------------------------------------------------
 */

/* String numbers of a side begin at `strings` in the joined profile, where 0 stays "". */
struct side {
	const struct profile *p;
	uint32_t strings, frames, nodes; /* where its own begin; of nodes: less the root */
};

static int joined_alloc(
	struct profile *u, const struct profile *before, const struct profile *after)
{
	uint64_t strings = (uint64_t)before->n_strings + after->n_strings + 1;
	uint64_t frames = (uint64_t)before->n_frames + after->n_frames;
	uint64_t nodes = (uint64_t)before->n_nodes + after->n_nodes - 1;

	if (strings >= UINT32_MAX || frames >= UINT32_MAX || nodes >= UINT32_MAX)
		return -ENOMEM;
	u->strings = calloc(strings, sizeof(*u->strings));
	u->frames = calloc(frames + 1, sizeof(*u->frames));
	u->nodes = calloc(nodes + 1, sizeof(*u->nodes));
	u->n_strings = (uint32_t)strings;
	u->n_frames = (uint32_t)frames;
	u->n_nodes = (uint32_t)nodes;
	return u->strings && u->frames && u->nodes ? 0 : -ENOMEM;
}

static uint32_t moved(const struct side *s, uint32_t string)
{
	return string && string < s->p->n_strings ? s->strings + string : 0;
}

static void add_names(struct profile *u, const struct side *s)
{
	for (uint32_t i = 0; i < s->p->n_strings; i++)
		u->strings[s->strings + i] = s->p->strings[i];
	for (uint32_t i = 0; i < s->p->n_frames; i++) {
		struct frame *f = &u->frames[s->frames + i];

		*f = s->p->frames[i];
		f->name = moved(s, f->name);
		f->file = moved(s, f->file);
		f->module = moved(s, f->module);
	}
}

/* All nodes of a side but its root, below the common one; `u` has no value yet. */
static int add_nodes(struct profile *u, const struct side *s, struct err *err)
{
	for (uint32_t i = 1; i < s->p->n_nodes; i++) {
		const struct stack_node *from = &s->p->nodes[i];
		struct stack_node *to = &u->nodes[s->nodes + i];

		if (from->parent >= i || from->frame >= s->p->n_frames)
			return err_set(err, -EINVAL,
				"the profile is damaged at stack node %u; record again", i);
		to->parent = from->parent ? s->nodes + from->parent : 0;
		to->frame = s->frames + from->frame;
	}
	return 0;
}

/* The values of one side alone: the joined tree is made once with each. */
static void set_values(struct profile *u, const struct side *s)
{
	for (uint32_t i = 0; i < u->n_nodes; i++)
		u->nodes[i].self_samples = u->nodes[i].self_weight_ns = 0;
	for (uint32_t i = 0; i < s->p->n_nodes; i++) {
		struct stack_node *to = &u->nodes[i ? s->nodes + i : 0];

		to->self_samples = s->p->nodes[i].self_samples;
		to->self_weight_ns = s->p->nodes[i].self_weight_ns;
	}
}

/* ---- which row a frame belongs to: what analyze/ takes for one ---------------------------------
 */

static void key_put(
	struct buf *key, unsigned kind, const char *name, const char *place, unsigned line)
{
	buf_reset(key);
	buf_printf(key, "%u %u %zu ", kind, line, strlen(name));
	buf_puts(key, name);
	buf_puts(key, place);
}

static void key_of_frame(
	struct buf *key, const struct profile *u, const struct frame *f, enum report_by by)
{
	const char *name = text_of(u, f->name), *file = text_of(u, f->file),
		   *module = text_of(u, f->module);

	if (by != REPORT_MODULE)
		key_put(key, f->kind, *name ? name : "[unknown]", *file ? file : module,
			by == REPORT_LINE ? f->line : 0);
	else if (f->kind == FRAME_PYTHON)
		key_put(key, FRAME_PYTHON, *file ? file : "[unknown]", "", 0);
	else if (!*module)
		key_put(key, f->kind, f->kind == FRAME_KERNEL ? "kernel" : "[unknown]", "", 0);
	else
		key_put(key, f->kind == FRAME_INLINED ? (unsigned)FRAME_NATIVE : f->kind, module,
			"", 0);
}

static void key_of_row(struct buf *key, const struct diff_row *row, enum report_by by)
{
	if (by == REPORT_MODULE)
		key_put(key, row->kind, row->name, "", 0);
	else
		key_put(key, row->kind, row->name, *row->file ? row->file : row->module,
			by == REPORT_LINE ? row->line : 0);
}

/* Rows by the number of their key, which the order of interning gives; UINT32_MAX: none. */
static int rows_number(struct intern *keys, uint32_t *row_of, const struct diff *d, struct buf *key)
{
	for (size_t i = 0; i < d->n_rows; i++) {
		uint32_t number;

		key_of_row(key, &d->rows[i], d->by);
		number = buf_failed(key) ? 0 : intern_bytes(keys, key->data, key->len);
		if (!number)
			return -ENOMEM;
		if (number <= d->n_rows && row_of[number] == DIFF_NO_ROW)
			row_of[number] = (uint32_t)i;
	}
	return 0;
}

static int rows_find(struct diff_tree *t, const struct diff *d, struct intern *keys,
	const uint32_t *row_of, struct buf *key)
{
	for (uint32_t i = 0; i < t->ranks.n; i++) {
		const struct frame *f = &t->joined.frames[t->ranks.frame[i]];
		uint32_t number;

		t->row[i] = DIFF_NO_ROW;
		if (f->kind >= FRAME_KINDS || picture_is_root(f->kind))
			continue;
		key_of_frame(key, &t->joined, f, d->by);
		number = buf_failed(key) ? 0 : intern_bytes(keys, key->data, key->len);
		if (!number)
			return -ENOMEM;
		if (number <= d->n_rows)
			t->row[i] = row_of[number];
	}
	return 0;
}

static int rows_map(struct diff_tree *t, const struct diff *d)
{
	struct intern *keys = intern_new();
	uint32_t *row_of = malloc((d->n_rows + 1) * sizeof(*row_of));
	struct buf key;
	int rc = -ENOMEM;

	buf_init(&key, KEY_BYTES);
	t->row = calloc((size_t)t->ranks.n + 1, sizeof(*t->row));
	if (keys && row_of && t->row) {
		for (size_t i = 0; i <= d->n_rows; i++)
			row_of[i] = DIFF_NO_ROW;
		rc = rows_number(keys, row_of, d, &key);
	}
	if (!rc)
		rc = rows_find(t, d, keys, row_of, &key);
	buf_free(&key);
	free(row_of);
	intern_free(keys);
	return rc;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

struct order {
	const struct profile *u;
	enum report_by by;
};

static int compare_numbers(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int compare_frames(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	const struct frame *f = &o->u->frames[*(const uint32_t *)a],
			   *g = &o->u->frames[*(const uint32_t *)b];
	const char *file = text_of(o->u, f->file);
	int order = strcmp(text_of(o->u, f->name), text_of(o->u, g->name));

	if (!order)
		order = strcmp(file, text_of(o->u, g->file));
	if (!order && o->by == REPORT_LINE)
		order = compare_numbers(picture_line(f), picture_line(g));
	if (!order && !*file)
		order = strcmp(text_of(o->u, f->module), text_of(o->u, g->module));
	return order ? order : compare_numbers(f->kind, g->kind);
}

/* Lines are of no meaning where they do not tell frames apart: then that of the row is shown. */
static void set_lines(struct diff_tree *t, const struct diff *d)
{
	for (uint32_t i = 0; d->by != REPORT_LINE && i < t->ranks.n; i++) {
		struct frame *f = &t->joined.frames[t->ranks.frame[i]];

		if (!picture_is_root(f->kind))
			f->line = t->row[i] != DIFF_NO_ROW ? d->rows[t->row[i]].line : 0;
	}
}

static int title_make(
	struct diff_tree *t, const struct profile *before, const struct profile *after)
{
	struct buf title;

	buf_init(&title, 1 << 12);
	diff_title_put(before, after, &title);
	t->joined.title = title.data; /* owned from now on */
	return buf_failed(&title) ? -ENOMEM : 0;
}

static int trees_make(struct diff_tree *t, const struct side *sides, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		set_values(&t->joined, &sides[i]);
		rc = tree_make(i ? &t->after : &t->before, &t->joined, &t->ranks, err);
	}
	return rc;
}

int diff_tree_make(struct diff_tree *t, const struct profile *before, const struct profile *after,
	const struct diff *d, struct err *err)
{
	const struct side sides[2] = {
		{before, 1, 0, 0},
		{after, 1 + before->n_strings, before->n_frames,
			before->n_nodes ? before->n_nodes - 1 : 0},
	};
	struct order order = {&t->joined, d->by};
	int rc = 0;

	*t = (struct diff_tree){0};
	if (!before->n_nodes || !after->n_nodes)
		return err_set(
			err, -EINVAL, "the profile is damaged: it has no root; record again");
	if (joined_alloc(&t->joined, before, after) < 0 || title_make(t, before, after) < 0)
		return no_memory(err);
	t->joined.strings[0] = (char *)""; /* never written to, nor freed */
	for (int i = 0; i < 2 && !rc; i++) {
		add_names(&t->joined, &sides[i]);
		rc = add_nodes(&t->joined, &sides[i], err);
	}
	if (!rc)
		rc = ranks_make(&t->ranks, t->joined.n_frames, compare_frames, &order, err);
	if (!rc && rows_map(t, d) < 0)
		rc = no_memory(err);
	if (!rc) {
		set_lines(t, d);
		rc = trees_make(t, sides, err);
	}
	return rc;
}

void diff_tree_clear(struct diff_tree *t)
{
	free(t->joined.strings); /* the texts are those of the sides */
	free(t->joined.frames);
	free(t->joined.nodes);
	free(t->joined.title);
	ranks_free(&t->ranks);
	tree_free(&t->before);
	tree_free(&t->after);
	free(t->row);
	*t = (struct diff_tree){0};
}
