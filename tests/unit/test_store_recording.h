/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of profile files: one of a recording by chance. */
#ifndef PROFD_TEST_STORE_RECORDING_H
#define PROFD_TEST_STORE_RECORDING_H

#include "test_store_files.h"

#include "base/buf.h"

static const struct store_about about = {.is_recording = true,
	.title = "python3 (4711), \xff;<b>",
	.version = "9.8.7",
	.source = "ebpf",
	.root = STORE_ROOT_THREAD_ONLY};

/* A recording of `n` windows of a second. */
static inline void file_make(struct buf *bytes, unsigned n, unsigned samples, struct model *m)
{
	struct store *s = store_must(":memory:");
	struct chance c = {11};
	struct err err = {0};

	for (unsigned i = 0; i < n; i++) {
		struct window *w = window_any(&c, DAY_ONE + i * NS_PER_S, NS_PER_S / 99, samples);

		w->duration_ns = NS_PER_S;
		write_must(s, w);
		if (m)
			model_window(m, w);
		window_free(w);
	}
	assert_int_equal(store_describe(s, &about, &err), 0);
	buf_init(bytes, 64 << 20);
	if (store_serialize(s, bytes, &err) < 0)
		fail_msg("%s", err.text);
	store_close(s);
}

static inline struct store_reader *open_must(const struct buf *bytes)
{
	struct err err = {0};
	struct store_reader *r =
		store_reader_open_bytes(bytes->data, bytes->len, "recording", &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

#endif
