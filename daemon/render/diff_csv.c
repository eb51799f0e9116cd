/* SPDX-License-Identifier: BSD-2-Clause */
/* As table_csv.c: a header, a line per row. `low` and `high` are the 95 % interval of the change.
 */
#include "render/diff.h"

#include "render/table_csv.h"
#include "render/text.h"

static void put_signed(struct buf *b, double share, bool known)
{
	if (known)
		buf_printf(b, "%.9f", share);
	buf_putc(b, ',');
}

static void put_change(struct buf *b, const struct diff_share *s, const uint64_t *samples)
{
	bool known = diff_has_interval(s);

	csv_put_share(b, s->before);
	csv_put_share(b, s->after);
	put_signed(b, s->after - s->before, true);
	put_signed(b, s->low, known);
	put_signed(b, s->high, known);
	csv_put_share(b, s->p);
	buf_puts(b, s->significant ? "1," : "0,");
	csv_put_count(b, samples[0]);
	buf_u64(b, samples[1]);
}

static void put_row(struct buf *b, const struct diff_row *row)
{
	csv_put_text(b, row->name);
	csv_put_text(b, row->file);
	if (row->line)
		buf_u64(b, row->line);
	buf_putc(b, ',');
	csv_put_text(b, row->module);
	csv_put_text(b, frame_kind_name(row->kind));
	put_change(b, &row->self, row->self_samples);
	buf_putc(b, ',');
	put_change(b, &row->total, row->total_samples);
	buf_puts(b, "\r\n");
}

int diff_render_csv(const struct profile *before, const struct profile *after, const struct diff *d,
	const struct table_style *style, struct buf *out, struct err *err)
{
	(void)before;
	(void)after;
	(void)style;
	buf_puts(out, "name,file,line,module,kind,self_before,self_after,self_change,self_low,"
		      "self_high,self_p,self_significant,self_samples_before,self_samples_after,"
		      "total_before,total_after,total_change,total_low,total_high,total_p,"
		      "total_significant,total_samples_before,total_samples_after\r\n");
	for (size_t i = 0; i < d->n_rows && !buf_failed(out); i++)
		put_row(out, &d->rows[i]);
	return text_result(out, err);
}
