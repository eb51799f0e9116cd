/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of `meta` that say what a profile file is about. Inner to store/. */
#ifndef PROFD_STORE_FILE_H
#define PROFD_STORE_FILE_H

#include "store/store.h"

/* Takes in one row; what it does not know it leaves out. */
void about_take(struct store_about *about, const char *name, const char *value);

#endif
