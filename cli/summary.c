/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/terminal.h"
#include "serve/serve.h"

enum {
	FEW_SAMPLES = 20, /* below that a share is off by a fifth or more of itself */
	ROW_LEAD = 18,    /* columns of the table before the function */
	TEXT_BYTES = 4096,
};

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static uint64_t count(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static void print_clean(FILE *to, const char *hostile, size_t columns)
{
	char clean[TEXT_BYTES];

	terminal_text(hostile, columns, clean, sizeof(clean));
	fputs(clean, to);
}

/* ---- for people --------------------------------------------------------------------------------
 */

static void print_counts(FILE *to, const json_t *f)
{
	const json_t *rate = json_object_get(f, "rate_hz");
	char n[32], lost[32], duration[32], truncated[32];

	fprintf(to, "  %s samples in %s", terminal_count(count(f, "samples"), n),
		terminal_duration(real(f, "duration_s"), duration));
	if (count(f, "samples"))
		fprintf(to, ", %.1f Hz per running thread (%.0f asked for)", real(rate, "achieved"),
			real(rate, "requested"));
	fprintf(to, "\n  lost %s, truncated %s", terminal_count(count(f, "lost"), lost),
		terminal_count(count(f, "truncated"), truncated));
}

static void print_failures(FILE *to, const json_t *f)
{
	const json_t *failed = json_object_get(f, "failed");
	const char *cause, *lead = ", failed: ";
	json_t *n;

	if (!json_object_size(failed))
		fprintf(to, ", failed 0");
	json_object_foreach((json_t *)failed, cause, n)
	{
		char number[32];

		fputs(lead, to);
		print_clean(to, cause, 60);
		fprintf(to, " %s", terminal_count(count(failed, cause), number));
		lead = ", ";
	}
	fputc('\n', to);
}

static void print_profiler(FILE *to, const json_t *f)
{
	const json_t *profiler = json_object_get(f, "profiler");
	char bytes[32];

	fprintf(to, "  profd itself: %.2f s of CPU and %.2f s in the kernel, %s of memory\n",
		real(profiler, "cpu_s"), real(profiler, "kernel_cpu_s"),
		terminal_bytes(count(profiler, "rss_bytes"), bytes));
}

/* `function (file:line)`, the function first to be kept when it is narrow: a path is cut at its
 * front, because the file's own name stands at its end. */
static void print_function(FILE *to, const json_t *row, size_t columns)
{
	const char *file = text(row, "file");
	unsigned long line = (unsigned long)count(row, "line");
	char name[TEXT_BYTES], where[TEXT_BYTES + 32], clean[TEXT_BYTES];
	size_t used = terminal_text(text(row, "function"), columns, name, sizeof(name));
	const char *shown = file;

	fputs(name, to);
	if (!*file)
		file = shown = text(row, "module");
	if (!*file || used + 12 > columns)
		return;
	while (strlen(shown) + 14 > columns - used && strchr(shown + 1, '/'))
		shown = strchr(shown + 1, '/') + 1;
	if (line)
		snprintf(where, sizeof(where), "%s%s:%lu", shown > file ? "../" : "", shown, line);
	else
		snprintf(where, sizeof(where), "%s%s", shown > file ? "../" : "", shown);
	terminal_text(where, columns - used - 3, clean, sizeof(clean));
	fprintf(to, " (%s)", clean);
}

static void print_top(FILE *to, const json_t *f, unsigned columns)
{
	const json_t *top = json_object_get(f, "top");
	size_t i;
	json_t *row;

	if (json_array_size(top))
		fprintf(to, "\n    self   total  function\n");
	json_array_foreach(top, i, row)
	{
		fprintf(to, "  %5.1f%%  %5.1f%%  ", 100 * real(row, "self"),
			100 * real(row, "total"));
		print_function(to, row, columns > ROW_LEAD + 20 ? columns - ROW_LEAD : 20);
		fputc('\n', to);
	}
}

static void print_advice(FILE *to, const struct summary *s)
{
	uint64_t samples = count(s->finished, "samples");
	const json_t *notes = json_object_get(s->finished, "notes");
	char duration[32];
	size_t i;
	json_t *note;

	if (samples < FEW_SAMPLES && !json_array_size(notes)) { /* the daemon knows better why */
		fputs("profd: ", to);
		print_clean(to, s->subject, 60);
		terminal_duration(real(s->finished, "duration_s"), duration);
		if (!samples)
			fprintf(to,
				" used no CPU time in %s, so the profile is empty;\n"
				"       record while it works, or longer with --duration\n",
				duration);
		else
			fprintf(to,
				" was nearly idle: %d samples in %s are too few to trust shares;\n"
				"       record while it works, longer (--duration) or faster (--rate)\n",
				(int)samples, duration);
	}
	json_array_foreach(notes, i, note)
	{
		fputs("profd: ", to);
		print_clean(to, json_string_value(note) ? json_string_value(note) : "", 1000);
		fputc('\n', to);
	}
}

void summary_print(FILE *to, const struct summary *s, unsigned columns)
{
	char bytes[32];

	fputs("profd: wrote ", to);
	print_clean(to, strcmp(s->output, "-") != 0 ? s->output : "standard output", 1000);
	fprintf(to, " (%s)\n", terminal_bytes(s->output_bytes, bytes));
	if (!strcmp(s->format, SERVE_FORMAT_PROFD) && strcmp(s->output, "-") != 0) {
		fputs("  to read it: profd report --store ", to);
		print_clean(to, s->output, 1000);
		fputs(" [--format flamegraph -o FILE.svg]\n", to);
	}
	print_counts(to, s->finished);
	print_failures(to, s->finished);
	print_profiler(to, s->finished);
	print_top(to, s->finished, columns);
	print_advice(to, s);
	fflush(to);
}

/* ---- for programs ------------------------------------------------------------------------------
 */

int summary_print_json(FILE *to, const struct summary *s)
{
	json_t *object = json_pack("{s:o, s:o, s:I}", "output", serve_text(s->output), "format",
		serve_text(s->format), "output_bytes", (json_int_t)s->output_bytes);
	char *line = NULL;
	int rc = -ENOMEM;

	if (object && json_object_update_missing(object, (json_t *)s->finished) == 0)
		line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
	if (line) {
		errno = EIO;
		rc = fprintf(to, "%s\n", line) < 0 || fflush(to) != 0 ? -errno : 0;
	}
	free(line);
	json_decref(object);
	return rc;
}
