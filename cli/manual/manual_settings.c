/* SPDX-License-Identifier: BSD-2-Clause */
/* profd.conf(5), out of the file that is installed as an example:
 *
 *     # Lines before the first title: DESCRIPTION.
 *     # ---- title ----
 *     # Lines behind a title: about the settings that follow.
 *     # Lines right above a setting, or settings:
 *     #name = default
 */
#include <ctype.h>
#include <string.h>

#include "cli/manual/manual.h"

enum { COMMENT_BYTES = 4096 };

/* Comment lines that wait for what they belong to. */
struct comment {
	char text[COMMENT_BYTES];
	size_t len;
};

static void comment_add(struct comment *c, const char *line, size_t len)
{
	if (c->len + len + 2 > sizeof(c->text))
		return;
	memcpy(c->text + c->len, line, len);
	c->len += len;
	c->text[c->len++] = '\n';
	c->text[c->len] = '\0';
}

/* `is_first` of its section: else a gap is before it. Whether there was any. */
static bool comment_put(FILE *to, struct comment *c, bool is_first)
{
	if (!c->len)
		return false;
	if (!is_first)
		fputs(".PP\n", to);
	roff_paragraphs(to, c->text);
	c->len = 0;
	return true;
}

/* `# ---- the store -----`: where the title begins, and its length; 0: it is another line. */
static size_t title_of(const char *line, size_t len, const char **title)
{
	size_t n = strspn(line, "# ") + strspn(line + strspn(line, "# "), "-");

	if (strncmp(line, "# ----", 6) != 0 || n >= len)
		return 0;
	*title = line + n + strspn(line + n, " ");
	len -= (size_t)(*title - line);
	while (len && ((*title)[len - 1] == '-' || (*title)[len - 1] == ' '))
		len--;
	return len;
}

/* `#rate = 19` */
static bool is_setting(const char *line, size_t len)
{
	const size_t skip = len && *line == '#',
		     n = strspn(line + skip, "abcdefghijklmnopqrstuvwxyz_");

	return n && skip + n < len && !strncmp(line + skip + n, " =", 2);
}

static void put_setting(FILE *to, const char *line, size_t len)
{
	const size_t skip = *line == '#';
	const size_t name = strcspn(line + skip, " ");
	const char *value = line + skip + name + strlen(" =");

	fputs("\\fB", to);
	roff_plain(to, line + skip, name);
	fputs("\\fR =", to);
	if (value < line + len)
		roff_plain(to, value, (size_t)(line + len - value));
	else
		fputs(" (nothing)", to);
	fputc('\n', to);
}

static void put_section(FILE *to, const char *title, size_t len)
{
	fputs(".SH ", to);
	for (size_t i = 0; i < len; i++)
		fputc(toupper((unsigned char)title[i]), to);
	fputc('\n', to);
}

/* A setting and those of the lines right below it share the comment above them. */
static const char *put_settings(FILE *to, const char *line, struct comment *c)
{
	for (bool is_first = true;; is_first = false) {
		size_t len = strcspn(line, "\n");

		if (!is_setting(line, len))
			break;
		fputs(is_first ? ".TP\n" : ".TQ\n", to);
		put_setting(to, line, len);
		line += len + (line[len] == '\n');
	}
	comment_put(to, c, true);
	return line;
}

static void put_start(FILE *to)
{
	roff_title(to, "profd.conf", 5);
	roff_section(to, "NAME");
	fputs("profd.conf \\- settings of the profiling daemon\n", to);
	roff_section(to, "SYNOPSIS");
	fputs("\\fI/etc/profd/profd.conf\\fR\n", to);
	roff_section(to, "DESCRIPTION");
}

void manual_settings(FILE *to, const char *settings)
{
	struct comment comment = {.len = 0};
	bool is_first = true; /* in its section */

	put_start(to);
	for (const char *line = settings; *line;) {
		size_t len = strcspn(line, "\n"), n;
		const char *title;

		if (is_setting(line, len)) {
			line = put_settings(to, line, &comment);
			is_first = false;
			continue;
		}
		n = title_of(line, len, &title);
		if ((n || !len) && comment_put(to, &comment, is_first))
			is_first = false;
		if (n) {
			put_section(to, title, n);
			is_first = true;
		} else if (len)
			comment_add(&comment, line + (len > 1 ? 2 : 1), len > 1 ? len - 2 : 0);
		line += len + (line[len] == '\n');
	}
	comment_put(to, &comment, is_first);
	roff_section(to, "FILES");
	fputs(".TP\n\\fI/etc/profd/profd.conf\\fR\nthe settings, unless \\fBprofd daemon\\fR has "
	      "\\fB\\-\\-config\\fR\n",
		to);
	roff_section(to, "SEE ALSO");
	fputs("\\fBprofd\\fR(1),\n\\fBprofd\\-daemon\\fR(1)\n", to);
}
