/* SPDX-License-Identifier: BSD-2-Clause */
/* Profile files that were cut or changed: an error or an answer that holds together, never a crash.
 */
#include "test_store_recording.h"

static int process_count(void *arg, const struct store_process *p)
{
	*(size_t *)arg +=
		strlen(p->comm) + strlen(p->user) + strlen(p->container) + strlen(p->python);
	return 0;
}

/* Everything that a reader does; whether it was refused. What it answers holds together. */
static bool is_refused(const void *bytes, size_t len)
{
	struct store_query q = {.slices_max = 7, .root = STORE_ROOT_NUMBERED, .kernel = true};
	struct err err = {0};
	struct store_reader *r = store_reader_open_bytes(bytes, len, "recording", &err);
	struct profile *p = NULL;
	size_t n = 0;
	int rc = r ? store_read(r, &q, &p, &err) : err.code;

	if (!rc)
		rc = store_reader_processes(r, process_count, &n, &err);
	if (rc < 0) {
		assert_true(rc == -EUCLEAN || rc == -ENOTSUP || rc == -E2BIG || rc == -EIO);
		assert_true(strlen(err.text) > 20);
	}
	for (uint32_t i = 1; p && i < p->n_nodes; i++) {
		assert_true(p->nodes[i].parent < i && p->nodes[i].frame < p->n_frames);
		assert_true(p->frames[p->nodes[i].frame].name < p->n_strings);
	}
	profile_free(p);
	store_reader_close(r);
	return rc < 0;
}

static void test_cut_files(void **state)
{
	unsigned refused = 0, tries = 0;
	struct buf bytes;

	(void)state;
	file_make(&bytes, 10, 40, NULL);
	assert_false(is_refused(bytes.data, bytes.len));
	for (size_t len = 1; len < bytes.len; len += len < 200 ? 1 : 509, tries++)
		refused += is_refused(bytes.data, len);
	assert_int_equal(refused, tries); /* no part of it passes for the whole */
	buf_free(&bytes);
}

static void test_flipped_bits(void **state)
{
	unsigned refused = 0, rounds = 2000;
	struct chance c = {15};
	struct buf bytes;
	char *copy;

	(void)state;
	file_make(&bytes, 10, 40, NULL);
	copy = malloc(bytes.len);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned flips = 1 + chance_below(&c, 1 << chance_below(&c, 8));

		memcpy(copy, bytes.data, bytes.len);
		while (flips--)
			copy[chance_below(&c, (uint32_t)bytes.len)] ^=
				(char)(1 << chance_below(&c, 8));
		refused += is_refused(copy, bytes.len);
	}
	assert_in_range(refused, rounds / 4, rounds);
	free(copy);
	buf_free(&bytes);
}

/* The first hundred bytes say how all others are to be read. */
static void test_flipped_bits_of_the_header(void **state)
{
	struct buf bytes;

	(void)state;
	file_make(&bytes, 3, 20, NULL);
	for (size_t at = 0; at < 108; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes.data[at] ^= (char)(1 << bit);
			is_refused(bytes.data, bytes.len);
			bytes.data[at] ^= (char)(1 << bit);
		}
	assert_false(is_refused(bytes.data, bytes.len));
	buf_free(&bytes);
}

static void test_texts_for_readers(void **state)
{
	struct err err = {0};

	(void)state;
	assert_null(store_reader_open_bytes("<svg>this is a picture</svg>", 28, "a.svg", &err));
	assert_int_equal(err.code, -EUCLEAN);
	assert_non_null(strstr(err.text, "a.svg"));
	assert_non_null(strstr(err.text, "not a store of profd"));
	assert_non_null(strstr(err.text, "copy or record it anew"));
	assert_null(store_reader_open_bytes("", 0, "a.profd", &err));
	assert_non_null(strstr(err.text, "is empty"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_files),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_flipped_bits_of_the_header),
		cmocka_unit_test(test_texts_for_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
