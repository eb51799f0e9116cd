/* SPDX-License-Identifier: BSD-2-Clause */
/* image_open and image_vaddr on real files, and on headers bent out of shape. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/process.h"

/* A small ELF file: header, five program headers, two notes. */
struct small_elf {
	Elf64_Ehdr e;
	Elf64_Phdr ph[5];
	struct {
		Elf64_Nhdr n;
		char name[4];
		uint8_t desc[5], padding[3]; /* an uneven length: the next note is aligned */
	} first;
	struct {
		Elf64_Nhdr n;
		char name[4];
		uint8_t id[20];
	} build_id;
	uint8_t text[64];
};

enum {
	MACHINE =
#if defined(__x86_64__)
		EM_X86_64
#else
		EM_AARCH64
#endif
};

static struct small_elf small_elf(void)
{
	struct small_elf f = {
		.e = {.e_type = ET_DYN,
			.e_machine = MACHINE,
			.e_version = 1,
			.e_phoff = offsetof(struct small_elf, ph),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 5,
			.e_ehsize = sizeof(Elf64_Ehdr)},
		.first = {.n = {.n_namesz = 4, .n_descsz = 5, .n_type = 1}, .name = "GNU"},
		.build_id = {.n = {.n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID},
			.name = "GNU"},
	};

	memcpy(f.e.e_ident, ELFMAG, SELFMAG);
	f.e.e_ident[EI_CLASS] = ELFCLASS64;
	f.e.e_ident[EI_DATA] = ELFDATA2LSB;
	f.e.e_ident[EI_VERSION] = 1;
	for (uint8_t i = 0; i < 20; i++)
		f.build_id.id[i] = (uint8_t)(0xa0 + i);
	f.ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 0x1300, .p_align = 0x1000};
	/* as lld does: its first page is also the last one of the segment before */
	f.ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = 0x1340,
		.p_vaddr = 0x2340,
		.p_filesz = 0x2000,
		.p_align = 0x1000};
	f.ph[2] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_offset = 0x3340,
		.p_vaddr = 0x6340,
		.p_filesz = 0x100,
		.p_align = 0x1000};
	f.ph[3] = (Elf64_Phdr){.p_type = PT_NOTE,
		.p_offset = offsetof(struct small_elf, first),
		.p_filesz = sizeof(f.first) + sizeof(f.build_id),
		.p_align = 4};
	f.ph[4] = (Elf64_Phdr){.p_type = PT_GNU_STACK};
	return f;
}

static struct image *image_of_bytes(const void *data, size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct image *image;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
	image = image_open(fd, "/some/where/lib.so", NULL);
	assert_non_null(image);
	return image;
}

static void test_small(void **state)
{
	struct small_elf f = small_elf();
	struct image *image = image_of_bytes(&f, sizeof(f));

	(void)state;
	assert_true(image->is_elf);
	assert_int_equal(image->elf_type, ET_DYN);
	assert_string_equal(image->path, "/some/where/lib.so");
	assert_string_equal(image->name, "lib.so");
	assert_int_equal(image->size, sizeof(f));
	assert_int_equal(image->n_segments, 3);
	assert_int_equal(image->segments[1].vaddr, 0x2340);
	assert_int_equal(image->segments[1].flags, PF_R | PF_X);
	assert_int_equal(image->build_id_bytes, 20);
	assert_memory_equal(image->build_id, f.build_id.id, 20);
	assert_int_equal(lseek(image->fd, 0, SEEK_CUR), sizeof(f)); /* nobody moved the offset */
	image_close(image);
}

static void check_vaddr(const struct image *image, uint64_t offset, uint64_t wanted)
{
	uint64_t vaddr = 1;

	assert_true(image_vaddr(image, offset, &vaddr));
	assert_int_equal(vaddr, wanted);
}

static void test_vaddr(void **state)
{
	struct small_elf f = small_elf();
	struct image *image = image_of_bytes(&f, sizeof(f));
	uint64_t vaddr = 7;

	(void)state;
	check_vaddr(image, 0, 0);
	check_vaddr(image, 0xfff, 0xfff);
	check_vaddr(image, 0x1340, 0x2340);
	check_vaddr(image, 0x2000, 0x3000);
	check_vaddr(image, 0x333f, 0x433f);
	check_vaddr(image, 0x3340, 0x6340);
	/* The start of the executable mapping: the page that holds the segment's first byte. */
	check_vaddr(image, 0x1000, 0x2000);
	assert_false(image_vaddr(image, 0x3440, &vaddr));
	assert_false(image_vaddr(image, UINT64_MAX, &vaddr));
	assert_int_equal(vaddr, 7);
	image_close(image);
}

static void test_own_files(void **state)
{
	struct image *self =
		image_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "/proc/self/exe", NULL);
	const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
	size_t loads = 0;
	struct stat st;

	(void)state;
	assert_non_null(self);
	assert_true(self->is_elf);
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		assert_int_equal(self->segments[loads].vaddr, ph[i].p_vaddr);
		assert_int_equal(self->segments[loads++].offset, ph[i].p_offset);
		check_vaddr(self, ph[i].p_offset + ph[i].p_filesz / 2,
			ph[i].p_vaddr + ph[i].p_filesz / 2);
	}
	assert_int_equal(self->n_segments, loads);
	assert_int_equal(fstat(self->fd, &st), 0);
	assert_int_equal(self->inode, st.st_ino);
	assert_int_equal(self->device, st.st_dev);
	image_close(self);
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char **path = arg;

	(void)size;
	if (strstr(info->dlpi_name, "libc.so"))
		*path = info->dlpi_name;
	return *path != NULL;
}

/* The build ID that the linker mapped must be the one in the file. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct image *image = arg;

	(void)size;
	if (strcmp(info->dlpi_name, image->path) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const char *notes = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);

		if (info->dlpi_phdr[i].p_type == PT_NOTE &&
			memmem(notes, info->dlpi_phdr[i].p_filesz, image->build_id,
				image->build_id_bytes))
			return 1;
	}
	return 0;
}

static void test_libc(void **state)
{
	const char *path = NULL;
	struct image *image;

	(void)state;
	dl_iterate_phdr(find_libc, &path);
	if (!path) {
		print_message("skipped: linked statically, there is no libc.so to look at\n");
		skip();
	}
	image = image_open(open(path, O_RDONLY | O_CLOEXEC), path, NULL);
	assert_non_null(image);
	assert_true(image->is_elf);
	assert_int_equal(image->build_id_bytes, 20);
	assert_int_equal(dl_iterate_phdr(find_build_id, image), 1);
	image_close(image);
}

static void test_not_elf(void **state)
{
	struct err err = {0};
	struct image *image = image_of_bytes("#!/bin/sh\n", 10);

	(void)state;
	assert_false(image->is_elf);
	image_close(image);
	image = image_of_bytes("", 0);
	assert_false(image->is_elf);
	image_close(image);
	image = image_open(-1, "gone", &err);
	assert_non_null(image);
	assert_int_equal(image->fd, -1);
	assert_false(image->is_elf);
	assert_string_equal(image->name, "gone");
	image_close(image);
	image = image_open(open("/", O_RDONLY | O_CLOEXEC), "/", &err);
	assert_non_null(image);
	assert_false(image->is_elf);
	image_close(image);
	image_close(NULL);
}

static void test_bad_descriptor(void **state)
{
	struct err err = {0};

	(void)state;
	assert_null(image_open(1 << 20, "/lib/x.so", &err));
	assert_int_equal(err.code, -EBADF);
	assert_non_null(strstr(err.text, "/lib/x.so"));
}

/* Headers of other machines and impossible tables are no ELF for us; the rest of the file does not
 * matter then. */
static void test_refused_headers(void **state)
{
	struct small_elf f = small_elf();
	struct image *image;
	struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{EI_MAG0, 'E'},
		{EI_CLASS, ELFCLASS32},
		{EI_DATA, ELFDATA2MSB},
		{offsetof(Elf64_Ehdr, e_type), ET_REL},
		{offsetof(Elf64_Ehdr, e_machine), EM_386},
		{offsetof(Elf64_Ehdr, e_phentsize), 32},
		{offsetof(Elf64_Ehdr, e_phnum), 0},
		{offsetof(Elf64_Ehdr, e_phnum) + 1, 0xff},
		{offsetof(Elf64_Ehdr, e_phoff) + 7, 0xff},
		{offsetof(Elf64_Ehdr, e_phoff) + 2, 0x01},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		f = small_elf();
		((uint8_t *)&f)[changes[i].at] = changes[i].value;
		image = image_of_bytes(&f, sizeof(f));
		if (image->is_elf)
			fail_msg("change %zu was not refused", i);
		assert_int_equal(image->n_segments, 0);
		image_close(image);
	}
}

static void test_bent_notes(void **state)
{
	struct small_elf f = small_elf();
	struct image *image;
	uint32_t sizes[] = {UINT32_MAX, UINT32_MAX - 3, 0x7fffffff, 21, 100};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		f = small_elf();
		f.build_id.n.n_descsz = sizes[i];
		image = image_of_bytes(&f, sizeof(f));
		assert_true(image->is_elf);
		assert_int_equal(image->build_id_bytes, 0);
		image_close(image);
		f = small_elf();
		f.first.n.n_namesz = sizes[i];
		image = image_of_bytes(&f, sizeof(f));
		assert_int_equal(image->build_id_bytes, 0);
		image_close(image);
	}
	f = small_elf();
	f.ph[3].p_filesz = UINT64_MAX; /* beyond the end of the file: nothing can be read there */
	image = image_of_bytes(&f, sizeof(f));
	assert_int_equal(image->build_id_bytes, 0);
	image_close(image);
}

static void test_cut_and_flipped(void **state)
{
	struct small_elf f = small_elf();
	uint8_t *bytes = (uint8_t *)&f;
	size_t elfs = 0;

	(void)state;
	for (size_t n = 0; n <= sizeof(f); n++) {
		struct image *image = image_of_bytes(&f, n);

		assert_int_equal(image->is_elf, n >= offsetof(struct small_elf, first));
		assert_int_equal(
			image->build_id_bytes, n >= offsetof(struct small_elf, text) ? 20 : 0);
		image_close(image);
	}
	for (size_t bit = 0; bit < offsetof(struct small_elf, text) * 8; bit++) {
		struct image *image;
		uint64_t vaddr;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		image = image_of_bytes(&f, sizeof(f));
		elfs += image->is_elf;
		for (uint64_t at = 0; at < 64; at++)
			image_vaddr(image, 1ULL << at, &vaddr);
		image_close(image);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(elfs > 2000); /* most bits of segments and notes leave it an ELF file */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_vaddr),
		cmocka_unit_test(test_own_files),
		cmocka_unit_test(test_libc),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_bad_descriptor),
		cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_bent_notes),
		cmocka_unit_test(test_cut_and_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
