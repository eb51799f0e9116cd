/* SPDX-License-Identifier: BSD-2-Clause */
/* Deals blocks to the sides and counts what the largest statistic does. Sixteen deals at a time: a
 * block's count is multiplied with 1 in the deals where it is on the first side, and with 0 in the
 * others. The second side is what is left of the sum over both, which does not change. */
#include "analyze/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { LANES = 16, WIDTH = 4, VECTORS = LANES / WIDTH };

typedef float four __attribute__((vector_size(WIDTH * sizeof(float))));

/* A statistic that is this little below another one is the same, reckoned in another order. */
static const float ALIKE = 0.9998F;

/* Sums over blocks: of counts less their share of all, of their squares, of them times all. */
struct sums {
	float y, y_y, y_n;
};

struct hand {
	four mine[VECTORS]; /* 1: on the first side */
};

struct dealer {
	const struct diff_blocks *b;
	size_t n;           /* of all blocks */
	uint64_t chance;    /* state of the generator */
	uint32_t *cards;    /* [n] numbers of blocks in some order: the first ones are dealt */
	struct hand *hands; /* [n] */
	float total, total_squares;
	float mine[LANES], mine_squares[LANES]; /* samples of the first side in each deal */
	float largest[LANES];                   /* square of the largest statistic so far */
};

/* A test as it is dealt. */
struct stake {
	uint32_t test;
	float least;  /* of the variance, by independent samples: without the samples' part */
	float square; /* of the statistic seen */
	struct sums whole;
	unsigned reached; /* deals in which a not larger test did as well */
};

static uint32_t chance_below(uint64_t *state, uint32_t limit)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return (uint32_t)((x >> 32) * limit >> 32);
}

static void dealer_clear(struct dealer *d)
{
	free(d->cards);
	free(d->hands);
}

static int dealer_make(struct dealer *d, const struct diff_blocks *b)
{
	*d = (struct dealer){.b = b, .n = b->n_all, .chance = 1};
	d->cards = calloc(d->n, sizeof(*d->cards));
	d->hands = calloc(d->n, sizeof(*d->hands));
	if (!d->cards || !d->hands)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++) {
		d->cards[i] = (uint32_t)i;
		d->total += b->samples[i];
		d->total_squares += b->samples[i] * b->samples[i];
	}
	return 0;
}

/* Sixteen deals. */
static void deal(struct dealer *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->hands[i] = (struct hand){0};
	for (unsigned lane = 0; lane < LANES; lane++) {
		d->mine[lane] = d->mine_squares[lane] = d->largest[lane] = 0;
		for (size_t i = 0; i < d->b->n[DIFF_BEFORE]; i++) {
			size_t other = i + chance_below(&d->chance, (uint32_t)(d->n - i));
			uint32_t card = d->cards[other];
			float samples = d->b->samples[card];

			d->cards[other] = d->cards[i];
			d->cards[i] = card;
			d->hands[card].mine[lane / WIDTH][lane % WIDTH] = 1;
			d->mine[lane] += samples;
			d->mine_squares[lane] += samples * samples;
		}
	}
}

/* Sums of the first side in all deals. */
struct lane_sums {
	four y[VECTORS], y_y[VECTORS], y_n[VECTORS];
};

static void sum_lanes(const struct dealer *d, const struct diff_test *test, struct lane_sums *out)
{
	struct lane_sums s = {0};
	float share = (float)test->share;

	for (size_t i = 0; i < d->n; i++) {
		const four *mine = d->hands[i].mine;
		float n = d->b->samples[i], y = test->x[i] - share * n;
		float y_y = y * y, y_n = y * n;

		for (unsigned v = 0; v < VECTORS; v++) {
			s.y[v] += mine[v] * y;
			s.y_y[v] += mine[v] * y_y;
			s.y_n[v] += mine[v] * y_n;
		}
	}
	*out = s;
}

/* Squared deviations of counts from their mean share `m` of `n`, as a variance of that share. */
static float variance(const struct sums *s, float m, float n, float n_n, float blocks)
{
	float squares = s->y_y - 2 * m * s->y_n + m * m * n_n;

	return squares > 0 ? squares / (n * n) * blocks / (blocks - 1) : 0;
}

static float square_statistic(
	const struct dealer *d, const struct stake *stake, unsigned lane, const struct sums *one)
{
	struct sums other = {
		stake->whole.y - one->y, stake->whole.y_y - one->y_y, stake->whole.y_n - one->y_n};
	float n = d->mine[lane], m = d->total - n;
	float share = one->y / n, other_share = other.y / m, change = other_share - share;
	float both = variance(one, share, n, d->mine_squares[lane], (float)d->b->n[DIFF_BEFORE]) +
		     variance(&other, other_share, m, d->total_squares - d->mine_squares[lane],
			     (float)d->b->n[DIFF_AFTER]);
	float least = stake->least * (1 / n + 1 / m);

	return change * change / (both > least ? both : least);
}

/* From the smallest statistic seen to the largest: each against the largest of those up to it. */
static void play(struct dealer *d, const struct diff_tests *t, struct stake *stakes)
{
	for (uint32_t i = t->n; i-- > 0;) {
		struct stake *stake = &stakes[i];
		struct lane_sums s;

		sum_lanes(d, &t->list[stake->test], &s);
		for (unsigned lane = 0; lane < LANES; lane++) {
			unsigned v = lane / WIDTH, at = lane % WIDTH;
			struct sums one = {s.y[v][at], s.y_y[v][at], s.y_n[v][at]};
			float square = square_statistic(d, stake, lane, &one);

			if (square > d->largest[lane])
				d->largest[lane] = square;
			stake->reached += d->largest[lane] >= stake->square;
		}
	}
}

static int compare_stakes(const void *a, const void *b)
{
	const struct stake *sa = a, *sb = b;

	if (sa->square != sb->square)
		return sa->square < sb->square ? 1 : -1;
	return (sa->test > sb->test) - (sa->test < sb->test);
}

static void stakes_make(struct stake *stakes, const struct diff_tests *t, const struct dealer *d)
{
	for (uint32_t i = 0; i < t->n; i++) {
		const struct diff_test *test = &t->list[i];
		double seen = test->statistic * test->statistic;

		stakes[i] = (struct stake){
			.test = i,
			.least = (float)(test->share * (1 - test->share)),
			.square = (float)seen * ALIKE,
		};
		for (size_t k = 0; k < d->n; k++) {
			float n = d->b->samples[k], y = test->x[k] - (float)test->share * n;

			stakes[i].whole.y += y;
			stakes[i].whole.y_y += y * y;
			stakes[i].whole.y_n += y * n;
		}
	}
	qsort(stakes, t->n, sizeof(*stakes), compare_stakes);
}

static int compare_floats(const void *a, const void *b)
{
	float fa = *(const float *)a, fb = *(const float *)b;

	return (fa < fb) - (fa > fb);
}

/* How many of so many deals, and the comparison itself, may reach a significant row. */
static unsigned allowed(unsigned deals)
{
	return (unsigned)(DIFF_LEVEL * (deals + 1) + 1e-9);
}

static void judge(struct diff_tests *t, const struct stake *stakes, float *largest)
{
	double p = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		p = fmax(p, (1.0 + stakes[i].reached) / (1.0 + t->deals));
		t->list[stakes[i].test].p = p;
	}
	qsort(largest, t->deals, sizeof(*largest), compare_floats);
	t->critical = sqrt((double)largest[allowed(t->deals) - 1]);
}

static int play_all(struct diff_tests *t, struct dealer *d, struct stake *stakes)
{
	float *largest = calloc(DIFF_DEALS + LANES, sizeof(*largest));

	if (!largest)
		return -ENOMEM;
	while (t->deals < DIFF_DEALS_MIN ||
		(t->deals < DIFF_DEALS && stakes[0].reached < allowed(DIFF_DEALS))) {
		deal(d);
		play(d, t, stakes);
		for (unsigned lane = 0; lane < LANES; lane++)
			largest[t->deals++] = d->largest[lane];
	}
	judge(t, stakes, largest);
	free(largest);
	return 0;
}

int diff_tests_deal(struct diff_tests *t, const struct diff_blocks *b)
{
	struct stake *stakes = calloc(t->n, sizeof(*stakes));
	struct dealer d;
	int rc = dealer_make(&d, b);

	if (!stakes)
		rc = -ENOMEM;
	if (rc == 0) {
		stakes_make(stakes, t, &d);
		rc = play_all(t, &d, stakes);
	}
	dealer_clear(&d);
	free(stakes);
	return rc;
}
