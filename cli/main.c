/* SPDX-License-Identifier: BSD-2-Clause */
#include <locale.h>

#include "cli/command.h"

static const struct cli_command *const commands[] = {
	&record_command,
	&top_command,
	&report_command,
	&diff_command,
	&ps_command,
	&status_command,
	&daemon_command,
	&pause_command,
	&resume_command,
	&doctor_command,
	&completion_command,
	&manual_command,
	&engine_command,
	NULL,
};

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, ""); /* how wide names are, and whether the terminal takes UTF-8 */
	return cli_run(commands, argc, argv);
}
