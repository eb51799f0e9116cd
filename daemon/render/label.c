/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render.h"
#include "render/text.h"

static const char *kind_suffix(uint32_t kind)
{
	switch (kind) {
	case FRAME_KERNEL:
		return "_[k]";
	case FRAME_JIT:
		return "_[j]";
	case FRAME_INLINED:
		return "_[i]";
	default:
		return "";
	}
}

int render_frame_label(const struct profile *p, const struct frame *f, struct buf *out)
{
	const char *name = text_of(p, f->name), *file = text_of(p, f->file);

	text_folded(out, *name ? name : "[unknown]");
	if (f->kind == FRAME_PYTHON && *file) {
		buf_puts(out, " (");
		text_folded(out, file);
		if (f->line) {
			buf_putc(out, ':');
			buf_u64(out, f->line);
		}
		buf_putc(out, ')');
	}
	return buf_puts(out, kind_suffix(f->kind));
}
