/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of options, completion scripts and manual pages: everything in the tables gets there,
 * escaped. That shells and man read them is tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/manual/completion.h"
#include "cli/manual/manual.h"

static const struct cli_command *const commands[] = {&record_command, &top_command, &report_command,
	&diff_command, &ps_command, &status_command, &daemon_command, &pause_command,
	&resume_command, &doctor_command, &completion_command, &manual_command, &engine_command,
	NULL};

/* What is written into `to`, a file in memory. */
struct written {
	FILE *to;
	char *text;
	size_t bytes;
};

static void written_begin(struct written *w)
{
	w->to = open_memstream(&w->text, &w->bytes);
	assert_non_null(w->to);
}

static const char *written_end(struct written *w)
{
	assert_int_equal(fclose(w->to), 0);
	return w->text;
}

static void expect_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no \"%s\" in:\n%s", part, text);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

/* A new kind of argument has to be decided about: a number has nothing to offer, a file has. */
static void test_every_argument_is_known_to_completion(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++)
		for (const struct cli_option *o = commands[i]->options; o->name; o++)
			if (o->argument && !cli_choice_of(commands[i], o->name) &&
				completion_kind(o->argument) == COMPLETION_UNKNOWN)
				fail_msg("profd %s --%s %s", commands[i]->name, o->name,
					o->argument);
	assert_int_equal(completion_kind("FILE"), COMPLETION_FILE);
	assert_int_equal(completion_kind("PID[,PID...]"), COMPLETION_PIDS);
	assert_int_equal(completion_kind("HZ"), COMPLETION_NOTHING);
	assert_int_equal(completion_kind("MOON"), COMPLETION_UNKNOWN);
}

static void test_every_choice_is_of_an_option(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++)
		for (const struct cli_choice *c = commands[i]->choices; c && c->option; c++) {
			const struct cli_option *o = commands[i]->options;

			while (o->name && strcmp(o->name, c->option) != 0)
				o++;
			assert_true(o->name ? o->argument != NULL : !*c->option);
			assert_non_null(cli_choice_at(c, 0).name);
		}
}

/* What is offered is what is taken. */
static void test_choices_are_what_parsing_takes(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(cli_choice_check(&ps_command, "sort", "pid", "no order", &err), 0);
	assert_int_equal(cli_choice_check(&ps_command, "sort", "pidd", "no order", &err), -EINVAL);
	assert_string_equal(
		err.text, "'pidd' is no order; there are cpu, pid, name; did you mean 'pid'?");
	assert_int_equal(cli_choice_check(&ps_command, "sort", "", "no order", &err), -EINVAL);
	assert_string_equal(err.text, "'' is no order; there are cpu, pid, name");
	assert_null(cli_choice_of(&ps_command, "user"));
	assert_null(cli_choice_of(&status_command, "json"));
}

/* ---- words that are no options -----------------------------------------------------------------
 */

static int set_nothing(void *config, const char *value, struct err *err)
{
	(void)err;
	*(const char **)config = value;
	return 0;
}

static const struct cli_option some_options[] = {
	{'o', "output", "FILE", NULL, "x", set_nothing}, {0, NULL, NULL, NULL, NULL, NULL}};
static const struct cli_command two_words = {
	.name = "two", .takes_words = {1, 2, "FIRST [SECOND]"}, .options = some_options};

static int parse(char **argv, char ***words, struct err *err)
{
	const char *output;
	int argc = 0;

	while (argv[argc])
		argc++;
	*err = (struct err){0};
	return cli_parse(&two_words, argc, argv, &output, words, err);
}

static void test_words_between_options(void **state)
{
	char two[] = "two", o[] = "-o", x[] = "x", a[] = "a", b[] = "b", dashes[] = "--";
	char *mixed[] = {two, a, o, x, b, NULL}, *behind[] = {two, o, x, dashes, a, o, NULL};
	char *one[] = {two, o, x, a, NULL};
	char **words;
	struct err err;

	(void)state;
	assert_int_equal(parse(mixed, &words, &err), CLI_PARSED);
	assert_string_equal(words[0], "a");
	assert_string_equal(words[1], "b");
	assert_null(words[2]);
	assert_int_equal(parse(behind, &words, &err), CLI_PARSED);
	assert_string_equal(words[1], "-o");
	assert_null(words[2]);
	assert_int_equal(parse(one, &words, &err), CLI_PARSED);
	assert_string_equal(words[0], "a");
	assert_null(words[1]);
}

static void test_too_many_words_and_too_few(void **state)
{
	char two[] = "two", o[] = "-o", x[] = "x", a[] = "a", dashes[] = "--";
	char *none[] = {two, o, x, NULL}, *three[] = {two, a, a, x, NULL};
	char *behind[] = {two, a, dashes, a, x, NULL};
	char **words;
	struct err err;

	(void)state;
	assert_int_equal(parse(none, &words, &err), -EINVAL);
	assert_string_equal(err.text, "too few words: profd two FIRST [SECOND]");
	assert_int_equal(parse(three, &words, &err), -EINVAL);
	assert_string_equal(err.text, "'x' is one word too many: profd two FIRST [SECOND]");
	assert_int_equal(parse(behind, &words, &err), -EINVAL);
}

/* ---- scripts -----------------------------------------------------------------------------------
 */

static void expect_all(completion_writer *write, const char *option_form)
{
	struct written w;
	const char *text;

	written_begin(&w);
	write(w.to, commands);
	text = written_end(&w);
	for (size_t i = 0; commands[i]; i++) {
		if (!commands[i]->group) {
			assert_null(strstr(text, commands[i]->summary));
			continue;
		}
		expect_part(text, commands[i]->name);
		for (const struct cli_option *o = commands[i]->options; o->name; o++) {
			char part[64];

			snprintf(part, sizeof(part), option_form, o->name);
			expect_part(text, part);
		}
	}
	free(w.text);
}

static void test_scripts_have_every_option(void **state)
{
	(void)state;
	expect_all(completion_bash, " --%s");
	expect_all(completion_zsh, "--%s");
	expect_all(completion_fish, " -l %s");
}

static const struct cli_word odd_words[] = {
	{"plain", "it's \\ [odd]: $(x) `y` \"z\""}, {NULL, NULL}};
static const struct cli_choice odd_choices[] = {{"output", odd_words, NULL}, {NULL, NULL, NULL}};
static const struct cli_example odd_examples[] = {{"profd odd", ".it's"}, {NULL, NULL}};
static const struct cli_option odd_options[] = {
	{'o', "output", "WHAT", NULL, "it's \\ [odd]:\nso", set_nothing},
	{0, NULL, NULL, NULL, NULL, NULL}};
static const struct cli_command odd = {.name = "odd",
	.group = "Odd",
	.summary = "it's \\ odd: x",
	.usage = "[OPTION...] -- COMMAND",
	.about = ".one\n'two `three\nfour` --five - six\n\n  .kept\n  as it is\nseven\\eight",
	.examples = odd_examples,
	.options = odd_options,
	.choices = odd_choices,
	.trailer = "Exit status: 0; 1, .failure;\n128+N signal N.\n\nMore."};
static const struct cli_command *const odd_commands[] = {&odd, NULL};

/* As the shells' manuals say how to quote. */
static void test_scripts_quote(void **state)
{
	struct written w;

	(void)state;
	written_begin(&w);
	completion_zsh(w.to, odd_commands);
	written_end(&w);
	expect_part(w.text, "'odd:it'\\''s \\\\ odd\\: x'");
	expect_part(w.text, "[it'\\''s \\\\ \\[odd\\]\\: so]:WHAT:((plain\\:it\\'\\''s\\ \\\\\\ "
			    "\\[odd\\]\\:\\ \\$\\(x\\)\\ \\`y\\`\\ \\\"z\\\"))'");
	free(w.text);
	written_begin(&w);
	completion_fish(w.to, odd_commands);
	written_end(&w);
	expect_part(w.text, "-a odd -d 'it\\'s \\\\ odd: x'");
	expect_part(w.text, "-a 'plain\\t\\'it\\\\\\'s \\\\\\\\ [odd]: $(x) `y` \"z\"\\'' "
			    "-d 'it\\'s \\\\ [odd]: so'");
	free(w.text);
}

/* ---- manual pages ------------------------------------------------------------------------------
 */

/* No line of text may be taken for a request: none begins with a dot or a quote that the writer did
 * not mean. */
static void expect_requests_only(const char *page)
{
	static const char *const known[] = {".\\\"", ".TH ", ".SH ", ".SS ", ".TP", ".TQ", ".PP",
		".br", ".nh", ".ad ", ".nf", ".fi", ".RS", ".RE"};

	for (const char *line = page; *line; line = strchr(line, '\n') + 1) {
		size_t i = 0;

		assert_int_not_equal(*line, '\'');
		while (*line == '.' && i < sizeof(known) / sizeof(known[0]) &&
			strncmp(line, known[i], strlen(known[i])) != 0)
			i++;
		if (i == sizeof(known) / sizeof(known[0]))
			fail_msg("%.60s", line);
		assert_non_null(strchr(line, '\n'));
	}
}

static void test_page_escapes(void **state)
{
	static const char *const parts[] = {"\nprofd\\-odd \\- it\\(aqs \\e odd: x\n",
		"\\fBprofd odd\\fR [\\fIOPTION\\fR...] \\fB\\-\\-\\fR \\fICOMMAND\\fR\n",
		"\n\\&.one\n\\(aqtwo \\fBthree four\\fR \\fB\\-\\-five\\fR \\- six\n",
		".RS 2\n.nf\n\\& .kept\n\\& as it is\n.fi\n.RE\n.PP\nseven\\eeight\n",
		".TP\n\\fBprofd odd\\fR\n\\&.it\\(aqs\n",
		".TP\n\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIWHAT\\fR\nit\\(aqs \\e [odd]:\nso\n",
		".TP\n\\fBplain\\fR\n", ".TP\n\\fB0\\fR\nsuccess\n.TP\n\\fB1\\fR\n\\&.failure\n",
		".TP\n\\fB128+N\\fR\nsignal N\n.PP\nMore.\n"};
	struct written w;

	(void)state;
	written_begin(&w);
	manual_command_page(w.to, &odd, odd_commands);
	written_end(&w);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect_part(w.text, parts[i]);
	expect_requests_only(w.text);
	free(w.text);
}

static void test_pages_of_all_commands(void **state)
{
	(void)state;
	for (size_t i = 0; commands[i]; i++) {
		struct written w;

		written_begin(&w);
		manual_command_page(w.to, commands[i], commands);
		written_end(&w);
		expect_requests_only(w.text);
		for (const struct cli_option *o = commands[i]->options; o->name; o++) {
			char part[64] = "\\fB\\-\\-";

			for (const char *c = o->name; *c; c++)
				snprintf(part + strlen(part), sizeof(part) - strlen(part), "%s%c",
					*c == '-' ? "\\" : "", *c);
			expect_part(w.text, part);
		}
		free(w.text);
	}
}

static void test_settings(void **state)
{
	static const char text[] = "# About it.\n"
				   "#\n"
				   "# More.\n"
				   "\n"
				   "# ---- one ----------\n"
				   "# Of one.\n"
				   "\n"
				   "# The .a.\n"
				   "#a = 1\n"
				   "\n"
				   "# Both.\n"
				   "b = x y\n"
				   "#c_d =\n"
				   "# ---- two ---\n"
				   "# End.";
	static const char *const parts[] = {".SH DESCRIPTION\nAbout it.\n.PP\nMore.\n.SH ONE\n",
		".SH ONE\nOf one.\n.TP\n\\fBa\\fR = 1\nThe .a.\n",
		".TP\n\\fBb\\fR = x y\n.TQ\n\\fBc_d\\fR = (nothing)\nBoth.\n.SH TWO\nEnd.\n.SH "};
	struct written w;

	(void)state;
	written_begin(&w);
	manual_settings(w.to, text);
	written_end(&w);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect_part(w.text, parts[i]);
	expect_requests_only(w.text);
	free(w.text);
}

/* Whatever the file holds, there is a page and no crash. */
static void test_settings_of_any_kind(void **state)
{
	static const char *const texts[] = {"", "\n", "#", "# ", "#\n#\n", "=",
		"a =", "#a =", "# ----", "# ---- ", "# ---- x", "a = b", "#a=b\n",
		"# ----\n# ----\n", " = \n", "'\n", ".\n", "\\\n", "# '\n# .\n#b =\n"};
	char *large = malloc(100001);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct written w;

		written_begin(&w);
		manual_settings(w.to, texts[i]);
		expect_requests_only(written_end(&w));
		free(w.text);
	}
	for (size_t i = 0; i < 100000; i++)
		large[i] = "# -\n"[i % 4];
	large[100000] = '\0';
	for (size_t i = 0; i < 2; i++) {
		struct written w;

		written_begin(&w);
		manual_settings(w.to, large + i);
		expect_requests_only(written_end(&w));
		free(w.text);
	}
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_argument_is_known_to_completion),
		cmocka_unit_test(test_every_choice_is_of_an_option),
		cmocka_unit_test(test_choices_are_what_parsing_takes),
		cmocka_unit_test(test_words_between_options),
		cmocka_unit_test(test_too_many_words_and_too_few),
		cmocka_unit_test(test_scripts_have_every_option),
		cmocka_unit_test(test_scripts_quote),
		cmocka_unit_test(test_page_escapes),
		cmocka_unit_test(test_pages_of_all_commands),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_settings_of_any_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
