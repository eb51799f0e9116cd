/* SPDX-License-Identifier: BSD-2-Clause */
/* Of a picture of two profiles: reads what diff_picture.c writes, and turns widths from one side to the
 * other. Stands behind flamegraph_draw.js and before flamegraph.js, of which it replaces functions; those
 * that it builds on are kept in `plain`. Side 0 is before, side 1 after. */

const SIDES = ['before', 'after'];
const COLUMNS = ['samples', 'weight', 'selfSamples', 'selfWeight', 'value', 'self', 'start'];
const FLAGS = { self: { significant: 1, interval: 4 }, total: { significant: 2, interval: 8 } };
const plain = { apply, classOf, makeHead, onKey, readHash, redraw };

/* The columns of `tree` that differ between the sides, one set for each. */
function readSides() {
	const other = Object.assign({}, tree);
	let i = 0, weight = false;

	for (const column of COLUMNS.slice(0, 4))
		other[column] = new Float64Array(tree.n);
	readNumbers(chunksOf(svg, 'before'), (number) => {
		if (weight)
			other.selfWeight[i] = number;
		else
			other.selfSamples[i] = Math.floor(number / 2);
		weight = !weight && number % 2 === 1;
		if (!weight)
			i++;
	});
	if (i !== tree.n)
		throw new Error('the data of this picture is cut short');
	sumUp(other, profile.weighted);
	return [other, tree].map((t) => Object.fromEntries(COLUMNS.map((column) => [column, t[column]])));
}

function readChange(flags, numbers, bits) {
	const [before, after, low, high] = numbers.map((n) => n / diff.scale);
	const change = { before, after, significant: (flags & bits.significant) !== 0 };

	return flags & bits.interval ? Object.assign(change, { low: low - 1, high: high - 1 }) : change;
}

function readChanges() {
	const changes = [];
	let field = [];

	readNumbers(chunksOf(svg, 'changes'), (number) => {
		field.push(number);
		if (field.length < 9)
			return;
		changes.push({
			self: readChange(field[0], field.slice(1, 5), FLAGS.self),
			total: readChange(field[0], field.slice(5), FLAGS.total),
		});
		field = [];
	});
	return changes;
}

const diff = JSON.parse(chunksOf(svg, 'diff')[0]);
const sides = readSides(), changes = readChanges(), shades = chunksOf(svg, 'shades').join('');
const rowOf = [];
readNumbers(chunksOf(svg, 'rows'), (number) => rowOf.push(number - 1));
state.side = 1;

function takeSide(side) {
	Object.assign(tree, sides[side]);
}

/* The nearest frame beneath that this side has. */
function thereFrom(i) {
	while (i > 0 && !(tree.value[i] > 0))
		i = tree.parent[i];
	return i;
}

/* ---- state --------------------------------------------------------------------------------- */

readHash = () => {
	const side = new URLSearchParams(window.location.hash.slice(1)).get('widths') === SIDES[0] ? 0 : 1;

	takeSide(side); /* it tells which frames can be zoomed to */
	return Object.assign(plain.readHash(), { side });
};

saveHash = (step) => {
	const keep = {
		zoom: state.zoom, search: state.query, case: state.exact ? 1 : 0, icicle: state.icicle ? 1 : 0,
		widths: state.side ? '' : SIDES[0],
	};
	const hash = '#' + new URLSearchParams(Object.entries(keep).filter(([, value]) => value));

	if (hash === (window.location.hash || '#'))
		return;
	try {
		window.history[step ? 'pushState' : 'replaceState'](null, '', hash);
	} catch {
		window.location.hash = hash;
	}
};

apply = (next, step) => {
	if (next.side !== undefined && next.side !== state.side) {
		takeSide(next.side);
		next = Object.assign({ zoom: thereFrom(state.zoom) }, next);
		if (view.mark >= 0)
			view.mark = thereFrom(view.mark);
	}
	plain.apply(next, step);
	head.sides.forEach((button, side) => button.setAttribute('aria-pressed', side === state.side));
};

/* What a search finds is told at length: the head may need another line then. */
redraw = () => {
	plain.redraw();
	if (Math.ceil(head.ui.getBoundingClientRect().height) !== view.top)
		plain.redraw();
};

function turnTo(side) {
	apply({ side }, false);
}

onKey = (event) => {
	const typed = event.target === head.search || event.ctrlKey || event.metaKey || event.altKey;

	if (event.key === 'b' && !typed)
		turnTo(1 - state.side);
	else
		plain.onKey(event);
};

/* ---- elements ------------------------------------------------------------------------------ */

makeHead = () => {
	const made = plain.makeHead();
	const group = make(HTML, 'span', null, { class: 'sides', role: 'group', 'aria-label': 'Widths of which side' });

	made.sides = SIDES.map((word, side) => {
		const button = make(HTML, 'button', group, {
			type: 'button', class: word, title: 'Widths are shares of ' + word + ' (key b changes)',
		}, word[0].toUpperCase() + word.slice(1));
		button.addEventListener('click', () => turnTo(side));
		return button;
	});
	made.icicle.parentNode.insertBefore(group, made.icicle);
	return made;
};

function shadeOf(i) {
	const shade = Number(shades[i]);

	return shade === diff.steps ? 'g' + profile.frames[tree.frame[i]].shade.slice(1) : 'c' + shade;
}

classOf = (bar) => bar.node > 0 ? plain.classOf(bar).replace(/^\S+/, shadeOf(bar.node)) : plain.classOf(bar);

drawKinds = () => {
	const legend = [
		[['c0', 'c1', 'c2'], 'shrank to half, by a fifth, a little'],
		[['g1'], 'its ' + diff.by + ' did not change significantly'],
		[['c4', 'c5', 'c6'], 'grew a little, by a quarter, to double'],
	];

	head.kinds.textContent = '';
	for (const [classes, text] of legend) {
		const item = make(HTML, 'span', head.kinds, { class: 'kind' });
		for (const name of classes)
			make(SVG, 'rect', make(SVG, 'svg', item), { class: name, width: 12, height: 12, rx: 2 });
		item.append(text);
	}
};

/* What is asked of a side other than the drawn one. */
function withSide(side, ask) {
	takeSide(side);
	const answer = ask();
	takeSide(state.side);
	return answer;
}

function missingMatches() {
	let n = 0;

	for (let i = 1; i < tree.n; i++)
		if (!(tree.value[i] > 0) && view.found.isHit(i))
			n++;
	return n;
}

drawFound = () => {
	svg.classList.toggle('searched', !!view.found);
	if (!view.found)
		return;
	const shareOf = (node) => SIDES.map((word, side) => withSide(side, () => {
		const share = view.found.share(node);
		const amount = node ? '' : ' (' + amountText(share.value, share.samples) + ')';
		return word + ' ' + percentText(share.value, tree.value[node]) + amount;
	})).reverse().join(', ');
	const missing = missingMatches();
	let text = 'matched ' + shareOf(0);

	if (state.zoom)
		text += '; of this view ' + shareOf(state.zoom);
	if (missing)
		text += '; ' + missing + (missing === 1 ? ' frame' : ' frames') + ' only ' + SIDES[1 - state.side] + ' (key b)';
	head.found.textContent = text;
};

/* ---- what a frame is ----------------------------------------------------------------------- */

function pointsText(change) {
	const points = (100 * change).toFixed(2);

	return (change > 0 && Number(points) !== 0 ? '+' : '') + (Number(points) === 0 ? '0.00' : points);
}

/* Both sides of [total, self] of a node, or of a run of narrow ones. */
function amountsOf(bar) {
	const sum = (side, value, samples) => withSide(side, () => {
		const amount = { value: 0, samples: 0, whole: tree.value[0], view: tree.value[state.zoom] };
		const end = bar.node < 0 ? bar.to : bar.node + 1;
		for (let i = bar.node < 0 ? bar.from : bar.node; i < end; i = tree.end[i]) {
			amount.value += tree[value][i];
			amount.samples += tree[samples][i];
		}
		return amount;
	});
	const rows = [['total', 'value', 'samples'], ['self', 'self', 'selfSamples']];

	return rows.slice(0, bar.node < 0 ? 1 : 2).map(([title, value, samples]) =>
		({ title, of: [0, 1].map((side) => sum(side, value, samples)) }));
}

function onlySide(amounts) {
	const [before, after] = amounts[0].of;

	return before.value > 0 && after.value > 0 ? '' : before.value > 0 ? 'only before' : 'only after';
}

/* What is known of the function (line, module) that a frame belongs to. */
function changeText(title, c) {
	const interval = c.low === undefined ? '' : ' (95 %: ' + pointsText(c.low) + ' to ' + pointsText(c.high) + ')';

	return title + ' ' + percentText(c.before, 1) + ' \u2192 ' + percentText(c.after, 1) + ', ' +
		pointsText(c.after - c.before) + interval + (c.significant ? ', significant' : ', not significant');
}

function itsText(i) {
	const row = i > 0 ? changes[rowOf[tree.frame[i]]] : null;

	return row ? ['total', 'self'].filter((title) => row[title].before > 0 || row[title].after > 0)
		.map((title) => 'this ' + diff.by + ': ' + changeText(title, row[title])) : [];
}

describe = (bar) => {
	const amounts = amountsOf(bar), only = onlySide(amounts), rest = bar.node < 0 ?
		(bar.to - bar.from) + ' with all above; zoom in to see them' : nodeRest(bar.node);

	return {
		name: bar.node < 0 ? bar.frames + (bar.frames === 1 ? ' frame' : ' frames') + ' too narrow to draw' :
			nameOf(profile, bar.node),
		rest: only ? only + ' \u00b7 ' + rest : rest,
		rows: amounts, its: itsText(bar.node),
	};
};

function shareOfSide(amount) {
	return percentText(amount.value, amount.whole);
}

function changeOf(of) {
	const [before, after] = of.map((amount) => amount.whole > 0 ? amount.value / amount.whole : 0);

	return pointsText(after - before);
}

showAbout = () => {
	const bar = view.hover || (view.mark >= 0 ? { node: view.mark } : null);

	if (!bar && !state.zoom) {
		about.name.textContent = '';
		about.rest.textContent = HINT.replace('i to turn over', 'b for the widths of the other side, i to turn over');
		return;
	}
	const what = describe(bar || { node: state.zoom });
	about.name.textContent = what.name;
	const texts = what.rows.map(({ title, of }) => title + ' ' + shareOfSide(of[0]) + ' \u2192 ' + shareOfSide(of[1]) +
		', ' + changeOf(of) + ' points');
	about.rest.textContent = texts.concat(what.its, what.rest).join(' \u00b7 ');
};

fillTip = (bar) => {
	const what = describe(bar), cells = (parent, texts) => {
		for (const text of texts)
			make(HTML, 'td', parent, {}, text);
	};

	tip.name.textContent = what.name.length > 600 ? what.name.slice(0, 600) + '\u2026' : what.name;
	tip.rest.textContent = what.rest.slice(0, 400);
	tip.table.textContent = '';
	cells(make(HTML, 'tr', tip.table, { class: 'head' }), ['', 'before', '', 'after', '', 'change']);
	for (const { title, of } of what.rows) {
		const amounts = of.flatMap((a) => [shareOfSide(a), amountText(a.value, a.samples)]);
		cells(make(HTML, 'tr', tip.table), [title, ...amounts, changeOf(of)]);
		if (state.zoom)
			cells(make(HTML, 'tr', tip.table),
				['of view', ...of.flatMap((a) => [percentText(a.value, a.view), ''])]);
	}
	for (const line of tip.ui.querySelectorAll('.its'))
		line.remove();
	for (const text of what.its)
		make(HTML, 'div', tip.ui, { class: 'its' }, text);
};
