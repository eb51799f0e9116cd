/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/top/top_save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "render/render.h"

enum { SAVED_BYTES_MAX = 512 << 20 };

void top_save_name(char *to, size_t bytes)
{
	time_t now = time(NULL);
	struct tm local;
	char when[32];

	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", localtime_r(&now, &local));
	snprintf(to, bytes, "profd-top-%s.%s", when, render_format_at(0)->extension);
}

static const struct render_format *format_by_extension(const char *dot)
{
	if (!strcasecmp(dot, ".folded") || !strcasecmp(dot, ".txt"))
		return render_format_find("collapsed");
	for (size_t i = 0; render_format_at(i); i++)
		if (!strcasecmp(dot + 1, render_format_at(i)->extension))
			return render_format_at(i);
	return NULL;
}

/* NULL: a JSON object of the rows. */
static int choose_format(const char *path, const struct render_format **format, struct err *err)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

	*format = dot ? format_by_extension(dot) : NULL;
	if (*format || (dot && !strcasecmp(dot, ".json")))
		return 0;
	return err_set(err, -EINVAL, "the name has to end in .svg, .json or .collapsed");
}

int top_save_check(const char *path, struct err *err)
{
	const struct render_format *format;
	struct stat st;
	int rc = *path ? choose_format(path, &format, err) : err_set(err, -EINVAL, "a name");

	if (rc)
		return rc;
	if (stat(path, &st) < 0)
		return 0;         /* what else is wrong with it shows when it is opened */
	if (!S_ISREG(st.st_mode)) /* writing to a pipe may wait without end */
		return err_set(err, -EINVAL, "that is no regular file");
	return err_set(err, -EEXIST, "is there already; Enter replaces it");
}

static int render(struct top_model *m, const struct top_query *q, const char *title,
	const struct render_format *format, struct buf *out, struct err *err)
{
	struct top_page *page;
	json_t *object;
	char *text;
	int rc;

	if (format)
		return top_model_render(m, q, format->name, title, out, err);
	rc = top_model_page(m, q, &page, err);
	if (rc < 0)
		return rc;
	object = top_page_json(page, q);
	text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
	if (text) {
		buf_puts(out, text);
		buf_putc(out, '\n');
	}
	rc = !text || buf_failed(out) ? err_set(err, -ENOMEM, "out of memory") : 0;
	free(text);
	json_decref(object);
	return rc;
}

int top_save(struct top_model *m, const struct top_query *q, const char *path, const char *title,
	char *what, size_t what_bytes, struct err *err)
{
	const struct render_format *format;
	struct output output;
	struct buf out;
	char bytes[32];
	int rc = choose_format(path, &format, err);

	if (rc < 0)
		return rc;
	buf_init(&out, SAVED_BYTES_MAX);
	rc = render(m, q, title, format, &out, err);
	if (!rc)
		rc = output_open(&output, path, err);
	if (!rc) {
		output.may_be_empty = true; /* stacks of a time without any */
		rc = fd_write_all(output.fd, out.data, out.len);
		if (rc < 0)
			err_set(err, rc, "cannot write %.200s: %s", path, strerror(-rc));
		else
			rc = output_commit(&output, err);
		output_discard(&output);
	}
	if (!rc)
		snprintf(what, what_bytes, "%s", terminal_bytes(out.len, bytes));
	buf_free(&out);
	return rc;
}
