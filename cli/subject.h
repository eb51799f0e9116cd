/* SPDX-License-Identifier: BSD-2-Clause */
/* What is sampled, for people. Never the command line: it may hold secrets. Names are hostile. */
#ifndef PROFD_CLI_SUBJECT_H
#define PROFD_CLI_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

/* The last part of a path. */
const char *subject_base_name(const char *path);

/* The name of a process as its main thread has it, "process" where it may not be known. */
void subject_comm(uint32_t pid, char *comm, size_t bytes);

/* "python3 (4711)", "python3 (4711) and 2 more": `name` is that of the first of `n` processes. */
void subject_of_pids(char *to, size_t bytes, const char *name, const uint32_t *pids, size_t n);

#endif
