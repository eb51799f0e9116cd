/* SPDX-License-Identifier: BSD-2-Clause */
/* profd manual: the manual pages, out of the tables that parsing and help use. `make` runs it. */
#include "cli/manual/manual.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "cli/terminal.h"

enum { PAGE_BYTES = 64, SETTINGS_MAX_BYTES = 256 * 1024 };

/* ---- the command -------------------------------------------------------------------------------
 */

struct manual_config {
	const char *settings;
	bool pages;
};

static int set_settings(void *config, const char *value, struct err *err)
{
	(void)err;
	((struct manual_config *)config)->settings = value;
	return 0;
}

static int set_pages(void *config, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	((struct manual_config *)config)->pages = true;
	return 0;
}

static void page_name(const struct cli_command *c, char *to, size_t bytes)
{
	snprintf(to, bytes, "profd-%s.1", c->name);
}

static void list_pages(const struct cli_command *const *commands)
{
	printf("profd.1\n");
	for (; *commands; commands++)
		if ((*commands)->group) {
			char name[PAGE_BYTES];

			page_name(*commands, name, sizeof(name));
			printf("%s\n", name);
		}
	printf("profd.conf.5\n");
}

static int write_settings(const char *path, struct err *err)
{
	struct buf text;
	int rc;

	if (!path)
		return err_set(err, -EINVAL, "profd.conf.5 is made of a file: --settings FILE");
	buf_init(&text, SETTINGS_MAX_BYTES);
	rc = file_read(path, &text);
	if (rc < 0)
		err_set(err, rc, "cannot read %.200s: %s", path, strerror(-rc));
	else
		manual_settings(stdout, text.data ? text.data : "");
	buf_free(&text);
	return rc;
}

static int write_page(const struct cli_command *const *commands, const char *page,
	const struct manual_config *config, struct err *err)
{
	if (!strcmp(page, "profd.conf.5"))
		return write_settings(config->settings, err);
	if (!strcmp(page, "profd.1")) {
		manual_overview(stdout, commands);
		return 0;
	}
	for (const struct cli_command *const *c = commands; *c; c++) {
		char name[PAGE_BYTES];

		page_name(*c, name, sizeof(name));
		if ((*c)->group && !strcmp(name, page)) {
			manual_command_page(stdout, *c, commands);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "there is no page '%.60s'; --pages lists them", page);
}

static int run(const struct cli_command *self, const struct cli_command *const *commands, int argc,
	char **argv)
{
	struct manual_config config = {0};
	struct err err = {0};
	char **words;
	int rc = cli_parse(self, argc, argv, &config, &words, &err);

	if (rc == CLI_HELP) {
		cli_help_command(stdout, self);
		rc = 0;
	} else if (!rc && config.pages)
		list_pages(commands);
	else if (!rc)
		rc = write_page(commands, words[0] ? words[0] : "profd.1", &config, &err);
	if (rc)
		return cli_wrong_usage(self, &err);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_OK;
	say("cannot write the page: %s", strerror(errno));
	return CLI_FAILED;
}

static const struct cli_example examples[] = {
	{"profd manual profd-record.1 | man -l -", "reads a page that is not installed"},
	{NULL, NULL},
};

static const struct cli_option options[] = {
	{0, "pages", NULL, NULL, "list the names of the pages", set_pages},
	{0, "settings", "FILE", NULL, "what profd.conf.5 is made of: systemd/profd.conf",
		set_settings},
	{0, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command manual_command = {
	.name = "manual",
	.summary = "write a manual page, for `make`",
	.usage = "[--settings FILE] [PAGE]\n--pages",
	.examples = examples,
	.takes_words = {0, 1, "[PAGE]"},
	.options = options,
	.trailer = "Exit status: 0; 1 the page could not be written; 2 wrong usage.",
	.run_about = run,
};
