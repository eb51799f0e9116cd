/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings of the target: PyUnicode objects (Include/cpython/unicodeobject.h), of which only the
 * compact kinds are read; others are not made any more by 3.11 and later for names. */
#include "python/text.h"

#include <errno.h>
#include <string.h>

#include "process/process.h"

enum {
	HEADER_MAX = 96,
	CHAR_BYTES_MAX = 4,
	STATE_KIND_SHIFT =
		2, /* struct { interned:2; kind:3; compact:1; ascii:1; ... }, 3.11 - 3.14 */
	STATE_COMPACT = 1 << 5,
	STATE_ASCII = 1 << 6,
	FIRST_READ = 4096,
	REPLACEMENT = 0xfffd,
};

struct text {
	uint8_t bytes[HEADER_MAX + TEXT_CHARS_MAX * CHAR_BYTES_MAX];
	size_t n; /* read */
};

static int put_char(struct buf *out, uint32_t c)
{
	uint8_t u[4];
	size_t n;

	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = REPLACEMENT;
	if (c < 0x80) {
		u[0] = (uint8_t)c, n = 1;
	} else if (c < 0x800) {
		u[0] = (uint8_t)(0xc0 | c >> 6), u[1] = (uint8_t)(0x80 | (c & 63)), n = 2;
	} else if (c < 0x10000) {
		u[0] = (uint8_t)(0xe0 | c >> 12), u[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		u[2] = (uint8_t)(0x80 | (c & 63)), n = 3;
	} else {
		u[0] = (uint8_t)(0xf0 | c >> 18), u[1] = (uint8_t)(0x80 | (c >> 12 & 63));
		u[2] = (uint8_t)(0x80 | (c >> 6 & 63)), u[3] = (uint8_t)(0x80 | (c & 63)), n = 4;
	}
	return buf_add(out, u, n);
}

/* `n` characters of `kind` bytes each. A NUL stays: whoever interns the text cuts it there. */
static int put_text(const uint8_t *p, size_t n, uint32_t kind, struct buf *out)
{
	int error = 0;

	for (size_t i = 0; i < n && !error; i++, p += kind) {
		uint16_t c16;
		uint32_t c32 = *p;

		if (kind == 2) {
			memcpy(&c16, p, sizeof(c16));
			c32 = c16;
		} else if (kind == 4) {
			memcpy(&c32, p, sizeof(c32));
		}
		error = put_char(out, c32);
	}
	return error;
}

static int put_object(const struct text *t, const struct layout *l, struct buf *out)
{
	uint64_t length;
	uint32_t state, kind;
	size_t at, n;

	memcpy(&length, t->bytes + l->unicode_length, sizeof(length));
	memcpy(&state, t->bytes + l->unicode_state, sizeof(state));
	kind = state >> STATE_KIND_SHIFT & 7;
	if (!(state & STATE_COMPACT) || (kind != 1 && kind != 2 && kind != 4) ||
		(state & STATE_ASCII && kind != 1) || length > INT64_MAX)
		return -EINVAL;
	at = state & STATE_ASCII ? l->unicode_ascii : l->unicode_compact;
	n = length > TEXT_CHARS_MAX ? TEXT_CHARS_MAX : (size_t)length;
	if (at + n * kind > t->n)
		return -EFAULT;
	if (put_text(t->bytes + at, n, kind, out) < 0 || (length > n && buf_puts(out, "...") < 0))
		return -ENOMEM;
	return 0;
}

int text_read(uint32_t pid, const struct layout *layout, uint64_t address, struct buf *out)
{
	struct text t;
	ssize_t n = process_read(pid, address, t.bytes, sizeof(t.bytes));

	if (n < 0)
		return n == -ESRCH ? -ESRCH : -EFAULT;
	t.n = (size_t)n;
	if (layout->unicode_compact > HEADER_MAX || layout->unicode_state + 4U > HEADER_MAX ||
		layout->unicode_length + 8U > HEADER_MAX || t.n < layout->unicode_ascii)
		return -EINVAL;
	return put_object(&t, layout, out);
}

int bytes_read(
	uint32_t pid, const struct layout *layout, uint64_t address, size_t max, struct buf *out)
{
	char first[FIRST_READ];
	ssize_t n = process_read(pid, address, first, sizeof(first));
	size_t at = layout->bytes_data, have, old = out->len;
	uint64_t size;

	if (n < 0)
		return n == -ESRCH ? -ESRCH : -EFAULT;
	if ((size_t)n < at || layout->bytes_size + 8U > at)
		return -EFAULT;
	memcpy(&size, first + layout->bytes_size, sizeof(size));
	if (size > max)
		return -EINVAL;
	have = (size_t)n - at < size ? (size_t)n - at : (size_t)size;
	if (buf_reserve(out, (size_t)size) < 0 || buf_add(out, first + at, have) < 0)
		return -ENOMEM;
	if (have == size)
		return 0;
	n = process_read(pid, address + at + have, out->data + old + have, (size_t)size - have);
	if (n != (ssize_t)(size - have))
		return -EFAULT;
	out->len = old + (size_t)size;
	out->data[out->len] = '\0';
	return 0;
}
