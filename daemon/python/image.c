/* SPDX-License-Identifier: BSD-2-Clause */
/* CPython in an ELF file: where its runtime is, which version it is, and which code is its eval
 * loop.
 *
 *   section .PyRuntime (3.11+)  or  symbol _PyRuntime  --> it is CPython, and here is its runtime
 *   _Py_DebugOffsets in its data (3.13+), the data of Py_Version (3.11+), the file's name -->
 * version symbols _PyEval_EvalFrameDefault, and what was split off it --> eval loop */
#include "python/image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SECTIONS_MAX = 65536,
	SYMBOL_BYTES_MAX = 1 << 28, /* of one symbol table */
};

struct finder {
	const struct image *file;
	struct python_image *out;
	uint64_t section_runtime; /* by section .PyRuntime */
	uint64_t version_at;      /* Py_Version */
	uint64_t eh_frame_hdr;
	int error;
};

size_t image_bytes(const struct image *image, uint64_t vaddr, void *data, size_t bytes)
{
	for (size_t i = 0; i < image->n_segments; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t into = vaddr - s->vaddr;
		ssize_t n;

		if (vaddr < s->vaddr || into >= s->file_bytes)
			continue;
		if (bytes > s->file_bytes - into)
			bytes = (size_t)(s->file_bytes - into);
		n = pread(image->fd, data, bytes, (off_t)(s->offset + into));
		return n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* `_PyEval_EvalFrameDefault`, and `.cold`, `.part.0`, `.constprop.0`, `.lto_priv.0` of it. */
static bool is_eval_name(const char *name)
{
	static const char eval[] = "_PyEval_EvalFrameDefault";
	size_t n = sizeof(eval) - 1;

	return !strncmp(name, eval, n) && (name[n] == '\0' || name[n] == '.');
}

static void take_symbol(struct finder *f, const char *name, const GElf_Sym *sym)
{
	int type = GELF_ST_TYPE(sym->st_info);

	if (name[0] != '_' && name[0] != 'P')
		return;
	if (type == STT_FUNC && is_eval_name(name)) {
		if (sym->st_size &&
			eval_add(&f->out->eval, sym->st_value, sym->st_value + sym->st_size) < 0)
			f->error = -ENOMEM;
	} else if (type == STT_OBJECT && !strcmp(name, "_PyRuntime")) {
		f->out->runtime = sym->st_value;
	} else if (type == STT_OBJECT && !strcmp(name, "PyCode_Type")) {
		f->out->code_type = sym->st_value;
	} else if (type == STT_OBJECT && !strcmp(name, "Py_Version")) {
		f->version_at = sym->st_value;
	}
}

static void take_symbols(struct finder *f, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data;
	size_t n;

	if (header->sh_type == SHT_NOBITS || !header->sh_entsize ||
		header->sh_size > SYMBOL_BYTES_MAX)
		return;
	data = elf_getdata(section, NULL);
	if (!data)
		return;
	n = data->d_size / header->sh_entsize;
	for (size_t i = 0; i < n && i < INT32_MAX; i++) {
		GElf_Sym sym;
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, header->sh_link, sym.st_name);
		if (name)
			take_symbol(f, name, &sym);
	}
}

/* Calls `each` for every section that has a name. */
static void each_section(struct finder *f, Elf *elf,
	void (*each)(
		struct finder *f, Elf *elf, Elf_Scn *section, const GElf_Shdr *h, const char *name))
{
	Elf_Scn *section = NULL;
	size_t names, n = 0;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return;
	while ((section = elf_nextscn(elf, section)) && n++ < SECTIONS_MAX) {
		GElf_Shdr header;
		const char *name;

		if (gelf_getshdr(section, &header) &&
			(name = elf_strptr(elf, names, header.sh_name)))
			each(f, elf, section, &header, name);
	}
}

static void look_at_name(
	struct finder *f, Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	(void)elf;
	(void)section;
	if (!strcmp(name, ".PyRuntime") && header->sh_type == SHT_PROGBITS)
		f->section_runtime = header->sh_addr;
	else if (!strcmp(name, ".eh_frame_hdr"))
		f->eh_frame_hdr = header->sh_addr;
}

static void look_at_symbols(
	struct finder *f, Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	(void)name;
	if (header->sh_type == SHT_SYMTAB || header->sh_type == SHT_DYNSYM)
		take_symbols(f, elf, section, header);
}

/* "libpython3.12.so.1.0", "python3.12" -> 3.12.0; 0: the name tells nothing. */
static uint64_t version_of_name(const char *name)
{
	const char *at = strstr(name, "python");
	unsigned major, minor;

	if (!at || sscanf(at + 6, "%1u.%2u", &major, &minor) != 2)
		return 0;
	return (uint64_t)major << 24 | (uint64_t)minor << 16;
}

static void find_version(struct finder *f, const void *runtime, size_t bytes)
{
	struct python_image *out = f->out;
	uint64_t v;

	if (layout_has_debug_offsets(runtime, bytes, &out->version))
		return;
	if (f->version_at && image_bytes(f->file, f->version_at, &v, sizeof(v)) == sizeof(v))
		out->version = v;
	else
		out->version = version_of_name(f->file->name);
}

static int refuse(struct python_image *out, const struct err *err)
{
	out->why = strdup(err->text);
	out->status = -ENOTSUP;
	return out->why ? 0 : -ENOMEM;
}

static int choose_layout(struct finder *f)
{
	struct python_image *out = f->out;
	const struct layout *known;
	char runtime[LAYOUT_DEBUG_OFFSETS_BYTES];
	size_t bytes = image_bytes(f->file, out->runtime, runtime, sizeof(runtime));
	struct err err = {0};
	unsigned major, minor;

	find_version(f, runtime, bytes);
	major = version_major(out->version);
	minor = version_minor(out->version);
	if (out->version)
		snprintf(out->version_text, sizeof(out->version_text), "%u.%u.%u", major, minor,
			(unsigned)(out->version >> 8 & 0xff));
	known = layout_known(major, minor);
	if (!out->version) {
		err_set(&err, -ENOTSUP,
			"%s holds a CPython of unknown version: its Python frames are not shown",
			f->file->path);
		return refuse(out, &err);
	}
	if (known) {
		out->layout = *known;
	} else if (major != 3 || minor < 11) {
		err_set(&err, -ENOTSUP,
			"CPython %u.%u is not supported (3.11 and later are): its native frames are shown, "
			"its Python frames are not",
			major, minor);
		return refuse(out, &err);
	} else if (layout_from_debug_offsets(runtime, bytes, &out->layout, &err) < 0) {
		return refuse(out, &err);
	}
	out->status = 1;
	return 0;
}

static int find(struct finder *f, Elf *elf, bool is_exe)
{
	struct python_image *out = f->out;

	each_section(f, elf, look_at_name);
	if (!f->section_runtime && !is_exe && !strstr(f->file->name, "python"))
		return 0;
	each_section(f, elf, look_at_symbols);
	if (f->error)
		return f->error;
	if (!out->runtime)
		out->runtime = f->section_runtime;
	if (!out->runtime)
		return 0;
	if (f->eh_frame_hdr && out->eval.n)
		eval_add_fragments(&out->eval, f->file, f->eh_frame_hdr);
	return choose_layout(f);
}

struct python_image *python_image_open(const struct image *image, bool is_exe)
{
	struct python_image *out = calloc(1, sizeof(*out));
	struct finder f = {.file = image, .out = out};
	Elf *elf;

	if (!out)
		return NULL;
	if (image->fd < 0 || !image->is_elf || elf_version(EV_CURRENT) == EV_NONE)
		return out;
	elf = elf_begin(image->fd, ELF_C_READ, NULL);
	if (!elf)
		return out;
	if (find(&f, elf, is_exe) < 0) {
		python_image_close(out);
		out = NULL;
	}
	elf_end(elf);
	return out;
}

void python_image_close(struct python_image *image)
{
	if (!image)
		return;
	free(image->eval.ranges);
	free(image->why);
	free(image);
}
