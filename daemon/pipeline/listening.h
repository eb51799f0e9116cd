/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the daemon's socket. */
#ifndef PROFD_PIPELINE_LISTENING_H
#define PROFD_PIPELINE_LISTENING_H

#include "base/err.h"

/* A listening socket at `path` that everybody may connect to (who may do what is decided by the
 * credentials of the peer). A socket that nobody listens on any more is replaced, and its folder
 * made where it is missing. -EBUSY: another daemon listens there. */
int listening_open(const char *path, struct err *err);

/* Makes the folder that a file is to lie in, if only its last part is missing. 0 or negative errno.
 */
int folder_make(const char *file_path, unsigned mode);

#endif
