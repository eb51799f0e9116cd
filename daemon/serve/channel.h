/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only. */
#ifndef PROFD_SERVE_CHANNEL_H
#define PROFD_SERVE_CHANNEL_H

#include "serve/serve.h"

/* Whether the peer has said hello in a protocol that we speak; serve_next() keeps it. */
bool *channel_greeted(struct channel *ch);

json_t *serve_encode_error(uint64_t id, const struct err *error); /* id 0: of no request */

#endif
