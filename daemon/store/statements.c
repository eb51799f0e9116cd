/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/statements.h"

const char *const store_statements[STATEMENTS] = {
	[TEXT_FIND] = "SELECT id FROM strings WHERE text = ?1",
	[TEXT_ADD] = "INSERT INTO strings (text) VALUES (?1)",
	[FUNCTION_FIND] = "SELECT id FROM functions WHERE name = ?1 AND file = ?2 AND module = ?3 "
			  "AND kind = ?4",
	[FUNCTION_ADD] = "INSERT INTO functions (name, file, module, kind) VALUES (?1, ?2, ?3, ?4)",
	[FRAME_FIND] = "SELECT id FROM frames WHERE function = ?1 AND line = ?2",
	[FRAME_ADD] = "INSERT INTO frames (function, line) VALUES (?1, ?2)",
	[STACK_FIND] = "SELECT id FROM stacks WHERE parent = ?1 AND frame = ?2",
	[STACK_ADD] = "INSERT INTO stacks (parent, frame) VALUES (?1, ?2)",
	[SERIES_FIND] = "SELECT id, user, command_line, cgroup, python FROM series "
			"WHERE pid = ?1 AND start_ticks = ?2 AND boot = ?3 AND uid = ?4 "
			"AND comm = ?5 AND exe = ?6 AND container = ?7",
	[SERIES_ADD] = "INSERT INTO series (pid, start_ticks, boot, uid, comm, exe, container, "
		       "start_unix_ns, user, command_line, cgroup, python) "
		       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	/* What is not known any more keeps what was known. */
	[SERIES_RENEW] = "UPDATE series SET user = iif(?2, ?2, user), "
			 "command_line = iif(?3, ?3, command_line), "
			 "cgroup = iif(?4, ?4, cgroup), python = iif(?5, ?5, python) "
			 "WHERE id = ?1",
	[THREAD_FIND] = "SELECT number FROM threads WHERE series = ?1 AND tid = ?2 AND name = ?3",
	[THREAD_ADD] = "INSERT INTO threads (series, number, tid, name) "
		       "SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM threads "
		       "WHERE series = ?1 RETURNING number",
	[WINDOW_ADD] =
		"INSERT INTO windows (id, tier, start_unix_ns, duration_ns, period_ns, "
		"samples, lost, truncated, unmerged, frames_seen, unsymbolized_frames, "
		"requested_hz, achieved_hz, profiler_cpu_ns, profiler_kernel_ns, "
		"profiler_rss_bytes) "
		"SELECT coalesce(max(id), ?16) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
		"?11, ?12, ?13, ?14, ?15 FROM windows WHERE id > ?16 AND id < ?17",
	[WALK_ADD] = "INSERT INTO walks (window, cause, samples) VALUES (?1, ?2, ?3)",
	[COUNTS_ADD] = "INSERT INTO counts (id, period_ns, series_first, series_last, data) "
		       "VALUES (?1, ?2, ?3, ?4, ?5)",
	[USAGE_ADD] = "INSERT INTO usage (window, series, user_us, system_us, rss_kib, threads, "
		      "voluntary_switches, involuntary_switches, read_bytes, written_bytes) "
		      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
		      "ON CONFLICT (window, series) DO UPDATE SET "
		      "user_us = user_us + excluded.user_us, "
		      "system_us = system_us + excluded.system_us, "
		      "rss_kib = max(rss_kib, excluded.rss_kib), "
		      "threads = max(threads, excluded.threads), "
		      "voluntary_switches = voluntary_switches + excluded.voluntary_switches, "
		      "involuntary_switches = "
		      "involuntary_switches + excluded.involuntary_switches, "
		      "read_bytes = read_bytes + excluded.read_bytes, "
		      "written_bytes = written_bytes + excluded.written_bytes",
	[ROLLUP_ADD] = "INSERT INTO rollups (window, series, function, self_ms, total_ms) "
		       "VALUES (?1, ?2, ?3, ?4, ?5)",
	[META_GET] = "SELECT value FROM meta WHERE name = ?1",
	[META_SET] = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)",
	[STATS] = "SELECT tier, count(*), min(start_unix_ns), max(start_unix_ns + duration_ns), "
		  "sum(samples), sum(lost) FROM windows GROUP BY tier",

	[GROUP_OLDEST] = "SELECT min(start_unix_ns) FROM windows WHERE tier = ?1 HAVING count(*)",
	[GROUP_LIST] = "SELECT id FROM windows WHERE tier = ?1 AND start_unix_ns >= ?2 "
		       "AND start_unix_ns < ?3 ORDER BY start_unix_ns, id LIMIT ?4",
	[WINDOW_GET] =
		"SELECT start_unix_ns, duration_ns, period_ns, samples, lost, truncated, unmerged, "
		"frames_seen, unsymbolized_frames, requested_hz, achieved_hz, profiler_cpu_ns, "
		"profiler_kernel_ns, profiler_rss_bytes FROM windows WHERE id = ?1",
	[PERIODS_LIST] = "SELECT DISTINCT period_ns FROM counts "
			 "WHERE id >= (?1 << 20) AND id < ((?1 + 1) << 20)",
	[WALKS_MERGE] = "INSERT INTO walks (window, cause, samples) "
			"SELECT ?1, cause, samples FROM walks WHERE window = ?2 "
			"ON CONFLICT (window, cause) DO UPDATE SET "
			"samples = samples + excluded.samples",
	/* Sums; of the levels the highest. */
	[USAGE_MERGE] = "INSERT INTO usage (window, series, user_us, system_us, rss_kib, threads, "
			"voluntary_switches, involuntary_switches, read_bytes, written_bytes) "
			"SELECT ?1, series, user_us, system_us, rss_kib, threads, "
			"voluntary_switches, involuntary_switches, read_bytes, written_bytes "
			"FROM usage WHERE window = ?2 "
			"ON CONFLICT (window, series) DO UPDATE SET "
			"user_us = user_us + excluded.user_us, "
			"system_us = system_us + excluded.system_us, "
			"rss_kib = max(rss_kib, excluded.rss_kib), "
			"threads = max(threads, excluded.threads), "
			"voluntary_switches = voluntary_switches + excluded.voluntary_switches, "
			"involuntary_switches = "
			"involuntary_switches + excluded.involuntary_switches, "
			"read_bytes = read_bytes + excluded.read_bytes, "
			"written_bytes = written_bytes + excluded.written_bytes",
	[NODE_GET] = "SELECT s.parent, f.function FROM stacks s JOIN frames f ON f.id = s.frame "
		     "WHERE s.id = ?1",

	[WINDOW_OLDEST] = "SELECT id, samples FROM windows WHERE start_unix_ns >= ?1 "
			  "ORDER BY start_unix_ns, id LIMIT ?2",
	[WINDOW_FUTURE] = "SELECT id, samples FROM windows WHERE start_unix_ns > ?1 "
			  "ORDER BY start_unix_ns DESC, id DESC LIMIT ?2",
	/* Naming the tiers lets the index be used. */
	[WINDOW_EXPIRED] = "SELECT id, samples FROM windows WHERE tier IN (0, 1, 2) "
			   "AND start_unix_ns < ?1 AND start_unix_ns + duration_ns <= ?1 LIMIT ?2",
	[WINDOW_DROP] = "DELETE FROM windows WHERE id = ?1",
	[WALKS_DROP] = "DELETE FROM walks WHERE window = ?1",
	[COUNTS_DROP] = "DELETE FROM counts "
			"WHERE id >= (?1 << 20) AND id < ((?1 + 1) << 20)",
	[USAGE_DROP] = "DELETE FROM usage WHERE window = ?1",
	[ROLLUPS_DROP] = "DELETE FROM rollups WHERE window = ?1",

	[SWEEP_WINDOW_NEXT] = "SELECT id FROM windows WHERE id < ?1 ORDER BY id DESC LIMIT 1",
	[SWEEP_COUNTS] = "SELECT series_first, data FROM counts "
			 "WHERE id >= (?1 << 20) AND id < ((?1 + 1) << 20)",
	[SWEEP_USAGE] = "SELECT series FROM usage WHERE window = ?1",
	[SWEEP_WALKS] = "SELECT cause FROM walks WHERE window = ?1",
	[SWEEP_STACKS] = "SELECT id, parent, frame FROM stacks WHERE id < ?1 ORDER BY id DESC "
			 "LIMIT ?2",
	[SWEEP_FRAMES] = "SELECT id, function FROM frames WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
	[SWEEP_FUNCTIONS] = "SELECT id, name, file, module FROM functions WHERE id < ?1 "
			    "ORDER BY id DESC LIMIT ?2",
	[SWEEP_SERIES] = "SELECT id, boot, user, comm, exe, command_line, cgroup, container, "
			 "python FROM series WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
	[SWEEP_THREADS] = "SELECT series, number, name FROM threads WHERE (series, number) < "
			  "(?1, ?2) ORDER BY series DESC, number DESC LIMIT ?3",
	[SWEEP_STRINGS] = "SELECT id FROM strings WHERE id < ?1 AND id > 0 ORDER BY id DESC "
			  "LIMIT ?2",
	[STACK_DROP] = "DELETE FROM stacks WHERE id = ?1",
	[FRAME_DROP] = "DELETE FROM frames WHERE id = ?1",
	[FUNCTION_DROP] = "DELETE FROM functions WHERE id = ?1",
	[SERIES_DROP] = "DELETE FROM series WHERE id = ?1",
	[THREAD_DROP] = "DELETE FROM threads WHERE series = ?1 AND number = ?2",
	[STRING_DROP] = "DELETE FROM strings WHERE id = ?1",
};
