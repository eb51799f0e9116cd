/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 4180: a header, lines that end in CR LF, texts in double quotes. A number that is not known
 * is an empty field. */
#include "render/table_csv.h"

#include <string.h>

#include "base/clock.h"
#include "render/table.h"
#include "render/text.h"

/* A spreadsheet takes a text that begins with one of these (or their full-width forms) for a
 * formula, and runs it. An apostrophe in front makes it text again; every reader sees that one, so
 * that `-[View draw]` is written `'-[View draw]`. */
static bool is_formula(uint32_t c)
{
	switch (c) {
	case '=':
	case '+':
	case '-':
	case '@':
	case '\t':
	case '\r':
	case '\n':
	case 0xff1d:
	case 0xff0b:
	case 0xff0d:
	case 0xff20:
		return true;
	default:
		return false;
	}
}

/* Blanks may stand in quotes as they are; other control characters are for a terminal, not for a
 * file. */
static uint32_t shown(uint32_t c)
{
	bool blank = c == '\t' || c == '\r' || c == '\n';

	return (c < 0x20 && !blank) || (c >= 0x7f && c < 0xa0) ? (uint32_t)TEXT_REPLACED : c;
}

void csv_put_text(struct buf *b, const char *s)
{
	const char *first = s;

	buf_putc(b, '"');
	if (is_formula(text_next(&first)))
		buf_putc(b, '\'');
	while (*s) {
		uint32_t c = shown(text_next(&s));

		if (c == '"')
			buf_putc(b, '"');
		text_put(b, c);
	}
	buf_puts(b, "\",");
}

void csv_put_share(struct buf *b, double share)
{
	if (share >= 0)
		buf_printf(b, "%.9f", share);
	buf_putc(b, ',');
}

void csv_put_count(struct buf *b, uint64_t n)
{
	buf_u64(b, n);
	buf_putc(b, ',');
}

static void put_seconds(struct buf *b, uint64_t ns)
{
	buf_printf(b, "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
		(unsigned long long)(ns % NS_PER_S));
}

static void put_row(struct buf *b, const struct report_row *row)
{
	csv_put_text(b, row->name);
	csv_put_text(b, row->file);
	if (row->line)
		buf_u64(b, row->line);
	buf_putc(b, ',');
	csv_put_text(b, row->module);
	csv_put_text(b, frame_kind_name(row->kind));
	csv_put_share(b, row->self);
	csv_put_share(b, row->total);
	csv_put_share(b, row->self_error);
	csv_put_share(b, row->total_error);
	csv_put_count(b, row->self_samples);
	csv_put_count(b, row->total_samples);
	put_seconds(b, row->self_weight_ns);
	buf_putc(b, ',');
	put_seconds(b, row->total_weight_ns);
	buf_puts(b, "\r\n");
}

int table_render_csv(const struct profile *p, const struct report *r,
	const struct table_style *style, struct buf *out, struct err *err)
{
	(void)p;
	(void)style;
	buf_puts(out, "name,file,line,module,kind,self,total,self_error,total_error,self_samples,"
		      "total_samples,self_s,total_s\r\n");
	for (size_t i = 0; i < r->n_rows && !buf_failed(out); i++)
		put_row(out, &r->rows[i]);
	return text_result(out, err);
}
