/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws the profile into the window. Only bars that can be seen exist as elements: those wide enough,
 * in rows that are not scrolled away. `state` is what the URL's hash keeps: what is zoomed, searched and
 * turned over; `view` the rest: scroll position, marked frame of the keyboard, sizes. */

const SVG = 'http://www.w3.org/2000/svg', HTML = 'http://www.w3.org/1999/xhtml';
const ROW = 18, BAR = 17, MARGIN = 10, NARROW = 0.3, BARS_MAX = 6000;
const HINT = 'Click a frame to zoom in, a frame beneath it to zoom out. Keys: arrows and Enter, ' +
	'/ to search, i to turn over, Esc to start again.';

const svg = document.documentElement;
const profile = readProfile(svg), tree = profile.tree;
const state = { zoom: 0, query: '', exact: false, icicle: false };
const view = {
	scroll: 0, scrollMax: 0, rows: 1, width: 0, top: 0, height: 0, mark: -1, hover: null, found: null,
};

function make(space, tag, parent, attributes, text) {
	const e = document.createElementNS(space, tag);

	for (const name in attributes)
		e.setAttribute(name, attributes[name]);
	if (text !== undefined)
		e.textContent = text;
	if (parent)
		parent.appendChild(e);
	return e;
}

function set(e, attributes) {
	for (const name in attributes)
		e.setAttribute(name, attributes[name]);
}

/* ---- elements ------------------------------------------------------------------------------ */

function makeHead() {
	const box = make(SVG, 'foreignObject', svg, { class: 'head', x: 0, y: 0 });
	const ui = make(HTML, 'div', box, { class: 'ui' }), row = make(HTML, 'div', ui, { class: 'row' });
	const head = { box, ui };

	make(HTML, 'h1', row, {}, profile.title);
	const tools = make(HTML, 'div', row, { class: 'tools', role: 'toolbar' });
	head.search = make(HTML, 'input', tools, {
		type: 'search', class: 'search', placeholder: 'Search (regular expression)',
		'aria-label': 'Search frames by regular expression', spellcheck: 'false', autocomplete: 'off',
	});
	head.exact = make(HTML, 'button', tools, {
		type: 'button', class: 'case', title: 'Tell upper from lower case',
		'aria-label': 'Tell upper from lower case',
	}, 'Aa');
	head.icicle = make(HTML, 'button', tools, {
		type: 'button', class: 'icicle', title: 'Root at the top (key i)',
	}, 'Icicle');
	head.reset = make(HTML, 'button', tools, {
		type: 'button', class: 'reset', title: 'Back to the first view (key Esc)',
	}, 'Reset');
	const facts = make(HTML, 'p', ui, { class: 'facts' });
	for (const fact of profile.facts) {
		make(HTML, 'span', facts, {}, fact);
		facts.append(' ');
	}
	const under = make(HTML, 'div', ui, { class: 'row under' });
	head.kinds = make(HTML, 'div', under, { class: 'kinds' });
	head.found = make(HTML, 'div', under, { class: 'found', role: 'status' });
	return head;
}

function makePlot() {
	const clip = make(SVG, 'clipPath', make(SVG, 'defs', svg), { id: 'profd-clip' });
	const plot = {
		clip: make(SVG, 'rect', clip),
		box: make(SVG, 'g', svg, {
			class: 'plot', tabindex: 0, role: 'application', 'clip-path': 'url(#profd-clip)',
			'aria-label': 'Flamegraph. Arrow keys move, Enter zooms, Escape resets.',
		}),
		rects: [], texts: [],
	};

	/* takes clicks and wheel also where there is no frame */
	plot.field = make(SVG, 'rect', plot.box, { class: 'ground' });
	plot.bars = make(SVG, 'g', plot.box, { class: 'bars' });
	plot.hover = make(SVG, 'rect', plot.box, { class: 'hover', visibility: 'hidden' });
	plot.labels = make(SVG, 'g', plot.box, { class: 'labels' });
	plot.mark = make(SVG, 'rect', plot.box, { class: 'mark', visibility: 'hidden' });
	plot.track = make(SVG, 'rect', svg, { class: 'track', visibility: 'hidden' });
	plot.thumb = make(SVG, 'rect', svg, { class: 'thumb', visibility: 'hidden' });
	plot.empty = make(SVG, 'text', svg, { class: 'title middle' });
	return plot;
}

function makeAbout() {
	const box = make(SVG, 'foreignObject', svg, { class: 'foot' });
	const ui = make(HTML, 'div', box, { class: 'ui about', role: 'status' });

	return {
		box, name: make(HTML, 'div', ui, { class: 'name' }),
		rest: make(HTML, 'div', ui, { class: 'rest' }),
	};
}

function makeTip() {
	const box = make(SVG, 'foreignObject', svg, { class: 'tip', visibility: 'hidden', height: 1 });
	const ui = make(HTML, 'div', box, { class: 'ui' });

	return {
		box, ui, name: make(HTML, 'div', ui, { class: 'name' }),
		rest: make(HTML, 'div', ui, { class: 'rest' }),
		table: make(HTML, 'table', ui),
	};
}

/* Width of one column of the labels' font, measured once. */
function measureCell() {
	const text = make(SVG, 'text', make(SVG, 'g', svg, { class: 'labels' }), {}, 'm'.repeat(100));
	const width = text.getComputedTextLength() / 100;

	text.parentNode.remove();
	return width > 1 ? width : 6.65;
}

/* ---- layout -------------------------------------------------------------------------------- */

/* A run of neighbours that are too narrow, from node `from` on; one bar of their summed width. */
function narrowRun(from, scale, narrow) {
	const stop = tree.end[tree.parent[from]];
	const run = { node: -1, from, to: from, frames: 0, value: 0, samples: 0, depth: tree.depth[from] };

	while (run.to < stop && tree.value[run.to] * scale < narrow) {
		run.value += tree.value[run.to];
		run.samples += tree.samples[run.to];
		run.frames++;
		run.to = tree.end[run.to];
	}
	return run;
}

/* The bars of the zoomed frame, of all that lead to it, and of all above it, in rows [low, high]. */
function layOut(width, low, high, narrow) {
	const zoom = state.zoom, origin = tree.start[zoom], scale = width / tree.value[zoom], bars = [];

	for (let i = zoom; i !== 0;) {
		i = tree.parent[i];
		if (tree.depth[i] >= low && tree.depth[i] <= high)
			bars.push({ node: i, depth: tree.depth[i], x: 0, w: width, above: true });
	}
	for (let i = zoom; i < tree.end[zoom];) {
		const depth = tree.depth[i], shown = depth >= low && depth <= high;
		const x = (tree.start[i] - origin) * scale, w = tree.value[i] * scale;

		if (i !== zoom && w < narrow) {
			const run = narrowRun(i, scale, narrow);
			if (shown && run.value > 0)
				bars.push(Object.assign(run, { x, w: run.value * scale }));
			i = run.to;
			continue;
		}
		if (shown)
			bars.push({ node: i, depth, x, w });
		i = depth < high ? i + 1 : tree.end[i];
	}
	return bars;
}

function rowY(depth) {
	if (state.icicle)
		return view.top + depth * ROW - view.scroll;
	return view.top + view.height - (depth + 1) * ROW + view.scroll;
}

function deepest(i) {
	let depth = 0;

	for (let k = i; k < tree.end[i]; k++)
		depth = Math.max(depth, tree.depth[k]);
	return depth;
}

const depthOfAll = deepest(0);

function clampScroll() {
	view.scroll = Math.max(0, Math.min(view.scroll, view.scrollMax));
}

/* Sizes follow the window; the head wraps as it needs. The plot keeps its height while zooming. */
function measure() {
	const width = Math.max(240, window.innerWidth), full = window.innerHeight;

	set(svg, { width });
	set(head.box, { width, height: 2000 });
	const top = Math.ceil(head.ui.getBoundingClientRect().height), foot = 52;
	const wanted = (depthOfAll + 1) * ROW, room = Math.max(5 * ROW, full - top - foot);
	view.width = width - 2 * MARGIN;
	view.top = top;
	view.height = tree.value[0] > 0 ? Math.min(wanted, room) : 5 * ROW;
	view.scrollMax = Math.max(0, view.rows * ROW - view.height);
	clampScroll();
	set(svg, { height: Math.max(full, top + view.height + foot) });
	set(head.box, { height: top });
	set(about.box, { x: 0, y: top + view.height, width, height: foot });
	const area = { x: 0, y: top, width, height: view.height };
	set(plot.clip, area);
	set(plot.field, area);
}

/* ---- drawing ------------------------------------------------------------------------------- */

function classOf(bar) {
	let shade = bar.node < 0 ? 'f' : bar.node === 0 ? 't0' : profile.frames[tree.frame[bar.node]].shade;

	if (bar.w >= 2)
		shade += ' e';
	if (bar.above)
		shade += ' above';
	if (view.found && view.found.hits(bar.node < 0 ? bar.from : bar.node, bar.node < 0 ? bar.to : bar.node + 1))
		shade += ' hit';
	return shade;
}

/* From Hangul Jamo on most scripts take two columns; still.c counts likewise. */
function cut(text, cells) {
	let used = 0, end = 0, room = 0;

	for (const c of text) {
		used += c.codePointAt(0) >= 0x1100 && c !== '\ufffd' ? 2 : 1;
		if (used > cells)
			return text.slice(0, room) + '\u2026';
		end += c.length;
		if (used < cells)
			room = end;
	}
	return text;
}

function drawBars(bars) {
	let texts = 0;

	bars.forEach((bar, k) => {
		const rect = plot.rects[k] || (plot.rects[k] = make(SVG, 'rect', plot.bars, { height: BAR }));
		const x = MARGIN + bar.x, y = rowY(bar.depth), cells = Math.floor((bar.w - 8) / cell);

		rect.bar = bar;
		set(rect, { class: classOf(bar), x, y, width: bar.w, 'data-node': bar.node });
		if (bar.node < 0 || cells < 3)
			return;
		const text = plot.texts[texts] || (plot.texts[texts] = make(SVG, 'text', plot.labels));
		texts++;
		set(text, { x: x + 4, y: y + 12, class: view.found && view.found.isHit(bar.node) ? 'hit' : '' });
		text.textContent = cut(labelOf(profile, bar.node), cells);
	});
	for (const rect of plot.rects.splice(bars.length))
		rect.remove();
	for (const text of plot.texts.splice(texts))
		text.remove();
}

function drawScrollbar() {
	const on = view.scrollMax > 0, x = MARGIN + view.width + 1, total = view.rows * ROW;
	const length = Math.max(24, view.height * view.height / total);
	const part = on ? view.scroll / view.scrollMax : 0;
	const at = (state.icicle ? part : 1 - part) * (view.height - length);

	const visibility = on ? 'visible' : 'hidden';
	set(plot.track, { visibility, x, y: view.top, width: 8, height: view.height });
	set(plot.thumb, { visibility, x, y: view.top + at, width: 8, height: length });
}

function frameOutline(rect, node) {
	const bar = node >= 0 ? plot.rects.map((r) => r.bar).find((b) => b.node === node) : null;

	if (bar)
		set(rect, { x: MARGIN + bar.x, y: rowY(bar.depth), width: bar.w, height: BAR });
	set(rect, { visibility: bar ? 'visible' : 'hidden' });
}

function drawKinds() {
	head.kinds.textContent = '';
	for (const kind of kindShares(profile, state.zoom)) {
		const item = make(HTML, 'span', head.kinds, { class: 'kind' });
		make(SVG, 'rect', make(SVG, 'svg', item), { class: kind.shade, width: 12, height: 12, rx: 2 });
		const share = 100 * kind.value / tree.value[state.zoom];
		item.append(kind.text + (kind.value > 0 ? ' ' + share.toFixed(1) + ' %' : ''));
	}
}

function drawFound() {
	svg.classList.toggle('searched', !!view.found);
	if (!view.found)
		return;
	const all = view.found.share(0), here = view.found.share(state.zoom);
	let text = 'matched ' + percentText(all.value, tree.value[0]);
	text += ' (' + amountText(all.value, all.samples) + ')';
	if (state.zoom)
		text += ', ' + percentText(here.value, tree.value[state.zoom]) + ' of this view';
	head.found.textContent = text;
}

function draw() {
	const low = Math.floor(view.scroll / ROW), high = Math.ceil((view.scroll + view.height) / ROW);
	let bars = [];

	plot.empty.textContent = tree.value[0] > 0 ? '' :
		'No samples: nothing ran on a CPU while profd was looking';
	set(plot.empty, { x: MARGIN + view.width / 2, y: view.top + 48 });
	/* more elements than a browser likes: widen what counts as too narrow */
	for (let narrow = NARROW; tree.value[0] > 0 && narrow < 1e6; narrow *= 2) {
		bars = layOut(view.width, low, high, narrow);
		if (bars.length <= BARS_MAX)
			break;
	}
	drawBars(bars);
	drawScrollbar();
	drawMark();
	drawFound();
}

function drawMark() {
	frameOutline(plot.mark, view.mark);
	showAbout();
}

function redraw() {
	measure();
	draw();
}

/* ---- what a frame is ----------------------------------------------------------------------- */

function amountText(value, samples) {
	return profile.weighted ? timeText(value) + ', ' + samplesText(samples) : samplesText(samples);
}

function nodeRest(i) {
	if (!i)
		return 'everything';
	const frame = profile.frames[tree.frame[i]], place = placeOf(frame);

	return [frame.kind, place, frame.module].filter((part) => part).join(' \u00b7 ');
}

function describe(bar) {
	if (bar.node < 0)
		return {
			name: bar.frames + (bar.frames === 1 ? ' frame' : ' frames') + ' too narrow to draw',
			rest: (bar.to - bar.from) + ' with all above; zoom in to see them',
			rows: [['total', bar.value, bar.samples]],
		};
	return {
		name: nameOf(profile, bar.node), rest: nodeRest(bar.node),
		rows: [
			['total', tree.value[bar.node], tree.samples[bar.node]],
			['self', tree.self[bar.node], tree.selfSamples[bar.node]],
		],
	};
}

function shareText(value) {
	const all = percentText(value, tree.value[0]) + ' of all';

	return state.zoom ? all + ', ' + percentText(value, tree.value[state.zoom]) + ' of this view' : all;
}

function showAbout() {
	const bar = view.hover || (view.mark >= 0 ? { node: view.mark } : null);

	if (!bar && !state.zoom) {
		about.name.textContent = '';
		about.rest.textContent = HINT;
		return;
	}
	const what = describe(bar || { node: state.zoom });
	about.name.textContent = what.name;
	const amounts = what.rows.map(([title, value, samples]) =>
		title + ' ' + amountText(value, samples) + ', ' + shareText(value));
	about.rest.textContent = amounts.concat(what.rest).join(' \u00b7 ');
}

function fillTip(bar) {
	const what = describe(bar);

	tip.name.textContent = what.name.length > 600 ? what.name.slice(0, 600) + '\u2026' : what.name;
	tip.rest.textContent = what.rest.slice(0, 400);
	tip.table.textContent = '';
	for (const [title, value, samples] of what.rows) {
		const row = make(HTML, 'tr', tip.table);
		make(HTML, 'td', row, {}, title);
		if (profile.weighted)
			make(HTML, 'td', row, {}, timeText(value));
		make(HTML, 'td', row, {}, samplesText(samples));
		make(HTML, 'td', row, {}, percentText(value, tree.value[0]) + ' of all');
		if (state.zoom)
			make(HTML, 'td', row, {}, percentText(value, tree.value[state.zoom]) + ' of view');
	}
}

/* Beside the pointer, inside the window. */
function placeTip(x, y) {
	const width = Math.min(560, window.innerWidth - 16);

	set(tip.box, { width, height: 1000, visibility: 'visible' });
	const box = tip.ui.getBoundingClientRect();
	const left = Math.max(8, Math.min(x + 14, window.innerWidth - box.width - 8));
	const below = y + 18 + box.height < window.innerHeight;
	const top = Math.max(4, below ? y + 18 : y - box.height - 12);
	set(tip.box, { x: left, y: top, height: Math.ceil(box.height) });
}

function showHover(bar, x, y) {
	if (bar !== view.hover) {
		view.hover = bar;
		if (bar) {
			set(plot.hover, { x: MARGIN + bar.x, y: rowY(bar.depth), width: bar.w, height: BAR });
			fillTip(bar);
		}
		set(plot.hover, { visibility: bar ? 'visible' : 'hidden' });
		showAbout();
	}
	if (bar)
		placeTip(x, y);
	else
		set(tip.box, { visibility: 'hidden' });
}
