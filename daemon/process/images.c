/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/images.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/map.h"

#define LOG_ROOM "process"
#include "base/log.h"

enum { VDSO_MAX_BYTES = 1 << 20 };

struct image_identity {
	uint64_t device, inode, size, mtime_ns;
};

/* A file as the kernel's maps name it. Its inode number cannot be given to another file while an
 * image has it open. */
struct file_key {
	uint64_t inode;
	uint32_t major, minor;
};

struct entry {
	struct image *image;
	struct image_identity id;
	struct file_key key; /* by which `files` leads here */
	uint64_t seen;       /* number of the last sweep that found it mapped */
};

struct images {
	struct map *identities; /* struct image_identity -> image number */
	struct map *files;      /* struct file_key -> image number; at most one for each image */
	struct map *numbers;    /* image number -> struct entry */
	uint32_t last;          /* number given out */
	uint64_t sweep;
	bool no_descriptors_said;
};

struct images *images_new(void)
{
	struct images *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->identities = map_new(sizeof(struct image_identity), sizeof(uint32_t));
	set->files = map_new(sizeof(struct file_key), sizeof(uint32_t));
	set->numbers = map_new(sizeof(uint32_t), sizeof(struct entry));
	if (set->identities && set->files && set->numbers)
		return set;
	images_free(set);
	return NULL;
}

void images_free(struct images *set)
{
	const void *key;
	void *value;
	size_t at = 0;

	if (!set)
		return;
	while (set->numbers && map_next(set->numbers, &at, &key, &value))
		image_close(((struct entry *)value)->image);
	map_free(set->identities);
	map_free(set->files);
	map_free(set->numbers);
	free(set);
}

/* The file behind a mapping: the kernel's own link to it, which also reaches files that were
 * deleted or replaced; without the right to use that, the path in the target's root if it still is
 * that inode. */
static int mapped_file_open(uint32_t pid, const struct maps_line *line)
{
	char link[96];
	struct stat st;
	int fd;

	snprintf(link, sizeof(link), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, line->start,
		line->end);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		fd = process_open_file(pid, line->path);
		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0 || (line->inode && st.st_ino != line->inode)) {
			fd_close(&fd);
			return -ESTALE;
		}
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&fd);
		return -ENODEV;
	}
	return fd;
}

/* The vDSO as a file of its own, copied out of the process. */
static int vdso_file(uint32_t pid, const struct maps_line *line)
{
	size_t bytes = line->end - line->start;
	char *copy;
	ssize_t n;
	int fd;

	if (bytes > VDSO_MAX_BYTES)
		return -E2BIG;
	copy = malloc(bytes);
	if (!copy)
		return -ENOMEM;
	n = process_read(pid, line->start, copy, bytes);
	fd = n == (ssize_t)bytes ? memfd_create("profd-vdso", MFD_CLOEXEC) : -EFAULT;
	if (fd >= 0 && fd_write_all(fd, copy, bytes) < 0)
		fd_close(&fd);
	free(copy);
	return fd;
}

/* What is under the path where profd itself looks, if it is that very file. It is opened for
 * reading only when that is certain: the path may name a device by now. */
static int own_file_open(const struct maps_line *line)
{
	FD_CLOSE int at = open(line->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	char name[64];
	struct stat st;
	int fd;

	if (at < 0 || fstat(at, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != line->inode ||
		st.st_dev != makedev(line->major, line->minor))
		return -ESTALE;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", at);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- the set -----------------------------------------------------------------------------------
 */

struct image *images_at(const struct images *set, uint32_t number)
{
	const struct entry *e = map_get(set->numbers, &number);

	return e ? e->image : NULL;
}

static struct image *image_add(
	struct images *set, struct image *image, const struct image_identity *id)
{
	uint32_t number = set->last + 1;
	struct entry *e = map_put(set->numbers, &number, NULL);

	if (!e) {
		image_close(image);
		return NULL;
	}
	image->number = set->last = number;
	*e = (struct entry){.image = image, .id = *id, .seen = set->sweep};
	return image;
}

static struct image *image_by_identity(
	struct images *set, const struct image_identity *id, int fd, const char *path)
{
	struct err err = {0};
	uint32_t *number = map_put(set->identities, id, NULL);
	struct image *image = number ? images_at(set, *number) : NULL;

	if (image || !number) {
		fd_close(&fd);
		return image;
	}
	image = image_open(fd, path, &err);
	if (image)
		image = image_add(set, image, id);
	else
		log_debug("%s", err.text);
	if (image)
		*number = image->number;
	else
		map_del(set->identities, id);
	return image;
}

static struct file_key key_of(const struct maps_line *line)
{
	return (struct file_key){line->inode, line->major, line->minor};
}

/* The image that a process mapped before from the same file, unless that was written to since. */
static struct image *image_by_file(const struct images *set, const struct maps_line *line)
{
	struct file_key key = key_of(line);
	const uint32_t *number = line->inode ? map_get(set->files, &key) : NULL;
	struct image *image = number ? images_at(set, *number) : NULL;
	struct stat st;

	if (!image || fstat(image->fd, &st) < 0 || (uint64_t)st.st_size != image->size ||
		(uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec !=
			image->mtime_ns)
		return NULL;
	return image;
}

/* Each image is found by one file only, so that there are never more files than images. */
static void file_remember(
	struct images *set, const struct maps_line *line, const struct image *image)
{
	struct entry *e = map_get(set->numbers, &image->number);
	struct file_key key = key_of(line);
	uint32_t *number;

	if (!e || !line->inode || (e->key.inode && memcmp(&e->key, &key, sizeof(key)) != 0))
		return;
	number = map_put(set->files, &key, NULL);
	if (!number)
		return;
	*number = image->number;
	e->key = key;
}

static struct image *vdso_get(
	struct images *set, uint32_t pid, const struct maps_line *line, int *rc)
{
	/* The same vDSO is in every process of the same size: one kernel, one ABI. */
	struct image_identity id = {.size = line->end - line->start};
	const uint32_t *number = map_get(set->identities, &id);
	int fd;

	if (number)
		return images_at(set, *number);
	fd = vdso_file(pid, line);
	*rc = fd < 0 ? fd : 0;
	return fd < 0 ? NULL : image_by_identity(set, &id, fd, line->path);
}

static void say_unopened(struct images *set, uint32_t pid, const struct maps_line *line, int error)
{
	log_debug("cannot open %s of process %u: %s", line->path, pid, strerror(-error));
	if ((error != -EMFILE && error != -ENFILE) || set->no_descriptors_said)
		return;
	set->no_descriptors_said = true;
	log_warn(
		"too many files are open at once, so some code stays without names; raise the limit on open "
		"files (ulimit -n, LimitNOFILE=)");
}

/* A file that goes by the same path is taken on trust: of different layers of a stacked file system
 * two can have the same number. */
struct image *images_get(struct images *set, uint32_t pid, const struct maps_line *line, int *rc)
{
	struct image_identity id;
	struct image *known, *image;
	struct stat st;
	int fd;

	if (!strcmp(line->path, "[vdso]"))
		return vdso_get(set, pid, line, rc);
	known = image_by_file(set, line);
	if (known && !strcmp(known->path, line->path))
		return known;
	fd = mapped_file_open(pid, line);
	if (fd < 0 && known && fd != -EACCES && fd != -EPERM)
		return known;
	if (fd < 0 && fd != -EACCES && fd != -EPERM) {
		int own = own_file_open(line);

		fd = own < 0 ? fd : own;
	}
	*rc = fd < 0 ? fd : 0;
	if (fd < 0) {
		say_unopened(set, pid, line, fd);
		return NULL;
	}
	if (fstat(fd, &st) < 0) {
		fd_close(&fd);
		return NULL;
	}
	id = (struct image_identity){st.st_dev, st.st_ino, (uint64_t)st.st_size,
		(uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec};
	image = image_by_identity(set, &id, fd, line->path);
	if (image)
		file_remember(set, line, image);
	return image;
}

/* ---- sweeping ----------------------------------------------------------------------------------
 */

void images_sweep_begin(struct images *set)
{
	set->sweep++;
}

void images_seen(struct images *set, const struct image *image)
{
	struct entry *e = map_get(set->numbers, &image->number);

	if (e)
		e->seen = set->sweep;
}

static void entry_drop(struct images *set, const struct entry *e)
{
	const uint32_t *number = map_get(set->files, &e->key);

	if (number && *number == e->image->number)
		map_del(set->files, &e->key);
	map_del(set->identities, &e->id);
	map_del(set->numbers, &e->image->number);
}

int images_sweep_end(
	struct images *set, void (*each)(void *arg, const struct image *image), void *arg)
{
	enum { UNSEEN_SWEEPS = 2 };
	struct entry *old = calloc(map_count(set->numbers) + 1, sizeof(*old));
	const void *key;
	void *value;
	size_t at = 0;
	int n = 0;

	if (!old)
		return -ENOMEM;
	while (map_next(set->numbers, &at, &key, &value))
		if (set->sweep - ((struct entry *)value)->seen >= UNSEEN_SWEEPS)
			old[n++] = *(struct entry *)value;
	for (int i = 0; i < n; i++) {
		each(arg, old[i].image);
		entry_drop(set, &old[i]);
		image_close(old[i].image);
	}
	free(old);
	return n;
}
