/* SPDX-License-Identifier: BSD-2-Clause */
/* Listens to keyboard, pointer and the URL's hash, and starts it all. */

/* ---- state --------------------------------------------------------------------------------- */

function readHash() {
	const from = new URLSearchParams(window.location.hash.slice(1));
	const zoom = Number(from.get('zoom') || 0);
	const known = Number.isInteger(zoom) && zoom >= 0 && zoom < tree.n && tree.value[zoom] > 0;

	return {
		zoom: known ? zoom : 0,
		query: from.get('search') || '',
		exact: from.get('case') === '1',
		icicle: from.get('icicle') === '1',
	};
}

/* A zoom is a step that the browser's Back takes back; a search is not. */
function saveHash(step) {
	const to = new URLSearchParams();

	if (state.zoom)
		to.set('zoom', state.zoom);
	if (state.query)
		to.set('search', state.query);
	if (state.exact)
		to.set('case', '1');
	if (state.icicle)
		to.set('icicle', '1');
	const hash = '#' + to;
	if (hash === (window.location.hash || '#'))
		return;
	try {
		window.history[step ? 'pushState' : 'replaceState'](null, '', hash);
	} catch {
		window.location.hash = hash; /* where history is not ours, as in some embedded views */
	}
}

function applySearch() {
	let wrong = '';

	view.found = null;
	head.found.textContent = '';
	if (state.query) {
		try {
			view.found = search(profile, new RegExp(state.query, state.exact ? '' : 'i'));
		} catch (e) {
			wrong = e instanceof SyntaxError ? 'not a regular expression' : String(e.message);
			head.found.textContent = wrong + ': ' + state.query;
		}
	}
	head.found.classList.toggle('wrong', wrong !== '');
	head.search.setAttribute('aria-invalid', wrong !== '');
}

/* Puts a new state on the screen. */
function apply(next, step) {
	const zoomed = next.zoom !== state.zoom;

	Object.assign(state, next);
	showHover(null);
	applySearch();
	if (head.search.value !== state.query)
		head.search.value = state.query;
	head.exact.setAttribute('aria-pressed', state.exact);
	head.icicle.setAttribute('aria-pressed', state.icicle);
	head.reset.disabled = !state.zoom && !state.query;
	if (zoomed || !view.width) {
		view.rows = deepest(state.zoom) + 1;
		view.scroll = Math.max(0, tree.depth[state.zoom] - 3) * ROW;
		if (view.mark >= 0)
			view.mark = state.zoom;
		drawKinds();
	}
	redraw();
	if (step !== undefined)
		saveHash(step);
}

function zoomTo(i) {
	apply({ zoom: i }, true);
}

function reset() {
	view.mark = -1;
	apply({ zoom: 0, query: '' }, true);
}

/* ---- keyboard, pointer --------------------------------------------------------------------- */

function isDrawn(i) {
	return plot.rects.some((rect) => rect.bar.node === i);
}

function hottestChild(i) {
	let best = i;

	for (let c = i + 1; c < tree.end[i]; c = tree.end[c])
		if (best === i || tree.value[c] > tree.value[best])
			best = c;
	return tree.value[best] > 0 ? best : i;
}

/* The next drawn sibling to the right or the left, or the same frame. */
function sibling(i, right) {
	const p = tree.parent[i];
	let left = i;

	if (!i)
		return i;
	for (let c = right ? tree.end[i] : p + 1; c < (right ? tree.end[p] : i); c = tree.end[c]) {
		if (!isDrawn(c))
			continue;
		left = c;
		if (right)
			break;
	}
	return left;
}

function moveMark(key) {
	const i = view.mark;

	if (i < 0)
		view.mark = state.zoom;
	else if (key === 'Home')
		view.mark = 0;
	else if (key === 'ArrowLeft' || key === 'ArrowRight')
		view.mark = sibling(i, key === 'ArrowRight');
	else if ((key === 'ArrowUp') !== state.icicle)
		view.mark = tree.depth[i] < tree.depth[state.zoom] ? ancestorBelowZoom(i) : hottestChild(i);
	else
		view.mark = tree.parent[i];
	const from = tree.depth[view.mark] * ROW;
	view.scroll = Math.min(from, Math.max(view.scroll, from + ROW - view.height));
	clampScroll();
	showHover(null);
	draw();
}

/* From a frame beneath the zoomed one, the step towards it. */
function ancestorBelowZoom(i) {
	let at = state.zoom;

	while (tree.parent[at] !== i)
		at = tree.parent[at];
	return at;
}

function scrollBy(px) {
	view.scroll += state.icicle ? px : -px;
	clampScroll();
	showHover(null);
	draw();
}

function onSearchKey(event) {
	if (event.key !== 'Escape')
		return;
	event.preventDefault();
	if (state.query)
		apply({ query: '' }, false);
	else
		plot.box.focus();
}

function onKey(event) {
	const key = event.key;
	const find = key === 'f' ? event.ctrlKey || event.metaKey : key === '/' && event.target !== head.search;

	if (find) {
		event.preventDefault();
		head.search.focus();
		head.search.select();
	} else if (event.target === head.search) {
		onSearchKey(event);
	} else if (event.ctrlKey || event.metaKey || event.altKey) {
		return;
	} else if (key === 'Escape') {
		reset();
	} else if (event.target.localName === 'button') {
		return;
	} else if (/^(Arrow|Home$)/.test(key)) {
		event.preventDefault();
		moveMark(key);
	} else if (key === 'Enter' && view.mark >= 0) {
		zoomTo(view.mark);
	} else if (key === 'PageUp' || key === 'PageDown') {
		event.preventDefault();
		scrollBy((key === 'PageUp' ? -1 : 1) * (view.height - ROW));
	} else if (key === 'i') {
		apply({ icicle: !state.icicle }, false);
	}
}

/* A press that moves scrolls; one that does not is a click. On the scroll bar it moves by the track's
 * scale. */
function listenToDrag() {
	let drag = null;

	const begin = (event, scale) => {
		if (event.button === 0 && view.scrollMax > 0)
			drag = { y: event.clientY, scale, moved: false };
	};
	plot.box.addEventListener('pointerdown', (event) => begin(event, -1));
	plot.thumb.addEventListener('pointerdown', (event) => begin(event, view.rows * ROW / view.height));
	window.addEventListener('pointermove', (event) => {
		if (!drag || (!drag.moved && Math.abs(event.clientY - drag.y) < 5))
			return;
		drag.moved = true;
		scrollBy((event.clientY - drag.y) * drag.scale);
		drag.y = event.clientY;
	});
	window.addEventListener('pointercancel', () => { drag = null; });
	plot.box.addEventListener('click', (event) => {
		const bar = event.target.bar, moved = drag && drag.moved;
		drag = null;
		if (!moved && bar)
			zoomTo(bar.node >= 0 ? bar.node : tree.parent[bar.from]);
	});
	window.addEventListener('pointerup', () => setTimeout(() => { drag = null; }));
}

function listen() {
	document.addEventListener('keydown', onKey);
	head.search.addEventListener('input', () => apply({ query: head.search.value }, false));
	head.exact.addEventListener('click', () => apply({ exact: !state.exact }, false));
	head.icicle.addEventListener('click', () => apply({ icicle: !state.icicle }, false));
	head.reset.addEventListener('click', reset);
	plot.box.addEventListener('pointermove', (event) => {
		showHover(event.target.bar || null, event.clientX, event.clientY);
	});
	plot.box.addEventListener('pointerleave', () => showHover(null));
	plot.box.addEventListener('focus', () => {
		if (view.mark < 0 && plot.box.matches(':focus-visible'))
			moveMark('Home');
	});
	svg.addEventListener('wheel', (event) => {
		if (event.ctrlKey || !view.scrollMax)
			return;
		event.preventDefault();
		scrollBy(event.deltaMode === 1 ? event.deltaY * ROW : event.deltaY);
	}, { passive: false });
	listenToDrag();
	window.addEventListener('resize', redraw);
	window.addEventListener('popstate', () => apply(readHash()));
	window.addEventListener('hashchange', () => apply(readHash()));
}

/* ---- start --------------------------------------------------------------------------------- */

const cell = measureCell();
svg.removeAttribute('viewBox');
svg.querySelector('.still').remove();
const head = makeHead(), plot = makePlot(), about = makeAbout(), tip = makeTip();
apply(readHash());
listen();
