/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/python.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "python/code.h"
#include "python/gil.h"
#include "python/image.h"

/* A process that was looked at. */
struct interpreter {
	uint64_t generation, start_ticks;
	int status;                 /* as python_process() returns it */
	bool published;             /* it is in the BPF map */
	struct python_image *image; /* NULL: no CPython */
	struct profd_python walk;
	struct map *objects; /* codes_objects_new(); NULL: none yet */
};

struct python {
	struct map *interpreters; /* pid -> struct interpreter */
	struct map *images;       /* image number -> struct python_image * */
	struct codes *codes;
	int pythons_fd;
};

static void image_put(struct interpreter *in)
{
	struct python_image *image = in->image;

	in->image = NULL;
	if (image && !--image->users && image->forgotten)
		python_image_close(image);
}

struct python *python_new(struct err *err)
{
	struct python *p = calloc(1, sizeof(*p));

	if (p) {
		p->pythons_fd = -1;
		p->interpreters = map_new(sizeof(uint32_t), sizeof(struct interpreter));
		p->images = map_new(sizeof(uint32_t), sizeof(struct python_image *));
		p->codes = codes_new();
	}
	if (!p || !p->interpreters || !p->images || !p->codes) {
		python_free(p);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	return p;
}

void python_free(struct python *p)
{
	const void *key;
	void *value;
	size_t at = 0;

	if (!p)
		return;
	while (p->interpreters && map_next(p->interpreters, &at, &key, &value)) {
		image_put(value);
		map_free(((struct interpreter *)value)->objects);
	}
	at = 0;
	while (p->images && map_next(p->images, &at, &key, &value))
		python_image_close(*(struct python_image **)value);
	map_free(p->interpreters);
	map_free(p->images);
	codes_free(p->codes);
	free(p);
}

static int publish(struct python *p, uint32_t pid, struct interpreter *in, struct err *err)
{
	if (p->pythons_fd < 0)
		return 0;
	if (in->status != 1) {
		if (in->published)
			bpf_map_delete_elem(p->pythons_fd, &pid);
		in->published = false;
		return 0;
	}
	in->published = true;
	if (bpf_map_update_elem(p->pythons_fd, &pid, &in->walk, BPF_ANY) < 0)
		return err_set(err, -errno,
			"the Python frames of process %u cannot be shown: the kernel's table of interpreters: %s",
			pid, strerror(errno));
	return 0;
}

void python_bind(struct python *p, int pythons_fd)
{
	const void *key;
	void *value;
	size_t at = 0;

	p->pythons_fd = pythons_fd;
	while (map_next(p->interpreters, &at, &key, &value))
		if (((struct interpreter *)value)->status == 1)
			publish(p, *(const uint32_t *)key, value, NULL);
}

static struct python_image *image_get(struct python *p, const struct image *image, bool is_exe)
{
	bool fresh;
	struct python_image **found = map_put(p->images, &image->number, &fresh);

	if (found && !*found)
		*found = python_image_open(image, is_exe);
	return found ? *found : NULL;
}

void python_forget_image(struct python *p, uint32_t number)
{
	struct python_image **found = map_get(p->images, &number), *image = found ? *found : NULL;

	if (!found)
		return;
	map_del(p->images, &number);
	if (!image)
		return;
	image->forgotten = true;
	if (!image->users)
		python_image_close(image);
}

/* The mapping whose image holds CPython; a supported one before others (a process may embed a
 * copy). */
static const struct mapping *mapping_find(
	struct python *p, const struct process *process, struct python_image **image)
{
	const struct mapping *best = NULL;

	for (size_t i = 0; i < process->n_mappings; i++) {
		const struct mapping *m = &process->mappings[i];
		struct python_image *found;

		if (m->kind != MAPPING_FILE || !m->image || (best && m->image == best->image))
			continue;
		found = image_get(
			p, m->image, process->exe && !strcmp(m->image->path, process->exe));
		if (found && found->status &&
			(!best || (found->status == 1 && (*image)->status != 1))) {
			best = m;
			*image = found;
		}
	}
	return best;
}

static bool read_pointer(uint32_t pid, uint64_t address, uint64_t *value)
{
	return process_read(pid, address, value, sizeof(*value)) == sizeof(*value);
}

/* A first thread state that does not point back to its interpreter means that the offsets are not
 * those of this build. Threads come and go while this is read, hence several tries. */
static int check_layout(uint32_t pid, const struct python_image *image,
	const struct profd_python *walk, struct err *err)
{
	enum { TRIES = 5 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t interp, tstate, back;

		if (!read_pointer(pid, walk->interpreters_head, &interp) || !interp)
			return 0; /* not initialised yet, or not readable: the walker copes */
		if (!read_pointer(pid, interp + walk->interp_threads, &tstate))
			continue;
		if (!tstate || (read_pointer(pid, tstate + image->layout.tstate_interp, &back) &&
				       back == interp))
			return 0;
	}
	return err_set(err, -ENOTSUP,
		"CPython %u.%u of process %u is a build whose structs differ from the known ones: its native "
		"frames are shown, its Python frames are not",
		version_major(image->version), version_minor(image->version), pid);
}

static void interpreter_fill(struct interpreter *in, struct python_image *image, uint64_t bias)
{
	in->image = image;
	image->users++;
	in->walk = image->layout.walk;
	in->walk.interpreters_head = image->runtime + bias + image->layout.runtime_interpreters;
	in->walk.code_type = image->code_type ? image->code_type + bias : 0;
}

/* Looks at the process anew. Returns the status for it. */
static int inspect(
	struct python *p, const struct process *process, struct interpreter *in, struct err *err)
{
	struct profd_python before = in->walk;
	struct python_image *image = NULL;
	const struct mapping *m = mapping_find(p, process, &image);

	image_put(in);
	memset(&in->walk, 0, sizeof(in->walk));
	if (!m)
		return 0;
	interpreter_fill(in, image, m->bias);
	if (in->objects && memcmp(&before, &in->walk, sizeof(before)) != 0) { /* exec */
		map_free(in->objects);
		in->objects = NULL;
	}
	if (image->status != 1)
		return err_set(err, image->status, "process %u: %s", process->pid, image->why);
	return check_layout(process->pid, image, &in->walk, err) < 0 ? -ENOTSUP : 1;
}

int python_process(struct python *p, const struct process *process, struct err *err)
{
	bool fresh;
	struct interpreter *in = map_put(p->interpreters, &process->pid, &fresh);
	int error;

	if (!in)
		return err_set(err, -ENOMEM, "out of memory");
	if (!fresh &&
		in->start_ticks != process->start_ticks) { /* another process by that number */
		bool published = in->published;

		image_put(in);
		map_free(in->objects);
		*in = (struct interpreter){.published = published};
	}
	if (in->generation == process->generation)
		return in->status;
	in->start_ticks = process->start_ticks;
	in->generation = process->generation;
	in->status = inspect(p, process, in, err);
	error = publish(p, process->pid, in, err);
	return error < 0 ? error : in->status;
}

const char *python_version(const struct python *p, uint32_t pid)
{
	const struct interpreter *in = map_get(p->interpreters, &pid);

	return in && in->image ? in->image->version_text : "";
}

void python_forget(struct python *p, uint32_t pid)
{
	struct interpreter *in = map_get(p->interpreters, &pid);

	if (!in)
		return;
	if (p->pythons_fd >= 0 && in->published)
		bpf_map_delete_elem(p->pythons_fd, &pid);
	image_put(in);
	map_free(in->objects);
	map_del(p->interpreters, &pid);
}

bool python_layout(const struct python *p, uint32_t pid, struct profd_python *layout)
{
	const struct interpreter *in = map_get(p->interpreters, &pid);

	if (!in || in->status != 1)
		return false;
	*layout = in->walk;
	return true;
}

int python_gil_held(const struct python *p, const struct process *process, bool *held)
{
	const struct interpreter *in = map_get(p->interpreters, &process->pid);

	if (!in || !in->image || in->start_ticks != process->start_ticks)
		return -ESRCH;
	if (in->status != 1)
		return -ENOTSUP;
	return gil_held(process->pid,
		in->walk.interpreters_head - in->image->layout.runtime_interpreters,
		&in->image->layout, held);
}

bool python_is_eval(const struct python *p, uint32_t image, uint64_t vaddr)
{
	struct python_image *const *found = map_get(p->images, &image);

	return found && *found && eval_contains(&(*found)->eval, vaddr);
}

static int location_in(struct python *p, uint32_t pid, struct interpreter *in,
	const struct python_frame *frame, struct location *out)
{
	uint64_t function;
	uint32_t line;
	int error;

	if (!in->objects)
		in->objects = codes_objects_new();
	if (!in->objects)
		return -ENOMEM;
	error = codes_find(p->codes,
		&(struct code_source){pid, &in->image->layout, in->walk.code_type, in->objects},
		frame, &function, &line);
	if (error)
		return error;
	*out = (struct location){.scope = function, .line = line, .kind = FRAME_PYTHON};
	return 0;
}

/* What a child that is gone ran may still be read from its parent, which has the same objects at
 * the same places; the fingerprint tells whether it is so. */
static int location_in_parent(struct python *p, const struct process *process,
	const struct interpreter *in, const struct python_frame *frame, struct location *out)
{
	struct interpreter *parent = map_get(p->interpreters, &process->parent);

	if (!parent || parent == in || parent->status != 1 ||
		memcmp(&parent->walk, &in->walk, sizeof(in->walk)) != 0)
		return -ESRCH;
	return location_in(p, process->parent, parent, frame, out);
}

int python_location(struct python *p, const struct process *process,
	const struct python_frame *frame, struct location *out)
{
	struct interpreter *in = map_get(p->interpreters, &process->pid);
	int error;

	if (!in || in->status != 1)
		return -ESRCH;
	error = location_in(p, process->pid, in, frame, out);
	if (error == -ESRCH && !location_in_parent(p, process, in, frame, out))
		error = 0;
	return error;
}

size_t python_bytes(const struct python *p)
{
	size_t at = 0, sum = codes_bytes(p->codes);
	const void *key;
	void *value;

	while (map_next(p->interpreters, &at, &key, &value))
		if (((struct interpreter *)value)->objects)
			sum += codes_objects_bytes(((struct interpreter *)value)->objects);
	return sum;
}

bool python_functions_reset(struct python *p, size_t max_bytes)
{
	size_t at = 0;
	const void *key;
	void *value;

	if (python_bytes(p) <= max_bytes || codes_reset(p->codes) < 0)
		return false;
	while (map_next(p->interpreters, &at, &key, &value)) {
		struct interpreter *in = value;

		map_free(in->objects);
		in->objects = NULL;
	}
	return true;
}

const struct python_function *python_function(const struct python *p, uint64_t number)
{
	return codes_function(p->codes, number);
}

void python_stats(const struct python *p, struct python_stats *stats)
{
	codes_stats(p->codes, stats);
}
