/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

enum { MAPS_MAX_BYTES = 64 << 20 };

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes a newline or backslash of a path as \ooo (fs/proc/task_mmu.c). */
static void path_unescape(char *path)
{
	char *to = path;

	for (const char *p = path; *p; to++) {
		if (p[0] == '\\' && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

void maps_strip_deleted(char *path)
{
	static const char suffix[] = " (deleted)";
	size_t n = strlen(path);

	if (n > sizeof(suffix) - 1 && !strcmp(path + n - (sizeof(suffix) - 1), suffix))
		path[n - (sizeof(suffix) - 1)] = '\0';
}

/* A number in `base`, up to and over `end`; false: there is none. By hand, because a large process
 * has thousands of lines, and all have to be read. */
static bool take_number(char **at, unsigned base, char end, uint64_t *value)
{
	char *p = *at;
	uint64_t v = 0;

	for (;; p++) {
		unsigned digit = *p >= '0' && *p <= '9'   ? (unsigned)(*p - '0')
				 : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10
							  : 99;

		if (digit >= base)
			break;
		v = v * base + digit;
	}
	if (p == *at || *p != end)
		return false;
	*at = p + 1;
	*value = v;
	return true;
}

bool maps_parse_line(char *line, struct maps_line *out)
{
	uint64_t major, minor;
	char *at = line, *perms;

	if (!take_number(&at, 16, '-', &out->start) || !take_number(&at, 16, ' ', &out->end))
		return false;
	perms = at;
	if (strnlen(perms, 5) < 5 || perms[2] != 'x' || perms[4] != ' ' || out->start >= out->end)
		return false;
	at += 5;
	if (!take_number(&at, 16, ' ', &out->file_offset) || !take_number(&at, 16, ':', &major) ||
		!take_number(&at, 16, ' ', &minor) || !take_number(&at, 10, ' ', &out->inode))
		return false;
	out->major = (uint32_t)major;
	out->minor = (uint32_t)minor;
	out->path = at + strspn(at, " ");
	maps_strip_deleted(out->path);
	path_unescape(out->path);
	return strcmp(out->path, "[vsyscall]") != 0;
}

bool maps_is_special(const char *path)
{
	return path[0] != '/' || !strncmp(path, "//anon", 6) || !strcmp(path, "/dev/zero");
}

void maps_mapping(
	struct images *images, uint32_t pid, const struct maps_line *line, struct mapping *out)
{
	uint64_t vaddr;
	int rc = 0;

	*out = (struct mapping){.start = line->start,
		.end = line->end,
		.file_offset = line->file_offset,
		.kind = MAPPING_ANON};
	if (!strcmp(line->path, "[vdso]"))
		out->kind = MAPPING_VDSO;
	else if (!maps_is_special(line->path))
		out->kind = MAPPING_FILE;
	else
		return;
	out->image = images_get(images, pid, line, &rc);
	if (!out->image) {
		out->kind = MAPPING_ANON;
		out->is_denied = rc == -EACCES || rc == -EPERM;
		return;
	}
	if (image_vaddr(out->image, line->file_offset, &vaddr))
		out->bias = line->start - vaddr;
	else
		out->bias = line->start - line->file_offset;
}

static int mapping_add(struct mapping **mappings, size_t *n, size_t *cap, const struct mapping *m)
{
	struct mapping *last = *n ? &(*mappings)[*n - 1] : NULL;

	if (last && last->end == m->start && mapping_is_bare(last) && mapping_is_bare(m)) {
		last->end = m->end;
		return 0;
	}
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 32;
		struct mapping *p = realloc(*mappings, more * sizeof(*p));

		if (!p)
			return -ENOMEM;
		*mappings = p;
		*cap = more;
	}
	(*mappings)[(*n)++] = *m;
	return 0;
}

int maps_read(
	struct images *images, uint32_t pid, struct mapping **mappings, size_t *n, struct err *err)
{
	char name[64], *line, *rest;
	struct buf text;
	size_t cap = 0;
	int rc;

	*mappings = NULL;
	*n = 0;
	buf_init(&text, MAPS_MAX_BYTES);
	snprintf(name, sizeof(name), "/proc/%u/maps", pid);
	rc = file_read(name, &text);
	if (rc < 0) {
		err_set(err, rc, "cannot read %s: %s", name, strerror(-rc));
		goto out;
	}
	rest = text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		struct maps_line parsed;
		struct mapping m;

		if (!maps_parse_line(line, &parsed))
			continue;
		maps_mapping(images, pid, &parsed, &m);
		rc = mapping_add(mappings, n, &cap, &m);
		if (rc < 0) {
			err_set(err, rc, "out of memory for the mappings of process %u", pid);
			free(*mappings);
			*mappings = NULL;
			*n = 0;
			break;
		}
	}
out:
	buf_free(&text);
	return rc;
}
