/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_model_forest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element. */
static int grow(void *array, uint32_t n, uint32_t *cap, size_t bytes)
{
	uint32_t more = *cap ? *cap * 2 : 64;
	void *old, *grown;

	if (n < *cap)
		return 0;
	memcpy(&old, array, sizeof(old));
	grown = more > *cap ? realloc(old, more * bytes) : NULL;
	if (!grown)
		return -ENOMEM;
	memcpy(array, &grown, sizeof(grown));
	*cap = more;
	return 0;
}

/* Two arrays of one capacity. */
static int grow_both(void *a, size_t a_bytes, void *b, size_t b_bytes, uint32_t n, uint32_t *cap)
{
	uint32_t same = *cap;
	int rc = grow(a, n, &same, a_bytes);

	return rc < 0 ? rc : grow(b, n, cap, b_bytes);
}

int top_forest_init(struct top_forest *f)
{
	uint32_t root;
	int rc;

	*f = (struct top_forest){
		.strings = intern_new(),
		.by_frame = map_new(sizeof(struct frame), sizeof(uint32_t)),
		.by_row = map_new(sizeof(uint64_t), sizeof(uint32_t)),
		.by_node = map_new(2 * sizeof(uint32_t), sizeof(uint32_t)),
		.by_branch = map_new(2 * sizeof(uint32_t), sizeof(uint32_t)),
	};
	if (!f->strings || !f->by_frame || !f->by_row || !f->by_node || !f->by_branch)
		return -ENOMEM;
	rc = top_forest_text(f, "", &root);
	if (rc == 0)
		rc = top_forest_frame(f, &(struct frame){.kind = FRAME_ROOT}, &root);
	if (rc == 0)
		rc = grow_both(&f->p.nodes, sizeof(*f->p.nodes), &f->nodes, sizeof(*f->nodes), 0,
			&f->cap_nodes);
	if (rc == 0)
		rc = grow(&f->branches, 0, &f->cap_branches, sizeof(*f->branches));
	if (rc < 0)
		return rc;
	f->p.nodes[0] = (struct stack_node){0};
	f->nodes[0] = (struct top_node){0};
	f->branches[0] = (struct top_branch){0};
	f->p.n_nodes = f->n_branches = 1;
	return 0;
}

void top_forest_clear(struct top_forest *f)
{
	intern_free(f->strings);
	map_free(f->by_frame);
	map_free(f->by_row);
	map_free(f->by_node);
	map_free(f->by_branch);
	free(f->p.strings);
	free(f->p.frames);
	free(f->p.nodes);
	free(f->frames);
	free(f->nodes);
	free(f->branches);
	*f = (struct top_forest){0};
}

int top_forest_text(struct top_forest *f, const char *text, uint32_t *number)
{
	*number = intern(f->strings, text);
	if (!*number && *text)
		return -ENOMEM;
	if (*number < f->p.n_strings)
		return 0;
	while (*number >= f->cap_strings)
		if (grow(&f->p.strings, f->cap_strings, &f->cap_strings, sizeof(*f->p.strings)) < 0)
			return -ENOMEM;
	/* More than one where memory was out before */
	for (uint32_t i = f->p.n_strings; i <= *number; i++) {
		f->p.strings[i] = (char *)intern_text(f->strings, i);
		f->text_bytes += strlen(f->p.strings[i]) + 1;
	}
	f->p.n_strings = *number + 1;
	return 0;
}

/* ---- frames ------------------------------------------------------------------------------------
 */

static uint64_t hash_text(const struct top_forest *f, uint32_t number)
{
	return hash_bytes(f->p.strings[number], strlen(f->p.strings[number]));
}

enum { KEY_FUNCTION = 1, KEY_LINE };

/* By the rules of a report: without a file the module tells two of one name apart. */
static uint64_t row_key(const struct top_forest *f, const struct frame *c, uint64_t what)
{
	uint64_t parts[] = {what, c->kind, hash_text(f, c->name), hash_text(f, c->file),
		hash_text(f, c->file ? 0 : c->module), what == KEY_LINE ? c->line : 0};

	return hash_bytes(parts, sizeof(parts));
}

/* The frame that the row goes by: `number` where it is new. */
static int find_row(struct top_forest *f, uint64_t key, uint32_t number, uint32_t *row)
{
	bool fresh;
	uint32_t *at = map_put(f->by_row, &key, &fresh);

	if (!at)
		return -ENOMEM;
	if (fresh)
		*at = number;
	*row = *at;
	return 0;
}

static void forget_row(struct top_forest *f, uint64_t key, uint32_t number)
{
	const uint32_t *at = map_get(f->by_row, &key);

	if (at && *at == number)
		map_del(f->by_row, &key);
}

int top_forest_frame(struct top_forest *f, const struct frame *content, uint32_t *number)
{
	const uint32_t *known = map_get(f->by_frame, content);
	struct top_frame more = {0};
	uint32_t *at = NULL, n = f->p.n_frames;

	if (known) {
		*number = *known;
		return 0;
	}
	if (grow_both(&f->p.frames, sizeof(*f->p.frames), &f->frames, sizeof(*f->frames), n,
		    &f->cap_frames) < 0)
		return -ENOMEM;
	more.function_key = row_key(f, content, KEY_FUNCTION);
	more.line_key = row_key(f, content, KEY_LINE);
	if (find_row(f, more.function_key, n, &more.function) == 0 &&
		find_row(f, more.line_key, n, &more.line) == 0)
		at = map_put(f->by_frame, content, NULL);
	if (!at) {
		forget_row(f, more.function_key, n);
		forget_row(f, more.line_key, n);
		return -ENOMEM;
	}
	f->p.frames[n] = *content;
	f->frames[n] = more;
	*number = *at = f->p.n_frames++;
	return 0;
}

static uint32_t row_by_key(const struct top_forest *f, uint64_t key, bool line)
{
	const uint32_t *at = map_get(f->by_row, &key);
	uint32_t frame = at ? *at : 0;

	return key == (line ? f->frames[frame].line_key : f->frames[frame].function_key) ? frame
											 : 0;
}

uint32_t top_forest_function(const struct top_forest *f, uint64_t key)
{
	return row_by_key(f, key, false);
}

uint32_t top_forest_line(const struct top_forest *f, uint64_t key)
{
	return row_by_key(f, key, true);
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static int find_branch(struct top_forest *f, uint32_t parent, uint32_t function, uint32_t *branch)
{
	uint32_t content[] = {parent, function}, *at;
	uint64_t path[] = {f->branches[parent].key, f->frames[function].function_key};
	bool fresh;

	if (grow(&f->branches, f->n_branches, &f->cap_branches, sizeof(*f->branches)) < 0)
		return -ENOMEM;
	at = map_put(f->by_branch, content, &fresh);
	if (!at)
		return -ENOMEM;
	if (fresh) {
		uint64_t key = hash_bytes(path, sizeof(path));

		*at = f->n_branches++;
		f->branches[*at] = (struct top_branch){parent, function, key ? key : 1};
	}
	*branch = *at;
	return 0;
}

uint32_t top_forest_branch(const struct top_forest *f, uint64_t key)
{
	for (uint32_t i = 1; i < f->n_branches; i++)
		if (f->branches[i].key == key)
			return i;
	return 0;
}

/* Whether no node above one of this frame belongs to the same function, or line. */
static void find_outermost(
	const struct top_forest *f, uint32_t parent, uint32_t frame, struct top_node *node)
{
	const struct top_frame *own = &f->frames[frame];

	node->new_function = node->new_line = true;
	for (uint32_t i = parent; i && node->new_line; i = f->p.nodes[i].parent) {
		const struct top_frame *above = &f->frames[f->p.nodes[i].frame];

		if (above->function == own->function)
			node->new_function = false;
		if (above->line == own->line)
			node->new_line = false;
	}
}

static int plant(struct top_forest *f, uint32_t parent, uint32_t frame)
{
	const struct top_node *above = &f->nodes[parent];
	uint32_t n = f->p.n_nodes, kind = f->p.frames[frame].kind;
	struct top_node node = {.process = above->process, .thread = above->thread};
	int rc = find_branch(f, above->branch, f->frames[frame].function, &node.branch);

	if (rc < 0)
		return rc;
	node.depth = (uint16_t)(above->depth + 1);
	if (kind == FRAME_PROCESS && !node.process)
		node.process = n;
	if (kind == FRAME_THREAD && !node.thread)
		node.thread = n;
	find_outermost(f, parent, frame, &node);
	f->nodes[n] = node;
	f->p.nodes[n] = (struct stack_node){.parent = parent, .frame = frame};
	f->p.n_nodes++;
	return 0;
}

int top_forest_node(struct top_forest *f, uint32_t parent, uint32_t frame, uint32_t *number)
{
	uint32_t content[] = {parent, frame}, *at;
	const uint32_t *known = map_get(f->by_node, content);
	int rc;

	*number = parent;
	if (known)
		*number = *known;
	if (known || f->nodes[parent].depth >= TOP_DEPTH_MAX)
		return 0;
	rc = grow_both(&f->p.nodes, sizeof(*f->p.nodes), &f->nodes, sizeof(*f->nodes), f->p.n_nodes,
		&f->cap_nodes);
	if (rc < 0)
		return rc;
	at = map_put(f->by_node, content, NULL);
	if (!at)
		return -ENOMEM;
	*number = *at = f->p.n_nodes;
	rc = plant(f, parent, frame);
	if (rc < 0)
		map_del(f->by_node, content);
	return rc;
}
