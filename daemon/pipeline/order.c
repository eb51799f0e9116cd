/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "base/fd.h"

enum { ORDER_MAX = 2 << 20 };

static json_t *order_head(const struct order *order)
{
	const struct viewer *v = &order->viewer;

	return json_pack("{s:b, s:I, s:b, s:I, s:I, s:s}", "all", v->all, "uid", (json_int_t)v->uid,
		"same", v->same_pid_namespace, "namespace", (json_int_t)v->pid_namespace, "level",
		(json_int_t)v->pid_level, "store", order->store);
}

int order_write(const struct order *order, struct err *err)
{
	json_t *head = order_head(order);
	char *line = head ? json_dumps(head, JSON_COMPACT) : NULL;
	int fd = memfd_create("profd-order", MFD_CLOEXEC), rc = fd < 0 ? -errno : 0;

	json_decref(head);
	if (!line)
		rc = -ENOMEM;
	if (!rc)
		rc = fd_write_all(fd, line, strlen(line));
	if (!rc)
		rc = fd_write_all(fd, "\n", 1);
	if (!rc)
		rc = fd_write_all(fd, order->unread.data, order->unread.len);
	free(line);
	if (!rc && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	fd_close(&fd);
	return err_set(err, rc ? rc : -EIO, "cannot hand the request to a worker: %s",
		strerror(rc ? -rc : EIO));
}

static int head_read(struct order *order, const char *line)
{
	json_t *head = json_loads(line, 0, NULL);
	struct viewer *v = &order->viewer;
	json_int_t uid, namespace, level;
	const char *store;
	int all, same, rc = -EBADMSG;

	if (head &&
		!json_unpack(head, "{s:b, s:I, s:b, s:I, s:I, s:s}", "all", &all, "uid", &uid,
			"same", &same, "namespace", &namespace, "level", &level, "store", &store)) {
		*v = (struct viewer){.all = all,
			.uid = (uint32_t)uid,
			.same_pid_namespace = same,
			.pid_namespace = (uint64_t) namespace,
			.pid_level = (unsigned)level};
		snprintf(order->store, sizeof(order->store), "%s", store);
		rc = 0;
	}
	json_decref(head);
	return rc;
}

int order_read(struct order *order, int fd, struct err *err)
{
	char *end;
	int rc;

	*order = (struct order){0};
	buf_init(&order->unread, ORDER_MAX);
	rc = fd_read_all(fd, &order->unread);
	end = rc ? NULL : memchr(order->unread.data, '\n', order->unread.len);
	if (!rc)
		rc = -EBADMSG;
	if (end) {
		*end = '\0';
		rc = head_read(order, order->unread.data);
		buf_drop(&order->unread, (size_t)(end - order->unread.data) + 1);
	}
	return rc < 0 ? err_set(err, rc, "the daemon's order cannot be read") : 0;
}
