/* SPDX-License-Identifier: BSD-2-Clause */
/* The flamegraph as a file: that its widths are exact, and that nothing is left out of its data. */
#include "svg_reader.h"
#include "tests/web/samples.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_add_up_exactly),
		cmocka_unit_test(widths_are_weights_where_there_are_any),
		cmocka_unit_test(the_data_hold_every_node),
		cmocka_unit_test(siblings_are_sorted_and_merged),
		cmocka_unit_test(one_frame_fills_the_width),
		cmocka_unit_test(depth_has_no_limit),
		cmocka_unit_test(large_data_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
