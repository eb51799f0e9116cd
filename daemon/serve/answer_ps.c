/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer to `ps`: a host has more processes than a line has room for. */
#include <errno.h>

#include "serve/pack.h"

/* All pages together, so that one answer never takes the whole of what may wait for a client. */
enum { ALL_PAGES_BYTES = SERVE_QUEUE_MAX / 4 * 3 };

static json_t *pack_process(const struct serve_process *p)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pid",
		json_integer(p->pid), "uid", json_integer(p->uid), "user", pack_text(p->user),
		"comm", pack_text(p->comm), "exe", pack_text(p->exe), "container",
		pack_text(p->container), "python", pack_text(p->python), "started_unix_s",
		pack_above_zero(p->started_unix_s), "threads", json_integer(p->threads), "cpus",
		pack_known(p->cpu), "samples", pack_count(p->samples));
}

/* As many processes as fit, from `list[0]` on; `*taken` is how many. */
static json_t *pack_page(
	const struct serve_process *list, size_t n, size_t *all_left_bytes, size_t *taken)
{
	size_t room = PACK_LIST_BYTES < *all_left_bytes ? PACK_LIST_BYTES : *all_left_bytes,
	       left = room;
	json_t *page = json_array();
	int rc = 1;

	*taken = 0;
	while (rc == 1 && *taken < n) {
		rc = pack_append(page, pack_process(&list[*taken]), &left);
		*taken += rc == 1;
	}
	*all_left_bytes -= room - left;
	if (rc >= 0)
		return page;
	json_decref(page);
	return NULL;
}

int serve_send_ps(struct channel *ch, uint64_t id, double window_s,
	const struct serve_process *list, size_t n)
{
	size_t all_left = ALL_PAGES_BYTES, taken, left_out;
	bool more;

	do {
		json_t *page = pack_page(list, n, &all_left, &taken);
		int rc;

		list += taken;
		n -= taken;
		more = n > 0 && taken > 0;
		left_out = more ? 0 : n;
		rc = channel_queue(ch,
			json_pack("{s:o, s:{s:o, s:o, s:b, s:o}}", "id", pack_count(id), "ps",
				"window_s", pack_above_zero(window_s), "processes", page, "more",
				more, "left_out", pack_count(left_out)),
			NULL);
		if (rc < 0)
			return rc;
	} while (more);
	return 0;
}
