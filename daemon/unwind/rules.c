/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define LOG_ROOM "unwind"
#include "base/log.h"

struct rules {
	struct map *numbers; /* struct profd_rule -> uint16_t */
	struct profd_rule *all;
	uint32_t n, cap;
	struct profd_rule *mirror;
	uint32_t mirror_cap;
	struct profd_rule last; /* neighbours are often equal */
	uint16_t last_number;
	uint32_t allowed; /* so many new ones */
	uint32_t *free;   /* numbers that were taken back, or NULL */
	uint32_t n_free;
	bool full_said;
};

struct rules *rules_new(void)
{
	static const uint8_t reserved[] = {PROFD_CFA_NONE, PROFD_CFA_UNSUPPORTED, PROFD_CFA_END};
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->numbers = map_new(sizeof(struct profd_rule), sizeof(uint16_t));
	r->cap = 256;
	r->all = calloc(r->cap, sizeof(*r->all));
	if (!r->numbers || !r->all) {
		rules_free(r);
		return NULL;
	}
	for (uint16_t i = 0; i < RULE_FIRST; i++) {
		uint16_t *number;

		r->all[i].cfa = reserved[i];
		number = map_put(r->numbers, &r->all[i], NULL);
		if (!number) {
			rules_free(r);
			return NULL;
		}
		*number = i;
	}
	r->n = RULE_FIRST;
	r->allowed = PROFD_MAX_RULES;
	return r;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	map_free(r->numbers);
	free(r->all);
	free(r->free);
	free(r);
}

static bool grow(struct rules *r)
{
	struct profd_rule *all;

	if (r->n < r->cap)
		return true;
	all = realloc(r->all, (size_t)r->cap * 2 * sizeof(*all));
	if (!all)
		return false;
	r->all = all;
	r->cap *= 2;
	return true;
}

static uint16_t add_new(struct rules *r, const struct profd_rule *rule)
{
	uint32_t max = r->mirror ? r->mirror_cap : PROFD_MAX_RULES;
	uint16_t *number;
	uint32_t at;

	if (!r->allowed)
		return RULE_UNSUPPORTED;
	if (!r->n_free && (r->n >= max || !grow(r))) {
		if (!r->full_said)
			log_warn(
				"no room for more than %u unwind rules: some frames will end a stack",
				r->n);
		r->full_said = true;
		return RULE_UNSUPPORTED;
	}
	number = map_put(r->numbers, rule, NULL);
	if (!number)
		return RULE_UNSUPPORTED;
	at = r->n_free ? r->free[--r->n_free] : r->n++;
	r->allowed--;
	*number = (uint16_t)at;
	r->all[at] = *rule;
	if (r->mirror)
		r->mirror[at] = *rule;
	return (uint16_t)at;
}

void rules_allow(struct rules *r, uint32_t n)
{
	r->allowed = n;
	r->last_number = 0; /* it may have been refused */
}

bool rules_are_short(const struct rules *r, uint32_t n)
{
	uint32_t max = r->mirror ? r->mirror_cap : PROFD_MAX_RULES;

	return r->n - r->n_free + n > max;
}

void rules_sweep(struct rules *r, const bool *used)
{
	uint32_t *unused = realloc(r->free, r->n * sizeof(*unused));

	if (!unused)
		return;
	r->free = unused;
	for (uint32_t i = RULE_FIRST; i < r->n; i++) {
		const uint16_t *number = map_get(r->numbers, &r->all[i]);

		if (used[i] || !number || *number != i) /* or it was taken back before */
			continue;
		map_del(r->numbers, &r->all[i]);
		r->free[r->n_free++] = i;
	}
	r->last_number = 0;
}

uint16_t rules_add(struct rules *r, const struct profd_rule *rule)
{
	const uint16_t *number;

	if (r->last_number && memcmp(&r->last, rule, sizeof(*rule)) == 0)
		return r->last_number;
	number = map_get(r->numbers, rule);
	r->last_number = number ? *number : add_new(r, rule);
	r->last = *rule;
	return r->last_number;
}

const struct profd_rule *rules_all(const struct rules *r, uint32_t *n)
{
	*n = r->n;
	return r->all;
}

int rules_mirror(struct rules *r, struct profd_rule *to, uint32_t n)
{
	if (n < r->n)
		return -ENOSPC;
	memcpy(to, r->all, r->n * sizeof(*to));
	r->mirror = to;
	r->mirror_cap = n;
	return 0;
}
