/* SPDX-License-Identifier: BSD-2-Clause */
/* Unwind rules, each kept once for all images: files have many rows but few distinct rules. */
#ifndef PROFD_UNWIND_RULES_H
#define PROFD_UNWIND_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"

/* Numbers that every set of rules begins with. */
enum rule_number { RULE_NONE, RULE_UNSUPPORTED, RULE_END, RULE_FIRST };

struct rules;

struct rules *rules_new(void); /* NULL: out of memory */
void rules_free(struct rules *r);

/* At most so many new ones from now on: before each file, since a hostile one could use all numbers
 * up. The richest of ordinary files have a thousand (libLLVM-14, node). */
void rules_allow(struct rules *r, uint32_t n);

/* The number of the rule, added where it is new. RULE_UNSUPPORTED where there is no room for it. */
uint16_t rules_add(struct rules *r, const struct profd_rule *rule);

/* Whether so many new ones may find no room any more. */
bool rules_are_short(const struct rules *r, uint32_t n);

/* Takes back the numbers for which `used` [PROFD_MAX_RULES] is false. Nothing may hold them. */
void rules_sweep(struct rules *r, const bool *used);

const struct profd_rule *rules_all(const struct rules *r, uint32_t *n);

/* From now on every rule also stands at its number in `to` [n]. -ENOSPC: too small. */
int rules_mirror(struct rules *r, struct profd_rule *to, uint32_t n);

#endif
