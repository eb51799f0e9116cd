/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a process is, in one pass over its folder in /proc. What can be read after the process has
 * gone is kept; the rest is "": of short-lived ones it is good to know at least the name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "process/cgroup.h"
#include "process/process.h"
#include "process/procfs.h"

enum { TEXT_MAX_BYTES = 4095, PASSWD_MAX_BYTES = 16 << 20 };

static int text_set(char **to, const char *text)
{
	size_t len = strlen(text);

	if (len > TEXT_MAX_BYTES)
		len = TEXT_MAX_BYTES;
	*to = malloc(len + 1);
	if (!*to)
		return -ENOMEM;
	memcpy(*to, text, len);
	(*to)[len] = '\0';
	return 0;
}

/* ---- when ------------------------------------------------------------------------------------
 */

/* When the machine was started, as a time of day. The two clocks cannot be read at once: of three
 * tries the quickest is the most exact. */
static uint64_t boot_unix_ns(void)
{
	uint64_t best_ns = UINT64_MAX, boot_ns = 0;

	for (int i = 0; i < 3; i++) {
		struct timespec before, now, after;
		uint64_t from_ns, to_ns, now_ns, since_boot_ns;

		clock_gettime(CLOCK_BOOTTIME, &before);
		clock_gettime(CLOCK_REALTIME, &now);
		clock_gettime(CLOCK_BOOTTIME, &after);
		from_ns = (uint64_t)before.tv_sec * NS_PER_S + (uint64_t)before.tv_nsec;
		to_ns = (uint64_t)after.tv_sec * NS_PER_S + (uint64_t)after.tv_nsec;
		now_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
		since_boot_ns = from_ns + (to_ns - from_ns) / 2;
		if (to_ns - from_ns >= best_ns)
			continue;
		best_ns = to_ns - from_ns;
		boot_ns = now_ns > since_boot_ns ? now_ns - since_boot_ns : 0;
	}
	return boot_ns;
}

/* Rounded to whole ticks, which is as exact as `start_ticks` is, so that reading it again gives the
 * same time as long as nobody sets the clock. */
static uint64_t start_unix_ns(uint64_t start_ticks)
{
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);

	return ((boot_unix_ns() + tick_ns / 2) / tick_ns + start_ticks) * tick_ns;
}

static void boot_read(char *boot, size_t size)
{
	struct buf text;

	buf_init(&text, 4096);
	if (!file_read("/proc/sys/kernel/random/boot_id", &text) && text.len)
		snprintf(boot, size, "%.*s", (int)strcspn(text.data, "\n"), text.data);
	buf_free(&text);
}

/* ---- who -------------------------------------------------------------------------------------
 */

/* The name in a line "name:password:uid:..." of passwd(5), if it is that user's. */
static bool passwd_line(const char *line, size_t len, uint32_t uid, size_t *name_len)
{
	const char *name_end = memchr(line, ':', len), *end = line + len, *password_end;
	uint64_t number = 0;
	const char *at;

	if (!name_end || name_end == line)
		return false;
	password_end = memchr(name_end + 1, ':', (size_t)(end - name_end - 1));
	if (!password_end)
		return false;
	for (at = password_end + 1; at < end && *at >= '0' && *at <= '9' && number < UINT_MAX; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	*name_len = (size_t)(name_end - line);
	return at > password_end + 1 && at < end && *at == ':' && number == uid;
}

/* The name of a user in /etc/passwd, or the number. The functions of libc for it load the host's
 * name services, which a static program cannot. */
static int user_set(char **to, uint32_t uid, struct buf *scratch)
{
	char number[16];
	size_t name_len, len;

	snprintf(number, sizeof(number), "%u", uid);
	buf_reset(scratch);
	if (file_read("/etc/passwd", scratch) < 0)
		return text_set(to, number);
	for (size_t at = 0; at < scratch->len; at += len + 1) {
		const char *line = scratch->data + at, *end = memchr(line, '\n', scratch->len - at);

		len = end ? (size_t)(end - line) : scratch->len - at;
		if (!passwd_line(line, len, uid, &name_len))
			continue;
		scratch->data[at + name_len] = '\0';
		return text_set(to, line);
	}
	return text_set(to, number);
}

/* ---- what ------------------------------------------------------------------------------------
 */

static int exe_set(char **to, int folder)
{
	char path[TEXT_MAX_BYTES + 1];
	ssize_t n = readlinkat(folder, "exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	return text_set(to, path);
}

/* Arguments as one line; each ends with a NUL, the last one too. */
static int command_line_set(char **to, int folder)
{
	FD_CLOSE int fd = openat(folder, "cmdline", O_RDONLY | O_CLOEXEC);
	char line[TEXT_MAX_BYTES + 1];
	size_t len = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && len < TEXT_MAX_BYTES) {
		n = read(fd, line + len, TEXT_MAX_BYTES - len);
		len += n > 0 ? (size_t)n : 0;
	}
	while (len && !line[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!line[i])
			line[i] = ' ';
	line[len] = '\0';
	return text_set(to, line);
}

static int cgroup_set(struct series *out, int folder, struct buf *scratch)
{
	struct cgroup cgroup = {.path = ""};
	int rc = procfs_read(folder, "cgroup", scratch, NULL);

	if (!rc && scratch->len)
		cgroup_parse(scratch->data, &cgroup);
	rc = text_set(&out->cgroup, cgroup.path);
	return rc ? rc : text_set(&out->container, cgroup.container);
}

/* What cannot be missed: without it the process is not known at all. */
static int core_read(struct series *out, int folder, struct buf *scratch)
{
	struct procfs_stat stat;
	uint64_t uids[4];
	int rc = procfs_read(folder, "stat", scratch, NULL);

	if (rc < 0)
		return rc;
	if (!scratch->len || !procfs_stat_parse(scratch->data, &stat))
		return -ESRCH;
	rc = procfs_read(folder, "status", scratch, NULL);
	if (rc < 0)
		return rc;
	/* real, effective, saved, file system */
	if (!scratch->len || procfs_status_numbers(scratch->data, "Uid:", uids, 4) != 4)
		return -ESRCH;
	out->start_ticks = stat.start_ticks;
	out->start_unix_ns = start_unix_ns(stat.start_ticks);
	out->uid = (uint32_t)uids[1];
	return text_set(&out->comm, stat.comm);
}

int process_series(uint32_t pid, bool command_line, struct series *out)
{
	FD_CLOSE int folder = procfs_open(pid);
	struct buf scratch;
	int rc = folder;

	*out = (struct series){.pid = pid};
	if (folder < 0)
		return rc;
	buf_init(&scratch, PASSWD_MAX_BYTES);
	rc = core_read(out, folder, &scratch);
	if (!rc)
		rc = user_set(&out->user, out->uid, &scratch);
	if (!rc)
		rc = exe_set(&out->exe, folder);
	if (!rc)
		rc = command_line ? command_line_set(&out->command_line, folder)
				  : text_set(&out->command_line, "");
	if (!rc)
		rc = cgroup_set(out, folder, &scratch);
	if (!rc)
		rc = text_set(&out->python, "");
	boot_read(out->boot, sizeof(out->boot));
	buf_free(&scratch);
	return rc;
}
