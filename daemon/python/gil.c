/* SPDX-License-Identifier: BSD-2-Clause */
/* The GIL is a struct with an atomic int `locked` in it: 1 while a thread holds it, 0 while none
 * does, -1 before it is set up (Include/internal/pycore_gil.h, the same in all versions). Up to
 * 3.11 there is one, in _PyRuntime; from 3.12 on each interpreter may have its own, and those that
 * have none share that of the main one. The main interpreter's always lies within itself. */
#include "python/gil.h"

#include <errno.h>
#include <string.h>

#include "process/process.h"

enum {
	LOCKED_AT = 16, /* in struct _gil_runtime_state, of builds with a GIL */
	PART_BYTES = 1024,
};

static int read_whole(uint32_t pid, uint64_t address, void *data, size_t bytes)
{
	ssize_t n = process_read(pid, address, data, bytes);

	return n < 0 ? (int)n : (size_t)n == bytes ? 0 : -EFAULT;
}

/* `locked` of the main interpreter's GIL. 1: there is no main interpreter (yet, or any more). */
static int read_main(uint32_t pid, uint64_t runtime, const struct layout *layout, int32_t *locked)
{
	char part[PART_BYTES];
	size_t from = layout->interp_gil_pointer ? layout->interp_gil_pointer : layout->interp_gil;
	size_t at = layout->interp_gil - from;
	uint64_t interp, gil;
	int rc = read_whole(pid, runtime + layout->runtime_main, &interp, sizeof(interp));

	if (!rc && !interp)
		return 1;
	if (!rc && at + sizeof(*locked) > sizeof(part))
		rc = -ENOTSUP;
	if (!rc)
		rc = read_whole(pid, interp + from, part, at + sizeof(*locked));
	if (rc < 0)
		return rc;
	memcpy(locked, part + at, sizeof(*locked));
	memcpy(&gil, part, at ? sizeof(gil) : 0);
	return at && gil != interp + layout->interp_gil - LOCKED_AT ? -ENOTSUP : 0;
}

int gil_held(uint32_t pid, uint64_t runtime, const struct layout *layout, bool *held)
{
	int32_t locked = 0;
	int rc = -ENOTSUP;

	if (layout->runtime_gil)
		rc = read_whole(pid, runtime + layout->runtime_gil, &locked, sizeof(locked));
	else if (layout->interp_gil)
		rc = read_main(pid, runtime, layout, &locked);
	if (rc < 0)
		return rc;
	if (locked < -1 || locked > 1)
		return -EINVAL;
	*held = locked == 1;
	return 0;
}
