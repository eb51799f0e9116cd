/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: what the daemon tells a worker, a process of its own that serves one request of
 * one client. The order lies in an anonymous file: a line of JSON about the client, then the bytes
 * that were read from the client and are not answered yet, the request first. */
#ifndef PROFD_PIPELINE_ORDER_H
#define PROFD_PIPELINE_ORDER_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "process/process.h"

struct order {
	struct viewer viewer;
	char store[4096]; /* path of the daemon's store */
	struct buf unread;
};

/* The descriptor of a sealed file, or negative errno. */
int order_write(const struct order *order, struct err *err);

/* Fills `order`, whose `unread` is to be freed by buf_free, also after an error. */
int order_read(struct order *order, int fd, struct err *err);

#endif
