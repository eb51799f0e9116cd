/* SPDX-License-Identifier: BSD-2-Clause */
/* Versions of the tables. Inner to store/. */
#ifndef PROFD_STORE_SCHEMA_H
#define PROFD_STORE_SCHEMA_H

#include "base/err.h"

struct db;

/* Whose file it is, in its header: "prfd". */
#define SCHEMA_APPLICATION_ID 0x70726664

/* Makes the tables in an empty file, or brings older ones to the present version in one
 * transaction. The errors of store_open. */
int schema_prepare(struct db *db, struct err *err);

/* Checks that it is a store of a version that can be read, and tells which. -ENODATA: an empty
 * file. */
int schema_check(struct db *db, int *version, struct err *err);

#endif
