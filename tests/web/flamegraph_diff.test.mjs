// SPDX-License-Identifier: BSD-2-Clause
// Opens the flamegraph of two profiles in headless Chromium and uses it as people do.
import fs from 'node:fs';
import path from 'node:path';

import {
	check, equal, svgFile, numbersOf, truthOf, percent, thousands, open, close, bars, barOf, text, hashOf, middleOf,
	clickOn, badLabels, run,
} from './browser.mjs';

// As truthOf(), with the values of the other side: nodes[i].was, .samplesWere, and the shade and row.
function truthOfDiff(file) {
	const svg = fs.readFileSync(file, 'utf8'), nodes = truthOf(file), before = numbersOf(svg, 'before');
	const shades = [...svg.matchAll(/<metadata class="shades">([^<]*)</g)].map((m) => m[1]).join('');
	let at = 0;

	for (const node of nodes) {
		const packed = before[at++];
		node.samplesWere = Math.floor(packed / 2);
		node.was = packed % 2 ? before[at++] : 0;
		node.shade = Number(shades[node.id]);
	}
	equal(`diff: ${path.basename(file)} has the values of all nodes before`, at, before.length);
	equal(`diff: ${path.basename(file)} has the shades of all nodes`, shades.length, nodes.length);
	for (const node of nodes.slice(1).reverse()) {
		node.parent.was += node.was;
		node.parent.samplesWere += node.samplesWere;
	}
	return nodes;
}

const pressed = (page) => page.$$eval('.sides button', (b) => b.map((e) => e.getAttribute('aria-pressed')).join(' '));
const points = (share) => (share > 0 ? '+' : '') + (100 * share).toFixed(2);

async function testDiffWidths(file, nodes) {
	const page = await open(file), root = nodes[0], width = 1280;
	const share = (n) => n.value / root.value, shareBefore = (n) => n.was / root.was;
	const gone = nodes.find((n) => n.frame.name === 'compile_again'), come = nodes.find((n) => n.frame.name === 'compile_cached');
	const drawnAs = async (what, of) => {
		const drawn = await bars(page), known = drawn.filter((b) => b.node >= 0);
		check(`diff: ${what}: every bar is as wide as its share`, known.length > 50 &&
			known.every((b) => Math.abs(b.width - width * of(nodes[b.node])) < 1e-6));
		check(`diff: ${what}: all frames wide enough are drawn`,
			nodes.every((n) => width * of(n) < 0.3 || known.some((b) => b.node === n.id)));
		equal(`diff: ${what}: labels lie in their bars`, (await badLabels(page, '.plot')).join(' '), '');
	};

	equal('diff: lines do not tell functions apart', nodes.filter((n) => n.frame.name === 'checkout').length, 1);
	await drawnAs('after', share);
	equal('diff: after is what it starts with', await pressed(page), 'false true');
	check('diff: what is gone is not drawn', gone.value === 0 && !await barOf(page, gone.id));
	await page.click('.sides .before');
	await drawnAs('before', shareBefore);
	equal('diff: the button is pressed', await pressed(page), 'true false');
	check('diff: what is new is not drawn', come.was === 0 && !await barOf(page, come.id) && !!await barOf(page, gone.id));
	await clickOn(page, gone.id);
	equal('diff: zooms before', (await barOf(page, gone.id)).width, width);
	const hash = await hashOf(page);
	check('diff: the hash keeps side and zoom', hash.includes('widths=before') && hash.includes('zoom=' + gone.id), hash);
	await page.reload();
	await page.waitForSelector('.search');
	equal('diff: both survive a reload', (await barOf(page, gone.id)).width, width);
	equal('diff: the button, too', await pressed(page), 'true false');
	await page.keyboard.press('b');
	equal('diff: key b turns to the other side', await pressed(page), 'false true');
	equal('diff: zoomed to what is there of it', (await barOf(page, gone.parent.id)).width, width);
	check('diff: the hash of the first view is short', !(await hashOf(page)).includes('widths'), await hashOf(page));
	await page.keyboard.press('Escape');
	await drawnAs('after again', share);
	await close(page, 'diff widths');
	const wrong = await open(file, {}, '#widths=x&zoom=' + gone.id);
	equal('diff: a zoom to what is not there does no harm', (await barOf(wrong, 0)).width, width);
	await close(wrong, 'diff hash');
}

async function testDiffTold(file, nodes) {
	const page = await open(file), root = nodes[0], execute = nodes.find((n) => n.frame.name === 'Session.execute');
	const was = execute.was / root.was, is = execute.value / root.value;

	check('diff: it grew', is > was * 1.25 && execute.shade >= 5, `${was} ${is} ${execute.shade}`);
	check('diff: its bar has the colour of growth', (await barOf(page, execute.id)).class.startsWith('c' + execute.shade));
	const same = nodes.find((n) => n.frame.name === 'search');
	check('diff: what did not change is grey', same.shade === 3 && /^g[0-3]/.test((await barOf(page, same.id)).class));
	await page.mouse.move(...await middleOf(page, execute.id));
	const tip = await text(page, '.tip');
	const parts = [percent(execute.was, root.was), percent(execute.value, root.value), points(is - was), thousands(execute.samples) + ' samples',
		thousands(execute.samplesWere) + ' samples', 'this function: total', ', significant', '95 %: +'];
	check('diff: the tooltip has both shares, the change and whether it is significant', parts.every((part) => tip.includes(part)),
		parts.filter((part) => !tip.includes(part)) + ' in ' + tip);
	await page.mouse.move(...await middleOf(page, same.id));
	check('diff: and that a change is not', /this function: total [^,]*,[^,]*, not significant/.test(await text(page, '.tip')),
		await text(page, '.tip'));
	equal('diff: nothing is told of a share that it has not', await page.locator('.tip .its').count(), 1);
	const come = nodes.find((n) => n.frame.name === 'compile_cached');
	await page.mouse.move(...await middleOf(page, come.id));
	check('diff: a frame of one side is called so', (await text(page, '.tip .rest')).startsWith('only after'), await text(page, '.tip .rest'));
	await page.fill('.search', 'compile_');
	const found = await text(page, '.found'), sum = (key) => nodes.filter((n) => /^compile_/.test(n.frame.name) &&
		!/^compile_/.test(n.parent.frame.name)).reduce((all, n) => all + n[key], 0);
	check('diff: a search tells of both sides', found.includes('after ' + percent(sum('value'), root.value)) &&
		found.includes('before ' + percent(sum('was'), root.was)) && /frames? only before/.test(found), found);
	const low = await page.$eval('.found', (e) => e.getBoundingClientRect().bottom), plot = await page.$eval('.plot .ground', (e) =>
		e.getBoundingClientRect().top);
	check('diff: and is not hidden by the plot', low <= plot, `${low} ${plot}`);
	await page.keyboard.press('b');
	equal('diff: b in the field is a letter', await pressed(page), 'false true');
	const facts = await text(page, '.facts');
	check('diff: both totals and the verdict are told', /before: .*5,700 samples.*after: .*6,600 samples.*functions changed/s.test(facts), facts);
	equal('diff: the title names both', await text(page, 'h1'), 'shop 2.0 \u2192 shop 2.1');
	check('diff: the legend', /shrank.*not change significantly.*grew/s.test(await text(page, '.kinds')));
	await close(page, 'diff told');
}

// Least contrast of a label on a colour of change, and the least distance between what shrank and what grew as an eye
// without red cones or without green ones sees them (Vienot, Brettel, Mollon 1999, in linear RGB).
const diffColours = (page) => page.evaluate(() => {
	const svg = document.documentElement, ns = 'http://www.w3.org/2000/svg';
	const colour = (group, tag, name) => {
		const g = svg.appendChild(document.createElementNS(ns, 'g')), e = g.appendChild(document.createElementNS(ns, tag));
		g.setAttribute('class', group);
		e.setAttribute('class', name);
		const fill = getComputedStyle(e).fill;
		g.remove();
		return fill.match(/[\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
	};
	const light = (rgb) => rgb.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const label = light(colour('labels', 'text', '')), names = ['c0', 'c1', 'c2', 'c4', 'c5', 'c6', 'g0', 'g1', 'g2', 'g3'];
	const rgb = Object.fromEntries(names.map((name) => [name, colour('bars', 'rect', name)]));
	const contrast = Math.min(...names.map((name) => (Math.max(light(rgb[name]), label) + 0.05) / (Math.min(light(rgb[name]), label) + 0.05)));
	const eyes = { protan: [0.11238, 0.88762], deutan: [0.29275, 0.70725] };
	const seen = (c, [r, g]) => [r * c[0] + g * c[1], c[2]];
	let apart = Infinity;
	for (const eye of Object.values(eyes))
		for (const less of ['c0', 'c1', 'c2'])
			for (const more of ['c4', 'c5', 'c6']) {
				const a = seen(rgb[less], eye), b = seen(rgb[more], eye);
				apart = Math.min(apart, Math.hypot(a[0] - b[0], a[1] - b[1]));
			}
	return { contrast, apart };
});

async function testDiffColours(file) {
	for (const colorScheme of ['light', 'dark']) {
		const page = await open(file, { colorScheme }), { contrast, apart } = await diffColours(page);
		check(`diff, ${colorScheme}: labels can be read on every colour`, contrast >= 4.5, contrast);
		check(`diff, ${colorScheme}: less and more can be told apart without red or green cones`, apart >= 0.1, apart);
		await close(page, 'diff ' + colorScheme);
	}
}

async function testDiffStill(file, nodes) {
	const page = await open(file, { javaScriptEnabled: false }), still = await page.locator('.still').textContent();

	check('diff still: title, totals and legend', ['shop 2.0 \u2192 shop 2.1', '5,700 samples', '6,600 samples', 'shrank', 'grew', 'widths: after']
		.every((part) => still.includes(part)), still);
	const grown = nodes.find((n) => n.frame.name === 'Session.execute');
	check('diff still: tooltips have both shares', still.includes(`after ${percent(grown.value, nodes[0].value)}`) &&
		still.includes(`before ${percent(grown.was, nodes[0].was)}`));
	check('diff still: both colours', await page.locator('.still .bars rect[class^="c6"]').count() > 0 &&
		await page.locator('.still .bars rect[class^="c0"]').count() > 0);
	await close(page, 'diff still');
}

async function testDiffHostile(file) {
	const page = await open(file), nodes = truthOfDiff(file);

	equal('diff hostile: one script in the document', await page.$$eval('script', (s) => s.length), 1);
	equal('diff hostile: nothing else came out of names', await page.$$eval('img, iframe, a, b, i, [onload], [onerror]', (e) => e.length), 0);
	for (const node of nodes.filter((n) => n.parent === nodes[0])) {
		await page.mouse.move(...await middleOf(page, node.id));
		equal(`diff hostile: shown as text: ${JSON.stringify(node.frame.name)}`, await text(page, '.tip .name'), node.frame.name);
	}
	await page.fill('.search', 'old <i>');
	check('diff hostile: found on the other side', /only before/.test(await text(page, '.found')), await text(page, '.found'));
	await page.click('.sides .before');
	check('diff hostile: and drawn there', (await bars(page)).filter((b) => b.class.includes('hit')).length > 0);
	await close(page, 'diff hostile');
}

async function testDiffOneSided() {
	const page = await open(svgFile('diff-one-sided'));

	check('diff one-sided: nothing after', (await text(page, '.plot ~ text.middle')).includes('No samples'));
	equal('diff one-sided: draws nothing', (await bars(page)).length, 0);
	check('diff one-sided: says why nothing is told', (await text(page, '.facts')).includes('not enough data'), await text(page, '.facts'));
	await page.keyboard.press('b');
	equal('diff one-sided: all of it before', (await bars(page)).map((b) => b.width).join(' '), '1280 1280');
	await clickOn(page, 1);
	await page.keyboard.press('b');
	equal('diff one-sided: and nothing again', (await bars(page)).length, 0);
	await close(page, 'diff one-sided');
}

await run(async () => {
	const file = svgFile('diff'), nodes = truthOfDiff(file);

	await testDiffWidths(file, nodes);
	await testDiffTold(file, nodes);
	await testDiffColours(file);
	await testDiffStill(file, nodes);
	await testDiffHostile(svgFile('diff-hostile'));
	await testDiffOneSided();
});
