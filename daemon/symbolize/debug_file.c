/* SPDX-License-Identifier: BSD-2-Clause */
/* Separate debug files, found the way GDB documents ("Debugging Information in Separate Files"): by
 * build ID below the debug folder, or by the name and checksum in section .gnu_debuglink, next to
 * the binary, in its folder .debug, or below the debug folder. Paths come from the target and are
 * only taken as a hint: what is opened must be a regular file that proves by build ID or checksum
 * that it belongs to the image. */
#include "symbolize/index.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fd.h"

enum { LINK_BYTES_MAX = 4096, CHECKSUM_STEP = 64 << 10 };
#define CHECKSUM_BYTES_MAX ((uint64_t)1 << 30) /* about a second of work */

/* To open a device can have effects of its own, and a FIFO blocks: look first, then open what was
 * looked at. */
static int open_regular(const char *path)
{
	FD_CLOSE int look = open(path, O_PATH | O_CLOEXEC);
	char again[64];
	struct stat st;

	if (look < 0 || fstat(look, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", look);
	return open(again, O_RDONLY | O_CLOEXEC);
}

static bool same_build_id(int fd, const struct image *image)
{
	struct image *other = image_open(dup(fd), "", NULL);
	bool same = other && other->build_id_bytes == image->build_id_bytes &&
		    !memcmp(other->build_id, image->build_id, image->build_id_bytes);

	image_close(other);
	return same;
}

static bool same_checksum(int fd, uint32_t wanted)
{
	uint8_t *step = malloc(CHECKSUM_STEP);
	uLong sum = crc32(0, NULL, 0);
	uint64_t at = 0;
	ssize_t n = -1;

	if (!step)
		return false;
	while (at <= CHECKSUM_BYTES_MAX && (n = pread(fd, step, CHECKSUM_STEP, (off_t)at)) > 0) {
		sum = crc32(sum, step, (uInt)n);
		at += (uint64_t)n;
	}
	free(step);
	return n == 0 && (uint32_t)sum == wanted;
}

static bool take(struct elf_file *debug, int fd)
{
	if (elf_file_own(debug, fd) == 0 && elf_file_section_of_type(debug, SHT_SYMTAB))
		return true;
	elf_file_close(debug);
	return false;
}

static bool open_by_build_id(
	struct elf_file *debug, const struct image *image, const char *debug_folder)
{
	char hex[2 * sizeof(image->build_id) + 1], path[PATH_MAX];
	int fd;

	if (image->build_id_bytes < 2)
		return false;
	for (size_t i = 0; i < image->build_id_bytes; i++)
		sprintf(hex + 2 * i, "%02x", image->build_id[i]);
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", debug_folder, hex, hex + 2);
	fd = open_regular(path);
	if (fd >= 0 && same_build_id(fd, image))
		return take(debug, fd);
	fd_close(&fd);
	return false;
}

static bool open_link_at(
	struct elf_file *debug, const char *path, uint32_t checksum, const struct image *image)
{
	int fd = open_regular(path);

	if (fd < 0)
		return false;
	if (image->build_id_bytes ? same_build_id(fd, image) : same_checksum(fd, checksum))
		return take(debug, fd);
	fd_close(&fd);
	return false;
}

/* The section: a file name with its NUL, padded to 4 bytes, then a CRC-32 of the whole debug file.
 */
static bool open_by_link(struct elf_file *debug, const struct elf_file *file,
	const struct image *image, const char *debug_folder)
{
	const Elf64_Shdr *section = elf_file_section(file, ".gnu_debuglink");
	int folder_len = (int)(image->name - image->path);
	char path[PATH_MAX];
	uint32_t checksum;
	size_t bytes, name_len;
	uint8_t *data;
	bool found = false;

	data = section ? elf_file_load(file, section, LINK_BYTES_MAX, &bytes) : NULL;
	if (!data)
		return false;
	name_len = strlen((char *)data); /* elf_file_load put a NUL behind the bytes */
	if (name_len && !strchr((char *)data, '/') && image->path[0] == '/' &&
		((name_len + 4) & ~(size_t)3) + sizeof(checksum) <= bytes) {
		memcpy(&checksum, data + ((name_len + 4) & ~(size_t)3), sizeof(checksum));
		for (int i = 0; i < 3 && !found; i++) {
			int n = snprintf(path, sizeof(path), "%s%.*s%s%s",
				i == 2 ? debug_folder : "", folder_len, image->path,
				i == 1 ? ".debug/" : "", (char *)data);

			found = n > 0 && (size_t)n < sizeof(path) &&
				open_link_at(debug, path, checksum, image);
		}
	}
	free(data);
	return found;
}

bool debug_file_open(struct elf_file *debug, const struct elf_file *file, const struct image *image,
	const char *debug_folder)
{
	return open_by_build_id(debug, image, debug_folder) ||
	       open_by_link(debug, file, image, debug_folder);
}
