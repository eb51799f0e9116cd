/* SPDX-License-Identifier: BSD-2-Clause */
/* What profd has to know of an ELF file before it does anything with it: whether it is one for this
 * machine, its build ID, and its loadable segments. The file belongs to the target and may change
 * or shrink while it is read: everything goes through pread into memory of our own, never through a
 * mapping. */
#include "process/process.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#if defined(__x86_64__)
enum { THIS_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { THIS_MACHINE = EM_AARCH64 };
#else
#error "profd reads ELF files of x86-64 and arm64 only"
#endif

enum {
	SEGMENTS_MAX = 1024,       /* linkers write a dozen */
	NOTES_BYTES_MAX = 1 << 16, /* of one PT_NOTE */
};

static bool read_exactly(int fd, void *data, size_t bytes, uint64_t offset)
{
	char *p = data;

	while (bytes) {
		ssize_t n;

		if (offset > INT64_MAX)
			return false;
		n = pread(fd, p, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

static bool header_is_ours(const Elf64_Ehdr *e)
{
	return !memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_ident[EI_CLASS] == ELFCLASS64 &&
	       e->e_ident[EI_DATA] == ELFDATA2LSB && e->e_machine == THIS_MACHINE &&
	       (e->e_type == ET_EXEC || e->e_type == ET_DYN) &&
	       e->e_phentsize == sizeof(Elf64_Phdr) && e->e_phnum > 0 && e->e_phnum <= SEGMENTS_MAX;
}

/* Finds NT_GNU_BUILD_ID among notes that are padded to `align` bytes (4, or 8 where the linker
 * merged .note.gnu.property into the same segment: then each note carries its own padding). */
static bool find_build_id(struct image *image, const uint8_t *notes, size_t bytes, size_t align)
{
	size_t at = 0;

	while (bytes - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name_bytes, desc_bytes, name_at = at + sizeof(note);

		memcpy(&note, notes + at, sizeof(note));
		if (note.n_namesz > bytes || note.n_descsz > bytes)
			return false;
		name_bytes = (note.n_namesz + align - 1) & ~(align - 1);
		desc_bytes = (note.n_descsz + align - 1) & ~(align - 1);
		if (name_bytes > bytes - name_at || note.n_descsz > bytes - name_at - name_bytes)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz &&
			!memcmp(notes + name_at, "GNU", 4)) {
			image->build_id_bytes = note.n_descsz < sizeof(image->build_id)
							? note.n_descsz
							: sizeof(image->build_id);
			memcpy(image->build_id, notes + name_at + name_bytes,
				image->build_id_bytes);
			return true;
		}
		if (desc_bytes > bytes - name_at - name_bytes)
			return false;
		at = name_at + name_bytes + desc_bytes;
	}
	return false;
}

static void read_build_id(struct image *image, const Elf64_Phdr *ph)
{
	size_t bytes = ph->p_filesz < NOTES_BYTES_MAX ? (size_t)ph->p_filesz : NOTES_BYTES_MAX;
	uint8_t *notes = malloc(bytes + 1);

	if (notes && read_exactly(image->fd, notes, bytes, ph->p_offset) &&
		!find_build_id(image, notes, bytes, ph->p_align == 8 ? 8 : 4) && ph->p_align == 8)
		find_build_id(
			image, notes, bytes, 4); /* aligned to 8 as a whole, notes padded to 4 */
	free(notes);
}

/* Leaves `is_elf` false where the file is none of ours. Negative errno only when memory is out. */
static int read_elf(struct image *image)
{
	Elf64_Ehdr e;
	Elf64_Phdr *ph;
	size_t bytes;

	if (!read_exactly(image->fd, &e, sizeof(e), 0) || !header_is_ours(&e))
		return 0;
	bytes = e.e_phnum * sizeof(*ph);
	ph = malloc(bytes);
	image->segments = calloc(e.e_phnum, sizeof(*image->segments));
	if (!ph || !image->segments) {
		free(ph);
		return -ENOMEM;
	}
	if (!read_exactly(image->fd, ph, bytes, e.e_phoff)) {
		free(ph);
		return 0;
	}
	image->is_elf = true;
	image->elf_type = e.e_type;
	for (size_t i = 0; i < e.e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			image->segments[image->n_segments++] = (struct image_segment){
				.offset = ph[i].p_offset,
				.vaddr = ph[i].p_vaddr,
				.file_bytes = ph[i].p_filesz,
				.flags = ph[i].p_flags,
			};
		else if (ph[i].p_type == PT_NOTE && !image->build_id_bytes)
			read_build_id(image, &ph[i]);
	}
	free(ph);
	return 0;
}

static bool segment_holds(const struct image_segment *s, uint64_t file_offset, uint64_t slack)
{
	uint64_t start = s->offset - (slack < s->offset ? slack : s->offset);

	return file_offset >= start &&
	       (file_offset < s->offset || file_offset - s->offset < s->file_bytes);
}

/* Who asks has an executable mapping at hand, so executable segments win. The kernel maps whole
 * pages: a mapping starts up to one page before its segment where the linker did not align that one
 * (lld). */
bool image_vaddr(const struct image *image, uint64_t file_offset, uint64_t *vaddr)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < image->n_segments; i++) {
			const struct image_segment *s = &image->segments[i];
			uint64_t slack = pass == 1 ? s->offset % page : 0;

			if ((pass < 2 && !(s->flags & PF_X)) ||
				!segment_holds(s, file_offset, slack))
				continue;
			*vaddr = s->vaddr + (file_offset - s->offset);
			return true;
		}
	}
	return false;
}

static int identify(struct image *image)
{
	struct stat st;

	if (image->fd < 0)
		return 0;
	if (fstat(image->fd, &st) < 0)
		return -errno;
	image->size = (uint64_t)st.st_size;
	if (strcmp(image->path, "[vdso]") != 0) { /* a copy in memory has no identity of its own */
		image->device = st.st_dev;
		image->inode = st.st_ino;
		image->mtime_ns =
			(uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	}
	return S_ISREG(st.st_mode) ? read_elf(image) : 0;
}

struct image *image_open(int fd, const char *path, struct err *err)
{
	struct image *image = calloc(1, sizeof(*image));
	const char *slash;
	int rc = -ENOMEM;

	if (!image) {
		fd_close(&fd);
		err_set(err, -ENOMEM, "no memory left to look at %s", path);
		return NULL;
	}
	image->fd = fd < 0 ? -1 : fd;
	image->path = strdup(path);
	if (image->path) {
		slash = strrchr(image->path, '/');
		image->name = slash ? slash + 1 : image->path;
		rc = identify(image);
	}
	if (rc < 0) {
		err_set(err, rc, "cannot look at %s: %s", path, strerror(-rc));
		image_close(image);
		return NULL;
	}
	return image;
}

void image_close(struct image *image)
{
	if (!image)
		return;
	fd_close(&image->fd);
	free(image->path);
	free(image->segments);
	free(image);
}
