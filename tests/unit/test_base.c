/* SPDX-License-Identifier: BSD-2-Clause */
/* buf, map, intern, fd, err of daemon/base: limits, growth, and the map against a naive model. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/intern.h"
#include "base/log.h"
#include "base/map.h"

static uint64_t random_state = 0x243f6a8885a308d3ULL; /* deterministic */

static uint32_t random_u32(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33);
}

/* ---- buf ---------------------------------------------------------------------------------------
 */

static void test_buf_grows(void **state)
{
	struct buf b;
	size_t len = 0;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_null(b.data);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(buf_printf(&b, "%d,", i), 0);
		len += (size_t)snprintf(NULL, 0, "%d,", i);
		assert_int_equal(b.len, len);
		assert_int_equal(b.data[len], '\0');
	}
	assert_memory_equal(b.data, "0,1,2,3,", 8);
	assert_string_equal(b.data + len - 10, "2998,2999,");
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_free(&b);
	assert_null(b.data);
}

static void test_buf_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_puts(&b, "0123456789"), 0); /* the limit itself is allowed */
	assert_int_equal(buf_putc(&b, 'x'), -E2BIG);
	assert_true(buf_failed(&b));
	assert_string_equal(b.data, "0123456789");
	assert_int_equal(buf_puts(&b, ""), -E2BIG); /* it remembers */
	buf_drop(&b, 5);
	assert_int_equal(buf_putc(&b, 'x'), -E2BIG);
	buf_reset(&b);
	assert_int_equal(buf_printf(&b, "%s", "0123456789a"), -E2BIG);
	assert_string_equal(b.data, "");
	buf_reset(&b);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -E2BIG);
	buf_reset(&b);
	assert_int_equal(buf_puts(&b, "ok"), 0);
	assert_string_equal(b.data, "ok");
	buf_free(&b);
	buf_init(&b, 0);
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_int_equal(buf_putc(&b, 'x'), -E2BIG);
	buf_free(&b);
}

static void test_buf_every_size(void **state)
{
	(void)state;
	for (size_t n = 0; n < 600; n++) { /* around every doubling */
		struct buf b;
		char *text = malloc(n + 1);

		memset(text, 'a', n);
		text[n] = '\0';
		buf_init(&b, n);
		assert_int_equal(buf_add(&b, text, n), 0);
		assert_string_equal(b.data, text);
		assert_true(b.cap > n);
		assert_int_equal(buf_add(&b, "", 1), -E2BIG);
		buf_free(&b);
		free(text);
	}
}

static void test_buf_u64(void **state)
{
	uint64_t values[] = {0, 1, 9, 10, 99, 100, 12345678901234567890ULL, UINT64_MAX};
	struct buf b;
	char wanted[32];

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		buf_reset(&b);
		assert_int_equal(buf_u64(&b, values[i]), 0);
		snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)values[i]);
		assert_string_equal(b.data, wanted);
	}
	buf_free(&b);
}

static void test_buf_drop(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_drop(&b, 3); /* of nothing */
	buf_puts(&b, "abcdef");
	buf_drop(&b, 0);
	assert_string_equal(b.data, "abcdef");
	buf_drop(&b, 2);
	assert_string_equal(b.data, "cdef");
	assert_int_equal(b.len, 4);
	buf_drop(&b, 100);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
	buf_add(&b, "a\0b", 3); /* NUL is a byte like others */
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_free(&b);
}

/* ---- map ---------------------------------------------------------------------------------------
 */

/* A model that cannot be wrong: one slot for each possible key. */
enum { MODEL_KEYS = 512 };

struct model {
	bool present[MODEL_KEYS];
	uint64_t value[MODEL_KEYS];
	size_t count;
};

static void check_model(const struct map *m, const struct model *model, const uint32_t *keys)
{
	size_t at = 0, seen = 0;
	const void *key;
	void *value;

	assert_int_equal(map_count(m), model->count);
	for (size_t i = 0; i < MODEL_KEYS; i++) {
		uint64_t *v = map_get(m, &keys[i]);

		assert_int_equal(v != NULL, model->present[i]);
		if (v)
			assert_int_equal(*v, model->value[i]);
	}
	while (map_next(m, &at, &key, &value))
		seen++;
	assert_int_equal(seen, model->count);
}

static void run_model(const uint32_t *keys, size_t steps, uint32_t put_percent)
{
	struct map *m = map_new(sizeof(uint32_t), sizeof(uint64_t));
	struct model model = {0};

	assert_non_null(m);
	for (size_t step = 0; step < steps; step++) {
		size_t i = random_u32() % MODEL_KEYS;

		if (random_u32() % 100 < put_percent) {
			bool fresh = model.present[i];
			uint64_t *v = map_put(m, &keys[i], &fresh);

			assert_non_null(v);
			assert_int_equal(fresh, !model.present[i]);
			if (fresh)
				assert_int_equal(*v, 0);
			*v = model.value[i] = step + 1;
			model.count += fresh;
			model.present[i] = true;
		} else {
			assert_int_equal(map_del(m, &keys[i]), model.present[i]);
			model.count -= model.present[i];
			model.present[i] = false;
		}
		if (step % 64 == 0)
			check_model(m, &model, keys);
	}
	check_model(m, &model, keys);
	map_free(m);
}

static void test_map_model(void **state)
{
	uint32_t keys[MODEL_KEYS];

	(void)state;
	for (uint32_t i = 0; i < MODEL_KEYS; i++)
		keys[i] = i;
	run_model(keys, 20000, 50);
	run_model(keys, 20000, 70);
	run_model(keys, 20000, 30);
}

/* Keys that all want one of two neighbouring slots, also at the end of the table, so that runs are
 * long, overlap and wrap around: what backward-shift deletion can get wrong. The low bits of the
 * hash choose the slot. */
static void test_map_colliding_runs(void **state)
{
	static const uint32_t homes[] = {0, 7, 1023};
	uint32_t keys[MODEL_KEYS];

	(void)state;
	for (size_t h = 0; h < sizeof(homes) / sizeof(*homes); h++) {
		uint32_t candidate = 0;

		for (size_t i = 0; i < MODEL_KEYS; candidate++) {
			uint32_t home = (uint32_t)hash_bytes(&candidate, sizeof(candidate)) & 1023;

			if (home == homes[h] || home == ((homes[h] + 1) & 1023))
				keys[i++] = candidate;
		}
		run_model(keys, 4000, 50);
		run_model(keys, 4000, 80);
	}
}

static void test_map_shapes(void **state)
{
	(void)state;
	for (size_t key_bytes = 1; key_bytes <= 40; key_bytes += 3) {
		for (size_t value_bytes = 0; value_bytes <= 24; value_bytes += 8) {
			struct map *m = map_new(key_bytes, value_bytes);
			uint8_t key[40] = {0};

			for (int i = 0; i < 200; i++) {
				void *v;

				key[0] = (uint8_t)i;
				key[key_bytes - 1] = (uint8_t)i;
				v = map_put(m, key, NULL);
				assert_non_null(v);
				assert_int_equal((uintptr_t)v % 8, 0);
				memset(v, i, value_bytes);
			}
			for (int i = 0; i < 200; i++) {
				uint8_t *v;

				key[0] = (uint8_t)i;
				key[key_bytes - 1] = (uint8_t)i;
				v = map_get(m, key);
				assert_non_null(v);
				for (size_t at = 0; at < value_bytes; at++)
					assert_int_equal(v[at], (uint8_t)i);
			}
			assert_int_equal(map_count(m), 200);
			map_free(m);
		}
	}
	map_free(NULL);
}

/* Reserved room changes nothing but when memory is taken: pointers hold while it lasts. */
static void test_map_reserved(void **state)
{
	struct map *m = map_new(sizeof(uint32_t), sizeof(uint64_t));
	uint32_t key = 7;
	uint64_t *first;

	(void)state;
	assert_non_null(m);
	first = map_put(m, &key, NULL);
	*first = 70;
	assert_int_equal(map_reserve(m, 0), 0);
	assert_ptr_equal(map_get(m, &key), first);
	assert_int_equal(map_reserve(m, 3000), 0);
	first = map_get(m, &key);
	assert_int_equal(*first, 70);
	for (uint32_t i = 1000; i < 3999; i++)
		*(uint64_t *)map_put(m, &i, NULL) = i;
	assert_int_equal(map_count(m), 3000);
	assert_ptr_equal(map_get(m, &key), first);
	assert_int_equal(map_reserve(m, 10), 0); /* never shrinks */
	for (uint32_t i = 1000; i < 3999; i++)
		assert_int_equal(*(uint64_t *)map_get(m, &i), i);
	map_free(m);
}

static void test_map_large(void **state)
{
	struct map *m = map_new(sizeof(uint64_t), sizeof(uint64_t));
	uint64_t key;

	(void)state;
	for (key = 0; key < 200000; key++) {
		uint64_t aligned = key << 12; /* addresses of pages */

		*(uint64_t *)map_put(m, &aligned, NULL) = key;
	}
	for (key = 0; key < 200000; key += 2) {
		uint64_t aligned = key << 12;

		assert_true(map_del(m, &aligned));
		assert_false(map_del(m, &aligned));
	}
	assert_int_equal(map_count(m), 100000);
	for (key = 0; key < 200000; key++) {
		uint64_t aligned = key << 12, *v = map_get(m, &aligned);

		if (key & 1)
			assert_int_equal(*v, key);
		else
			assert_null(v);
	}
	map_free(m);
}

static void test_hash_lengths(void **state)
{
	uint8_t zeros[64] = {0};
	uint64_t seen[65];

	(void)state;
	for (size_t n = 0; n <= 64; n++) { /* equal bytes of other lengths are other keys */
		seen[n] = hash_bytes(zeros, n);
		assert_int_equal(seen[n], hash_bytes(zeros, n));
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(seen[i], seen[n]);
	}
}

/* ---- intern ------------------------------------------------------------------------------------
 */

static void test_intern(void **state)
{
	struct intern *in = intern_new();
	const char *first;
	char text[32];

	(void)state;
	assert_non_null(in);
	assert_int_equal(intern_count(in), 1);
	assert_int_equal(intern(in, ""), 0);
	assert_int_equal(intern_bytes(in, "\0abc", 4), 0);
	assert_int_equal(intern(in, "a"), 1);
	first = intern_text(in, 1);
	assert_int_equal(intern_bytes(in, "abc", 1), 1);
	assert_int_equal(intern_bytes(in, "a\0c", 3), 1);
	assert_int_equal(intern(in, "abc"), 2);
	assert_int_equal(intern(in, "ab"), 3); /* neither prefix nor continuation is taken for it */
	for (uint32_t i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "name %u", i);
		assert_int_equal(intern(in, text), i + 4);
	}
	for (uint32_t i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "name %u", i);
		assert_int_equal(intern(in, text), i + 4);
		assert_string_equal(intern_text(in, i + 4), text);
	}
	assert_ptr_equal(intern_text(in, 1), first); /* pointers stay while it grows */
	assert_int_equal(intern_count(in), 50004);
	assert_string_equal(intern_text(in, 50004), "");
	assert_string_equal(intern_text(in, UINT32_MAX), "");
	intern_free(in);
	intern_free(NULL);
}

/* ---- fd ----------------------------------------------------------------------------------------
 */

static int file_of(size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(write(fd, &"0123456789"[i % 10], 1), 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void test_fd_read_all(void **state)
{
	size_t sizes[] = {0, 1, 16383, 16384, 16385, 40000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		FD_CLOSE int fd = file_of(sizes[i]);
		struct buf b;

		buf_init(&b, sizes[i]); /* just enough */
		assert_int_equal(fd_read_all(fd, &b), 0);
		assert_int_equal(b.len, sizes[i]);
		if (b.data)
			assert_int_equal(b.data[b.len], '\0');
		buf_free(&b);
		if (!sizes[i])
			continue;
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		buf_init(&b, sizes[i] - 1);
		assert_int_equal(fd_read_all(fd, &b), -E2BIG);
		assert_true(b.len <= sizes[i] - 1);
		buf_free(&b);
	}
}

static void test_file_read(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	buf_puts(&b, "before:");
	assert_int_equal(file_read("/proc/self/comm", &b), 0); /* says its size is 0 */
	assert_memory_equal(b.data, "before:test_base", 16);
	assert_int_equal(file_read("/proc/self/nothing", &b), -ENOENT);
	assert_int_equal(file_read("/", &b), -EISDIR);
	buf_free(&b);
}

struct slow_reader {
	int fd;
	size_t total;
};

static void *read_slowly(void *arg)
{
	struct slow_reader *r = arg;
	char bytes[5000];
	ssize_t n;

	while ((n = read(r->fd, bytes, sizeof(bytes))) > 0)
		r->total += (size_t)n;
	return NULL;
}

static void test_fd_write_all(void **state)
{
	static char bytes[1 << 20];
	struct slow_reader reader = {0};
	pthread_t thread;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reader.fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
	assert_int_equal(fd_write_all(ends[1], bytes, sizeof(bytes)), 0);
	assert_int_equal(fd_write_all(ends[1], NULL, 0), 0);
	fd_close(&ends[1]);
	assert_int_equal(ends[1], -1);
	pthread_join(thread, NULL);
	assert_int_equal(reader.total, sizeof(bytes));
	fd_close(&ends[0]);
	assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
	if (access("/dev/full", W_OK) == 0) {
		FD_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

		assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
	}
}

static void test_fd_close(void **state)
{
	int fd = -1, seen;

	(void)state;
	fd_close(&fd);
	{
		FD_CLOSE int scoped = file_of(0);

		seen = scoped;
	}
	assert_int_equal(fcntl(seen, F_GETFD), -1);
	fd = 1 << 20; /* not open: close fails, errno stays what it was */
	errno = ENOTTY;
	fd_close(&fd);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(fd, -1);
}

/* ---- err, log, clock ---------------------------------------------------------------------------
 */

static void test_err(void **state)
{
	struct err err = {0};
	char longer[1000];

	(void)state;
	assert_int_equal(err_set(&err, -EPERM, "cannot open %s", "x"), -EPERM);
	assert_int_equal(err.code, -EPERM);
	assert_string_equal(err.text, "cannot open x");
	assert_int_equal(err_prefix(&err, "pid %d", 7), -EPERM);
	assert_string_equal(err.text, "pid 7: cannot open x");
	assert_int_equal(err_set(NULL, -EIO, "nobody listens"), -EIO);
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, -EIO, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_prefix(&err, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_log_is_harmless(void **state)
{
	FD_CLOSE int into = memfd_create("log", MFD_CLOEXEC);
	enum log_level level = log_get_level();
	int saved = dup(STDERR_FILENO);
	char longer[3000], text[4096] = "";
	ssize_t n;

	(void)state;
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	dup2(into, STDERR_FILENO);
	log_set_level(LOG_LEVEL_WARN);
	log_message(LOG_LEVEL_INFO, "base", "too chatty");
	log_message(LOG_LEVEL_WARN, "base", "name \"%s\"", "a\nb\x1b[31m\x7f");
	log_message(LOG_LEVEL_WARN, "base", "%s", longer);
	log_set_level(level);
	dup2(saved, STDERR_FILENO);
	fd_close(&saved);
	n = pread(into, text, sizeof(text) - 1, 0);
	assert_true(n > 1000 && n < 1200);
	assert_memory_equal(text, "profd: base: name \"a?b?[31m?\"\nprofd: base: zzz", 46);
	assert_int_equal(text[n - 1], '\n');
}

static void test_clock(void **state)
{
	struct timespec t;
	uint64_t before = clock_now_ns();

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &t);
	assert_true(before <= (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec);
	assert_true((uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec <= clock_now_ns());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows),
		cmocka_unit_test(test_buf_limit),
		cmocka_unit_test(test_buf_every_size),
		cmocka_unit_test(test_buf_u64),
		cmocka_unit_test(test_buf_drop),
		cmocka_unit_test(test_map_model),
		cmocka_unit_test(test_map_colliding_runs),
		cmocka_unit_test(test_map_shapes),
		cmocka_unit_test(test_map_reserved),
		cmocka_unit_test(test_map_large),
		cmocka_unit_test(test_hash_lengths),
		cmocka_unit_test(test_intern),
		cmocka_unit_test(test_fd_read_all),
		cmocka_unit_test(test_file_read),
		cmocka_unit_test(test_fd_write_all),
		cmocka_unit_test(test_fd_close),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_log_is_harmless),
		cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
