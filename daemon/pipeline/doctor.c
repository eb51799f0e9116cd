/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/doctor.h"

#include "collect/collect.h"

static const char *const result_names[] = {
	[CHECK_OK] = "ok", [CHECK_WARNING] = "warning", [CHECK_FAILED] = "failed"};

int doctor_answer(struct channel *ch, uint64_t id)
{
	struct collect_check found[COLLECT_CHECKS_MAX];
	struct serve_check list[COLLECT_CHECKS_MAX];
	size_t n = collect_probe(found, COLLECT_CHECKS_MAX);

	for (size_t i = 0; i < n; i++)
		list[i] = (struct serve_check){.name = found[i].name,
			.result = result_names[found[i].result],
			.found = found[i].found,
			.fix = *found[i].fix ? found[i].fix : NULL};
	return serve_send_doctor(ch, id, list, n);
}
