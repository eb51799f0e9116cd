/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_ROOM "store"
#include "base/log.h"

enum { MAINTAIN_MS = 20, ASIDE_TRIES = 100, PATH_BYTES = 4096 };

/* A clock that was set, or a store whose last window is far from now, may mean a wrong clock: what
 * it takes for old may be new. */
static const uint64_t distrust_ns = 3600 * NS_PER_S;
static const uint64_t gap_ns = 86400 * NS_PER_S;

/* The figures are counted from the tables, which costs; people do not look more often. */
static const uint64_t stats_age_ns = NS_PER_S;

struct keeper {
	char path[PATH_BYTES];
	struct store_limits limits;
	struct store *store; /* NULL: could not be opened yet */
	struct window *waiting[KEEPER_WAITING_MAX];
	size_t n_waiting;
	uint64_t lost;
	uint64_t trusted_ns; /* from this moment on the clock is believed */
	struct err error;    /* code 0: all is well */
	struct store_stats stats;
	uint64_t stats_ns;
};

static uint64_t unix_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- trouble -----------------------------------------------------------------------------------
 */

static void trouble(struct keeper *k, const struct err *err)
{
	if (k->error.code != err->code)
		log_warn("%s; sampling goes on, windows wait in memory", err->text);
	k->error = *err;
}

static void trouble_over(struct keeper *k)
{
	if (k->error.code)
		log_info("the store can be written again");
	k->error = (struct err){0};
}

static int move(const char *from, const char *to)
{
	struct stat st;

	if (stat(from, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return rename(from, to) < 0 ? -errno : 0;
}

/* A name that is free, for the store as it is. */
static int aside_name(const struct keeper *k, char *to, size_t bytes)
{
	struct stat st;

	for (unsigned i = 0; i < ASIDE_TRIES; i++) {
		snprintf(to, bytes, "%s.damaged-%lld.%u", k->path, (long long)time(NULL), i);
		if (stat(to, &st) < 0 && errno == ENOENT)
			return 0;
	}
	return -EEXIST;
}

/* Nothing is deleted: a damaged store may still hold what somebody can save. */
static int move_aside(struct keeper *k, const struct err *why)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char aside[PATH_BYTES + 64], from[PATH_BYTES + 8], to[PATH_BYTES + 72];
	int rc = aside_name(k, aside, sizeof(aside));

	for (size_t i = 0; i < 3 && !rc; i++) {
		snprintf(from, sizeof(from), "%s%s", k->path, ends[i]);
		snprintf(to, sizeof(to), "%s%s", aside, ends[i]);
		rc = move(from, to);
	}
	if (rc < 0)
		log_warn("%s; it cannot be moved aside: %s", why->text, strerror(-rc));
	else
		log_warn("%s; it was kept as %s, and a new store is begun", why->text, aside);
	return rc;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static void opened(struct keeper *k)
{
	uint64_t now = unix_now_ns();

	if (store_stats(k->store, &k->stats, NULL) < 0)
		return;
	if (k->stats.last_unix_ns &&
		(k->stats.last_unix_ns > now + NS_PER_S || now - k->stats.last_unix_ns > gap_ns))
		keeper_distrust_clock(k);
}

static int store_try_open(struct keeper *k, struct err *err)
{
	k->store = store_open(k->path, &k->limits, err);
	if (!k->store && err->code == -EUCLEAN && move_aside(k, err) == 0)
		k->store = store_open(k->path, &k->limits, err);
	if (!k->store)
		return err->code;
	opened(k);
	return 0;
}

static void limits_fill(struct store_limits *limits, const struct daemon_config *config)
{
	*limits = (struct store_limits){.fine_s = config->keep_fine_s,
		.minute_s = config->keep_minute_s,
		.hour_s = config->keep_hour_s,
		.max_bytes = config->store_max_bytes};
}

struct keeper *keeper_open(const struct daemon_config *config, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int rc;

	if (!k) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(k->path, sizeof(k->path), "%s", config->store);
	limits_fill(&k->limits, config);
	rc = store_try_open(k, err);
	if (rc == -EBUSY || rc == -ENOTSUP || rc == -ENOMEM || rc == -ENOENT) {
		free(k);
		return NULL;
	}
	if (rc)
		trouble(k, err);
	return k;
}

void keeper_configure(struct keeper *k, const struct daemon_config *config)
{
	limits_fill(&k->limits, config);
	if (k->store)
		store_set_limits(k->store, &k->limits);
}

void keeper_close(struct keeper *k)
{
	if (!k)
		return;
	keeper_add(k, NULL);
	if (k->n_waiting)
		log_warn("%zu windows could not be written and are lost", k->n_waiting);
	for (size_t i = 0; i < k->n_waiting; i++)
		window_free(k->waiting[i]);
	store_close(k->store);
	free(k);
}

/* ---- windows -----------------------------------------------------------------------------------
 */

static void waiting_drop(struct keeper *k)
{
	window_free(k->waiting[0]);
	memmove(k->waiting, k->waiting + 1, --k->n_waiting * sizeof(*k->waiting));
}

static int waiting_write(struct keeper *k, struct err *err)
{
	int rc = 0;

	while (k->n_waiting && !rc) {
		rc = store_write(k->store, k->waiting[0], err);
		if (rc == -EINVAL) { /* our own mistake: no later try would mend it */
			log_warn("a window is lost: %s", err->text);
			k->lost++;
			rc = 0;
		}
		if (!rc)
			waiting_drop(k);
	}
	return rc;
}

/* Damage found while it was open: the file is put aside as at the start. */
static int store_renew(struct keeper *k, struct err *err)
{
	store_close(k->store);
	k->store = NULL;
	if (move_aside(k, err) < 0)
		return err->code;
	return store_try_open(k, err);
}

void keeper_add(struct keeper *k, struct window *w)
{
	struct err err = {0};
	int rc = 0;

	if (w && k->n_waiting == KEEPER_WAITING_MAX) {
		waiting_drop(k);
		k->lost++;
	}
	if (w)
		k->waiting[k->n_waiting++] = w;
	if (!k->store)
		rc = store_try_open(k, &err);
	if (!rc)
		rc = waiting_write(k, &err);
	if (rc == -EUCLEAN && k->store && (rc = store_renew(k, &err)) == 0)
		rc = waiting_write(k, &err);
	if (rc)
		trouble(k, &err);
	else
		trouble_over(k);
}

bool keeper_maintain(struct keeper *k)
{
	uint64_t now = clock_now_ns();
	struct err err = {0};
	int rc;

	if (!k->store)
		return false;
	rc = store_maintain(k->store, unix_now_ns(), now >= k->trusted_ns, MAINTAIN_MS, &err);
	if (rc < 0)
		trouble(k, &err);
	return rc == 1;
}

void keeper_distrust_clock(struct keeper *k)
{
	k->trusted_ns = clock_now_ns() + distrust_ns;
}

void keeper_state(struct keeper *k, struct keeper_state *out)
{
	uint64_t now = clock_now_ns();

	if (k->store && now - k->stats_ns > stats_age_ns &&
		store_stats(k->store, &k->stats, NULL) == 0)
		k->stats_ns = now;
	*out = (struct keeper_state){.error = k->error.code ? k->error.text : NULL,
		.waiting = k->n_waiting,
		.lost = k->lost,
		.stats = k->stats};
}
