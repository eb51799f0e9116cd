/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render.h"

#include <string.h>

#include "render/formats.h"

static const struct render_format formats[] = {
	{
		.name = "flamegraph",
		.extension = "svg",
		.help = "one SVG file for any browser, no network: zoom, search, light and dark",
		.render = render_flamegraph,
	},
	{
		.name = "collapsed",
		.extension = "collapsed",
		.help = "one line per stack with its samples, for flamegraph.pl, inferno, speedscope, grep",
		.render = render_collapsed,
	},
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

const struct render_format *render_format_at(size_t i)
{
	return i < FORMATS ? &formats[i] : NULL;
}

const struct render_format *render_format_find(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}
