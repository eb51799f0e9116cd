/* SPDX-License-Identifier: BSD-2-Clause */
#include "process/cgroup.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { ID_DIGITS = 64, ID_SHOWN = 12 };

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(s + len - n, end, n);
}

/* IDs of 64 digits: alone (Docker, Kubernetes), or as "docker-ID.scope", "libpod-ID.scope",
 * "crio-ID", "POD.slice:cri-containerd:ID". */
static bool id_parse(const char *part, size_t len, char *container)
{
	const char *id;

	if (ends_with(part, len, ".scope"))
		len -= strlen(".scope");
	if (len < ID_DIGITS)
		return false;
	id = part + len - ID_DIGITS;
	for (size_t i = 0; i < ID_DIGITS; i++)
		if (!isdigit((unsigned char)id[i]) && (id[i] < 'a' || id[i] > 'f'))
			return false;
	if (id > part && id[-1] != '-' && id[-1] != ':')
		return false;
	/* "libpod-conmon-ID" and "crio-conmon-ID" hold what watches a container from outside. */
	if (ends_with(part, len - ID_DIGITS, "conmon-"))
		return false;
	snprintf(container, ID_SHOWN + 1, "%s", id);
	return true;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Units of systemd write bytes that would mean something else as \xHH (systemd.unit(5)). */
static bool name_copy(const char *name, size_t len, char *container, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		int byte = name[i];

		if (len - i >= 4 && name[i] == '\\' && name[i + 1] == 'x' &&
			hex_digit(name[i + 2]) >= 0 && hex_digit(name[i + 3]) >= 0) {
			byte = hex_digit(name[i + 2]) << 4 | hex_digit(name[i + 3]);
			i += 3;
		}
		if (byte)
			container[n++] = (char)byte;
	}
	container[n] = '\0';
	return n > 0;
}

/* Containers that are known by a name: of LXC and Incus, and of systemd-nspawn. */
static bool name_parse(const char *part, size_t len, char *container, size_t size)
{
	static const struct {
		const char *before, *after;
	} FORMS[] = {{"lxc.payload.", ""}, {"machine-", ".scope"}, {"systemd-nspawn@", ".service"}};
	static const char VIRTUAL_MACHINE[] = "machine-qemu\\x2d"; /* libvirt's, not a container */

	if (!strncmp(part, VIRTUAL_MACHINE, strlen(VIRTUAL_MACHINE)))
		return false;
	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		size_t before = strlen(FORMS[i].before), after = strlen(FORMS[i].after);

		if (len > before + after && !strncmp(part, FORMS[i].before, before) &&
			ends_with(part, len, FORMS[i].after))
			return name_copy(part + before, len - before - after, container, size);
	}
	return false;
}

/* Older LXC keeps each container in a folder of the name inside "lxc" or "lxc.payload". */
static bool is_lxc_folder(const char *path, const char *part)
{
	size_t len = (size_t)(part - path);

	return ends_with(path, len, "/lxc/") || ends_with(path, len, "/lxc.payload/");
}

/* The innermost container of a path: the last of its parts that names one. */
static bool path_parse(const char *path, char *container, size_t size)
{
	size_t end = strlen(path);

	while (end) {
		size_t start = end;

		while (start && path[start - 1] != '/')
			start--;
		if (id_parse(path + start, end - start, container) ||
			name_parse(path + start, end - start, container, size))
			return true;
		if (end > start && is_lxc_folder(path, path + start))
			return name_copy(path + start, end - start, container, size);
		end = start ? start - 1 : 0;
	}
	return false;
}

/* A group that was removed around its last processes is told by a mark behind its path. */
static void path_trim(char *path)
{
	static const char MARK[] = " (deleted)";
	size_t len = strlen(path);

	if (ends_with(path, len, MARK))
		path[len - strlen(MARK)] = '\0';
}

/* How much a line that names no container is worth as the place of the process. */
static int line_rank(const char *line, const char *controllers, size_t len)
{
	if (line[0] == '0' && !len)
		return 3;
	return len == strlen("name=systemd") && !memcmp(controllers, "name=systemd", len) ? 2 : 1;
}

void cgroup_parse(char *text, struct cgroup *out)
{
	char *line, *rest = text, container[sizeof(out->container)];
	int best = 0;

	*out = (struct cgroup){.path = ""};
	while ((line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':'), *path;
		int rank;

		path = controllers ? strchr(++controllers, ':') : NULL;
		if (!path || path[1] != '/')
			continue;
		rank = line_rank(line, controllers, (size_t)(path - controllers));
		path_trim(++path);
		container[0] = '\0';
		if (path_parse(path, container, sizeof(container)))
			rank += 3;
		if (rank <= best)
			continue;
		best = rank;
		out->path = path;
		memcpy(out->container, container, sizeof(container));
	}
}
