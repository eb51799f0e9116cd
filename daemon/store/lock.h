/* SPDX-License-Identifier: BSD-2-Clause */
/* One writer per store: a lock on the file PATH.lock beside it, which ends with the process. Inner
 * to store/. */
#ifndef PROFD_STORE_LOCK_H
#define PROFD_STORE_LOCK_H

#include "base/err.h"

/* The descriptor that holds the lock; closing it lets go. A child that is forked and does not exec
 * would hold it, too. -EBUSY names the holder; other errors as open(2). */
int lock_take(const char *path, struct err *err);

#endif
