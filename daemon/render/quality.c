/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/quality.h"

#include <time.h>

#include "base/clock.h"
#include "render/text.h"

static void start_write(const struct profile *p, struct buf *out)
{
	time_t at = (time_t)(p->start_unix_ns / NS_PER_S);
	struct tm tm;
	char text[64];

	if (at && gmtime_r(&at, &tm) &&
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC\n", &tm))
		buf_puts(out, text);
}

static void share_write(struct buf *out, uint64_t part, uint64_t whole)
{
	double share = whole ? 100.0 * (double)part / (double)whole : 0;

	if (part && share < 0.01)
		buf_puts(out, "<0.01 %");
	else
		buf_printf(out, "%.*f %%", share < 1 ? 2 : 1, share);
}

struct causes {
	struct buf *out;
	uint64_t seen;
};

static void cause_write(void *arg, const char *cause, uint64_t n)
{
	struct causes *causes = arg;

	buf_puts(causes->out, causes->seen++ ? ", " : " ");
	buf_puts(causes->out, cause);
	buf_putc(causes->out, ' ');
	text_count(causes->out, n);
}

/* "12 lost (0.2 % of all)". What was lost or cut is told also when it is nothing. */
static void counted_write(struct buf *out, uint64_t n, uint64_t of, const char *what)
{
	text_count(out, n);
	buf_puts(out, what);
	if (n && of) {
		buf_puts(out, " (");
		share_write(out, n, of);
		buf_putc(out, ')');
	}
	buf_putc(out, '\n');
}

static void failures_write(const struct profile_quality *q, struct buf *out)
{
	struct causes causes = {.out = out};

	buf_puts(out, "failed:");
	profile_failures(q, cause_write, &causes);
	buf_puts(out, causes.seen ? "\n" : " 0\n");
}

static void samples_write(const struct profile_quality *q, struct buf *out)
{
	text_count(out, q->samples);
	buf_puts(out, q->samples == 1 ? " sample\n" : " samples\n");
}

static void damage_write(const struct profile_quality *q, struct buf *out)
{
	counted_write(out, q->lost, q->samples + q->lost, " lost");
	counted_write(out, q->truncated, q->samples, " truncated");
	failures_write(q, out);
}

void quality_counts_write(const struct profile *p, struct buf *out)
{
	start_write(p, out);
	if (p->quality.duration_ns) {
		text_time(out, p->quality.duration_ns);
		buf_putc(out, '\n');
	}
	samples_write(&p->quality, out);
	damage_write(&p->quality, out);
}

void quality_write(const struct profile *p, bool weighted, struct buf *out)
{
	const struct profile_quality *q = &p->quality;

	start_write(p, out);
	text_time(out, q->duration_ns);
	buf_puts(out, " recorded");
	if (p->source && *p->source) {
		buf_puts(out, " by ");
		buf_puts(out, p->source);
	}
	buf_putc(out, '\n');
	samples_write(q, out);
	buf_printf(out, "%.1f of %.0f Hz per running thread\n", q->achieved_hz, q->requested_hz);
	damage_write(q, out);
	share_write(out, q->unsymbolized_frames, q->frames_seen);
	buf_puts(out, " of frames without a symbol\n");
	buf_puts(out, "profd itself: ");
	share_write(out, q->profiler_cpu_ns + q->profiler_kernel_ns, q->duration_ns);
	buf_puts(out, " of a CPU\n");
	buf_puts(out, weighted ? "width: sampled time\n" : "width: samples\n");
	buf_puts(out, "order: by name");
}
