/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as roff reads it: groff_char(7) and man(7) say which characters have to be spelled. */
#include <ctype.h>
#include <string.h>

#include "cli/manual/manual.h"

static void put_character(FILE *to, char c)
{
	switch (c) {
	case '\\':
		fputs("\\e", to);
		break;
	case '-': /* else it is a hyphen, which nobody can type or search for */
		fputs("\\-", to);
		break;
	case '\'':
		fputs("\\(aq", to);
		break;
	case '`':
		fputs("\\(ga", to);
		break;
	case '^':
		fputs("\\(ha", to);
		break;
	case '~':
		fputs("\\(ti", to);
		break;
	default:
		fputc(c, to);
	}
}

void roff_plain(FILE *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put_character(to, text[i]);
}

static void put_in_font(FILE *to, char font, const char *text, size_t len)
{
	fprintf(to, "\\f%c", font);
	for (size_t i = 0; i < len; i++)
		put_character(to, text[i] == '\n' ? ' ' : text[i]);
	fputs("\\fR", to);
}

/* A dot there would begin a request, a blank break the line. (A quote is spelled anyway.) */
static void begin_line(FILE *to, char first)
{
	if (first == '.' || first == ' ')
		fputs("\\&", to);
}

/* `-x`, `--long-name`: its length, or 0. */
static size_t option_length(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] == '-')
		n++;
	if (!n || n > 2 || n == len || !isalpha((unsigned char)text[n]))
		return 0;
	while (n < len && (isalnum((unsigned char)text[n]) || text[n] == '-'))
		n++;
	return n;
}

void roff_text(FILE *to, const char *text, size_t len)
{
	const char *end = text + len, *close;
	bool at_line = true, at_word = true;

	while (text < end) {
		size_t rest = (size_t)(end - text), n = at_word ? option_length(text, rest) : 0;

		close = *text == '`' ? memchr(text + 1, '`', rest - 1) : NULL;
		if (at_line)
			begin_line(to, *text);
		if (close) {
			put_in_font(to, 'B', text + 1, (size_t)(close - text - 1));
			n = (size_t)(close - text) + 1;
		} else if (n)
			put_in_font(to, 'B', text, n);
		else
			put_character(to, text[n++]);
		text += n;
		at_line = text[-1] == '\n';
		at_word = strchr(" \n(", text[-1]);
	}
	if (!at_line)
		fputc('\n', to);
}

void roff_usage(FILE *to, const char *text, size_t len)
{
	const char *end = text + len;
	bool at_word = true;

	while (text < end) {
		size_t rest = (size_t)(end - text), n = at_word ? option_length(text, rest) : 0;

		if (n || (rest >= 2 && at_word && !memcmp(text, "--", 2))) {
			n = n ? n : 2;
			put_in_font(to, 'B', text, n);
		} else if (isupper((unsigned char)*text)) {
			for (n = 1;
				n < rest && (isalnum((unsigned char)text[n]) || text[n] == '_');)
				n++;
			put_in_font(to, 'I', text, n);
		} else
			put_character(to, text[n++]);
		text += n;
		at_word = strchr(" ([|", text[-1]);
	}
}

void roff_title(FILE *to, const char *name, int section)
{
	fprintf(to, ".\\\" Made by `profd manual`. Do not edit.\n.TH \"");
	for (; *name; name++)
		put_character(to, (char)toupper((unsigned char)*name));
	fprintf(to, "\" \"%d\" \"\" \"profd %s\" \"profd\"\n", section, PROFD_VERSION);
	/* No hyphenation, and no stretched lines: names and options stay as they are typed. */
	fprintf(to, ".nh\n.ad l\n");
}

void roff_section(FILE *to, const char *title)
{
	fprintf(to, ".SH %s\n", title);
}

/* How long the paragraph is that begins here; of lines that are kept, one line. */
static size_t paragraph_length(const char *text)
{
	size_t len = strcspn(text, "\n");

	while (*text != ' ' && text[len] && text[len + 1] && !strchr(" \n", text[len + 1]))
		len += 1 + strcspn(text + len + 1, "\n");
	return len;
}

void roff_paragraphs(FILE *to, const char *text)
{
	enum { START, TEXT, KEPT } state = START;

	for (text += strspn(text, "\n"); *text; text += strspn(text, "\n")) {
		size_t len = paragraph_length(text);
		const bool is_kept = *text == ' ';

		if (state == KEPT && !is_kept)
			fputs(".fi\n.RE\n", to);
		if (is_kept && state != KEPT)
			fputs(".RS 2\n.nf\n", to);
		else if (!is_kept && state != START)
			fputs(".PP\n", to);
		roff_text(to, text + is_kept, len - is_kept);
		state = is_kept ? KEPT : TEXT;
		text += len;
	}
	if (state == KEPT)
		fputs(".fi\n.RE\n", to);
}
