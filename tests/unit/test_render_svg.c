/* SPDX-License-Identifier: BSD-2-Clause */
/* The flamegraph as a file: that it is XML whatever the names are, that widths are exact, that
 * nothing is left out of its data. What it does in a browser is tested by tests/web. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <ctype.h>

#include "render/render.h"
#include "tests/web/samples.h"

enum { PLOT_MILLI = 1180000, NARROW_MILLI = 300, ROW = 18, ROWS_MAX = 8192 };

static char *render_svg(const struct profile *p)
{
	struct err err = {0};
	struct buf out;

	buf_init(&out, 1 << 30);
	if (render_format_find("flamegraph")->render(p, &out, &err) < 0)
		fail_msg("%s", err.text);
	return out.data;
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* ---- a reader of the XML that we write: elements, attributes in double quotes, CDATA, entities
 * ---- */

static const char *name_end(const char *s)
{
	while (isalnum((unsigned char)*s) || strchr(":-_", *s))
		if (!*s++)
			return s - 1;
	return s;
}

static void check_entity(const char *s)
{
	static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(s, known[i], strlen(known[i])))
			return;
	fail_msg("not an entity: %.20s", s);
}

/* Behind the tag; *delta is how it changes the depth. */
static const char *check_tag(const char *s, char stack[][32], int *depth)
{
	const char *end;
	size_t n;

	if (!strncmp(s, "<![CDATA[", 9)) {
		s = strstr(s, "]]>");
		assert_non_null(s);
		return s + 3;
	}
	if (s[1] == '/') {
		n = strlen(stack[--*depth]);
		assert_true(*depth >= 0 && !strncmp(s + 2, stack[*depth], n) && s[2 + n] == '>');
		return s + 3 + n;
	}
	end = name_end(s + 1);
	n = (size_t)(end - s - 1);
	assert_true(n > 0 && n < 32 && *depth < 15);
	memcpy(stack[*depth], s + 1, n);
	stack[(*depth)++][n] = '\0';
	while (*end == ' ') {
		end = name_end(end + 1);
		assert_true(end[0] == '=' && end[1] == '"');
		for (end += 2; *end != '"'; end++) {
			assert_true(*end && *end != '<');
			if (*end == '&')
				check_entity(end);
		}
		end++;
	}
	if (*end == '/') {
		(*depth)--;
		end++;
	}
	assert_int_equal(*end, '>');
	return end + 1;
}

static void check_xml(const char *s)
{
	static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
	char stack[16][32];
	int depth = 0;

	for (const char *c = s; *c; c++)
		assert_true((unsigned char)*c >= 0x20 || strchr("\n\t", *c));
	assert_int_equal(strncmp(s, declaration, sizeof(declaration) - 1), 0);
	s += sizeof(declaration) - 1;
	while (*s) {
		if (*s == '<') {
			s = check_tag(s, stack, &depth);
			continue;
		}
		if (*s == '&')
			check_entity(s);
		assert_true(strncmp(s, "]]>", 3) != 0);
		assert_true(depth > 0 || isspace((unsigned char)*s));
		s++;
	}
	assert_int_equal(depth, 0);
}

/* ---- the drawn bars -----------------------------------------------------------------------------
 */

struct bars {
	uint64_t width[ROWS_MAX]; /* thousandths of a px, by depth */
	uint64_t n, fillers, narrow_frames, hidden_frames;
};

static uint64_t attribute_milli(const char *tag, const char *name)
{
	char key[16];
	unsigned long long whole, part = 0;
	int digits = 0;
	const char *s;

	snprintf(key, sizeof(key), " %s=\"", name);
	s = strstr(tag, key);
	assert_non_null(s);
	whole = strtoull(s + strlen(key), (char **)&s, 10);
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++, digits++)
			part = part * 10 + (unsigned)(*s - '0');
	for (; digits < 3; digits++)
		part *= 10;
	return whole * 1000 + part;
}

static void read_bars(const char *svg, struct bars *bars)
{
	const char *s = strstr(svg, "<g class=\"bars\">"),
		   *stop = strstr(svg, "<g class=\"labels\">");
	uint64_t base = 0;

	memset(bars, 0, sizeof(*bars));
	assert_true(s && stop);
	while ((s = strstr(s, "<rect ")) && s < stop) {
		uint64_t y = attribute_milli(s, "y") / 1000, depth;

		if (!bars->n++)
			base = y;
		depth = (base - y) / ROW;
		assert_true(depth < ROWS_MAX && (base - y) % ROW == 0);
		bars->width[depth] += attribute_milli(s, "width");
		if (!strncmp(s, "<rect class=\"f", 14)) {
			unsigned long long frames, all;

			bars->fillers++;
			assert_int_equal(
				sscanf(strstr(s, "<title>"),
					"<title>%llu %*s too narrow to draw, %llu", &frames, &all),
				2);
			bars->narrow_frames += frames;
			bars->hidden_frames += all;
		}
		s++;
	}
}

/* ---- the data block, read back
 * -------------------------------------------------------------------- */

struct data {
	uint64_t *numbers;
	size_t n;
};

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static struct data read_data(const char *svg, const char *class)
{
	struct data d = {.numbers = calloc(strlen(svg), sizeof(uint64_t))};
	char open[64];

	assert_non_null(d.numbers);
	snprintf(open, sizeof(open), "<metadata class=\"%s\">", class);
	for (const char *s = svg; (s = strstr(s, open));) {
		unsigned shift = 0;
		int digit;

		for (s += strlen(open); (digit = digit_of(*s)) >= 0; s++) {
			d.numbers[d.n] |= (uint64_t)(digit & 31) << shift;
			shift += 5;
			if (digit < 32) {
				d.n++;
				shift = 0;
			}
		}
		assert_int_equal(shift, 0);
		assert_int_equal(*s, '<');
	}
	return d;
}

struct sums {
	uint64_t nodes, samples[ROWS_MAX], weight_ns[ROWS_MAX]; /* self, by depth */
};

static void sum_data(const char *svg, struct sums *sums)
{
	struct data d = read_data(svg, "nodes");
	uint64_t depth = 0;

	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; i < d.n; sums->nodes++) {
		uint64_t packed;

		depth = i ? depth + 1 - d.numbers[i + 1] : 0;
		packed = d.numbers[i + 2];
		i += 3;
		assert_true(depth < ROWS_MAX);
		sums->samples[depth] += packed >> 1;
		if (packed & 1)
			sums->weight_ns[depth] += d.numbers[i++];
	}
	free(d.numbers);
}

static void sum_profile(const struct profile *p, struct sums *sums)
{
	uint32_t *depth = calloc(p->n_nodes, sizeof(*depth));

	memset(sums, 0, sizeof(*sums));
	sums->nodes = p->n_nodes;
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		depth[i] = i ? depth[p->nodes[i].parent] + 1 : 0;
		sums->samples[depth[i]] += p->nodes[i].self_samples;
		sums->weight_ns[depth[i]] += p->nodes[i].self_weight_ns;
	}
	free(depth);
}

/* ---- tests
 * ------------------------------------------------------------------------------------------ */

static void hostile_names_stay_text(void **state)
{
	static const char *const names[] = {"<script>alert(1)</script>",
		"]]><script>alert(1)</script>", "</metadata></svg><script>alert(1)</script>",
		"a\" onload=\"alert(1)", "' onload='alert(1)", "&lt;&amp;&#60;", "<!-- -- -->",
		"c\x01\x08\x0b\x1f\x7f\n\t\r", "\xc2\x80\xc2\x9f", "bad \xff\xc3( \xed\xa0\x80",
		"\xef\xbf\xbe\xef\xbf\xbf", "sep\xe2\x80\xa8\xe2\x80\xa9", "desrever \xe2\x80\xae",
		"\\u003cscript\\u003e\\", ""};
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "</title><script>alert(1)</script>]]>");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		BUILDER_ADD(&b, 10, 10, {FRAME_PYTHON, names[i], names[i], 1, names[i]},
			{FRAME_NOTE, names[i], NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	assert_int_equal(occurrences(svg, "<script"), 1);
	assert_int_equal(occurrences(svg, "</script"), 1);
	assert_int_equal(occurrences(svg, "]]>"), 1);
	assert_int_equal(occurrences(svg, "<metadata"), 4);
	assert_int_equal(occurrences(svg, "<!--"), 0);
	assert_int_equal(occurrences(svg, "\" onload"), 0);
	assert_int_equal(occurrences(svg, "\xed\xa0\x80") + occurrences(svg, "\xff") +
				 occurrences(svg, "\xef\xbf\xbe"),
		0);
	assert_int_equal(occurrences(svg, "\xe2\x80\xae") + occurrences(svg, "\x7f") +
				 occurrences(svg, "\xc2\x80"),
		0);
	assert_true(occurrences(svg, "&lt;script&gt;alert(1)&lt;/script&gt;") > 0);
	assert_true(occurrences(svg, "\\u005cu003cscript\\u005cu003e\\u005c") > 0);
	free(svg);
	profile_free(p);
}

/* A random profile whose total is as many samples as the plot has thousandths of a px: then every
 * width is a whole number, and sums have to be equal, not nearly so. */
static struct profile *exact_profile(uint64_t seed, uint32_t functions)
{
	uint64_t left = PLOT_MILLI;
	struct builder b;

	builder_start(&b, "exact");
	while (left) {
		struct spec stack[12];
		char names[12][24];
		size_t n = 1 + dice(&seed, 12);
		uint64_t samples = 1 + dice(&seed, dice(&seed, 20) ? 40 : 4000);

		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "f%u",
				dice(&seed, i < 3 ? 4 : functions));
			stack[i] = (struct spec){
				.kind = FRAME_NATIVE, .name = names[i], .module = "x"};
		}
		if (samples > left)
			samples = left;
		builder_add(&b, stack, n, samples, 0);
		left -= samples;
	}
	return builder_end(&b);
}

static void widths_add_up_exactly(void **state)
{
	struct profile *p = exact_profile(11, 30);
	uint64_t *value = calloc(p->n_nodes, sizeof(*value)), expected[ROWS_MAX] = {0}, drawn = 0,
		 direct = 0;
	uint32_t *depth = calloc(p->n_nodes, sizeof(*depth));
	char *svg = render_svg(p);
	struct bars bars;

	(void)state;
	for (uint32_t i = p->n_nodes; i-- > 0;) {
		value[i] += p->nodes[i].self_samples;
		if (i)
			value[p->nodes[i].parent] += value[i];
	}
	for (uint32_t i = 0; i < p->n_nodes; i++) {
		depth[i] = i ? depth[p->nodes[i].parent] + 1 : 0;
		if (i && value[p->nodes[i].parent] < NARROW_MILLI)
			continue;
		expected[depth[i]] += value[i];
		drawn += value[i] >= NARROW_MILLI;
		direct += value[i] < NARROW_MILLI;
	}
	assert_int_equal(value[0], PLOT_MILLI);
	read_bars(svg, &bars);
	assert_true(bars.fillers > 100);
	assert_int_equal(bars.n - bars.fillers, drawn);
	assert_int_equal(bars.narrow_frames, direct);
	assert_int_equal(bars.hidden_frames, p->n_nodes - drawn);
	for (size_t d = 0; d < ROWS_MAX; d++)
		assert_int_equal(bars.width[d], expected[d]);
	check_xml(svg);
	free(value);
	free(depth);
	free(svg);
	profile_free(p);
}

static void widths_are_weights_where_there_are_any(void **state)
{
	struct builder b;
	struct profile *p;
	struct bars bars;
	char *svg;

	(void)state;
	builder_start(&b, "weights");
	BUILDER_ADD(
		&b, 99, 25, {FRAME_NATIVE, "a", NULL, 0, NULL}, {FRAME_NATIVE, "b", NULL, 0, NULL});
	BUILDER_ADD(&b, 1, 75, {FRAME_NATIVE, "a", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	read_bars(svg, &bars);
	assert_int_equal(bars.width[1], PLOT_MILLI);
	assert_int_equal(bars.width[2], PLOT_MILLI / 4);
	assert_non_null(strstr(svg, "width: sampled time"));
	free(svg);
	for (uint32_t i = 0; i < p->n_nodes; i++)
		p->nodes[i].self_weight_ns = 0;
	svg = render_svg(p);
	read_bars(svg, &bars);
	assert_int_equal(bars.width[2], PLOT_MILLI / 100 * 99);
	assert_non_null(strstr(svg, "width: samples"));
	free(svg);
	profile_free(p);
}

static void the_data_hold_every_node(void **state)
{
	static struct sums truth, read;
	uint64_t chance = 3;
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "large");
	while (b.p->n_nodes < 200000) {
		struct spec stack[40];
		char names[40][24];
		size_t n = 1 + dice(&chance, 40);

		for (size_t i = 0; i < n; i++) {
			snprintf(names[i], sizeof(names[i]), "f%u", dice(&chance, 25));
			stack[i] = (struct spec){.kind = FRAME_PYTHON,
				.name = names[i],
				.file = "f.py",
				.line = 1 + dice(&chance, 3)};
		}
		builder_add(&b, stack, n, dice(&chance, 4), dice(&chance, 1u << 31) * 1000ULL);
	}
	p = builder_end(&b);
	sum_profile(p, &truth);
	svg = render_svg(p);
	sum_data(svg, &read);
	assert_int_equal(read.nodes, truth.nodes);
	assert_memory_equal(&read, &truth, sizeof(truth));
	free(svg);
	profile_free(p);
}

/* Sibling order is by name; equal frames of one parent are one node, whatever made them two. */
static void siblings_are_sorted_and_merged(void **state)
{
	struct builder b;
	struct profile *p;
	static struct sums read;
	char *svg;

	(void)state;
	builder_start(&b, "order");
	BUILDER_ADD(&b, 100, 1000, {FRAME_NATIVE, "zulu", NULL, 0, NULL});
	BUILDER_ADD(&b, 100, 1000, {FRAME_NATIVE, "alpha", NULL, 0, NULL});
	BUILDER_ADD(&b, 100, 1000, {FRAME_NATIVE, "mike", NULL, 0, NULL});
	p = builder_end(&b);
	p->frames[3] = p->frames[1]; /* mike is a second zulu */
	svg = render_svg(p);
	sum_data(svg, &read);
	assert_int_equal(read.nodes, 3);
	assert_int_equal(read.samples[1], 300);
	assert_true(strstr(svg, ">alpha</text>") < strstr(svg, ">zulu</text>"));
	free(svg);
	profile_free(p);
}

static void lines_tell_twins_apart(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "twins");
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "f", "f.py", 3, NULL});
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "f", "f.py", 8, NULL});
	BUILDER_ADD(&b, 1, 1, {FRAME_PYTHON, "g", "f.py", 9, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">f:3</text>"));
	assert_non_null(strstr(svg, ">f:8</text>"));
	assert_non_null(strstr(svg, ">g</text>"));
	assert_non_null(strstr(svg, "<title>f (f.py:8): "));
	free(svg);
	profile_free(p);
}

/* Containers, processes and threads share a colour and an entry of the legend. */
static void roots_are_one_in_the_legend(void **state)
{
	const struct spec process = {FRAME_PROCESS, "web", NULL, 0, NULL};
	const struct spec python = {FRAME_PYTHON, "f", "f.py", 3, NULL};
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "no containers");
	BUILDER_ADD(&b, 3, 3, process, python);
	BUILDER_ADD(&b, 1, 1, process);
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">process, thread 25.0 %</text>"));
	free(svg);
	profile_free(p);
	builder_start(&b, "containers");
	BUILDER_ADD(&b, 2, 2, {FRAME_CONTAINER, "(host)", NULL, 0, NULL}, process, python);
	BUILDER_ADD(&b, 1, 1, {FRAME_CONTAINER, "(host)", NULL, 0, NULL}, process);
	BUILDER_ADD(&b, 1, 1, {FRAME_CONTAINER, "(host)", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, ">container, process, thread 50.0 %</text>"));
	assert_int_equal(occurrences(svg, ">process, thread"), 0);
	assert_non_null(strstr(svg, "[\"container\",\"t\"]"));
	free(svg);
	profile_free(p);
}

/* The `line` of a root is a number of its own: it is not shown, and does not tell two apart. */
static void numbers_of_roots_are_no_lines(void **state)
{
	static struct sums read;
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "numbers");
	for (uint32_t i = 0; i < 2; i++) {
		BUILDER_ADD(&b, 1, 1, {FRAME_PROCESS, "web", NULL, 6000 + i, NULL},
			{FRAME_THREAD, "main", NULL, 7000 + i, NULL});
		BUILDER_ADD(&b, 1, 1, {FRAME_PROCESS, "web", NULL, 6000 + i, NULL},
			{FRAME_PYTHON, "main", "f.py", 8000, NULL});
	}
	p = builder_end(&b);
	svg = render_svg(p);
	sum_data(svg, &read);
	assert_int_equal(read.nodes, 4); /* all, web, main and main */
	assert_non_null(strstr(svg, ">web</text>"));
	assert_non_null(strstr(svg, ">main:8000</text>"));
	assert_int_equal(occurrences(svg, ":600") + occurrences(svg, ":700"), 0);
	free(svg);
	profile_free(p);
}

static void an_empty_profile_says_so(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "idle");
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	assert_non_null(strstr(svg, ">No samples</text>"));
	free(svg);
	p->n_frames = 0; /* not even a frame for the root */
	svg = render_svg(p);
	check_xml(svg);
	free(svg);
	profile_free(p);
}

static void one_frame_fills_the_width(void **state)
{
	struct builder b;
	struct profile *p;
	struct bars bars;
	char *svg;

	(void)state;
	builder_start(&b, "one");
	BUILDER_ADD(&b, 1, 10101010, {FRAME_NATIVE, "main", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	read_bars(svg, &bars);
	assert_int_equal(bars.n, 2);
	assert_int_equal(bars.width[0], PLOT_MILLI);
	assert_int_equal(bars.width[1], PLOT_MILLI);
	free(svg);
	profile_free(p);
}

static void depth_has_no_limit(void **state)
{
	enum { DEPTH = 5000 };
	struct spec *stack = calloc(DEPTH, sizeof(*stack));
	struct builder b;
	struct profile *p;
	static struct bars bars;
	char *svg;

	(void)state;
	for (uint32_t i = 0; i < DEPTH; i++)
		stack[i] = (struct spec){
			.kind = FRAME_PYTHON, .name = "recurse", .file = "r.py", .line = i % 9};
	builder_start(&b, "deep");
	builder_add(&b, stack, DEPTH, 7, 70);
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	read_bars(svg, &bars);
	for (size_t d = 0; d <= DEPTH; d++)
		assert_int_equal(bars.width[d], PLOT_MILLI);
	free(stack);
	free(svg);
	profile_free(p);
}

/* Data larger than one <metadata> element may be are split between records. */
static void large_data_are_split(void **state)
{
	static struct sums truth, read;
	struct builder b;
	struct profile *p;
	char *svg, name[5000];

	(void)state;
	builder_start(&b, "long names");
	memset(name, 'x', sizeof(name));
	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name + 4980, 20, "%u", i);
		BUILDER_ADD(&b, 1, 1, {FRAME_NATIVE, name, NULL, 0, NULL});
	}
	p = builder_end(&b);
	svg = render_svg(p);
	check_xml(svg);
	assert_true(occurrences(svg, "<metadata class=\"names\">") >= 3);
	sum_profile(p, &truth);
	sum_data(svg, &read);
	assert_memory_equal(&read, &truth, sizeof(truth));
	free(svg);
	profile_free(p);
}

static void quality_is_told(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "quality");
	BUILDER_ADD(&b, 12345, 1, {FRAME_NATIVE, "f", NULL, 0, NULL});
	b.p->start_unix_ns = 1000000000ULL * 1000000000ULL;
	b.p->quality.duration_ns = 60000000000ULL;
	b.p->quality.requested_hz = 99;
	b.p->quality.achieved_hz = 98.7;
	b.p->quality.lost = 5;
	b.p->quality.truncated = 4;
	b.p->quality.native_end[WALK_NO_RULE] = 3;
	b.p->quality.unmerged = 2;
	b.p->quality.unsymbolized_frames = 1;
	b.p->quality.frames_seen = 4;
	b.p->quality.profiler_cpu_ns = 500000000;
	b.p->quality.profiler_kernel_ns = 100000000;
	p = builder_end(&b);
	svg = render_svg(p);
	assert_non_null(strstr(svg, "2001-09-09 01:46:40 UTC"));
	assert_non_null(strstr(svg, "60.00 s recorded by ebpf"));
	assert_non_null(strstr(svg, "12,345 samples"));
	assert_non_null(strstr(svg, "98.7 of 99 Hz per running thread"));
	assert_non_null(strstr(svg, "5 lost (0.04 %)"));
	assert_non_null(strstr(svg, "4 truncated (0.03 %)"));
	assert_non_null(strstr(svg, "failed: native-no-rule 3, python-unmerged 2"));
	assert_non_null(strstr(svg, "25.0 % of frames without a symbol"));
	assert_non_null(strstr(svg, "profd itself: 1.0 % of a CPU"));
	free(svg);
	profile_free(p);
}

/* The file needs nothing from anywhere, and its script makes no markup out of text. */
static void the_file_is_self_contained(void **state)
{
	struct builder b;
	struct profile *p;
	char *svg;

	(void)state;
	builder_start(&b, "alone");
	BUILDER_ADD(&b, 1, 1, {FRAME_NATIVE, "f", NULL, 0, NULL});
	p = builder_end(&b);
	svg = render_svg(p);
	assert_int_equal(occurrences(svg, "://"), occurrences(svg, "://www.w3.org/"));
	assert_int_equal(occurrences(svg, "url("), occurrences(svg, "url(#profd-"));
	assert_int_equal(
		occurrences(svg, "href") + occurrences(svg, "@import") + occurrences(svg, " src="),
		0);
	assert_int_equal(occurrences(svg, "innerHTML") + occurrences(svg, "outerHTML") +
				 occurrences(svg, "eval("),
		0);
	assert_int_equal(
		occurrences(svg, "document.write") + occurrences(svg, "insertAdjacent"), 0);
	assert_int_equal(occurrences(svg, "new Function"), 0);
	free(svg);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(widths_add_up_exactly),
		cmocka_unit_test(widths_are_weights_where_there_are_any),
		cmocka_unit_test(the_data_hold_every_node),
		cmocka_unit_test(siblings_are_sorted_and_merged),
		cmocka_unit_test(lines_tell_twins_apart),
		cmocka_unit_test(roots_are_one_in_the_legend),
		cmocka_unit_test(numbers_of_roots_are_no_lines),
		cmocka_unit_test(an_empty_profile_says_so),
		cmocka_unit_test(one_frame_fills_the_width),
		cmocka_unit_test(depth_has_no_limit),
		cmocka_unit_test(large_data_are_split),
		cmocka_unit_test(quality_is_told),
		cmocka_unit_test(the_file_is_self_contained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
