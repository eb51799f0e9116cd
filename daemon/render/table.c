/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/table.h"

#include <string.h>

static const struct table_format formats[] = {
	{
		.name = "table",
		.extension = "txt",
		.help = "columns for people",
		.render = table_render_text,
	},
	{
		.name = "json",
		.extension = "json",
		.help = "one JSON object on one line, with all rows and all numbers",
		.render = table_render_json,
	},
	{
		.name = "csv",
		.extension = "csv",
		.help = "a header and one line per row, for spreadsheets",
		.render = table_render_csv,
	},
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

const struct table_format *table_format_at(size_t i)
{
	return i < FORMATS ? &formats[i] : NULL;
}

const struct table_format *table_format_find(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}
