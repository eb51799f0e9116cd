/* SPDX-License-Identifier: BSD-2-Clause */
/* A day of a host of 100 processes, written at full speed by simulated time through the real
 * aggregator, and what the store makes of it: rate, bytes per sample, time of an answer.
 *
 *     store [--hours N] [--store FILE] [--keep] [--json]
 *
 * Built and linked like a unit test, with the whole library, without cmocka. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sqlite3.h>

#include "aggregate/aggregate.h"
#include "base/clock.h"
#include "render/render.h"
#include "store/store.h"

/* ---- the host ----------------------------------------------------------------------------------
 *
 * 100 processes run 40 programs; the first 6 share 1.9 CPUs, the others 0.1. A program is a tree
 * of calls that is never written down: what a function calls follows from the hash of its stack. A
 * few of its calls are frequent and many are rare, and now and then it does something that it never
 * did before. */

enum {
	PROCESSES = 100,
	PROGRAMS = 40,
	BUSY = 6,
	RATE_HZ = 19,
	WINDOW_S = 10,
	DEPTH_MAX = 48,
	QUESTIONS = 7,
	NOVEL_ONE_IN = 2000,
	FUNCTIONS = 600, /* of a program, and of the libraries that all share */
};

#define FIRST_NS (1700000400ULL / 3600 * 3600 * NS_PER_S)

struct host {
	uint64_t chance;
	double cpus[PROCESSES];
	struct series series[PROCESSES];
	uint64_t now_ns, novelty;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t chance_next(struct host *h)
{
	return mix(h->chance += 0x9e3779b97f4a7c15ULL);
}

static double chance_unit(struct host *h)
{
	return (double)(chance_next(h) >> 11) / 9007199254740992.0;
}

static uint32_t program_of(uint32_t process)
{
	return process % PROGRAMS;
}

static char *text(const char *fmt, uint32_t number)
{
	char out[64];

	snprintf(out, sizeof(out), fmt, number);
	return strdup(out);
}

static void host_make(struct host *h)
{
	double busy = 0, idle = 0;

	*h = (struct host){.chance = 1, .now_ns = FIRST_NS};
	for (uint32_t i = 0; i < PROCESSES; i++) {
		struct series *s = &h->series[i];

		h->cpus[i] = pow(0.1 + chance_unit(h), i < BUSY ? 1 : 3);
		*(i < BUSY ? &busy : &idle) += h->cpus[i];
		*s = (struct series){.pid = 1000 + 13 * i, .start_ticks = 5000 + i, .uid = i % 4};
		strcpy(s->boot, "6c0d4d1e-3a55-4d5e-9a0b-2f6f4f1d2c3b");
		s->start_unix_ns = FIRST_NS - 3600 * NS_PER_S;
		s->user = text("user%u", i % 4);
		s->comm = text("program%u", program_of(i));
		s->exe = text("/usr/bin/program%u", program_of(i));
		s->command_line = strdup("");
		s->cgroup = text("/system.slice/program%u.service", program_of(i));
		s->container = program_of(i) % 3 ? text("%012x", program_of(i)) : strdup("");
		s->python = strdup(program_of(i) % 2 ? "3.12.1" : "");
	}
	for (uint32_t i = 0; i < PROCESSES; i++)
		h->cpus[i] *= i < BUSY ? 1.9 / busy : 0.1 / idle;
}

/* The next call: the first of a few is the most frequent. */
static uint32_t choose(struct host *h, uint64_t stack)
{
	static const uint32_t widths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 12};
	uint32_t width = widths[mix(stack) & 15];
	double at = chance_unit(h);

	/* By a power law: the k-th choice is taken in about 1 / k^2 of the cases. */
	return width == 1 ? 0 : (uint32_t)(pow(1 / (1 - at * 0.999), 1 / 2.0) - 1) % width;
}

static struct location frame_of(uint32_t program, uint64_t stack, uint32_t depth)
{
	uint64_t function = mix(stack ^ 0x55) % FUNCTIONS;
	bool library = !(stack & 3);

	if (depth > 2 && !(mix(stack ^ 0x77) % 40))
		return (struct location){
			.kind = FRAME_KERNEL, .address = 0xffffffff81000000 + function};
	if (program % 2 && !library)
		return (struct location){.kind = FRAME_PYTHON,
			.scope = program * FUNCTIONS + function + 1,
			.line = (uint32_t)(10 + function * 7 + mix(stack) % 5)};
	return (struct location){.kind = FRAME_NATIVE,
		.scope = library ? PROGRAMS + function % 20 : program,
		.address = 0x1000 + 64 * function};
}

/* Busy processes have four threads, of which the first does most. */
static uint64_t thread_any(struct host *h, uint32_t process)
{
	uint64_t one_of_ten = process < BUSY ? chance_next(h) % 10 : 0;

	return one_of_ten < 7 ? 0 : one_of_ten - 6;
}

static size_t stack_make(struct host *h, uint32_t process, struct location *out)
{
	uint32_t program = program_of(process);
	uint64_t stack = mix(program + 1), thread = thread_any(h, process);
	bool novel = !(chance_next(h) % NOVEL_ONE_IN), kernel = false;
	size_t n = 0, depth = 8 + (size_t)(chance_unit(h) * chance_unit(h) * (DEPTH_MAX - 12));

	out[n++] = (struct location){.kind = FRAME_PROCESS, .scope = process, .address = 1};
	out[n++] = (struct location){
		.kind = FRAME_THREAD, .scope = h->series[process].pid + thread, .address = thread};
	for (size_t d = 0; d < depth; d++) {
		/* What is called decides how deep it goes on, within the depth. */
		if (d > 6 && mix(stack ^ 0x99) % 9 == 0)
			break;
		stack = mix(stack * 31 + choose(h, stack) + 1);
		if (novel && d == depth / 2)
			stack = mix(stack + ++h->novelty);
		out[n] = frame_of(program, stack, (uint32_t)d);
		/* Once in the kernel, a stack stays there. */
		if (kernel)
			out[n] = (struct location){.kind = FRAME_KERNEL,
				.address = 0xffffffff81000000 + mix(stack) % FUNCTIONS};
		kernel = out[n++].kind == FRAME_KERNEL;
	}
	return n;
}

static bool name_location(
	void *arg, const struct location *l, struct intern *strings, struct frame *out)
{
	const struct host *h = arg;
	char name[128], file[64];

	if (l->kind == FRAME_PROCESS) {
		out->name = intern(strings, h->series[l->scope].comm);
		out->line = (uint32_t)l->scope;
	} else if (l->kind == FRAME_THREAD) {
		snprintf(name, sizeof(name), l->address ? "worker-%u" : "main",
			(unsigned)l->address);
		out->name = intern(strings, name);
		out->line = (uint32_t)l->scope;
	} else if (l->kind == FRAME_PYTHON) {
		snprintf(name, sizeof(name), "Handler%u.process_step_%u", (unsigned)(l->scope % 37),
			(unsigned)l->scope);
		snprintf(file, sizeof(file), "/srv/app/package%u/module%u.py",
			(unsigned)(l->scope / FUNCTIONS), (unsigned)(l->scope % 60));
		out->name = intern(strings, name);
		out->file = intern(strings, file);
		out->line = l->line;
	} else {
		snprintf(name, sizeof(name), "library_function_%u_%" PRIx64, (unsigned)l->scope,
			l->address);
		snprintf(file, sizeof(file), l->kind == FRAME_KERNEL ? "kernel" : "libpart%u.so.1",
			(unsigned)l->scope);
		out->name = intern(strings, name);
		out->module = intern(strings, file);
	}
	return true;
}

static void usage_make(struct host *h, struct series_usage *u, uint32_t process)
{
	double cpu = h->cpus[process];

	*u = (struct series_usage){.user_ns = (uint64_t)(cpu * 0.8 * WINDOW_S * NS_PER_S),
		.system_ns = (uint64_t)(cpu * 0.2 * WINDOW_S * NS_PER_S),
		.rss_bytes = (50 + 3 * process + chance_next(h) % 8) << 20,
		.threads = process < BUSY ? 4 : 1,
		.voluntary_switches = (uint64_t)(cpu * 900) + chance_next(h) % 20,
		.involuntary_switches = (uint64_t)(cpu * 300),
		.written_bytes = process < BUSY ? chance_next(h) % 100 * 4096 : 0};
}

/* ---- one window --------------------------------------------------------------------------------
 */

static void die(const struct err *err)
{
	fprintf(stderr, "store: %s\n", err->text);
	exit(1);
}

static struct profile *window_profile(struct host *h, struct err *err)
{
	struct location stack[DEPTH_MAX + 8];
	struct aggregate *a = aggregate_new(err);
	struct profile *p;

	if (!a)
		die(err);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		double expected = h->cpus[i] * RATE_HZ * WINDOW_S;
		uint32_t n = (uint32_t)(expected + chance_unit(h));

		while (n--)
			aggregate_add(a, stack, stack_make(h, i, stack), NS_PER_S / RATE_HZ);
	}
	p = aggregate_profile(a, name_location, h, err);
	aggregate_free(a);
	if (!p)
		die(err);
	return p;
}

static void window_make(struct host *h, struct window *w, struct series_usage *usage)
{
	struct err err = {0};

	for (uint32_t i = 0; i < PROCESSES; i++)
		usage_make(h, &usage[i], i);
	*w = (struct window){.start_unix_ns = h->now_ns,
		.duration_ns = WINDOW_S * NS_PER_S,
		.period_ns = NS_PER_S / RATE_HZ,
		.profile = window_profile(h, &err),
		.series = h->series,
		.usage = usage,
		.n_series = PROCESSES};
	w->profile->quality.requested_hz = w->profile->quality.achieved_hz = RATE_HZ;
	w->profile->quality.native_end[WALK_COMPLETE] = w->profile->quality.samples - 1;
	w->profile->quality.native_end[WALK_NO_RULE] = 1;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

struct figures {
	uint64_t samples, windows;
	double make_s, write_s, maintain_s, write_worst_ms, maintain_worst_ms;
	uint64_t rss_kib;
	uint64_t counts_bytes, usage_bytes, rollup_bytes, dictionary_bytes, window_bytes,
		file_bytes;
	uint64_t stacks;
	double hour_ms, day_ms, hour_draw_ms, day_draw_ms;
	uint64_t day_nodes;
};

static uint64_t rss_kib(void)
{
	char line[256];
	unsigned long kib = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static uint64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	uint64_t value = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fprintf(stderr, "store: %s\n", sqlite3_errmsg(db));
	else if (sqlite3_step(s) == SQLITE_ROW)
		value = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return value;
}

/* Whole pages, with the indices. */
static void sizes_measure(const char *path, struct figures *f)
{
	sqlite3 *db;

	sqlite3_open(path, &db);
#define PAGES(names) "SELECT sum(pgsize) FROM dbstat WHERE name IN (" names ")"
	f->counts_bytes = number(db, PAGES("'counts', 'counts_by_window'"));
	f->usage_bytes = number(db, PAGES("'usage'"));
	f->rollup_bytes = number(db, PAGES("'rollups'"));
	f->window_bytes = number(db, PAGES("'windows', 'windows_by_start', 'walks'"));
	f->file_bytes = number(db, "SELECT sum(pgsize) FROM dbstat");
	f->dictionary_bytes = f->file_bytes - f->counts_bytes - f->usage_bytes - f->rollup_bytes -
			      f->window_bytes;
	f->stacks = number(db, "SELECT count(*) FROM stacks");
	sqlite3_close(db);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median of some answers, without and with the picture. */
static void question_measure(
	const char *path, uint64_t since_ns, double *read_ms, double *draw_ms, uint64_t *nodes)
{
	const struct store_query q = {.since_unix_ns = since_ns,
		.kernel = true,
		.root = STORE_ROOT_COMM,
		.slices_max = 120};
	double reads[QUESTIONS], draws[QUESTIONS];

	for (int i = 0; i < QUESTIONS; i++) {
		uint64_t begin_ns = clock_now_ns();
		struct err err = {0};
		struct store_reader *r = store_reader_open(path, &err);
		struct profile *p = NULL;
		struct buf out;

		if (!r || store_read(r, &q, &p, &err) < 0)
			die(&err);
		reads[i] = (double)(clock_now_ns() - begin_ns) / 1e6;
		buf_init(&out, SIZE_MAX / 2);
		if (render_format_find("flamegraph")->render(p, &out, &err) < 0)
			die(&err);
		draws[i] = (double)(clock_now_ns() - begin_ns) / 1e6;
		*nodes = p->n_nodes;
		buf_free(&out);
		profile_free(p);
		store_reader_close(r);
	}
	qsort(reads, QUESTIONS, sizeof(*reads), compare_doubles);
	qsort(draws, QUESTIONS, sizeof(*draws), compare_doubles);
	*read_ms = reads[QUESTIONS / 2];
	*draw_ms = draws[QUESTIONS / 2];
}

/* ---- the run -----------------------------------------------------------------------------------
 */

static double seconds_since(uint64_t *from_ns, double *worst_ms)
{
	uint64_t now = clock_now_ns(), ns = now - *from_ns;

	*from_ns = now;
	if (worst_ms && (double)ns / 1e6 > *worst_ms)
		*worst_ms = (double)ns / 1e6;
	return (double)ns / 1e9;
}

static void day_write(struct host *h, struct store *s, uint64_t windows, struct figures *f)
{
	struct series_usage usage[PROCESSES];
	uint64_t at_ns = clock_now_ns();
	struct err err = {0};

	for (f->windows = 0; f->windows < windows; f->windows++) {
		struct window w;
		int rc;

		window_make(h, &w, usage);
		f->make_s += seconds_since(&at_ns, NULL);
		f->samples += w.profile->quality.samples;
		if (store_write(s, &w, &err) < 0)
			die(&err);
		f->write_s += seconds_since(&at_ns, &f->write_worst_ms);
		h->now_ns += WINDOW_S * NS_PER_S;
		do {
			rc = store_maintain(s, h->now_ns, true, 20, &err);
			f->maintain_s += seconds_since(&at_ns, &f->maintain_worst_ms);
		} while (rc > 0);
		if (rc < 0)
			die(&err);
		profile_free(w.profile);
	}
	f->rss_kib = rss_kib();
}

static void row(const char *what, double value, const char *unit)
{
	printf("  %-44s %12.*f %s\n", what, value < 100 ? 2 : 0, value, unit);
}

static void table_print(const struct figures *f)
{
	double n = (double)f->samples, mib = 1 << 20;

	row("samples", n, "");
	row("windows written", (double)f->windows, "");
	row("ingest, all (aggregate, write, maintain)",
		n / (f->make_s + f->write_s + f->maintain_s), "samples/s");
	row("ingest, store alone (write, maintain)", n / (f->write_s + f->maintain_s), "samples/s");
	row("a window: write, mean", 1e3 * f->write_s / (double)f->windows, "ms");
	row("a window: write, worst", f->write_worst_ms, "ms");
	row("a window: maintain, mean", 1e3 * f->maintain_s / (double)f->windows, "ms");
	row("a window: maintain, worst", f->maintain_worst_ms, "ms");
	row("memory of this process, highest", (double)f->rss_kib / 1024, "MiB");
	row("counts with their keys", (double)f->counts_bytes / n, "bytes/sample");
	row("usage", (double)f->usage_bytes / n, "bytes/sample");
	row("windows, how walks ended", (double)f->window_bytes / n, "bytes/sample");
	row("rollups", (double)f->rollup_bytes / n, "bytes/sample");
	row("all but the dictionary", (double)(f->file_bytes - f->dictionary_bytes) / n,
		"bytes/sample");
	row("dictionary", (double)f->dictionary_bytes / mib, "MiB");
	row("stacks in it", (double)f->stacks, "");
	row("file", (double)f->file_bytes / mib, "MiB");
	row("flamegraph of the last hour: read", f->hour_ms, "ms");
	row("flamegraph of the last hour: read, draw", f->hour_draw_ms, "ms");
	row("flamegraph of a day: read", f->day_ms, "ms");
	row("flamegraph of a day: read, draw", f->day_draw_ms, "ms");
	row("nodes in it", (double)f->day_nodes, "");
}

static void json_print(const struct figures *f)
{
	double n = (double)f->samples;

	printf("{\"samples\":%" PRIu64 ",\"windows\":%" PRIu64 ",\"ingest_hz\":%.0f,"
	       "\"store_ingest_hz\":%.0f,\"counts_bytes_per_sample\":%.3f,"
	       "\"usage_bytes_per_sample\":%.3f,\"rollup_bytes_per_sample\":%.3f,"
	       "\"dictionary_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64 ",\"stacks\":%" PRIu64
	       ",\"rss_kib\":%" PRIu64 ",\"hour_read_ms\":%.1f,\"hour_draw_ms\":%.1f,"
	       "\"day_read_ms\":%.1f,\"day_draw_ms\":%.1f,\"day_nodes\":%" PRIu64 "}\n",
		f->samples, f->windows, n / (f->make_s + f->write_s + f->maintain_s),
		n / (f->write_s + f->maintain_s), (double)f->counts_bytes / n,
		(double)f->usage_bytes / n, (double)f->rollup_bytes / n, f->dictionary_bytes,
		f->file_bytes, f->stacks, f->rss_kib, f->hour_ms, f->hour_draw_ms, f->day_ms,
		f->day_draw_ms, f->day_nodes);
}

static void store_remove(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[4096 + 8];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"hours", required_argument, NULL, 'h'},
		{"store", required_argument, NULL, 's'}, {"keep", no_argument, NULL, 'k'},
		{"json", no_argument, NULL, 'j'}, {0}};
	const char *path = "bench-store.db";
	bool keep = false, json = false;
	static struct figures f;
	static struct host h;
	uint64_t hours = 24;
	struct store *s;
	struct err err = {0};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == '?')
			return 2;
		path = c == 's' ? optarg : path;
		hours = c == 'h' ? strtoull(optarg, NULL, 10) : hours;
		keep = keep || c == 'k';
		json = json || c == 'j';
	}
	store_remove(path);
	host_make(&h);
	s = store_open(path, &store_limits_default, &err);
	if (!s)
		die(&err);
	day_write(&h, s, hours * 3600 / WINDOW_S, &f);
	question_measure(
		path, h.now_ns - 3600 * NS_PER_S, &f.hour_ms, &f.hour_draw_ms, &f.day_nodes);
	question_measure(
		path, h.now_ns - 86400 * NS_PER_S, &f.day_ms, &f.day_draw_ms, &f.day_nodes);
	store_close(s);
	sizes_measure(path, &f);
	if (json)
		json_print(&f);
	else
		table_print(&f);
	if (!keep)
		store_remove(path);
	for (uint32_t i = 0; i < PROCESSES; i++)
		series_clear(&h.series[i]);
	return 0;
}
