-- SPDX-License-Identifier: BSD-2-Clause
-- The store, version 1. schema/README.md explains the tables and has queries to paste.
-- A file that was released is never changed: a later version is a file of its own.

CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

-- Number 0 is the empty text: not known, or has none. Bytes are as hostile processes gave them.
CREATE TABLE strings (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO strings (id, text) VALUES (0, '');

CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO kinds (id, name) VALUES
	(3, 'python'), (4, 'native'), (5, 'inlined'), (6, 'jit'), (7, 'kernel'), (8, 'note');

-- Names are numbers of strings.
CREATE TABLE functions (
	id INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL,
	name INTEGER NOT NULL,
	file INTEGER NOT NULL,
	module INTEGER NOT NULL,
	UNIQUE (name, file, module, kind)
);

CREATE TABLE frames (
	id INTEGER PRIMARY KEY,
	function INTEGER NOT NULL,
	line INTEGER NOT NULL,
	UNIQUE (function, line)
);

-- A stack is a frame called by a stack; parent 0 is the thread itself. A parent's number is always
-- lower than its children's.
CREATE TABLE stacks (
	id INTEGER PRIMARY KEY,
	parent INTEGER NOT NULL,
	frame INTEGER NOT NULL,
	UNIQUE (parent, frame)
);

-- A process from one exec to the next. Texts are numbers of strings.
CREATE TABLE series (
	id INTEGER PRIMARY KEY,
	boot INTEGER NOT NULL,
	pid INTEGER NOT NULL,
	start_ticks INTEGER NOT NULL,
	start_unix_ns INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	user INTEGER NOT NULL,
	comm INTEGER NOT NULL,
	exe INTEGER NOT NULL,
	command_line INTEGER NOT NULL,
	cgroup INTEGER NOT NULL,
	container INTEGER NOT NULL,
	python INTEGER NOT NULL,
	UNIQUE (pid, start_ticks, boot, uid, comm, exe, container)
);

-- Threads are numbered within their series, from 1.
CREATE TABLE threads (
	series INTEGER NOT NULL,
	number INTEGER NOT NULL,
	tid INTEGER NOT NULL,
	name INTEGER NOT NULL,
	PRIMARY KEY (series, number),
	UNIQUE (series, tid, name)
) WITHOUT ROWID;

-- tier 0: as written (10 s), 1: a minute, 2: an hour. period_ns is 0 where it changed meanwhile.
-- Each tier has a range of numbers of its own, so that its rows lie together in all tables.
CREATE TABLE windows (
	id INTEGER PRIMARY KEY,
	tier INTEGER NOT NULL,
	start_unix_ns INTEGER NOT NULL,
	duration_ns INTEGER NOT NULL,
	period_ns INTEGER NOT NULL,
	samples INTEGER NOT NULL,
	lost INTEGER NOT NULL,
	truncated INTEGER NOT NULL,
	unmerged INTEGER NOT NULL,
	frames_seen INTEGER NOT NULL,
	unsymbolized_frames INTEGER NOT NULL,
	requested_hz REAL NOT NULL,
	achieved_hz REAL NOT NULL,
	profiler_cpu_ns INTEGER NOT NULL,
	profiler_kernel_ns INTEGER NOT NULL,
	profiler_rss_bytes INTEGER NOT NULL
);
CREATE INDEX windows_by_start ON windows (tier, start_unix_ns);

-- How the walks over stacks ended: cause is the number of a text such as 'native-complete'.
CREATE TABLE walks (
	window INTEGER NOT NULL,
	cause INTEGER NOT NULL,
	samples INTEGER NOT NULL,
	PRIMARY KEY (window, cause)
) WITHOUT ROWID;

-- The samples, packed; the view `samples` reads them. Rows of the window W have the numbers from
-- W * 2^20 on.
CREATE TABLE counts (
	id INTEGER PRIMARY KEY,
	period_ns INTEGER NOT NULL,
	series_first INTEGER NOT NULL,
	series_last INTEGER NOT NULL,
	data BLOB NOT NULL
);

CREATE TABLE usage (
	window INTEGER NOT NULL,
	series INTEGER NOT NULL,
	user_us INTEGER NOT NULL,
	system_us INTEGER NOT NULL,
	rss_kib INTEGER NOT NULL,
	threads INTEGER NOT NULL,
	voluntary_switches INTEGER NOT NULL,
	involuntary_switches INTEGER NOT NULL,
	read_bytes INTEGER NOT NULL,
	written_bytes INTEGER NOT NULL,
	PRIMARY KEY (window, series)
) WITHOUT ROWID;

-- Of windows of a minute or an hour only.
CREATE TABLE rollups (
	window INTEGER NOT NULL,
	series INTEGER NOT NULL,
	function INTEGER NOT NULL,
	self_ms INTEGER NOT NULL,
	total_ms INTEGER NOT NULL,
	PRIMARY KEY (window, series, function)
) WITHOUT ROWID;

-- ---- for people; profd itself uses the tables only ---------------------------------------------

CREATE VIEW processes AS
SELECT s.id AS series, s.pid, comm.text AS comm, exe.text AS exe, command_line.text AS command_line,
	s.uid, user.text AS user, container.text AS container, cgroup.text AS cgroup,
	python.text AS python, datetime(s.start_unix_ns / 1000000000, 'unixepoch') AS started_utc
FROM series s
JOIN strings comm ON comm.id = s.comm
JOIN strings exe ON exe.id = s.exe
JOIN strings command_line ON command_line.id = s.command_line
JOIN strings user ON user.id = s.user
JOIN strings container ON container.id = s.container
JOIN strings cgroup ON cgroup.id = s.cgroup
JOIN strings python ON python.id = s.python;

CREATE VIEW function_names AS
SELECT f.id AS function, kinds.name AS kind, name.text AS name, file.text AS file,
	module.text AS module
FROM functions f
JOIN kinds ON kinds.id = f.kind
JOIN strings name ON name.id = f.name
JOIN strings file ON file.id = f.file
JOIN strings module ON module.id = f.module;

CREATE VIEW times AS
SELECT id AS window, tier, datetime(start_unix_ns / 1000000000, 'unixepoch') AS utc,
	duration_ns / 1e9 AS seconds
FROM windows;

CREATE VIEW failures AS
SELECT w.window, cause.text AS cause, w.samples
FROM walks w JOIN strings cause ON cause.id = w.cause
WHERE cause.text NOT IN ('native-none', 'native-complete', 'native-truncated', 'python-none',
	'python-complete', 'python-truncated', 'python-no-thread');

-- The unpacked samples. One step per byte of `data`: `value` is the number read so far, `more` whether
-- it goes on, `state` what it is: 0 the head of a group, 1 a long step of series, 2 the thread, 3 the
-- first stack, 4 another stack, 5 a count. Ask for few windows at a time.
CREATE VIEW samples AS
SELECT w.id AS window, c.period_ns,
	json_extract(one.value, '$[0]') AS series,
	json_extract(one.value, '$[1]') AS thread,
	json_extract(one.value, '$[2]') AS stack,
	json_extract(one.value, '$[3]') AS samples,
	json_extract(one.value, '$[3]') * c.period_ns AS weight_ns
FROM windows w
JOIN counts c ON c.id >= (w.id << 20) AND c.id < ((w.id + 1) << 20)
JOIN json_each((
	WITH RECURSIVE step (at, value, shift, more, state, series, thread, base, stack, left,
		has_thread) AS (
		VALUES (0, 0, 0, 0, 5, c.series_first, 0, 0, 0, 1, 0)
		UNION ALL
		SELECT at + 1,
			CASE WHEN more THEN value ELSE 0 END | ((
				((instr('123456789ABCDEF', substr(hex(substr(c.data, at + 1, 1)), 1, 1)) & 7) << 4)
				| instr('123456789ABCDEF', substr(hex(substr(c.data, at + 1, 1)), 2, 1)))
				<< CASE WHEN more THEN shift + 7 ELSE 0 END),
			CASE WHEN more THEN shift + 7 ELSE 0 END,
			substr(c.data, at + 1, 1) > x'7f',
			CASE WHEN more THEN state
				WHEN state = 0 AND (value >> 1) & 7 = 7 THEN 1
				WHEN state = 0 AND value & 1 THEN 2
				WHEN state = 1 AND has_thread THEN 2
				WHEN state <= 2 THEN 3
				WHEN state <= 4 AND value & 1 THEN 5
				WHEN left > 1 THEN 4
				ELSE 0 END,
			CASE WHEN more THEN series
				WHEN state = 0 THEN series + ((value >> 1) & 7)
				WHEN state = 1 THEN series + value
				ELSE series END,
			CASE WHEN more THEN thread
				WHEN state = 0 THEN CASE WHEN (value >> 1) & 7 THEN 1 ELSE thread + 1 END
				WHEN state = 2 THEN value
				ELSE thread END,
			CASE WHEN more OR state <> 3 THEN base
				WHEN value & 2 THEN base - (value >> 2) - 1
				ELSE base + (value >> 2) END,
			CASE WHEN more THEN stack
				WHEN state = 3 AND value & 2 THEN base - (value >> 2) - 1
				WHEN state = 3 THEN base + (value >> 2)
				WHEN state = 4 THEN stack + (value >> 1) + 1
				ELSE stack END,
			CASE WHEN more THEN left
				WHEN state = 0 THEN (value >> 4) + 1
				WHEN state = 5 OR (state IN (3, 4) AND NOT value & 1) THEN left - 1
				ELSE left END,
			CASE WHEN state = 0 AND NOT more THEN value & 1 ELSE has_thread END
		FROM step WHERE at < length(c.data)
	)
	SELECT json_group_array(json_array(series, thread,
		CASE WHEN state = 4 THEN stack + (value >> 1) + 1
			WHEN state = 5 THEN stack
			WHEN value & 2 THEN base - (value >> 2) - 1
			ELSE base + (value >> 2) END,
		CASE state WHEN 5 THEN value + 2 ELSE 1 END))
	FROM step
	WHERE NOT more AND at > 0 AND (state = 5 OR (state IN (3, 4) AND NOT value & 1))
)) one;
