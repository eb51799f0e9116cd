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
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"

#define LOG_ROOM "process"
#include "base/log.h"

enum { VDSO_MAX_BYTES = 1 << 20 };

struct image_identity {
	uint64_t device, inode, size, mtime_ns;
};

struct images {
	struct map *identities; /* struct image_identity -> image number */
	struct image **list;    /* [number - 1] */
	uint32_t n, cap;
};

struct images *images_new(void)
{
	struct images *set = calloc(1, sizeof(*set));

	if (set)
		set->identities = map_new(sizeof(struct image_identity), sizeof(uint32_t));
	if (set && set->identities)
		return set;
	free(set);
	return NULL;
}

void images_free(struct images *set)
{
	if (!set)
		return;
	for (uint32_t i = 0; i < set->n; i++)
		image_close(set->list[i]);
	free(set->list);
	map_free(set->identities);
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

static struct image *image_add(struct images *set, struct image *image)
{
	if (set->n == set->cap) {
		uint32_t cap = set->cap ? set->cap * 2 : 32;
		struct image **images = realloc(set->list, cap * sizeof(struct image *));

		if (!images) {
			image_close(image);
			return NULL;
		}
		set->list = images;
		set->cap = cap;
	}
	set->list[set->n++] = image;
	image->number = set->n;
	return image;
}

struct image *images_at(const struct images *set, uint32_t number)
{
	return number - 1 < set->n ? set->list[number - 1] : NULL;
}

static struct image *image_by_identity(
	struct images *set, const struct image_identity *id, int fd, const char *path)
{
	struct err err = {0};
	uint32_t *number;
	struct image *image;
	bool fresh;

	number = map_put(set->identities, id, &fresh);
	if (!number || !fresh) {
		fd_close(&fd);
		return number ? images_at(set, *number) : NULL;
	}
	image = image_open(fd, path, &err);
	if (image)
		image = image_add(set, image);
	else
		log_debug("%s", err.text);
	*number = image ? image->number : 0;
	return image;
}

struct image *images_get(struct images *set, uint32_t pid, const struct maps_line *line, int *rc)
{
	bool vdso = !strcmp(line->path, "[vdso]");
	/* The same vDSO is in every process of the same size: one kernel, one ABI. */
	struct image_identity id = {.size = line->end - line->start};
	struct stat st;
	uint32_t *number;
	int fd;

	if (vdso && (number = map_get(set->identities, &id)))
		return images_at(set, *number);
	fd = vdso ? vdso_file(pid, line) : mapped_file_open(pid, line);
	*rc = fd < 0 ? fd : 0;
	if (fd < 0) {
		log_debug("cannot open %s of process %u: %s", line->path, pid, strerror(-fd));
		return NULL;
	}
	if (!vdso) {
		if (fstat(fd, &st) < 0) {
			fd_close(&fd);
			return NULL;
		}
		id = (struct image_identity){st.st_dev, st.st_ino, (uint64_t)st.st_size,
			(uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec};
	}
	return image_by_identity(set, &id, fd, line->path);
}
