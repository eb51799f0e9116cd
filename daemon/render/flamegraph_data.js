/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the metadata that data.c writes, and answers questions about it. Knows nothing of the page.
 * This file, flamegraph_draw.js and flamegraph.js run inside one function that flamegraph.c puts around
 * them. No markup is ever made out of text: names come from processes that nobody trusts. */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/* Calls use(number) for every number of the chunks. Not by shifts: weights need 53 bits. */
function readNumbers(chunks, use) {
	const value = new Int8Array(128).fill(-1);

	for (let i = 0; i < 64; i++)
		value[DIGITS.charCodeAt(i)] = i;
	for (const chunk of chunks) {
		let number = 0, scale = 1;
		for (let i = 0; i < chunk.length; i++) {
			const digit = value[chunk.charCodeAt(i)];
			if (digit === -1 || digit === undefined)
				throw new Error('the data of this picture is damaged');
			number += (digit % 32) * scale;
			scale *= 32;
			if (digit < 32) {
				use(number);
				number = 0;
				scale = 1;
			}
		}
	}
}

function chunksOf(svg, name) {
	return Array.from(svg.querySelectorAll('metadata.' + name), (e) => e.textContent);
}

function readFrames(chunks, meta, names) {
	const frames = [];
	let field = [];

	readNumbers(chunks, (number) => {
		field.push(number);
		if (field.length < 5)
			return;
		const kind = Math.floor(field[0] / meta.variants);
		frames.push({
			kind: meta.kinds[kind][0],
			shade: meta.kinds[kind][1] + field[0] % meta.variants,
			name: names[field[1]] || '[unknown]',
			file: names[field[2]],
			line: field[3],
			module: names[field[4]],
		});
		field = [];
	});
	return frames;
}

/* Columns of the node table; node 0 is the root, a node stands right before what is above it, `end` is one
 * behind the last of those. */
function readNodes(chunks, n) {
	const t = {
		n,
		frame: new Uint32Array(n), parent: new Uint32Array(n), depth: new Uint32Array(n),
		end: new Uint32Array(n),
		selfSamples: new Float64Array(n), selfWeight: new Float64Array(n),
		samples: new Float64Array(n), weight: new Float64Array(n),
	};
	let i = -1, field = 0, before = -1;

	readNumbers(chunks, (number) => {
		if (field === 0) {
			t.frame[++i] = number;
			field = 1;
		} else if (field === 1) {
			let parent = before;
			for (; number > 0; number--)
				parent = t.parent[parent];
			t.parent[i] = parent < 0 ? 0 : parent;
			t.depth[i] = i ? t.depth[parent] + 1 : 0;
			before = i;
			field = 2;
		} else if (field === 2) {
			t.selfSamples[i] = Math.floor(number / 2);
			field = number % 2 ? 3 : 0;
		} else {
			t.selfWeight[i] = number;
			field = 0;
		}
	});
	if (i + 1 !== n)
		throw new Error('the data of this picture is cut short');
	return t;
}

/* Totals, ends, and where each node begins on the axis of `value`. */
function sumUp(t, weighted) {
	const start = new Float64Array(t.n), next = new Float64Array(t.n);

	for (let i = t.n - 1; i >= 0; i--) {
		t.samples[i] += t.selfSamples[i];
		t.weight[i] += t.selfWeight[i];
		if (!t.end[i])
			t.end[i] = i + 1;
		if (i) {
			const p = t.parent[i];
			t.samples[p] += t.samples[i];
			t.weight[p] += t.weight[i];
			if (t.end[p] < t.end[i])
				t.end[p] = t.end[i];
		}
	}
	t.value = weighted ? t.weight : t.samples;
	t.self = weighted ? t.selfWeight : t.selfSamples;
	for (let i = 1; i < t.n; i++) {
		const p = t.parent[i];
		start[i] = next[p];
		next[p] += t.value[i];
		next[i] = start[i];
	}
	t.start = start;
}

function readProfile(svg) {
	const meta = JSON.parse(chunksOf(svg, 'meta')[0]);
	const names = chunksOf(svg, 'names').flatMap((text) => JSON.parse(text));
	const frames = readFrames(chunksOf(svg, 'frames'), meta, names);
	const tree = readNodes(chunksOf(svg, 'nodes'), meta.nodes);

	sumUp(tree, meta.weighted);
	return {
		title: meta.title, facts: meta.quality, weighted: meta.weighted,
		kinds: meta.kinds, frames, tree,
	};
}

function nameOf(profile, i) {
	return i ? profile.frames[profile.tree.frame[i]].name : 'all';
}

function placeOf(frame) {
	return frame.file + (frame.file && frame.line ? ':' + frame.line : '');
}

/* Where siblings have one name, the line tells them apart. Siblings stand in the order of names. */
function labelOf(profile, i) {
	const t = profile.tree, name = nameOf(profile, i);

	if (!i || !profile.frames[t.frame[i]].line)
		return name;
	const p = t.parent[i], next = t.end[i];
	let twin = next < t.end[p] && nameOf(profile, next) === name;
	if (!twin && i - 1 > p) {
		let left = i - 1;
		while (t.parent[left] !== p)
			left = t.parent[left];
		twin = nameOf(profile, left) === name;
	}
	return twin ? name + ':' + profile.frames[t.frame[i]].line : name;
}

/* What a search looks at: `name (file:line) module`, cut so that no name can make a regular expression
 * slow. */
function searchedText(frame) {
	const place = placeOf(frame);

	return [frame.name, place && '(' + place + ')', frame.module].filter((s) => s).join(' ').slice(0, 1000);
}

/* Which nodes match, how many in a range do, and what lies on or above matches, each sample counted once. */
function search(profile, pattern) {
	const t = profile.tree, found = profile.frames.map((f) => pattern.test(searchedText(f)));
	const before = new Uint32Array(t.n + 1), tops = [];
	let covered = 0;

	for (let i = 0; i < t.n; i++) {
		const hit = i > 0 && found[t.frame[i]];
		before[i + 1] = before[i] + (hit ? 1 : 0);
		if (hit && i >= covered) {
			tops.push(i);
			covered = t.end[i];
		}
	}
	return {
		hits: (from, to) => before[to] - before[from],
		isHit: (i) => before[i + 1] > before[i],
		/* within node `view`: all of it, where it stands on a match itself */
		share: (view) => {
			let value = 0, samples = 0;
			for (const top of tops) {
				if (top <= view && t.end[top] > view)
					return { value: t.value[view], samples: t.samples[view] };
				if (top > view && top < t.end[view]) {
					value += t.value[top];
					samples += t.samples[top];
				}
			}
			return { value, samples };
		},
	};
}

/* Self value by kind below a node, in the order of the legend; containers, processes and threads are one. */
const LEGEND = ['python', 'native', 'inlined', 'jit', 'kernel', 'note', 'thread'];
const ROOTS = ['root', 'container', 'process', 'thread'];

function kindShares(profile, view) {
	const t = profile.tree, self = new Map();
	let roots = 'process, thread';

	for (let i = Math.max(view, 1); i < t.end[view]; i++) {
		let kind = profile.frames[t.frame[i]].kind;
		if (kind === 'container')
			roots = 'container, process, thread';
		if (ROOTS.includes(kind))
			kind = 'thread';
		self.set(kind, (self.get(kind) || 0) + t.self[i]);
	}
	return LEGEND.filter((kind) => self.has(kind)).map((kind) => ({
		kind, text: kind === 'thread' ? roots : kind, value: self.get(kind),
		shade: profile.kinds.find((k) => k[0] === kind)[1] + '1',
	}));
}

/* ---- for people ---------------------------------------------------------------------------- */

function countText(n) {
	return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

function timeText(ns) {
	const s = Math.floor(ns / 1e9), two = (n) => String(n).padStart(2, '0');

	if (!ns)
		return '0 s';
	if (s >= 7200)
		return Math.floor(s / 3600) + ' h ' + two(Math.floor(s / 60) % 60) + ' min';
	if (s >= 120)
		return Math.floor(s / 60) + ' min ' + two(s % 60) + ' s';
	if (s >= 1)
		return (ns / 1e9).toFixed(2) + ' s';
	return ns >= 1e6 ? (ns / 1e6).toFixed(1) + ' ms' : (ns / 1e3).toFixed(1) + ' us';
}

function percentText(part, whole) {
	const share = whole > 0 ? 100 * part / whole : 0;

	return part > 0 && share < 0.01 ? '<0.01 %' : share.toFixed(2) + ' %';
}

function samplesText(n) {
	return countText(n) + (n === 1 ? ' sample' : ' samples');
}
