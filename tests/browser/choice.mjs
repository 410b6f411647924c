// Stories about which transport static/turted.js takes, told in a real browser with a network that lets only some of them through:
//   npm install && TURTED=../../target/debug/turted node --test choice.mjs
// In: what running.mjs takes. Out: a verdict. How a transport then behaves is told in transports.mjs.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { blank, connect, launch, network, opened, server, told } from './running.mjs';

const story = (name, fn) => test(name, { timeout: 60_000 }, fn);
const KEY = 'turted:transport';

let browser;
let host; // the server
let net; // the network before it
let context;
let page; // of the network's origin, without a client yet

before(async () => {
  [browser, host] = await Promise.all([launch(), server()]);
});
after(async () => {
  await browser?.close();
  await host?.stop();
});
beforeEach(async () => {
  context = await browser.newContext();
  net = await network(host.port);
  page = await blank(context, net.url);
  net.requests.length = 0; // what the client does is what counts
});
afterEach(async () => {
  await context.close();
  await net.stop();
});

const brisk = { minDelay: 50, maxDelay: 500 };
const transport = () => page.evaluate(() => turted.transport);
const remembered = () => page.evaluate((key) => JSON.parse(localStorage.getItem(key))?.transport, KEY);
/** How many requests of a kind came: UPGRADE /ws, GET /events?, POST /poll … */
const count = (start) => net.requests.filter((request) => request.startsWith(start)).length;

/** The same page, opened once more. */
async function reloaded(options) {
  await page.close();
  page = await blank(context, net.url);
  net.requests.length = 0;
  await opened(page, net.url, options);
}

async function hears(text) {
  await host.push({ event: 'HEARD', targets: { broadcast: true }, payload: text });
  await page.waitForFunction((text) => heard.filter(({ payload }) => payload === text).length === 1, text);
}

story('a WebSocket where it works, and nothing else is asked for', async () => {
  await opened(page, net.url);
  assert.equal(await transport(), 'websocket');
  assert.deepEqual(net.requests, ['UPGRADE /ws']);
  assert.equal(await remembered(), undefined);
});

story('server-sent events where a proxy refuses the upgrade, and the next page begins with them', async () => {
  net.blocks = ['upgrade'];
  await opened(page, net.url, brisk);
  assert.equal(await transport(), 'events');
  assert.equal(count('UPGRADE'), 2, 'once might be an accident');
  assert.deepEqual(await told(page, 'open'), [{ connection: await page.evaluate(() => turted.connection), recovered: false }]);
  await hears('one');
  assert.equal(await remembered(), 'events');
  await reloaded(brisk);
  assert.equal(await transport(), 'events');
  assert.equal(count('UPGRADE'), 0);
  await hears('two');
});

story('server-sent events where an upgrade is never answered: one time-out is enough', async () => {
  net.blocks = ['silent-upgrade'];
  await opened(page, net.url, { ...brisk, openTimeout: 500 });
  assert.equal(await transport(), 'events');
  assert.equal(count('UPGRADE'), 1);
});

story('long-polling where a proxy also keeps streams back, and the next page begins with it', async () => {
  net.blocks = ['upgrade', 'events'];
  await opened(page, net.url, { ...brisk, openTimeout: 500 });
  assert.equal(await transport(), 'poll');
  await hears('one');
  assert.equal(await remembered(), 'poll');
  await reloaded(brisk);
  assert.equal(await transport(), 'poll');
  assert.deepEqual([count('UPGRADE'), count('GET /events')], [0, 0]);
});

story('long-polling where streams are refused', async () => {
  net.blocks = ['upgrade', '/events'];
  await opened(page, net.url, brisk);
  assert.equal(await transport(), 'poll');
});

story('what the page says, in its order, and at the paths it says', async () => {
  net.blocks = ['/events'];
  await opened(page, net.url, { ...brisk, transports: ['events', 'poll'] });
  assert.equal(await transport(), 'poll');
  assert.equal(count('UPGRADE'), 0);
  await reloaded({ transports: ['websocket'] });
  assert.equal(await transport(), 'websocket', 'what is remembered is not among what the page wants');
  await connect(page, `${net.url}/there/ws`, { transports: ['events'], eventsPath: 'stream' });
  await connect(page, net.url, { transports: ['poll'], pollPath: '/elsewhere' });
  for (const request of ['GET /there/stream?format=native', 'POST /elsewhere']) {
    while (!net.requests.includes(request)) await pause(20);
  }
  const refused = await page.evaluate(() => {
    try {
      new TURTED('/', { transports: ['pigeons'] });
    } catch ({ message }) {
      return message;
    }
  });
  assert.match(refused, /no transport pigeons/);
});

story('a better one again after a time, beside the one in use: nothing is lost and nobody notices', async () => {
  net.blocks = ['upgrade'];
  await opened(page, net.url, { ...brisk, upgradeAfter: 1_000 });
  assert.equal(await transport(), 'events');
  const connection = await page.evaluate(() => [turted.connection, (told.length = 0)][0]);
  let number = 0;
  const push = () => host.push({ event: 'NUMBER', targets: { broadcast: true }, payload: ++number });
  const tries = count('UPGRADE');
  while (count('UPGRADE') < tries + 1) [await push(), await pause(10)]; // a try that fails changes nothing
  net.blocks = [];
  while ((await transport()) !== 'websocket') [await push(), await pause(10)];
  await push();
  await page.waitForFunction((number) => heard.length >= number, number);
  assert.deepEqual(await page.evaluate(() => heard.map(({ payload }) => payload)), Array.from({ length: number }, (_, index) => index + 1));
  for (const name of ['state', 'close', 'gap', 'error']) assert.deepEqual(await told(page, name), []);
  assert.equal(await page.evaluate(() => turted.connection), connection);
  assert.equal(await remembered(), undefined);
});

story('a remembered one that is too old is not taken', async () => {
  const old = JSON.stringify({ transport: 'poll', since: Date.now() - 660_000 });
  await page.evaluate(([key, old]) => localStorage.setItem(key, old), [KEY, old]);
  await opened(page, net.url);
  assert.equal(await transport(), 'websocket');
});

story('the best one when a server comes up late: all are tried at once, then none for a while', async () => {
  await net.down();
  await connect(page, net.url, brisk);
  await page.waitForFunction(() => told.filter(({ name }) => name === 'close').length >= 4);
  await net.up();
  await page.waitForFunction(() => turted.state === 'open');
  assert.equal(await transport(), 'websocket');
  assert.equal(await remembered(), undefined);
});

story('the same one after a restart of the server', async () => {
  await opened(page, net.url, brisk);
  for (let restart = 1; restart <= 3; restart++) {
    await net.down();
    await page.waitForFunction((count) => told.filter(({ name }) => name === 'close').length >= count, 3 * restart);
    await net.up();
    await page.waitForFunction(() => turted.state === 'open');
    assert.equal(await transport(), 'websocket');
  }
});

story('another one when the network changes under an open connection', async () => {
  await opened(page, net.url, brisk);
  net.blocks = ['upgrade'];
  net.cut();
  await page.waitForFunction(() => turted.transport === 'events');
  await hears('still here');
  assert.deepEqual((await told(page, 'open')).map(({ recovered }) => recovered), [false, true]);
  assert.deepEqual(await told(page, 'gap'), []);
});

story('the same without a memory, where the browser forbids it', async () => {
  net.blocks = ['upgrade'];
  await page.evaluate(() => Object.defineProperty(globalThis, 'localStorage', { get: () => { throw new Error('forbidden'); } }));
  await opened(page, net.url, brisk);
  assert.equal(await transport(), 'events');
});

story('none where everything is refused: a round through all of them, then a pause that grows', async () => {
  net.blocks = ['upgrade', '/'];
  await connect(page, net.url, { minDelay: 100 });
  await page.waitForFunction(() => told.filter(({ name }) => name === 'close').length >= 4);
  const closes = await told(page, 'close');
  assert.ok(closes.every(({ reconnect, delay }) => reconnect && delay >= 100));
  assert.ok(net.requests.length <= 3 * closes.length, `${closes.length} rounds: ${net.requests}`);
});

story('none for a foreign page: the refusal is for good', async () => {
  const { port } = new URL(net.url);
  page = await blank(context, `http://foreign.example:${port}`, net.url);
  net.requests.length = 0;
  await connect(page, net.url, brisk);
  await page.waitForFunction(() => turted.state === 'closed');
  const { code, reconnect, reason } = (await told(page, 'close')).at(-1);
  assert.deepEqual([code, reconnect], [1008, false]);
  assert.match(reason, /origin/);
  assert.equal(net.requests.length, 3);
});
