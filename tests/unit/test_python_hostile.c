/* SPDX-License-Identifier: BSD-2-Clause */
/* Targets that lie, and interpreters that are not supported: nothing crashes, nothing runs for
 * ever, and what cannot be done is said. All randomness is seeded. */
#include "base/map.h"
#include "python/code.h"
#include "python/image.h"
#include "python/lines.h"
#include "python/text.h"
#include "test_python_target.h"

static uint64_t seed;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* ---- the walker over memory that makes no sense
 * --------------------------------------------------- */

enum { POOL = 0x10000, POOL_BYTES = 4096, FSBASE = 0x7f00, CODE_TYPE = 0x8000, AT = 3000 };
enum { END = AT + PROFD_MAX_PYTHON_FRAMES * PROFD_PYTHON_WORDS };

/* How likely each kind of word is, in 1/256; the rest are random bits. */
struct mixture {
	unsigned unreadable, pointer, self, type, zero, small;
};

struct world {
	struct mixture mix;
	uint64_t salt;
	uint64_t reads;
	bool stable; /* an address holds the same at every read */
};

static uint64_t world_word(const struct world *w)
{
	uint64_t r = random64();
	unsigned pick = r & 255;

	if (pick < w->mix.pointer)
		return POOL + (r >> 8) % POOL_BYTES / 8 * 8;
	pick -= w->mix.pointer;
	if (pick < w->mix.self)
		return FSBASE;
	pick -= w->mix.self;
	if (pick < w->mix.type)
		return CODE_TYPE;
	pick -= w->mix.type;
	if (pick < w->mix.zero)
		return 0;
	pick -= w->mix.zero;
	return pick < w->mix.small ? (r >> 8) % 4096 : r;
}

static long read_world(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	struct world *w = arg;

	w->reads++;
	assert_true(bytes <= PROFD_PYTHON_WINDOW_BYTES);
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t word, keep = seed;

		if (w->stable)
			seed = (((address + i) / 8 ^ w->salt) * 0x9e3779b97f4a7c15ULL) | 1;
		random64();
		if (random64() % 256 < w->mix.unreadable)
			return -1;
		word = world_word(w);
		if (w->stable)
			seed = keep;
		memcpy((char *)to + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
	return 0;
}

static void check_record(const struct profd_scratch *s, const uint64_t *before)
{
	assert_true(s->record.n_python <= PROFD_MAX_PYTHON_FRAMES);
	assert_in_range(s->record.python_end, WALK_COMPLETE, WALK_ENDS - 1);
	/* Nothing is written beside the room for frames. */
	assert_memory_equal(s->words, before, AT * 8);
	assert_memory_equal(&s->words[END], &before[END], (PROFD_SCRATCH_WORDS - END) * 8);
}

static void walk_world(struct world *w, const struct profd_python *py,
	struct profd_python_thread *cache, struct profd_scratch *s, unsigned ends[WALK_ENDS])
{
	static uint64_t before[PROFD_SCRATCH_WORDS];
	struct profd_host host = {.read_user = read_world, .arg = w, .python_thread = cache};

	memset(s->words, 0xa5, sizeof(s->words));
	memcpy(before, s->words, sizeof(before));
	w->reads = 0;
	profd_host = &host;
	python_walk(s, AT, py, FSBASE);
	profd_host = NULL;
	check_record(s, before);
	ends[s->record.python_end]++;
	/* Three reads a step, two of a search, and a handful. */
	assert_true(w->reads < 3 * PYTHON_MAX_STEPS + 4 * PYTHON_MAX_STATES + 16);
}

static void test_walk_nonsense(void **state)
{
	static struct profd_scratch s;
	static const struct mixture mixtures[] = {{4, 100, 20, 20, 10, 50}, {0, 200, 20, 20, 2, 10},
		{0, 128, 64, 60, 0, 4}, {1, 60, 60, 60, 20, 50}, {0, 0, 0, 0, 0, 0},
		{0, 253, 1, 1, 0, 0}, {128, 100, 10, 10, 0, 8}};
	unsigned ends[WALK_ENDS] = {0};
	struct profd_python_thread cache = {0};

	(void)state;
	seed = 0x1234567;
	for (unsigned i = 0; i < 6000; i++) {
		struct profd_python py = layout_known(3, 11 + i % 2)->walk;
		struct world w = {.mix = mixtures[i % 7], .stable = i & 8, .salt = i};

		py.interpreters_head = POOL;
		py.code_type = i & 16 ? CODE_TYPE : 0;
		if (i & 32) { /* as 3.13 and later */
			py.cframe_frame = PROFD_PYTHON_NONE;
			py.frame_shim_owner = 3;
			py.code_mask = ~7ULL;
		}
		s.record.time_ns = 1 + i * 30000000ULL;
		walk_world(&w, &py, i & 64 ? &cache : NULL, &s, ends);
	}
	for (int i = 0; i < WALK_ENDS; i++)
		if (ends[i])
			print_message("%s: %u\n", walk_end_name((enum walk_end)i), ends[i]);
	assert_true(ends[WALK_BAD_FRAME] && ends[WALK_UNREADABLE] && ends[WALK_NO_THREAD]);
}

/* ---- frames in a ring, and far too many threads
 * --------------------------------------------------- */

struct ring {
	const struct profd_python *py;
	unsigned n; /* frames */
	bool shims;
	uint64_t reads;
};

enum { INTERP = 0x100000, STATE = 0x200000, FRAME = 0x400000, CODE = 0x800000, STEP = 0x100 };

static void put(char *to, uint64_t base, uint32_t bytes, uint64_t address, uint64_t value)
{
	if (address >= base && address + 8 <= base + bytes)
		memcpy(to + (address - base), &value, 8);
}

static long read_ring(void *arg, void *to, uint32_t bytes, uint64_t address)
{
	struct ring *r = arg;
	const struct profd_python *py = r->py;
	uint64_t frame = address & ~(uint64_t)(STEP - 1), next = frame + STEP;

	r->reads++;
	memset(to, 0, bytes);
	put(to, address, bytes, 0x50, INTERP);
	put(to, address, bytes, INTERP + py->interp_threads, STATE);
	if (address >= STATE && address < FRAME) {
		uint64_t at = address & ~0xfffULL;

		put(to, address, bytes, at + py->tstate_next, at + 0x1000);
		put(to, address, bytes, at + py->tstate_thread_id, r->n ? FSBASE : 1);
		put(to, address, bytes, at + py->tstate_frame, FRAME);
	}
	if (address >= FRAME && address < CODE) {
		put(to, address, bytes, frame + py->frame_code, CODE);
		put(to, address, bytes, frame + py->frame_previous,
			next >= FRAME + (uint64_t)r->n * STEP ? FRAME : next);
		put(to, address, bytes, frame + py->frame_instr, CODE + py->code_bytecode + 4);
		if (r->shims)
			put(to, address, bytes, frame + (py->frame_owner & ~7U),
				3ULL << (py->frame_owner & 7) * 8);
	}
	put(to, address, bytes, CODE + 8, CODE_TYPE);
	put(to, address, bytes, CODE + 16, 100);
	return 0;
}

static void test_walk_rings(void **state)
{
	static const struct {
		unsigned n;
		bool shims;
		enum walk_end end;
		size_t frames;
	} rows[] = {
		{1, false, WALK_STUCK, 0}, {2, false, WALK_TRUNCATED, PROFD_MAX_PYTHON_FRAMES},
		{3, false, WALK_TRUNCATED, PROFD_MAX_PYTHON_FRAMES}, {2, true, WALK_STUCK, 0},
		{0, false, WALK_NO_THREAD, 0}, /* thread states without end, none of them ours */
	};
	static struct profd_scratch s;
	struct profd_python py = layout_known(3, 12)->walk;

	(void)state;
	py.cframe_frame = PROFD_PYTHON_NONE;
	py.interpreters_head = 0x50;
	py.code_type = CODE_TYPE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct ring r = {.py = &py, .n = rows[i].n, .shims = rows[i].shims};
		struct profd_host host = {.read_user = read_ring, .arg = &r};

		s.record.time_ns = 1;
		profd_host = &host;
		python_walk(&s, 0, &py, FSBASE);
		profd_host = NULL;
		assert_int_equal(s.record.python_end, rows[i].end);
		assert_int_equal(s.record.n_python, rows[i].frames);
		assert_true(r.reads < 4 * PYTHON_MAX_STATES + 3 * PYTHON_MAX_STEPS);
	}
}

/* No room for all frames in the record. */
static void test_walk_no_room(void **state)
{
	static struct profd_scratch s;
	struct profd_python py = layout_known(3, 12)->walk;
	struct ring r = {.py = &py, .n = 3};
	struct profd_host host = {.read_user = read_ring, .arg = &r};

	(void)state;
	py.cframe_frame = PROFD_PYTHON_NONE;
	py.interpreters_head = 0x50;
	s.record.time_ns = 1;
	profd_host = &host;
	python_walk(&s, PROFD_SCRATCH_WORDS - 7, &py, FSBASE);
	assert_int_equal(s.record.n_python, 3);
	assert_int_equal(s.record.python_end, WALK_TRUNCATED);
	python_walk(&s, PROFD_SCRATCH_WORDS, &py, FSBASE);
	profd_host = NULL;
	assert_int_equal(s.record.n_python, 0);
}

/* ---- code objects -------------------------------------------------------------------------------
 */

/* Our own memory is the target's. */
static union {
	uint8_t bytes[8192];
	uint64_t words[1024];
} fake;

static void fake_fill(const struct layout *l, unsigned round)
{
	for (size_t i = 0; i < sizeof(fake.words) / 8; i++) {
		uint64_t r = random64();

		fake.words[i] = r % 3 == 0   ? (uint64_t)(uintptr_t)&fake + r % sizeof(fake) / 8 * 8
				: r % 3 == 1 ? r % 300
					     : r;
	}
	if (round & 1) { /* strings and a table that are nearly right */
		uint64_t base = (uint64_t)(uintptr_t)&fake;
		uint32_t state = 1 << 5 | (uint32_t)(1 << (random64() % 4)) << 2;

		fake.words[l->code_qualname / 8] = fake.words[l->code_filename / 8] = base + 1024;
		fake.words[l->code_linetable / 8] = base + 4096;
		fake.words[(1024 + l->unicode_length) / 8] = random64() % 600;
		memcpy(fake.bytes + 1024 + l->unicode_state, &state, sizeof(state));
		fake.words[(4096 + l->bytes_size) / 8] = random64() % 6000;
	}
}

static void test_code_nonsense(void **state)
{
	struct codes *c = codes_new();
	struct python_stats stats;
	unsigned found = 0;

	(void)state;
	seed = 99;
	assert_non_null(c);
	for (unsigned i = 0; i < 4000; i++) {
		const struct layout *l = layout_known(3, 11 + i % 2);
		struct map *objects = codes_objects_new();
		struct code_source source = {(uint32_t)getpid(), l, 0, objects};
		struct python_frame f = {
			.code = (uint64_t)(uintptr_t)&fake, .instruction = (uint32_t)random64()};
		uint64_t function = 0;
		uint32_t line, first;

		fake_fill(l, i);
		memcpy(&first, fake.bytes + l->walk.code_first_line, sizeof(first));
		f.fingerprint = profd_python_fingerprint(
			(__u64 *)&fake.words[l->walk.code_ident / 8], first, fake.words[2]);
		if (!codes_find(c, &source, &f, &function, &line)) {
			assert_non_null(codes_function(c, function));
			assert_true(*codes_function(c, function)->qualname);
			found++;
		}
		f.fingerprint++; /* another object than the sampled one */
		assert_int_equal(codes_find(c, &source, &f, &function, &line), -ESTALE);
		map_free(objects);
	}
	assert_true(found > 100);
	codes_stats(c, &stats);
	assert_int_equal(stats.changed, 4000);
	assert_int_equal(stats.code_objects, found);
	assert_null(codes_function(c, 0));
	assert_null(codes_function(c, UINT64_MAX));
	codes_free(c);
}

static void test_lines_nonsense(void **state)
{
	uint8_t table[600];

	(void)state;
	seed = 7;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = random64() % sizeof(table);
		struct lines *l;

		for (size_t k = 0; k < n; k++)
			table[k] = (uint8_t)(random64() | (i & 1 ? 0x80 : 0));
		l = lines_decode(table, n, (uint32_t)random64());
		assert_non_null(l);
		for (unsigned k = 0; k < 20; k++)
			lines_find(l, k < 10 ? (uint32_t)random64() : k);
		assert_int_equal(lines_find(l, UINT32_MAX), 0);
		free(l);
	}
}

/* Each form of an entry, by hand. */
static void test_lines_forms(void **state)
{
	static const uint8_t table[] = {
		0x80 | 0 << 3 | 0, 0x11,                 /* short, 1 instruction: line 10 */
		0x80 | 12 << 3 | 1, 1, 2,                /* one line, +2, 2 instructions: line 12 */
		0x80 | 13 << 3 | 0, 3,                   /* no columns, -1: line 11 */
		0x80 | 15 << 3 | 2,                      /* none, 3 instructions */
		0x80 | 14 << 3 | 0, 0x50, 0x06, 0, 1, 1, /* long, +200: line 211 */
	};
	static const uint32_t expected[] = {10, 12, 12, 11, 0, 0, 0, 211, 0};
	struct lines *l = lines_decode(table, sizeof(table), 10);

	(void)state;
	assert_non_null(l);
	for (uint32_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_int_equal(lines_find(l, i * 2), expected[i]);
	free(l);
}

/* ---- tables of offsets
 * ---------------------------------------------------------------------------- */

static void refuse(const uint64_t *words, size_t bytes, const char *part_of_text)
{
	struct err err = {0};
	struct layout l;

	assert_int_equal(layout_from_debug_offsets(words, bytes, &l, &err), -ENOTSUP);
	if (!strstr(err.text, part_of_text))
		fail_msg("'%s' has no '%s'", err.text, part_of_text);
}

static void test_debug_offsets(void **state)
{
	uint64_t words[LAYOUT_DEBUG_OFFSETS_BYTES / 8] = {0};
	struct layout l;

	(void)state;
	refuse(words, sizeof(words), "no table");
	memcpy(words, "xdebugpy", 8);
	refuse(words, 16, "no table");
	words[1] = 0x030d00f0;
	refuse(words, sizeof(words), "makes no sense for CPython 3.13");
	refuse(words, 400, "3.13 is not supported");
	words[2] = 1;
	refuse(words, sizeof(words), "free-threaded");
	words[2] = 0;
	words[1] = 0x030f00f0;
	refuse(words, sizeof(words), "CPython 3.15 is not supported");
	seed = 5;
	for (unsigned i = 0; i < 200000; i++) {
		words[1] = i & 1 ? 0x030d00f0 : 0x030e00f0;
		for (size_t k = 3; k < sizeof(words) / 8; k++)
			words[k] = random64() % 64 * 8;
		if (!layout_from_debug_offsets(words, sizeof(words), &l, NULL)) {
			assert_true(l.walk.tstate_bytes < PROFD_PYTHON_STATE_BYTES);
			assert_true(l.walk.frame_bytes < PROFD_PYTHON_FRAME_BYTES);
			assert_true(l.walk.code_traceable + 4 < PROFD_PYTHON_CODE_BYTES);
		}
	}
}

/* ---- other interpreters, and none
 * ------------------------------------------------------------------ */

static int look_at(pid_t pid, struct err *err)
{
	struct process_table *table = process_table_new(err);
	struct process *process = process_get(table, (uint32_t)pid, err);
	struct python *p = python_new(err);
	int status;

	assert_non_null(process);
	assert_non_null(p);
	status = python_process(p, process, err);
	assert_int_equal(
		python_process(p, process, NULL), status); /* the same generation: nothing new */
	if (status == 0)
		assert_string_equal(python_version(p, (uint32_t)pid), "");
	python_forget(p, (uint32_t)pid);
	python_forget(p, (uint32_t)pid);
	python_free(p);
	process_table_free(table);
	return status;
}

static void test_no_python(void **state)
{
	struct err err = {0};
	struct location l;
	struct python_frame f = {.code = 0x1000};
	struct process nobody = {.pid = 1};
	struct python *p = python_new(&err);

	(void)state;
	assert_int_equal(look_at(getpid(), &err), 0);
	assert_string_equal(err.text, "");
	assert_int_equal(python_location(p, &nobody, &f, &l), -ESRCH);
	assert_false(python_is_eval(p, 1, 0));
	assert_null(python_function(p, 1));
	python_free(p);
}

static void test_old_python(void **state)
{
	struct interpreters in;
	struct target t;
	struct err err = {0};
	char line[64];

	(void)state;
	interpreters_find(&in, 10);
	if (!in.n) {
		print_message("no CPython 3.10 found\n");
		skip();
	}
	target_start(&t, in.paths[0], "print('up', flush=True)\ninput()\n");
	assert_non_null(fgets(line, sizeof(line), t.out));
	assert_int_equal(look_at(t.pid, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "CPython 3.10 is not supported"));
	target_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_nonsense),
		cmocka_unit_test(test_walk_rings),
		cmocka_unit_test(test_walk_no_room),
		cmocka_unit_test(test_code_nonsense),
		cmocka_unit_test(test_lines_nonsense),
		cmocka_unit_test(test_lines_forms),
		cmocka_unit_test(test_debug_offsets),
		cmocka_unit_test(test_no_python),
		cmocka_unit_test(test_old_python),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
