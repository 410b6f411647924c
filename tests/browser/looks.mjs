// How the pages look: pictures at 1280 and 390 pixels, light and dark, of each page in each state, and what can be measured of that.
//   npm install && TURTED=../../target/debug/turted node --test looks.mjs
// In: what running.mjs takes; ARTEFACTS, the folder for pictures (default: the system's for temporary files). Out: a verdict and pictures.
// axe finds text that is hard to read and what a screen reader stumbles over; what it does not measure (borders, targets) is measured here.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import axe from 'axe-core';
import { launch, network, server } from './running.mjs';

const { ARTEFACTS = tmpdir() } = process.env;
const story = (name, fn) => test(name, { timeout: 90_000 }, fn);
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const LOOKS = {
  '1280-light': { ...DESKTOP, colorScheme: 'light' },
  '1280-dark': { ...DESKTOP, colorScheme: 'dark' },
  '390-light': { ...PHONE, colorScheme: 'light' },
  '390-dark': { ...PHONE, colorScheme: 'dark' },
};
const LONG = `orders-${'of-a-customer-with-a-long-name-'.repeat(5)}4711`;

let browser;
let host;
let net; // the network before it
let context;
let findings = []; // all that is wrong with a story's pages, told at its end

before(async () => {
  await mkdir(ARTEFACTS, { recursive: true });
  [browser, host] = await Promise.all([launch(), server()]);
});
after(async () => {
  await browser?.close();
  await host?.stop();
});
afterEach(async () => {
  await context?.close();
  await net?.stop();
  const found = findings.splice(0);
  assert.deepEqual(found, []);
});

async function open(path, look) {
  net = await network(host.port);
  context = await browser.newContext(look);
  context.setDefaultTimeout(10_000);
  return another(path);
}

async function another(path) {
  const page = await context.newPage();
  await page.goto(new URL(path, net.url).href);
  return page;
}

const isOpen = (page) => page.locator('#state[data-state=open]').waitFor();

/** Measures the page and takes its picture. */
async function look(page, name, options) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true });
  const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  if (content > width) findings.push(`${name}: the page is ${content} px wide on a screen of ${width} px`);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run());
  for (const { id, nodes } of violations) {
    for (const { html, any } of nodes) findings.push(`${name}: ${id}: ${html.slice(0, 120)} ${any[0]?.message ?? ''}`);
  }
  for (const each of await page.evaluate(pale)) findings.push(`${name}: less than 3:1 (a border) or 4.5:1 (a text): ${each}`);
  if (!options.isMobile) return;
  for (const each of await page.evaluate(small)) findings.push(`${name}: smaller than 44 px: ${each}`);
}

/** Runs in the page: controls whose border can hardly be told from what is around it, and placeholders that can hardly be read. */
function pale() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const light = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) [canvas.fillStyle = color, canvas.fillRect(0, 0, 1, 1)];
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => ((part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => (node ? [...behind(node.parentElement), getComputedStyle(node).backgroundColor] : []);
  const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const poor = [];
  for (const node of document.querySelectorAll('input:not([type=radio], [type=checkbox]), textarea, select, button, fieldset, kbd, .hint, .banner')) {
    if (!node.checkVisibility()) continue;
    const { borderTopColor, borderTopWidth, opacity } = getComputedStyle(node);
    const around = light(behind(node.parentElement));
    const name = `${node.tagName.toLowerCase()}#${node.id}.${node.className}`;
    // A button without a border is seen by its ground, or by its sign alone.
    const isBordered = borderTopWidth !== '0px' && !/, 0\)|transparent/.test(borderTopColor);
    const edge = contrast(around, light([...behind(node.parentElement), borderTopColor]));
    if (isBordered && opacity === '1' && edge < 3) poor.push(`${name} border ${edge.toFixed(2)}`);
    if (!node.placeholder) continue;
    const placeholder = getComputedStyle(node, '::placeholder');
    const text = contrast(light(behind(node)), light([...behind(node), placeholder.color]));
    if (text < 4.5 || placeholder.opacity !== '1') poor.push(`${name} placeholder ${text.toFixed(2)} × ${placeholder.opacity}`);
  }
  const dot = document.querySelector('.state');
  if (dot) {
    const { backgroundColor, width, height } = getComputedStyle(dot, '::before');
    const edge = contrast(light(behind(dot)), light([...behind(dot), backgroundColor]));
    if (edge < 3) poor.push(`state dot ${edge.toFixed(2)}`);
    if (width !== height) poor.push(`state dot ${width} × ${height}`);
  }
  return poor;
}

/** Runs in the page: what a finger might miss. A label counts as part of its field. */
function small() {
  const poor = [];
  for (const node of document.querySelectorAll('a, button, input, textarea, select, summary, [role=button]')) {
    if (!node.checkVisibility({ visibilityProperty: true })) continue;
    const { width, height } = (node.matches('[type=radio], [type=checkbox]') ? node.closest('label') : node).getBoundingClientRect();
    if (Math.min(width, height) < 43.5) poor.push(`${node.tagName.toLowerCase()}#${node.id}.${node.className} ${Math.round(width)} × ${Math.round(height)}`);
  }
  return poor;
}

const EVENTS = [
  { event: 'SERVER:NOTICE', targets: { broadcast: true }, payload: 'Back in five minutes' },
  { event: 'ORDER:SHIPPED', targets: { users: 'adam' }, payload: { order: 4711, parcels: ['A1', 'B2'] } },
  { event: 'LONG', targets: { channels: LONG }, payload: { rows: Array.from({ length: 60 }, (_, row) => ({ row, text: `line ${row}` })) } },
  { event: 'MESSAGE:NEW', targets: { channels: 'chat' }, payload: { text: 'hello', url: `https://example.org/${'long'.repeat(30)}` } },
];

const LINES = [
  ['app.log', '2026-11-21T10:00:01.920Z DEBUG pool: 8 connections ready'],
  ['app.log', '2026-11-21T10:00:02.311Z INFO  http: GET /orders/4711 200 12ms user=adam'],
  ['worker.log', '2026-11-21T10:00:02.530Z NOTICE queue: drained, 0 jobs waiting'],
  ['app.log', '2026-11-21T10:00:03.002Z WARN  db: slow query, 1204 ms: SELECT * FROM orders WHERE orders.customer = $1'],
  ['app.log', '2026-11-21T10:00:03.417Z ERROR db: connection reset by peer'],
  ['app.log', '    at Pool.connect (pool.js:118:11)'],
  ['app.log', '2026-11-21T10:00:04.000Z FATAL main: no database, giving up'],
  ['worker.log', '2026-11-21T10:00:04.120Z TRACE tick 81', { cut: true }],
];

for (const [name, options] of Object.entries(LOOKS)) {
  describe(name, () => {
    story('the listening page: empty, joined, events, offline', async () => {
      const page = await open('/?channel=', options);
      await isOpen(page);
      await look(page, `listen-empty-${name}`, options);
      await page.goto(new URL(`/?channel=chat&channel=${LONG}&channel=news`, net.url).href);
      await page.locator('#channels li').nth(2).waitFor({ state: 'attached' });
      await look(page, `listen-joined-${name}`, options);
      await page.evaluate(() => ident({ username: 'adam', password: 'of these stories' }));
      await page.waitForFunction(() => document.getElementById('user').textContent === 'adam');
      await host.push(EVENTS);
      await page.locator('#events li', { hasText: 'MESSAGE:NEW' }).waitFor();
      await look(page, `listen-events-${name}`, options);
      await net.down();
      await page.locator('#banner').getByRole('button', { name: 'Try now' }).waitFor();
      await look(page, `listen-offline-${name}`, options);
    });

    story('the listening page: denied who one is, denied a channel, denied altogether', async () => {
      const page = await open('/?user=eve&token=guessed', options);
      await page.locator('#ident-note[data-tone=bad]').waitFor({ state: 'attached' });
      await page.evaluate(() => join('x'.repeat(300)));
      await page.locator('#join-note[data-tone=bad]').waitFor({ state: 'attached' });
      await look(page, `listen-denied-${name}`, options);
      await context.routeWebSocket(/\/ws$/, (wire) => wire.close({ code: 1008, reason: 'origin http://foreign.example is not this host' }));
      await page.reload();
      await page.locator('#state[data-state=closed]').waitFor();
      await look(page, `listen-refused-${name}`, options);
    });

    story('the listening page where not all is for everybody: denied nobody, joined as adam, taken away again', async () => {
      const guarded = await server(0, { 'may.anyone.join': '["chat"]', 'may.users.join': '["user.{user}", "room.*"]' });
      try {
        net = await network(guarded.port);
        context = await browser.newContext(options);
        context.setDefaultTimeout(10_000);
        const page = await another(`/?channel=chat&channel=room.7&channel=user.adam`);
        await page.locator('#denied li').nth(1).waitFor({ state: 'attached' });
        assert.equal(await page.locator('#channels li').count(), 1);
        await page.locator('#denied').waitFor(); // on a phone too it is not left in a folded card
        await look(page, `listen-not-for-you-${name}`, options);
        await page.evaluate(() => ident({ username: 'adam', password: 'of these stories' }));
        await page.locator('#channels li').nth(2).waitFor({ state: 'attached' });
        await page.locator('#not-for-you').waitFor({ state: 'hidden' });
        await page.evaluate(() => ident({ username: 'eve', password: 'of these stories' }));
        await page.locator('#events li', { hasText: 'taken you out of user.adam' }).waitFor();
        await page.locator('#denied li', { hasText: 'user.adam' }).waitFor({ state: 'attached' });
        await look(page, `listen-taken-away-${name}`, options);
        await page.getByRole('button', { name: 'Forget user.adam' }).click();
        await page.locator('#not-for-you').waitFor({ state: 'hidden' });
        assert.equal(await page.locator('#join-note').textContent(), '');
      } finally {
        await guarded.stop();
      }
    });

    story('the pushing page: as it begins, receipts, and a server that cannot be reached', async () => {
      const page = await open('/push.html', options);
      const send = page.getByRole('button', { name: 'Push' });
      const { y, height } = await send.boundingBox();
      if (!options.isMobile) assert.ok(y + height <= 800, `the button ends at ${y + height} px of 800`);
      await look(page, `push-empty-${name}`, options);
      await send.click();
      await page.getByText('Nobody was there').waitFor();
      await page.getByLabel('Channels').fill('x'.repeat(300));
      await send.click();
      await page.getByText('400').waitFor();
      await page.getByRole('radio', { name: 'Bearer token' }).check();
      const below = await send.boundingBox();
      if (!options.isMobile) assert.ok(below.y + below.height <= 800, 'also with credentials');
      await look(page, `push-events-${name}`, options);
      await net.down();
      await send.click();
      await page.getByText('cannot be reached').waitFor();
      await look(page, `push-offline-${name}`, options);
    });

    story('the log page: empty, lines, one of them in full, offline, denied', async () => {
      const page = await open('/log.html', options);
      await isOpen(page);
      await look(page, `log-empty-${name}`, options);
      await host.push(LINES.map(([file, line, more]) => ({ event: 'LOG:LINE', targets: { channels: 'log' }, payload: { file, line, ...more } })));
      await page.locator('#lines', { hasText: 'tick 81' }).waitFor();
      await look(page, `log-events-${name}`, options);
      await page.locator('.line', { hasText: 'connection reset' }).locator('.text').click();
      await look(page, `log-open-${name}`, options);
      await net.down();
      await page.locator('#banner').getByRole('button', { name: 'Try now' }).waitFor();
      await look(page, `log-offline-${name}`, options);
      await net.up();
      await page.goto(new URL('/log.html?user=eve&token=guessed', net.url).href);
      await page.getByText('Not let in').waitFor();
      await look(page, `log-denied-${name}`, options);
    });
  });
}
