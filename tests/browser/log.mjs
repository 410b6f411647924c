// Stories about the log page, told in a real browser against a running server that accepts everybody at both doors:
//   npm install && TURTED_URL=http://127.0.0.1:7117 node --test log.mjs
// In: TURTED_URL; CHROMIUM (default /usr/bin/chromium); ARTEFACTS, the folder for screenshots (default: the system's for temporary files).
// Out: a verdict and pictures. Lines are pushed as the file connector shapes them; it refuses to know how files are read.
// Nothing sleeps: an expectation waits until the page fulfils it. Each story has a channel of its own, so that the server may be shared.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';

const { TURTED_URL, CHROMIUM = '/usr/bin/chromium', ARTEFACTS = tmpdir() } = process.env;
if (!TURTED_URL) throw new Error('TURTED_URL must name a running turted server, such as http://127.0.0.1:7117');

const PATIENCE = 30_000;
// As log.js has them: lines kept, and lines that may wait for the end of a pause.
const KEPT = 5_000;
const WAITING = 4_000;
const BATCH = 200;
const story = (name, fn) => test(name, { timeout: 300_000 }, fn);

let browser;
let context;
let complaints; // whatever a page reports as wrong, a blocked script or style among it
let stories = 0;
let channel; // this story's own

before(async () => {
  await mkdir(ARTEFACTS, { recursive: true });
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    // The last four keep the browser from looking for anything but the server under test.
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
      ...['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
});
after(() => browser?.close());

beforeEach(() => {
  channel = `log-${process.pid}-${++stories}`;
  complaints = [];
});
afterEach(async () => {
  await context?.close();
  assert.deepEqual(complaints, [], 'the page complained');
});

/** The log page in a browser of its own, in the story's channel. */
async function watch({ query = '', route, ...options } = {}) {
  context = await browser.newContext({ viewport: { width: 1200, height: 800 }, colorScheme: 'light', ...options });
  context.setDefaultTimeout(PATIENCE);
  if (route) await context.routeWebSocket(/\/ws$/, route);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  await page.goto(new URL(`/log.html?channel=${channel}${query}`, TURTED_URL).href);
  await page.locator('#state[data-state=open]').waitFor();
  await page.waitForFunction((channel) => turted.channels.includes(channel), channel); // a top-level const of a classic script
  return page;
}

const body = (payload, event) => JSON.stringify({ event, targets: { channels: [channel] }, payload });

/** One POST /push/ as a backend sends it; resolves when the server has accepted it. */
async function push(payload, event = 'LOG:LINE') {
  const answer = await fetch(new URL('/push/', TURTED_URL), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: body(payload, event) });
  assert.ok(answer.ok, `status ${answer.status}: ${await answer.text()}`);
}

const say = (line, more = {}) => push({ file: 'app.log', line, ...more });

async function sayAll(...lines) {
  for (const line of lines) await say(line);
}

/** Many lines in order, as fast as the server takes them: lists of pushes, of which those are sent again that a busy machine put off. */
async function flood(count, text = (index) => `2026-11-21T10:00:00Z INFO flood: line ${index}`) {
  for (let sent = 0; sent < count; ) {
    const batch = Math.min(BATCH, count - sent);
    const list = Array.from({ length: batch }, (_, index) => body({ file: 'app.log', line: text(sent + index) }, 'LOG:LINE'));
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
    const response = await fetch(`${TURTED_URL}/push/`, { method: 'POST', headers, body: `[${list.join(',')}]` });
    const answers = await response.json();
    // Behind one that was put off nothing is dispatched.
    const refused = answers.findIndex((answer) => answer.error);
    if (refused >= 0) assert.equal(answers[refused].error.code, 'overloaded');
    sent += refused < 0 ? batch : refused;
  }
}

const rows = (page) => page.locator('#lines > .line');
const row = (page, text) => rows(page).filter({ hasText: text });
const texts = (page) => rows(page).locator('.text').allInnerTexts();

/** Waits until these are the lines in the page, and no others. */
async function showing(page, ...lines) {
  const there = (wanted) => [...document.querySelectorAll('#lines .text')].map((text) => text.textContent).join('\n') === wanted;
  await page.waitForFunction(there, lines.join('\n')).catch(async (error) => {
    assert.deepEqual(await texts(page), lines);
    throw error;
  });
}

const seen = (page, text) => row(page, text).first().waitFor();

/** The same among thousands of rows, where only the last one is worth a look; a flood may keep a busy machine busy for a while. */
const last = (page, text) =>
  page.waitForFunction((text) => document.querySelector('#lines > .line:last-child .text')?.textContent.includes(text), text, { timeout: 4 * PATIENCE });
const button = (page, name) => page.getByRole('button', { name });
// By id: among thousands of rows, each a button, looking for a name takes long.
const exactly = (text) => ({ hasText: new RegExp(`^${text.replace(/[()]/g, '\\$&')}$`) });
const follow = (page, text) => page.locator('#follow', exactly(text));
const pause = (page, text) => page.locator('#pause', exactly(text));
const count = (page, text) => page.locator('#count').getByText(text, { exact: true }).waitFor();
const atEnd = (page) => page.waitForFunction(() => log.scrollHeight - log.scrollTop - log.clientHeight < 2);
const focused = (page) => page.evaluate(() => document.activeElement.querySelector(':scope > .text')?.textContent ?? document.activeElement.id);

async function picture(page, name) {
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });
}

story('an empty page says what to do, and its curl command has the shape of a real line', async () => {
  const page = await watch();
  await page.getByText(`No line yet on channel ${channel}`).waitFor();
  assert.match(await page.locator('#setup-toml').innerText(), /^\[connectors\.log\]\ntype = "file"\npaths = \["\/var\/log\/app\/\*\.log"\]\nenvelope = \{ event = "LOG:LINE", channels = "log-/);
  const command = await page.locator('#setup-curl').innerText();
  const [, address, body] = /^curl (\S+) -d '(.+)'$/.exec(command);
  assert.equal(address, new URL('/push/', TURTED_URL).href);
  await fetch(address, { method: 'POST', body }).then((response) => assert.ok(response.ok));
  await seen(page, 'ERROR db: gone');
  assert.equal(await page.locator('#setup').isVisible(), false);
  assert.equal(await rows(page).first().getAttribute('data-level'), 'error');
});

story('without a word in the address the channel is "log", and another can be chosen', async () => {
  const page = await watch();
  await page.goto(new URL('/log.html', TURTED_URL).href);
  assert.equal(await page.getByRole('textbox', { name: 'Channel' }).inputValue(), 'log');
  await page.getByRole('textbox', { name: 'Channel' }).fill(channel);
  await page.getByRole('textbox', { name: 'Channel' }).press('Enter');
  await page.waitForURL(`**/log.html?channel=${channel}`);
  await page.waitForFunction((channel) => turted.channels.includes(channel), channel);
  await say('here');
  await seen(page, 'here');
});

story('lines appear in order, each with its level in words', async () => {
  const page = await watch();
  const cases = [
    [{ line: 'named by the connector', level: 'WARNING' }, 'warn'],
    [{ json: { severity: 'critical', msg: 'from JSON', user: 42, why: 'two words' } }, 'fatal'],
    [{ json: { level: 30, msg: 'pino' } }, 'info'],
    [{ line: 'lvl=dbug a=b', fields: { level: 'debug' } }, 'debug'],
    [{ line: '2026-11-21T10:00:00Z ERROR db: gone' }, 'error'],
    [{ line: '    at connect (db.js:1)' }, 'error'],
    [{ line: '[notice] in brackets' }, 'notice'],
    [{ line: 'time=1 level=warn msg=x' }, 'warn'],
    [{ line: 'TRACE in capitals' }, 'trace'],
    [{ line: 'no error at all' }, null],
    [{ line: '\u001b[32mINFO\u001b[0m with the colours of a terminal' }, 'info'],
  ];
  for (const [payload] of cases) await push({ file: 'app.log', ...payload });
  await push({ text: 'hello' }, 'MESSAGE:NEW');
  await seen(page, 'MESSAGE:NEW');
  const levels = await rows(page).evaluateAll((all) => all.map((each) => each.dataset.level ?? null));
  assert.deepEqual(levels, [...cases.map(([, level]) => level), null]);
  const words = await rows(page).locator('.level').allInnerTexts();
  assert.deepEqual(words.slice(0, 6), ['WARN', 'FATAL', 'INFO', 'DEBUG', 'ERROR', '']);
  assert.deepEqual((await texts(page)).slice(1, 2), ['from JSON user=42 why="two words"']);
  assert.deepEqual((await texts(page)).slice(-2), ['INFO with the colours of a terminal', '{"text":"hello"}']);
});

story('names of files are shown once there are two, and lines that are cut, mended or unfinished say so', async () => {
  const page = await watch();
  await say('one', { cut: true });
  await seen(page, 'one');
  assert.equal(await page.locator('.file').first().isVisible(), false);
  await push({ file: 'worker.log', line: 'two', replaced: true, partial: true });
  await seen(page, 'two');
  assert.deepEqual(await page.locator('.file').allInnerTexts(), ['app.log', 'worker.log']);
  assert.deepEqual(await page.locator('.hint').allInnerTexts(), ['cut', 'not UTF-8', 'no end yet']);
});

story('the filter takes words, -words, "phrases" and regexes, highlights them, and lines that do not match stay away', async () => {
  const page = await watch();
  await sayAll('INFO db connected', 'ERROR db is gone', 'INFO health check', 'ERROR cache gone', 'WARN a+b (slow)');
  await seen(page, 'slow');
  const cases = [
    ['DB', ['INFO db connected', 'ERROR db is gone'], ['db', 'db']],
    ['gone db', ['ERROR db is gone'], ['db', 'gone']],
    ['-health -db', ['ERROR cache gone', 'WARN a+b (slow)'], []],
    ['"is gone"', ['ERROR db is gone'], ['is gone']],
    ['a+b (', ['WARN a+b (slow)'], ['a+b', '(']],
    ['/ERROR (db|cache)/', ['ERROR db is gone', 'ERROR cache gone'], ['ERROR db', 'ERROR cache']],
    ['/x*/', ['INFO db connected', 'ERROR db is gone', 'INFO health check', 'ERROR cache gone', 'WARN a+b (slow)'], []],
  ];
  for (const [filter, lines, marks] of cases) {
    await page.getByLabel('Filter').fill(filter);
    await showing(page, ...lines);
    await count(page, `${lines.length} shown, 5 lines kept`);
    assert.deepEqual(await page.locator('.text mark').allInnerTexts(), marks, filter);
  }
  await page.getByLabel('Filter').fill('cache');
  await showing(page, 'ERROR cache gone');
  await sayAll('INFO unrelated', 'INFO cache is back');
  await count(page, '2 shown, 7 lines kept');
  assert.equal(await page.locator('mark').count(), 2);

  await page.getByLabel('Filter').fill('/cache(/');
  await page.locator('#filter-note[data-tone=bad]').getByText(/Invalid regular expression.*stays/).waitFor();
  assert.equal(await page.getByLabel('Filter').getAttribute('aria-invalid'), 'true');
  assert.equal(await rows(page).count(), 2);
  await picture(page, 'log-filter-broken');
  await page.getByLabel('Filter').fill('nowhere');
  await page.getByText('None of the last 7 lines passes the filter.').waitFor();
  await button(page, 'Show all lines').click();
  await count(page, '7 lines');
  assert.equal(await page.locator('mark').count(), 0);
});

story('a lowest level hides what is below it, and the address may set filter and level', async () => {
  const page = await watch({ query: '&level=warn&filter=keep' });
  await sayAll('INFO keep a', 'WARN keep b', 'ERROR keep c', 'ERROR other', 'keep without a level');
  await count(page, '2 shown, 5 lines kept');
  assert.deepEqual(await texts(page), ['WARN keep b', 'ERROR keep c']);
  await page.getByLabel('Level').selectOption('Error and up');
  await count(page, '1 shown, 5 lines kept');
  await page.getByLabel('Level').selectOption('All levels');
  await count(page, '4 shown, 5 lines kept');
});

story('rare matches outlive a noisy neighbourhood', async () => {
  const page = await watch({ query: '&filter=needle' });
  await say('the first needle');
  await seen(page, 'first needle');
  await flood(KEPT + 500);
  await say('the last needle');
  await seen(page, 'last needle');
  assert.deepEqual(await texts(page), ['the first needle', 'the last needle']);
});

story('many lines are announced in one sentence, and the log does not read itself out', async () => {
  const page = await watch();
  await page.evaluate(() => {
    globalThis.said = [];
    const box = document.getElementById('announce');
    new MutationObserver(() => said.push(box.textContent)).observe(box, { childList: true });
  });
  const lines = Array.from({ length: 100 }, (_, index) => body({ file: 'app.log', line: `INFO line ${index}` }, 'LOG:LINE'));
  await fetch(new URL('/push/', TURTED_URL), { method: 'POST', body: `[${lines}]` });
  await page.waitForFunction(() => said.length);
  assert.deepEqual(await page.evaluate(() => said), ['100 lines, the last: INFO line 99']);
  assert.equal(await page.locator('[aria-live]:not([aria-live=off])').count(), 0);
});

story('a pause holds the page still and counts what waits; resuming shows it', async () => {
  const page = await watch();
  await say('before');
  await seen(page, 'before');
  await pause(page, 'Pause').click();
  await sayAll('one', 'two', 'three');
  await pause(page, 'Resume (3)').waitFor();
  assert.deepEqual(await texts(page), ['before']);
  await pause(page, 'Resume (3)').click();
  await seen(page, 'three');
  assert.deepEqual(await texts(page), ['before', 'one', 'two', 'three']);
  await pause(page, 'Pause').waitFor();

  await pause(page, 'Pause').click();
  await flood(WAITING + 200);
  await say('the last one');
  // The button counts only what can wait: it does not tell when the rest is here.
  await page.waitForFunction(() => leftOut === 201);
  await pause(page, 'Resume (4,000)').click();
  await last(page, 'the last one');
  await page.getByText('201 lines left out: more came than can wait').waitFor();
  await count(page, '4,004 lines');
});

story('scrolling up ends following without moving what is read; the end or the button brings it back', async () => {
  const page = await watch();
  await flood(200, (index) => `INFO old ${index}`);
  await count(page, '200 lines');
  await atEnd(page);
  assert.equal(await page.locator('#follow').isVisible(), false);
  await page.locator('#log').hover();
  await page.mouse.wheel(0, -600);
  await follow(page, '↓ Follow').waitFor();
  const top = () => page.evaluate(() => log.scrollTop);
  const still = await top();
  await sayAll('INFO new 1', 'INFO new 2', 'INFO new 3');
  await follow(page, '↓ Follow (3 new)').waitFor();
  assert.equal(await top(), still);
  await picture(page, 'log-not-following');
  await follow(page, '↓ Follow (3 new)').click();
  await atEnd(page);
  await follow(page, '↓ Follow').waitFor({ state: 'hidden' });

  await page.mouse.wheel(0, -600);
  await follow(page, '↓ Follow').waitFor();
  await page.mouse.wheel(0, 5_000);
  await follow(page, '↓ Follow').waitFor({ state: 'hidden' });
  await say('INFO and on');
  await seen(page, 'and on');
  await atEnd(page);
});

story('what is read stays in its place while older lines go and long ones wrap', async () => {
  const page = await watch();
  await flood(KEPT, (index) => `INFO old ${index}`);
  await last(page, `old ${KEPT - 1}`);
  await page.locator('#log').hover();
  await page.mouse.wheel(0, -900);
  await follow(page, '↓ Follow').waitFor();
  const place = () => page.evaluate(() => {
    const { left, top } = log.getBoundingClientRect();
    const line = document.elementFromPoint(left + 8, top + 40).closest('.line');
    return [line.querySelector('.text').textContent, Math.round(line.getBoundingClientRect().top)];
  });
  const before = await place();
  await flood(1_000);
  await last(page, 'line 999');
  await follow(page, '↓ Follow (1,000 new)').waitFor();
  assert.deepEqual(await place(), before);
  assert.ok((await rows(page).count()) <= KEPT);
});

story('20,000 lines: the page answers all the while, and stays bounded', async () => {
  const page = await watch();
  await page.evaluate(() => {
    Object.assign(globalThis, { longest: 0, most: 0 });
    let last = performance.now();
    const tick = (now) => {
      longest = Math.max(longest, now - last);
      most = Math.max(most, document.getElementById('lines').childElementCount);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  const start = performance.now();
  const flooding = flood(20_000);
  for (const [click, wrap] of [[1, 'false'], [2, 'true']]) {
    await page.waitForFunction((click) => numbered > click * 5_000, click);
    await page.locator('#wrap').click();
    assert.equal(await page.locator('#lines').getAttribute('data-wrap'), wrap, 'it answers in the middle of it');
  }
  await flooding;
  await say('ERROR the last one');
  await last(page, 'the last one');
  const took = performance.now() - start;
  await atEnd(page);
  const { longest, most } = await page.evaluate(() => ({ longest, most }));
  console.log(`20,000 lines in ${Math.round(took)} ms, longest frame ${Math.round(longest)} ms`);
  assert.ok(most <= KEPT, `${most} rows`);
  assert.ok(longest < 10_000, `the page stood still for ${Math.round(longest)} ms`);

  const sieved = await page.evaluate(() => {
    document.getElementById('level').value = 'error';
    const begin = performance.now();
    document.getElementById('level').dispatchEvent(new Event('change'));
    return performance.now() - begin;
  });
  await page.locator('#count', { hasText: /^1 shown, [45],\d{3} lines kept$/ }).waitFor(); // one fewer where a remark says that lines were left out
  assert.ok(sieved < 4_000, `a filter took ${Math.round(sieved)} ms`);
});

story('few lines of great size are bounded too', async () => {
  const page = await watch();
  for (let index = 0; index < 20; index++) {
    await say(`INFO big ${index} ${'x'.repeat(1_000_000)}`);
    await seen(page, `big ${index} `);
  }
  assert.equal(await rows(page).count(), 16);
  assert.ok((await rows(page).last().innerText()).length < 5_000, 'a row shows the beginning only');
});

story('markup from strangers is shown as text, wherever it stands', async () => {
  const page = await watch({ query: `&filter=${encodeURIComponent('<img')}` });
  const evil = '<img src=x onerror="document.title=\'owned\'">';
  await push({ file: evil, line: evil, level: evil, [evil]: evil, json: { [evil]: evil, msg: evil } }, evil);
  await push({ file: 'b', line: evil });
  await rows(page).nth(1).waitFor();
  assert.ok((await rows(page).first().innerText()).includes(evil));
  await rows(page).first().locator('.text').click();
  await page.locator('.members').waitFor();
  assert.ok((await page.locator('.members').innerText()).includes(evil));
  assert.equal(await page.locator('main img').count(), 0);
  assert.equal(await page.title(), `turted · ${channel}`);
});

story('a click shows all members of a line, another hides them, and both copy buttons copy', async () => {
  const page = await watch({ permissions: ['clipboard-read', 'clipboard-write'] });
  const payload = { file: 'app.log', line: 'ERROR db: gone', level: 'error', user: 'adam', json: { nested: [1, 2] } };
  await push(payload);
  await say('INFO second');
  await row(page, 'db: gone').locator('.text').click();
  const details = page.locator('.members');
  const names = await details.locator('dt').allInnerTexts();
  assert.deepEqual(names, ['file', 'line', 'level', 'user', 'json', 'event', 'id', 'via', 'arrived']);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await details.getByRole('button', { name: 'Copy' }).click();
  await details.getByText('Copied').waitFor();
  assert.deepEqual(JSON.parse(await clipboard()), payload);
  await page.locator('#copy').click();
  await page.locator('#copy').getByText('Copied').waitFor();
  assert.equal(await clipboard(), 'ERROR db: gone\nINFO second');
  await row(page, 'db: gone').locator('.text').first().click();
  await details.waitFor({ state: 'detached' });

  await button(page, 'Clear').click();
  await page.getByText('Cleared. New lines show up here.').waitFor();
  await say('INFO third');
  await seen(page, 'third');
  assert.deepEqual(await texts(page), ['INFO third']);
});

story('a lost connection is a line, and so is the return', async () => {
  let wire;
  let mayReturn = Promise.resolve();
  const route = async (page) => {
    await mayReturn;
    page.connectToServer();
    wire = page;
  };
  const page = await watch({ route });
  await say('INFO before');
  await seen(page, 'before');
  let returnNow;
  mayReturn = new Promise((resolve) => (returnNow = resolve));
  await wire.close({ code: 4009, reason: 'cut by the story' });
  await page.getByText('Connection lost: cut by the story').waitFor();
  await say('INFO meanwhile');
  returnNow();
  await page.getByText('Back, nothing missed').waitFor();
  const all = await page.locator('#lines > li').evaluateAll((each) => each.map(({ lastElementChild, firstElementChild }) => (firstElementChild.querySelector('.text') ?? lastElementChild).textContent));
  assert.deepEqual(all, ['INFO before', 'Connection lost: cut by the story', 'INFO meanwhile', 'Back, nothing missed']);
  await picture(page, 'log-back');
});

story('a return that cannot resume says that lines may be missing', async () => {
  let wire;
  let first = true;
  const route = (page) => {
    const server = page.connectToServer();
    // The token is spoilt on the second wire, as if the server had been started anew.
    if (!first) page.onMessage((text) => server.send(text.replace(/"token":"[^"]*"/, '"token":"forgotten"')));
    first = false;
    wire = page;
  };
  const page = await watch({ route });
  await wire.close({ code: 4009, reason: 'cut by the story' });
  await page.getByText('Back, some lines may be missing').waitFor();
  await say('INFO after');
  await seen(page, 'after');
});

story('the keyboard alone walks the lines, opens one, pauses, follows and filters', async () => {
  const page = await watch();
  for (let index = 1; index <= 100; index++) await say(`INFO line ${index}.`);
  await seen(page, 'line 100.');
  for (let tabs = 0; (await focused(page)) !== 'log'; tabs++) {
    assert.ok(tabs < 20, 'the log is not reached with the tab key');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(page), 'INFO line 100.');
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'solid', 'the focus can be seen');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(page), 'INFO line 99.');
  const head = row(page, 'line 99.').getByRole('button').first();
  await page.keyboard.press('Enter');
  assert.equal(await head.getAttribute('aria-expanded'), 'true');
  await follow(page, '↓ Follow').waitFor();
  await page.locator('.members').getByRole('button', { name: 'Copy' }).click({ trial: true }); // in sight, and nothing above it
  await say('INFO while reading');
  await follow(page, '↓ Follow (1 new)').waitFor();
  await picture(page, 'log-keyboard');
  await page.keyboard.press('Enter');
  assert.equal(await head.getAttribute('aria-expanded'), 'false');
  await page.keyboard.press('Home');
  assert.equal(await focused(page), 'INFO line 1.');
  await follow(page, '↓ Follow').waitFor();
  await page.keyboard.press('End');
  assert.equal(await focused(page), 'INFO while reading');
  await follow(page, '↓ Follow').waitFor({ state: 'hidden' });
  await page.keyboard.press('p');
  await pause(page, 'Resume').waitFor();
  await page.keyboard.press('p');
  await pause(page, 'Pause').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('"line 7."');
  await count(page, '1 shown, 101 lines kept');
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), 'log');
});

story('long lines wrap or run on, as wished', async () => {
  const page = await watch();
  await say(`INFO ${'long '.repeat(100)}`);
  await say('ERROR first\n    at second');
  await seen(page, 'at second');
  const overflow = () => page.evaluate(() => log.scrollWidth > log.clientWidth);
  assert.equal(await overflow(), false);
  await button(page, 'Wrap').click();
  assert.equal(await overflow(), true);
  assert.ok((await rows(page).last().boundingBox()).height > 30, 'a line of two lines has two');
  await button(page, 'Wrap').click();
  assert.equal(await overflow(), false);
});

const SAMPLE = [
  ['app.log', '2026-11-21T10:00:00.104Z INFO  http: listening on 0.0.0.0:8080'],
  ['app.log', '2026-11-21T10:00:01.920Z DEBUG pool: 8 connections ready'],
  ['app.log', '2026-11-21T10:00:02.311Z INFO  http: GET /orders/4711 200 12ms user=adam'],
  ['worker.log', '2026-11-21T10:00:02.530Z NOTICE queue: drained, 0 jobs waiting'],
  ['app.log', '2026-11-21T10:00:03.002Z WARN  db: slow query, 1204 ms: SELECT * FROM orders JOIN lines ON lines.order_id = orders.id WHERE orders.customer = $1 ORDER BY orders.placed_at DESC LIMIT 50'],
  ['app.log', '2026-11-21T10:00:03.417Z ERROR db: connection reset by peer'],
  ['app.log', '    at Pool.connect (pool.js:118:11)'],
  ['app.log', '    at async Orders.find (orders.js:42:9)'],
  ['worker.log', undefined, { json: { time: '2026-11-21T10:00:03.500Z', level: 'error', msg: 'job failed', job: 'mail:93', attempt: 3 } }],
  ['app.log', '2026-11-21T10:00:04.000Z FATAL main: no database, giving up'],
  ['app.log', 'a line that names no level'],
  ['worker.log', '2026-11-21T10:00:04.120Z TRACE tick 81', { cut: true }],
];

for (const [look, options] of [
  ['desktop-light', {}],
  ['desktop-dark', { colorScheme: 'dark' }],
  ['phone-light', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }],
  ['phone-dark', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: 'dark' }],
]) {
  story(`the page looks well and can be read: ${look}`, async () => {
    const page = await watch(options);
    await picture(page, `log-empty-${look}`);
    for (const [file, line, more] of SAMPLE) await push({ file, line, ...more });
    await seen(page, 'tick 81');
    const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= width, `the page is ${content} px wide on a screen of ${width} px`);
    await picture(page, `log-${look}`);
    await page.getByLabel('Filter').fill('db');
    await page.locator('mark').first().waitFor();
    await row(page, 'connection reset').locator('.text').click();
    await picture(page, `log-open-${look}`);
    const poor = await page.evaluate(contrasts);
    assert.deepEqual(poor, [], 'contrast below 4.5');
  });
}

/** Runs in the page: every text in the log whose contrast with what is painted behind it is below 4.5 (WCAG 2.2 AA). */
function contrasts() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const paint = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => (node ? [...behind(node.parentElement), getComputedStyle(node).backgroundColor] : []);
  const poor = [];
  for (const node of document.querySelectorAll('.level, .text, .file, .hint, .clock, mark, .setup h3, .members dt, .members dd, .foot, .told, #follow')) {
    if (!node.checkVisibility() || !node.textContent) continue;
    const [back, front] = [light(paint(behind(node))), light(paint([...behind(node), getComputedStyle(node).color]))];
    const contrast = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (contrast < 4.5) poor.push(`${node.className || node.tagName} "${node.textContent.slice(0, 20)}" ${contrast.toFixed(2)}`);
  }
  return poor;
}
