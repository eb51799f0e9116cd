/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings stored once: equal bytes give equal numbers. Number 0 is always the empty string. */
#ifndef PROFD_BASE_INTERN_H
#define PROFD_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern;

struct intern *intern_new(void); /* NULL: out of memory */
void intern_free(struct intern *in);

/* The number of the string, added where it is new. 0 (the empty string) also when memory is out. */
uint32_t intern(struct intern *in, const char *s);
uint32_t intern_bytes(struct intern *in, const char *s, size_t len); /* cut at the first NUL */

/* NUL-terminated; holds as long as `in`. An unknown number gives "". */
const char *intern_text(const struct intern *in, uint32_t number);
uint32_t intern_count(const struct intern *in);

#endif
