/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the pictures that flamegraph.test.mjs opens:
 *     make_svg demo|hostile|empty|one|deep|samples|wide [NODES] > FILE.svg
 *     make_svg diff|diff-hostile|diff-one-sided > FILE.svg
 * $MAKE_SVG_FORMAT names another format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "base/buf.h"
#include "base/err.h"
#include "render/render.h"
#include "tests/web/samples.h"

enum { WALK_DEPTH_MAX = 64, PERIOD_NS = 10101010 };

#define P(n, f, l)                                                                                 \
	{                                                                                          \
		FRAME_PYTHON, n, f, l, NULL                                                        \
	}
#define N(n, m)                                                                                    \
	{                                                                                          \
		FRAME_NATIVE, n, NULL, 0, m                                                        \
	}
#define K(n)                                                                                       \
	{                                                                                          \
		FRAME_KERNEL, n, NULL, 0, "kernel"                                                 \
	}

#define SITE "/usr/lib/python3.12/"
#define APP  "/srv/shop/"

/* A call graph: from each function on to one of `next` by chance; 0 ends the stack there. Numbers
 * are rows of this table, repeated ones are likelier. */
static const struct {
	struct spec frame;
	uint8_t next[12];
	uint8_t n;
} calls[] = {
	[0] = {N("_start", "python3.12"), {1}, 1},
	[1] = {N("__libc_start_main", "libc.so.6"), {2}, 1},
	[2] = {N("Py_BytesMain", "python3.12"), {3}, 1},
	[3] = {P("<module>", APP "server.py", 41), {4}, 1},
	[4] = {P("Server.serve_forever", SITE "socketserver.py", 235), {5, 5, 5, 5, 5, 5, 5, 6}, 8},
	[5] = {P("Handler.handle", APP "server.py", 77), {7, 7, 7, 8, 8, 9, 10}, 7},
	[6] = {P("PollSelector.select", SITE "selectors.py", 415), {40}, 1},
	[7] = {P("search", APP "views/search.py", 23), {11, 11, 11, 12, 12, 13, 14}, 7},
	[8] = {P("checkout", APP "views/checkout.py", 52), {15, 15, 16, 17, 14}, 5},
	[9] = {P("static_file", APP "views/static.py", 18), {18, 19}, 2},
	[10] = {P("parse_request", SITE "http/server.py", 317), {20, 21, 0}, 3},
	[11] = {P("Index.rank", APP "index.py", 112), {22, 22, 22, 23, 0, 0}, 6},
	[12] = {P("Index.lookup", APP "index.py", 88), {24, 24, 25, 0}, 4},
	[13] = {P("Index.lookup", APP "index.py", 93), {24, 26}, 2},
	[14] = {P("render", APP "templates.py", 204), {27, 27, 28, 0}, 4},
	[15] = {P("Session.execute", SITE "site-packages/sqlalchemy/orm/session.py", 2351),
		{29, 29, 30}, 3},
	[16] = {P("dumps", SITE "json/__init__.py", 238), {31}, 1},
	[17] = {P("Token.verify", APP "auth.py", 61), {32, 32, 33}, 3},
	[18] = {P("open", SITE "gzip.py", 62), {34, 34, 34, 35}, 4},
	[19] = {P("Handler.send", APP "server.py", 131), {36, 36, 37}, 3},
	[20] = {P("Message.get", SITE "email/message.py", 498), {0}, 1},
	[21] = {N("_sre_SRE_Pattern_match", "python3.12"), {38, 0}, 2},
	[22] = {P("<lambda>", APP "index.py", 119), {39, 0, 0}, 3},
	[23] = {N("list_sort_impl", "python3.12"), {41, 41, 0}, 3},
	[24] = {N("dict_subscript", "python3.12"), {42, 0, 0}, 3},
	[25] = {N("PyUnicode_Lower", "python3.12"), {0}, 1},
	[26] = {P("<listcomp>", APP "index.py", 95), {42, 0}, 2},
	[27] = {P("Template.substitute", SITE "string.py", 121), {21, 43}, 2},
	[28] = {N("unicode_join", "python3.12"), {44, 0}, 2},
	[29] = {P("Cursor.execute", SITE "sqlite3/dbapi2.py", 0), {45}, 1},
	[30] = {P("compile_state", SITE "site-packages/sqlalchemy/orm/context.py", 566),
		{26, 20, 0}, 3},
	[31] = {P("JSONEncoder.encode", SITE "json/encoder.py", 200), {46}, 1},
	[32] = {N("EVP_DigestUpdate", "libcrypto.so.3"), {47}, 1},
	[33] = {P("b64decode", SITE "base64.py", 88), {0}, 1},
	[34] = {N("deflate", "libz.so.1.2.13"), {48, 48, 48, 49}, 4},
	[35] = {K("entry_SYSCALL_64_after_hwframe"), {50}, 1},
	[36] = {N("__send", "libc.so.6"), {51}, 1},
	[37] = {N("[libssl.so.3+0x2f61c]", "libssl.so.3"), {32, 0}, 2},
	[38] = {N("sre_ucs1_match", "python3.12"), {0}, 1},
	[39] = {N("float_mul", "python3.12"), {0}, 1},
	[40] = {N("__poll", "libc.so.6"), {52}, 1},
	[41] = {N("unsafe_long_compare", "python3.12"), {0}, 1},
	[42] = {N("unicodekeys_lookup_unicode", "python3.12"), {0, 0, 53}, 3},
	[43] = {N("PyUnicode_Format", "python3.12"), {44, 0}, 2},
	[44] = {N("__memmove_avx_unaligned_erms", "libc.so.6"), {53, 0, 0}, 3},
	[45] = {N("sqlite3_step", "libsqlite3.so.0.8.6"), {54, 54, 55, 0}, 4},
	[46] = {N("c_make_encoder", "_json.so"), {44, 0}, 2},
	[47] = {N("sha256_block_data_order_avx2", "libcrypto.so.3"), {0}, 1},
	[48] = {N("longest_match", "libz.so.1.2.13"), {0}, 1},
	[49] = {N("compress_block", "libz.so.1.2.13"), {0}, 1},
	[50] = {K("do_syscall_64"), {56}, 1},
	[51] = {K("entry_SYSCALL_64_after_hwframe"), {57}, 1},
	[52] = {K("do_sys_poll"), {58, 0}, 2},
	[53] = {K("asm_exc_page_fault"), {59}, 1},
	[54] = {N("sqlite3BtreeNext", "libsqlite3.so.0.8.6"), {60, 0}, 2},
	[55] = {{FRAME_INLINED, "vdbeRecordCompare", "vdbeaux.c", 4711, "libsqlite3.so.0.8.6"}, {0},
		1},
	[56] = {K("vfs_read"), {61}, 1},
	[57] = {K("tcp_sendmsg"), {62, 62, 63}, 3},
	[58] = {K("schedule_hrtimeout_range"), {0}, 1},
	[59] = {K("handle_mm_fault"), {64, 0}, 2},
	[60] = {{FRAME_INLINED, "moveToChild", "btree.c", 5290, "libsqlite3.so.0.8.6"}, {0}, 1},
	[61] = {K("ext4_file_read_iter"), {65, 0}, 2},
	[62] = {K("tcp_write_xmit"), {66}, 1},
	[63] = {K("copy_from_iter"), {0}, 1},
	[64] = {K("clear_page_erms"), {0}, 1},
	[65] = {K("copy_page_to_iter"), {0}, 1},
	[66] = {K("__dev_queue_xmit"), {0}, 1},
	[67] = {P("Thread._bootstrap", SITE "threading.py", 1030), {68}, 1},
	[68] = {P("worker", APP "jobs.py", 33), {69, 69, 70}, 3},
	[69] = {P("thumbnail", APP "jobs.py", 58), {71, 71, 71, 72}, 4},
	[70] = {{FRAME_JIT, "score_batch", NULL, 0, "perf-4711.map"}, {0}, 1},
	[71] = {N("ImagingResampleHorizontal_8bpc", "_imaging.so"), {0, 0, 44}, 3},
	[72] = {{FRAME_NOTE, "[unwind failed: no-rule]", NULL, 0, NULL}, {0}, 1},
};

static void demo_walk(struct builder *b, uint64_t *chance, uint8_t first, const struct spec *thread)
{
	struct spec stack[WALK_DEPTH_MAX] = {
		{FRAME_PROCESS, "python3 (4711)", NULL, 0, NULL}, *thread};
	size_t n = 2;
	uint8_t at = first;

	do {
		stack[n++] = calls[at].frame;
		at = calls[at].next[dice(chance, calls[at].n)];
	} while (at && n < WALK_DEPTH_MAX);
	builder_add(b, stack, n, 1, PERIOD_NS - 50000 + dice(chance, 100000));
}

static struct profile *make_demo(void)
{
	const struct spec main_thread = {FRAME_THREAD, "MainThread (4711)", NULL, 0, NULL};
	const struct spec worker = {FRAME_THREAD, "worker-0 (4712)", NULL, 0, NULL};
	struct builder b;
	uint64_t chance = 42;

	builder_start(&b, "python3 server.py (4711)");
	for (int i = 0; i < 4300; i++)
		demo_walk(&b, &chance, 0, &main_thread);
	for (int i = 0; i < 1630; i++)
		demo_walk(&b, &chance, 67, &worker);
	b.p->start_unix_ns = 1767225600ULL * 1000000000ULL;
	b.p->quality.requested_hz = 99;
	b.p->quality.achieved_hz = 98.8;
	b.p->quality.duration_ns = 60000000000ULL;
	b.p->quality.lost = 3;
	b.p->quality.native_end[WALK_COMPLETE] = 5880;
	b.p->quality.native_end[WALK_NO_RULE] = 41;
	b.p->quality.python_end[WALK_UNREADABLE] = 2;
	b.p->quality.unsymbolized_frames = 210;
	b.p->quality.frames_seen = 80000;
	b.p->quality.profiler_cpu_ns = 51000000;
	b.p->quality.profiler_kernel_ns = 11000000;
	return builder_end(&b);
}

static const char *const hostile_names[] = {
	"<script>alert(1)</script>",
	"]]><script>alert(2)</script>",
	"</metadata><script>alert(3)</script>",
	"</script><img src=x onerror=alert(4)>",
	"<!-- a -- b --> &amp; &lt; &#60; %s%n",
	"\"quotes\" and 'quotes' \\ \\u003cb\\u003e",
	"control \x01\x02\x1b[31m\x7f tab\there\nnew line",
	"invalid \xff\xfe \xc3( \xed\xa0\x80 end",
	"lines \xe2\x80\xa8 and \xe2\x80\xa9 \xc2\x85 done",
	"turned \xe2\x80\xaegnp.exe",
	"wide \xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x94\xa5",
	"javascript:alert(5)",
};

static struct profile *make_hostile(void)
{
	struct builder b;
	const size_t n = sizeof(hostile_names) / sizeof(hostile_names[0]);

	builder_start(&b, "</title><script>alert(0)</script> ]]> & \"x\"");
	for (size_t i = 0; i < n; i++)
		BUILDER_ADD(&b, 10, 10 * PERIOD_NS,
			{FRAME_PYTHON, hostile_names[i], hostile_names[(i + 1) % n], 7,
				hostile_names[i]},
			{FRAME_NATIVE, "beneath", NULL, 0, hostile_names[i]});
	return builder_end(&b);
}

static struct profile *make_deep(void)
{
	struct builder b;
	struct spec stack[1200];

	builder_start(&b, "deep recursion");
	for (size_t i = 0; i < 1200; i++)
		stack[i] = (struct spec){FRAME_PYTHON, i % 2 ? "even" : "odd", "deep.py",
			(uint32_t)(i % 7 + 1), NULL};
	builder_add(&b, stack, 1200, 90, 90ULL * PERIOD_NS);
	builder_add(&b, stack, 3, 10, 10ULL * PERIOD_NS);
	return builder_end(&b);
}

/* Random stacks until the tree has that many nodes. */
static struct profile *make_wide(uint32_t nodes)
{
	struct builder b;
	uint64_t chance = 7;

	builder_start(&b, "very many stacks");
	while (b.p->n_nodes < nodes) {
		struct spec stack[24];
		char names[24][40];
		size_t n = 4 + dice(&chance, 20);

		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "function_%u",
				dice(&chance, i < 4 ? 3 : 40));
			stack[i] = (struct spec){i % 3 == 2 ? FRAME_NATIVE : FRAME_PYTHON, names[i],
				"wide.py", (uint32_t)i + 1, NULL};
		}
		builder_add(&b, stack, n, 1 + dice(&chance, 3), PERIOD_NS);
	}
	return builder_end(&b);
}

static struct profile *make_small(const char *what)
{
	struct builder b;

	builder_start(&b, what);
	if (!strcmp(what, "one"))
		BUILDER_ADD(&b, 1, PERIOD_NS, {FRAME_NATIVE, "main", NULL, 0, "true"});
	if (!strcmp(what, "samples")) {
		BUILDER_ADD(&b, 3, 0, {FRAME_NATIVE, "main", NULL, 0, "x"},
			{FRAME_NATIVE, "f", NULL, 0, "x"});
		BUILDER_ADD(&b, 1, 0, {FRAME_NATIVE, "main", NULL, 0, "x"},
			{FRAME_NATIVE, "g", NULL, 0, "x"});
	}
	return builder_end(&b);
}

/* ---- two profiles ------------------------------------------------------------------------------
 */

/* Samples of one stack, as part of the slice that grows last. */
static void slice_add(struct profile *p, uint32_t node)
{
	struct profile_slice *slice = &p->slices[p->n_slices - 1];

	for (size_t i = slice->first; i < slice->first + slice->n; i++)
		if (p->counts[i].node == node) {
			p->counts[i].samples++;
			return;
		}
	p->counts = realloc(p->counts, (p->n_counts + 1) * sizeof(*p->counts));
	assert(p->counts);
	p->counts[p->n_counts++] = (struct profile_count){node, 1};
	slice->n++;
}

static void slice_begin(struct profile *p)
{
	p->slices = realloc(p->slices, (p->n_slices + 1) * sizeof(*p->slices));
	assert(p->slices);
	p->slices[p->n_slices] = (struct profile_slice){
		.start_unix_ns = p->start_unix_ns + p->n_slices * 1000000000ULL,
		.duration_ns = 1000000000ULL,
		.first = p->n_counts,
	};
	p->n_slices++;
}

enum { CHECKOUT = 8, RENDER = 14, EXECUTE = 15, TEMPLATE = 27, COMPILE = 30, WORKER = 67 };

/* One stack of the shop. In the new release templates take longer, tokens are cached, an old helper
 * is gone and a new one has come, and lines have moved. */
static uint32_t shop_walk(struct builder *b, uint64_t *chance, bool after)
{
	struct spec stack[WALK_DEPTH_MAX] = {{FRAME_PROCESS, "python3", NULL, 0, NULL}};
	uint8_t at = dice(chance, 5) ? 0 : WORKER;
	size_t n = 1;

	do {
		stack[n] = calls[at].frame;
		if (after && stack[n].line)
			stack[n].line += 12;
		n++;
		if (at == COMPILE)
			stack[n++] = after ? (struct spec)P("compile_cached", APP "sql.py", 14)
					   : (struct spec)P("compile_again", APP "sql.py", 9);
		if (after && at == RENDER && dice(chance, 2))
			at = TEMPLATE;
		else if (after && at == CHECKOUT && dice(chance, 2))
			at = EXECUTE;
		else
			at = calls[at].next[dice(chance, calls[at].n)];
	} while (at && n < WALK_DEPTH_MAX - 1);
	return builder_add(b, stack, n, 1, PERIOD_NS - 50000 + dice(chance, 100000));
}

static struct profile *make_shop(bool after)
{
	struct builder b;
	uint64_t chance = after ? 43 : 42;

	builder_start(&b, after ? "shop 2.1" : "shop 2.0");
	b.p->start_unix_ns = (1767225600ULL + (after ? 86400 : 0)) * 1000000000ULL;
	for (int second = 0; second < 60; second++) {
		slice_begin(b.p);
		for (int i = 0; i < (after ? 110 : 95); i++)
			slice_add(b.p, shop_walk(&b, &chance, after));
	}
	b.p->quality.requested_hz = 99;
	b.p->quality.achieved_hz = 98.8;
	b.p->quality.duration_ns = 60000000000ULL;
	b.p->quality.lost = after ? 3 : 0;
	return builder_end(&b);
}

/* Every name stands on one side alone, and once on both. */
static struct profile *make_hostile_side(bool after)
{
	const size_t n = sizeof(hostile_names) / sizeof(hostile_names[0]);
	uint64_t chance = 9;
	struct builder b;

	builder_start(&b,
		after ? "</title><script>alert(0)</script> ]]> & \"x\"" : "<svg onload=alert(6)>");
	for (int second = 0; second < 20; second++) {
		slice_begin(b.p);
		for (size_t i = 0; i < n; i++) {
			struct spec stack[2] = {
				{FRAME_PYTHON, hostile_names[i], hostile_names[(i + 1) % n], 7,
					hostile_names[i]},
				{FRAME_NATIVE, after ? "new <b>" : "old <i>", NULL, 0,
					hostile_names[i]}};

			size_t many = (i % 2 == after ? 9 : 3) + dice(&chance, 3);

			for (size_t k = 0; k < many; k++)
				slice_add(b.p, builder_add(&b, stack, 2, 1, PERIOD_NS));
		}
	}
	return builder_end(&b);
}

static struct profile *make_side(const char *what, bool after)
{
	struct builder b;

	if (!strcmp(what, "diff"))
		return make_shop(after);
	if (!strcmp(what, "diff-hostile"))
		return make_hostile_side(after);
	if (strcmp(what, "diff-one-sided") != 0)
		return NULL;
	builder_start(&b, after ? "nothing" : "something");
	if (!after)
		BUILDER_ADD(&b, 4, 4 * PERIOD_NS, {FRAME_NATIVE, "main", NULL, 0, "true"});
	return builder_end(&b);
}

static int render_diff(
	const struct profile *before, const struct profile *after, struct buf *out, struct err *err)
{
	const char *name = getenv("MAKE_SVG_FORMAT");
	const struct diff_format *format = diff_format_find(name ? name : "flamegraph");
	const struct table_style style = {0};
	struct diff d;
	int rc = analyze_diff(before, after, REPORT_FUNCTION, REPORT_TOTAL, 0, &d);

	if (!rc)
		rc = format ? format->render(before, after, &d, &style, out, err) : -1;
	diff_clear(&d);
	return rc;
}

static struct profile *make(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "demo"))
		return make_demo();
	if (!strcmp(what, "hostile"))
		return make_hostile();
	if (!strcmp(what, "deep"))
		return make_deep();
	if (!strcmp(what, "wide"))
		return make_wide(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000);
	if (!strcmp(what, "empty") || !strcmp(what, "one") || !strcmp(what, "samples"))
		return make_small(what);
	return NULL;
}

static int render(int argc, char **argv, struct buf *out, struct err *err)
{
	const char *what = argc > 1 ? argv[1] : "", *name = getenv("MAKE_SVG_FORMAT");
	const struct render_format *format = name ? render_format_find(name) : render_format_at(0);
	struct profile *p = make(argc, argv), *before = make_side(what, false),
		       *after = make_side(what, true);
	int rc = -1;

	if (p && format)
		rc = format->render(p, out, err);
	else if (before && after)
		rc = render_diff(before, after, out, err);
	else
		snprintf(err->text, sizeof(err->text),
			"usage: make_svg demo|hostile|empty|one|deep|samples|wide|diff|diff-hostile|"
			"diff-one-sided [NODES]");
	profile_free(p);
	profile_free(before);
	profile_free(after);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	struct buf out;
	int rc;

	buf_init(&out, (size_t)1 << 30);
	rc = render(argc, argv, &out, &err);
	if (rc < 0)
		fprintf(stderr, "make_svg: %s\n", err.text);
	else if (fwrite(out.data, 1, out.len, stdout) != out.len)
		rc = -1;
	buf_free(&out);
	return rc < 0;
}
