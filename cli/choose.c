/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/choose.h"

#include <errno.h>
#include <string.h>

#include "cli/private.h"
#include "cli/signals.h"
#include "cli/terminal.h"

/* `why` not the daemon. */
static int go_private(struct peer *p, const struct choice *c, const struct signals *signals,
	const char *why, struct err *err)
{
	if (c->verbose)
		say("sampling with a private engine: %s", why);
	return private_start(p, signals, err);
}

int choose_peer(
	struct peer *p, const struct choice *c, const struct signals *signals, struct err *err)
{
	struct err why = {0};
	bool named;
	const char *path = connect_path(c->socket, &named);
	int rc;

	if (!strcmp(path, CONNECT_NONE))
		return go_private(p, c, signals, "it was asked for", err);
	rc = connect_daemon(p, path, signals->fd, &why);
	if (rc == -EINTR)
		return rc;
	if (!rc) {
		if (c->verbose)
			say("sampling with the daemon at %s", path);
		return 0;
	}
	if (rc == -ENOENT && !named)
		return go_private(p, c, signals, "no daemon is there", err);
	if (!private_is_able())
		return err_set(err, rc, "%s", why.text);
	/* Somebody who has a daemon wants to know that it was not used. */
	say("%s", why.text);
	say("sampling with a private engine instead");
	return private_start(p, signals, err);
}

int choose_again(
	struct peer *p, const struct choice *c, const struct signals *signals, struct err *why)
{
	char text[sizeof(why->text)];

	if (p->engine || (why->code != -EPERM && why->code != -EACCES && why->code != -EPIPE) ||
		!private_is_able())
		return why->code;
	peer_close(p, 0);
	memcpy(text, why->text, sizeof(text));
	return go_private(p, c, signals, text, why);
}
