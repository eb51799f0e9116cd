// SPDX-License-Identifier: BSD-2-Clause
// What the tests of pictures share: checks, what a picture must say, and headless Chromium to use it as people
// do. A test file runs as
//     node tests/web/FILE.test.mjs [path of make_svg]
// prints a line per check and ends with "N passed, N failed, N skipped".
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const makeSvg = path.resolve(process.argv[2] || path.join(root, 'build/tests/web/make_svg'));
const chromiumPath = process.env.CHROMIUM || '/usr/bin/chromium';
const count = { passed: 0, failed: 0, skipped: 0 };
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'profd-web-'));

export function report(verdict, what, detail) {
	count[verdict]++;
	console.log(`${verdict} ${what}${detail ? ': ' + detail : ''}`);
}

export function finish() {
	fs.rmSync(folder, { recursive: true, force: true });
	console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
	process.exit(count.failed ? 1 : 0);
}

export function check(what, ok, detail = '') {
	report(ok ? 'passed' : 'failed', what, ok ? '' : String(detail));
}

export function equal(what, got, expected) {
	check(what, Object.is(got, expected), `got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

export function near(what, got, expected, tolerance = 0.02) {
	check(what, Math.abs(got - expected) <= tolerance, `got ${got}, expected ${expected} within ${tolerance}`);
}

export function svgFile(kind, ...more) {
	const file = path.join(folder, kind + '.svg');

	fs.writeFileSync(file, execFileSync(makeSvg, [kind, ...more], { maxBuffer: 1 << 29 }));
	return file;
}

// ---- what the picture must say, computed here from the file itself ------------------------------------

export function numbersOf(svg, name) {
	const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', numbers = [];

	for (const [, text] of svg.matchAll(new RegExp(`<metadata class="${name}">([^<]*)<`, 'g'))) {
		let value = 0n, shift = 0n;
		for (const c of text) {
			const digit = digits.indexOf(c);
			value |= BigInt(digit % 32) << shift;
			shift += 5n;
			if (digit < 32) {
				numbers.push(Number(value));
				value = shift = 0n;
			}
		}
	}
	return numbers;
}

export function truthOf(file) {
	const svg = fs.readFileSync(file, 'utf8');
	const names = [...svg.matchAll(/<metadata class="names">([^<]*)</g)].flatMap((m) => JSON.parse(m[1]));
	const f = numbersOf(svg, 'frames'), n = numbersOf(svg, 'nodes'), frames = [], nodes = [];

	for (let i = 0; i < f.length; i += 5)
		frames.push({ name: names[f[i + 1]], file: names[f[i + 2]], line: f[i + 3], module: names[f[i + 4]] });
	for (let i = 0, last = null; i < n.length;) {
		const frame = n[i++];
		let parent = last;
		for (let up = n[i++]; up > 0; up--)
			parent = parent.parent;
		const packed = n[i++];
		last = {
			id: nodes.length, parent, children: [], frame: parent ? frames[frame] : { name: 'all' },
			samples: Math.floor(packed / 2), value: packed % 2 ? n[i++] : 0,
		};
		last.self = last.value;
		if (parent)
			parent.children.push(last);
		nodes.push(last);
	}
	for (const node of nodes.slice(1).reverse()) {
		node.parent.value += node.value;
		node.parent.samples += node.samples;
	}
	return nodes;
}

// Value and samples under matching frames, each counted once.
export function matched(node, pattern) {
	if (node.parent && pattern.test(node.frame.name))
		return [node.value, node.samples];
	return node.children.map((c) => matched(c, pattern)).reduce((a, b) => [a[0] + b[0], a[1] + b[1]], [0, 0]);
}

export const percent = (part, whole) => (100 * part / whole).toFixed(2) + ' %';
export const thousands = (n) => n.toLocaleString('en-US');

// ---- the browser ----------------------------------------------------------------------------------

let chromium = null;
if (!fs.existsSync(makeSvg)) {
	report('failed', 'web tests', `${makeSvg} does not exist; build it first`);
	finish();
}
try {
	({ chromium } = await import('playwright-core'));
} catch {
	report('skipped', 'web tests', 'playwright-core is missing; run npm ci in tests/web');
	finish();
}
if (!fs.existsSync(chromiumPath)) {
	report('skipped', 'web tests', `${chromiumPath} is missing; install the package chromium`);
	finish();
}

export const browser = await chromium.launch({
	executablePath: chromiumPath,
	args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync'],
});

// A page on the file, with everything noted that it must not do.
export async function open(file, options = {}, hash = '') {
	const context = await browser.newContext({ viewport: { width: 1300, height: 800 }, ...options });
	const page = await context.newPage();

	page.setDefaultTimeout(15000);
	page.misdeeds = [];
	page.on('console', (m) => m.type() === 'error' && page.misdeeds.push('console: ' + m.text()));
	page.on('pageerror', (e) => page.misdeeds.push('error: ' + e.message));
	page.on('dialog', (d) => { page.misdeeds.push('dialog: ' + d.message()); d.dismiss(); });
	page.on('request', (r) => r.url().startsWith('file://' + folder) || r.url().startsWith('data:') ||
		page.misdeeds.push('request: ' + r.url()));
	await page.goto(pathToFileURL(file) + hash);
	if (options.javaScriptEnabled !== false)
		await page.waitForSelector('.search');
	return page;
}

export async function close(page, what) {
	equal(`${what}: no error, dialog or request`, page.misdeeds.join('; '), '');
	await page.context().close();
}

export const bars = (page) => page.$$eval('.plot .bars rect', (rects) => rects.map((r) => ({
	node: Number(r.dataset.node), x: Number(r.getAttribute('x')), y: Number(r.getAttribute('y')),
	width: Number(r.getAttribute('width')), class: r.getAttribute('class'),
})));
export const barOf = async (page, node) => (await bars(page)).find((b) => b.node === node);
export const text = (page, selector) => page.$eval(selector, (e) => e.textContent);
export const valueOf = (page) => page.$eval('.search', (e) => e.value);
export const hashOf = (page) => page.evaluate(() => window.location.hash);

export async function middleOf(page, node) {
	const bar = await barOf(page, node);

	return [bar.x + Math.min(bar.width / 2, 600), bar.y + 8];
}

export const clickOn = async (page, node) => page.mouse.click(...await middleOf(page, node));

// Labels that stand out of their bars, or whose letters are squeezed.
export const badLabels = (page, group) => page.$$eval(`${group} .labels text`, (texts, selector) => {
	const rects = [...document.querySelectorAll(`${selector} .bars rect`)].map((r) => r.getBBox());
	return texts.filter((t) => {
		const b = t.getBBox();
		return t.hasAttribute('textLength') || !rects.some((r) => r.x <= b.x && b.x + b.width <= r.x + r.width + 0.5 &&
			r.y <= b.y + 2 && b.y + b.height <= r.y + r.height + 2);
	}).map((t) => t.textContent);
}, group);

// Runs the tests of a file, then ends the program.
export async function run(tests) {
	try {
		await tests();
	} catch (e) {
		report('failed', 'web tests', e.stack);
	} finally {
		await browser.close();
	}
	finish();
}
