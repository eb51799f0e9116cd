/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside pipeline/: the answer to `profd doctor`. */
#ifndef PROFD_PIPELINE_DOCTOR_H
#define PROFD_PIPELINE_DOCTOR_H

#include <stdint.h>

#include "serve/serve.h"

/* Tries out what sampling needs as this process (collect_probe) and sends what it found; the client
 * adds what it sees of the daemon and the store. Takes some 100 ms, in which nothing else is
 * served. 0 or negative errno as serve_send_doctor. */
int doctor_answer(struct channel *ch, uint64_t id);

#endif
