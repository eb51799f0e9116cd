// SPDX-License-Identifier: BSD-2-Clause
// Opens the flamegraph in headless Chromium and uses it as people do.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import {
	check, equal, near, svgFile, truthOf, matched, percent, thousands, open, close, bars, barOf, text, valueOf,
	hashOf, middleOf, clickOn, badLabels, folder, browser, run,
} from './browser.mjs';

// Least contrast (WCAG 2) of a label on a frame's colour, over all colours there are.
const leastContrast = (page) => page.evaluate(() => {
	const svg = document.documentElement, ns = 'http://www.w3.org/2000/svg';
	const light = (rgb) => rgb.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255)
		.map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const colour = (group, tag, name) => {
		const g = svg.appendChild(document.createElementNS(ns, 'g')), e = g.appendChild(document.createElementNS(ns, tag));
		g.setAttribute('class', group);
		e.setAttribute('class', name);
		const fill = getComputedStyle(e).fill;
		g.remove();
		return light(fill);
	};
	const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	let least = ratio(colour('labels', 'text', 'hit'), colour('bars', 'rect', 'p1 hit'));
	for (const kind of 'pnijkot')
		for (const shade of '0123')
			least = Math.min(least, ratio(colour('labels', 'text', ''), colour('bars', 'rect', kind + shade)));
	return least;
});

// ---- checks ------------------------------------------------------------------------------------------

async function testDrawing(file, nodes) {
	const page = await open(file), width = 1300 - 20, total = nodes[0].value;
	const drawn = await bars(page), known = drawn.filter((b) => b.node >= 0);

	equal('demo: the root fills the window', (await barOf(page, 0)).width, width);
	check('demo: every bar is as wide as its share',
		known.every((b) => Math.abs(b.width - width * nodes[b.node].value / total) < 1e-6));
	check('demo: all frames wide enough are drawn',
		nodes.every((n) => width * n.value / total < 0.3 || known.some((b) => b.node === n.id)));
	equal('demo: labels lie in their bars', (await badLabels(page, '.plot')).join(' '), '');
	check('demo: the quality is told', /98\.8 of 99 Hz.*3 lost.*failed: native-no-rule 41/s.test(await text(page, '.facts')));
	check('demo: the legend has the kinds that are there',
		/python .*native .*inlined .*jit .*kernel .*note .*process, thread/.test(await text(page, '.kinds')));
	await page.setViewportSize({ width: 420, height: 700 });
	await page.waitForFunction(() => document.querySelector('.plot .bars rect').getAttribute('width') === '400');
	equal('demo: a narrow window is laid out anew, labels in their bars', (await badLabels(page, '.plot')).join(' '), '');
	await close(page, 'drawing');
}

async function testZoom(file, nodes) {
	const page = await open(file), search = nodes.find((n) => n.frame.name === 'search'), total = nodes[0].value;
	const width = 1300 - 20;

	await page.mouse.move(...await middleOf(page, search.id));
	const tip = await text(page, '.tip');
	check('hover: the tooltip has name, place, total and self',
		['search', '/srv/shop/views/search.py:23', thousands(search.samples) + ' samples', percent(search.value, total) + ' of all',
			percent(search.self, total)].every((part) => tip.includes(part)), tip);
	check('hover: the details line has them, too', (await text(page, '.about')).includes(percent(search.value, total)));
	await clickOn(page, search.id);
	await page.waitForFunction(() => window.location.hash.includes('zoom='));
	equal('zoom: the frame fills the width', (await barOf(page, search.id)).width, width);
	for (let a = search.parent; a; a = a.parent)
		equal(`zoom: ${a.frame.name} beneath it, too`, (await barOf(page, a.id)).width, width);
	check('zoom: children by their share of it', (await Promise.all(search.children.map(async (c) =>
		Math.abs((await barOf(page, c.id)).width - width * c.value / search.value) < 1e-6))).every((ok) => ok));
	check('zoom: siblings are gone', !(await barOf(page, search.parent.children.find((c) => c !== search).id)));
	const child = search.children[0];
	await page.mouse.move(...await middleOf(page, child.id));
	const zoomed = await text(page, '.tip');
	check('zoom: percent of all and of the view', zoomed.includes(percent(child.value, total) + ' of all') &&
		zoomed.includes(percent(child.value, search.value) + ' of view'), zoomed);
	await page.goBack();
	await page.waitForFunction(() => !window.location.hash.includes('zoom='));
	near('zoom: Back zooms out', (await barOf(page, search.id)).width, width * search.value / total, 1e-6);
	await clickOn(page, search.id);
	await clickOn(page, search.parent.id);
	equal('zoom: a click beneath zooms out to there', (await barOf(page, search.parent.id)).width, width);
	await page.click('.reset');
	near('reset: by the button', (await barOf(page, search.id)).width, width * search.value / total, 1e-6);
	await clickOn(page, search.id);
	await page.keyboard.press('Escape');
	near('reset: by Esc', (await barOf(page, search.id)).width, width * search.value / total, 1e-6);
	check('reset: the button has nothing left to do', await page.$eval('.reset', (b) => b.disabled));
	await close(page, 'zoom');
}

async function testSearch(file, nodes) {
	const page = await open(file), total = nodes[0].value;
	const expected = (pattern) => {
		const [value, samples] = matched(nodes[0], pattern);
		return [percent(value, total), thousands(samples) + ' sample'];
	};
	const says = async (what, parts) => {
		const found = await text(page, '.found');
		check(what, parts.every((part) => found.includes(part)), `got "${found}", expected ${parts}`);
	};

	await page.keyboard.press('Control+f');
	equal('search: Ctrl-F goes to the field', await page.evaluate(() => document.activeElement?.className), 'search');
	await page.keyboard.type('index\\.[lr]');
	await says('search: share of a pattern, each sample once', expected(/index\.[lr]/i));
	const hits = (await bars(page)).filter((b) => b.class.includes('hit'));
	check('search: just the matching bars are lit', hits.length > 0 && hits.every((b) => /index\.[lr]/i.test(nodes[b.node].frame.name)) &&
		hits.length === nodes.filter((n) => n.parent && /index\.[lr]/i.test(n.frame.name)).length, hits.length);
	await page.click('.case');
	await says('search: upper and lower case told apart', expected(/index\.[lr]/));
	await page.fill('.search', 'Index\\.(rank|lookup)|^sqlite3');
	await says('search: alternatives', expected(/Index\.(rank|lookup)|^sqlite3/));
	const view = nodes.find((n) => n.frame.name === 'search');
	await clickOn(page, view.id);
	const inside = matched(view, /Index\.(rank|lookup)|^sqlite3/)[0];
	await says('search: also of the zoomed view', [percent(inside, view.value) + ' of this view']);
	await page.fill('.search', '(unclosed');
	await says('search: a wrong pattern is called so', ['not a regular expression', '(unclosed']);
	equal('search: and the field is marked', await page.getAttribute('.search', 'aria-invalid'), 'true');
	equal('search: and nothing is lit', (await bars(page)).filter((b) => b.class.includes('hit')).length, 0);
	await page.keyboard.press('Escape');
	equal('search: Esc in the field empties it', await valueOf(page), '');
	equal('search: and keeps the zoom', (await barOf(page, view.id)).width, 1280);
	await page.keyboard.press('Escape');
	await page.keyboard.press('/');
	equal('search: / goes to the field and is not typed', await page.evaluate(() =>
		document.activeElement?.className + document.activeElement?.value), 'search');
	await page.keyboard.type('shop/index.py');
	const found = await text(page, '.found');
	check('search: files are looked at, too', found.startsWith('matched ') && !found.startsWith('matched 0.00'), found);
	await close(page, 'search');
}

async function testKeyboard(file, nodes) {
	const page = await open(file), about = () => text(page, '.about .name');

	for (let i = 0; i < 12 && !await page.evaluate(() => document.activeElement?.matches('.plot')); i++)
		await page.keyboard.press('Tab');
	check('keyboard: Tab reaches the plot', await page.evaluate(() => document.activeElement?.matches('.plot')));
	equal('keyboard: and marks a frame', await page.$eval('.mark', (e) => e.getAttribute('visibility')), 'visible');
	await page.keyboard.press('Home');
	const hottest = (n) => n.children.reduce((a, b) => b.value > a.value ? b : a);
	let at = nodes[0];
	for (let i = 0; i < 3; i++) {
		await page.keyboard.press('ArrowUp');
		at = hottest(at);
		equal(`keyboard: up to the hottest frame, step ${i + 1}`, await about(), at.frame.name);
	}
	await page.keyboard.press('ArrowDown');
	at = at.parent;
	equal('keyboard: down again', await about(), at.frame.name);
	const siblings = at.parent.children, right = siblings[siblings.indexOf(at) + 1];
	await page.keyboard.press('ArrowRight');
	equal('keyboard: to the right', await about(), right.frame.name);
	await page.keyboard.press('Enter');
	equal('keyboard: Enter zooms', (await barOf(page, right.id)).width, 1280);
	await page.keyboard.press('Escape');
	await page.keyboard.press('i');
	const [top, up] = [await barOf(page, 0), await barOf(page, nodes[1].id)];
	check('keyboard: i turns the picture over', top.y < up.y, `${top.y} ${up.y}`);
	equal('keyboard: and presses the button', await page.getAttribute('.icicle', 'aria-pressed'), 'true');
	await close(page, 'keyboard');
}

async function testHash(file, nodes) {
	const page = await open(file), node = nodes.find((n) => n.frame.name === 'checkout');

	await clickOn(page, node.id);
	await page.fill('.search', 'sql+ &=#');
	await page.fill('.search', 'sql');
	await page.click('.icicle');
	const found = await text(page, '.found'), hash = await hashOf(page);
	await page.reload();
	await page.waitForSelector('.search');
	equal('hash: the zoom survives a reload', (await barOf(page, node.id)).width, 1280);
	equal('hash: the search, too', await valueOf(page), 'sql');
	equal('hash: with the same result', await text(page, '.found'), found);
	equal('hash: and the direction', await page.getAttribute('.icicle', 'aria-pressed'), 'true');
	equal('hash: is stable', await hashOf(page), hash);
	await close(page, 'hash');
	for (const wrong of ['#zoom=999999', '#zoom=-1', '#zoom=x', '#search=(', '#%ff=&&&=']) {
		const other = await open(file, {}, wrong);
		equal(`hash: ${wrong} does no harm`, (await barOf(other, 0)).width, 1280);
		await close(other, 'hash ' + wrong);
	}
}

async function testHostile(file) {
	const page = await open(file), nodes = truthOf(file);

	equal('hostile: one script in the document', await page.$$eval('script', (s) => s.length), 1);
	equal('hostile: nothing else came out of names', await page.$$eval('img, iframe, a, [onload], [onerror]', (e) => e.length), 0);
	equal('hostile: the title is text', await text(page, 'h1'), '</title><script>alert(0)</script> ]]> & "x"');
	const names = nodes.filter((n) => n.parent === nodes[0]);
	equal('hostile: every name is there', names.length, 12);
	for (const node of names) {
		await page.mouse.move(...await middleOf(page, node.id));
		equal(`hostile: shown as text: ${JSON.stringify(node.frame.name)}`, await text(page, '.tip .name'), node.frame.name);
	}
	for (const name of ['<script>alert(1)</script>', ']]><script>alert(2)</script>', '</metadata><script>alert(3)</script>'])
		check(`hostile: as it was: ${name}`, names.some((n) => n.frame.name === name));
	check('hostile: control characters and broken UTF-8 replaced', names.every((n) =>
		!/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/.test(n.frame.name)) && names.some((n) => n.frame.name.startsWith('invalid \ufffd\ufffd ')));
	await page.fill('.search', 'alert\\(2\\)');
	check('hostile: can be searched', (await text(page, '.found')).startsWith('matched '));
	await page.fill('.search', '<img src=x onerror=alert(9)>(');
	check('hostile: a wrong pattern is shown as text', (await text(page, '.found')).includes('<img src=x onerror=alert(9)>('));
	await clickOn(page, names[0].id);
	equal('hostile: can be zoomed', (await barOf(page, names[0].id)).width, 1280);
	await close(page, 'hostile');
}

async function testSchemes(file) {
	const ground = (page) => page.$eval('.ground', (e) => getComputedStyle(e).fill);
	const light = await open(file, { colorScheme: 'light' }), dark = await open(file, { colorScheme: 'dark' });

	equal('light: white ground', await ground(light), 'rgb(255, 255, 255)');
	check('dark: dark ground', (await ground(dark)).match(/\d+/g).every((v) => v < 40), await ground(dark));
	for (const [name, page] of [['light', light], ['dark', dark]])
		check(`${name}: labels can be read on every colour`, await leastContrast(page) >= 4.5, await leastContrast(page));
	await close(light, 'light');
	await close(dark, 'dark');
}

// How many colours a screenshot has: decoded by the browser itself.
async function coloursOf(page) {
	const png = (await page.screenshot()).toString('base64'), blank = await page.context().newPage();
	const n = await blank.evaluate(async (data) => {
		const image = new Image();
		image.src = 'data:image/png;base64,' + data;
		await image.decode();
		const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
		context.drawImage(image, 0, 0);
		return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size;
	}, png);

	await blank.close();
	return n;
}

async function testStill(file) {
	const page = await open(file, { javaScriptEnabled: false });
	const locator = page.locator('.still .bars rect');

	check('still: frames without a script', await locator.count() > 100, await locator.count());
	equal('still: no element of the script', await page.locator('.search').count(), 0);
	const labels = await page.locator('.still .labels text').allTextContents();
	check('still: labels', ['all', 'Handler.handle', 'search', 'worker'].every((l) => labels.includes(l)), labels);
	const still = await page.locator('.still').textContent();
	check('still: title, quality and legend', ['python3 server.py (4711)', '5,930 samples', 'kernel'].every((part) =>
		still.includes(part)), still);
	check('still: it is drawn', await coloursOf(page) > 20);
	await close(page, 'still');

	const html = path.join(folder, 'img.html');
	fs.writeFileSync(html, '<!doctype html><body style="margin:0"><img src="demo.svg" alt="">');
	const context = await browser.newContext({ viewport: { width: 1300, height: 800 } }), embedded = await context.newPage();
	await embedded.goto(pathToFileURL(html).href);
	await embedded.waitForFunction(() => document.images[0].complete && document.images[0].naturalWidth > 0);
	equal('img: has its size', await embedded.evaluate(() => document.images[0].naturalWidth), 1200);
	check('img: is drawn', await coloursOf(embedded) > 20);
	await context.close();

	// the page's script off, the test's on: a copy without the script
	const bare = path.join(folder, 'bare.svg');
	fs.writeFileSync(bare, fs.readFileSync(file, 'utf8').replace(/<script>[^]*<\/script>/, ''));
	const measured = await browser.newPage();
	await measured.goto(pathToFileURL(bare).href);
	equal('still: labels lie in their bars', (await badLabels(measured, '.still')).join(' '), '');
	await measured.close();
}

async function testSmall() {
	const empty = await open(svgFile('empty'));
	check('empty: says so', (await text(empty, '.plot ~ text.middle')).includes('No samples'));
	equal('empty: draws nothing', (await bars(empty)).length, 0);
	await empty.fill('.search', 'x');
	await empty.keyboard.press('Escape');
	await empty.keyboard.press('Escape');
	await close(empty, 'empty');
	const one = await open(svgFile('one'));
	equal('one: two bars, root and frame', (await bars(one)).map((b) => b.width).join(' '), '1280 1280');
	await clickOn(one, 1);
	check('one: one sample', (await text(one, '.about')).includes('1 sample,'), await text(one, '.about'));
	await close(one, 'one');
	const samples = await open(svgFile('samples'));
	equal('samples: widths by samples where no weight is known',
		(await bars(samples)).filter((b) => b.node >= 2).map((b) => b.width).join(' '), '960 320');
	await samples.mouse.move(...await middleOf(samples, 2));
	const tip = await text(samples, '.tip');
	check('samples: no times are told', tip.includes('3 samples') && !/\d (h|min|s|ms|us)\b/.test(tip), tip);
	await close(samples, 'samples');
}

async function testDeep() {
	const page = await open(svgFile('deep')), root = await barOf(page, 0);

	check('deep: the root is in sight', root && root.y < 800, JSON.stringify(root));
	check('deep: only rows in sight are drawn', (await bars(page)).length < 100);
	await page.mouse.move(600, 400);
	await page.mouse.wheel(0, -3000);
	await page.waitForFunction(() => !document.querySelector('.plot .bars rect[data-node="0"]'));
	check('deep: the wheel scrolls', (await bars(page)).some((b) => b.node > 150));
	await page.mouse.wheel(0, -1e6);
	await page.waitForFunction(() => document.querySelector('.plot .bars rect[data-node="1200"]'));
	check('deep: up to the last frame', true);
	await clickOn(page, 1190);
	equal('deep: zooms there', (await barOf(page, 1190)).width, 1280);
	await page.keyboard.press('Escape');
	check('deep: Esc returns to the root', !!(await barOf(page, 0)));
	await close(page, 'deep');
}

async function testWide() {
	const file = svgFile('wide', '200000'), nodes = truthOf(file), page = await open(file);
	const drawn = await bars(page), fillers = drawn.filter((b) => b.node < 0);

	check('wide: 200,000 nodes open with few elements', nodes.length >= 200000 && drawn.length <= 6000, drawn.length);
	const sums = new Map();
	for (const b of drawn)
		sums.set(b.y, (sums.get(b.y) || 0) + b.width);
	const rows = [...sums.entries()].sort((a, b) => b[0] - a[0]).slice(0, 5);
	check('wide: what is too narrow is summed up, rows stay whole', fillers.length > 0 &&
		rows.every(([, sum]) => Math.abs(sum - 1280) < 1e-3), JSON.stringify(rows));
	const filler = fillers.reduce((a, b) => b.width > a.width ? b : a);
	await page.mouse.move(filler.x + filler.width / 2, filler.y + 8);
	check('wide: a filler tells how many', /^\d+ frames too narrow to draw/.test(await text(page, '.tip .name')));
	await page.mouse.click(filler.x + filler.width / 2, filler.y + 8);
	await page.waitForFunction(() => window.location.hash.includes('zoom='));
	const parent = Number(new URLSearchParams((await hashOf(page)).slice(1)).get('zoom'));
	const shown = new Set((await bars(page)).map((b) => b.node));
	check('wide: and zooms to what it holds', nodes[parent].children.some((c) => shown.has(c.id) && !drawn.some((b) => b.node === c.id)));
	await close(page, 'wide');
}

// ---- run ---------------------------------------------------------------------------------------------

await run(async () => {
	const demo = svgFile('demo'), nodes = truthOf(demo);

	await testDrawing(demo, nodes);
	await testZoom(demo, nodes);
	await testSearch(demo, nodes);
	await testKeyboard(demo, nodes);
	await testHash(demo, nodes);
	await testHostile(svgFile('hostile'));
	await testSchemes(demo);
	await testStill(demo);
	await testSmall();
	await testDeep();
	await testWide();
});
