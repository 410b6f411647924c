// Stories about the demo pages, told in a real browser against a running server that accepts everybody at both doors:
//   npm install && TURTED_URL=http://127.0.0.1:7117 node --test pages.mjs
// In: TURTED_URL; CHROMIUM (default /usr/bin/chromium); ARTEFACTS, the folder for screenshots (default: the system's for temporary files).
// Out: a verdict and pictures. It refuses to know the server's insides, and what the client does on the wire; client.mjs tells that.
// Nothing sleeps: an expectation waits until the page fulfils it. Each story uses names of its own, so that the server may be shared.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';

const { TURTED_URL, CHROMIUM = '/usr/bin/chromium', ARTEFACTS = tmpdir() } = process.env;
if (!TURTED_URL) throw new Error('TURTED_URL must name a running turted server, such as http://127.0.0.1:7117');

const PATIENCE = 10_000;
const story = (name, fn) => test(name, { timeout: 60_000 }, fn);

let browser;
let context;
let complaints; // whatever a page reports as wrong, a blocked script or style among it
let stories = 0;
let own; // a suffix that makes this story's names its own

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
  own = `${process.pid}-${++stories}`;
  complaints = [];
});
afterEach(async () => {
  await context?.close();
  assert.deepEqual(complaints, [], 'the pages complained');
});

/** A browser of its own for the story; its tabs share it. */
async function visit(options = {}) {
  context = await browser.newContext({ viewport: { width: 1200, height: 900 }, colorScheme: 'light', ...options });
  context.setDefaultTimeout(PATIENCE);
  context.on('page', (page) => {
    page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
    page.on('console', (line) => line.type() === 'error' && !/status of 4\d\d/.test(line.text()) && complaints.push(line.text()));
  });
}

async function open(path) {
  const page = await context.newPage();
  await page.goto(new URL(path, TURTED_URL).href);
  return page;
}

/** The listening page, connected and in the channels its address asks for. */
async function listen(query) {
  const page = await open(`/?${query}`);
  await page.locator('#state[data-state=open]').waitFor();
  for (const channel of new URLSearchParams(query).getAll('channel').filter(Boolean)) await joined(page, channel);
  return page;
}

const joined = (page, channel) => page.getByRole('button', { name: `Leave ${channel}`, exact: true }).waitFor();

/** Fills the pushing page and sends; resolves with the text of the receipt's row. */
async function push(page, { channels = '', users = '', everybody = false, event = 'MESSAGE:NEW', payload = { text: 'hello' } }) {
  await page.getByLabel('Event name').fill(event);
  await page.getByLabel('Channels').fill(channels);
  await page.getByLabel('Users').fill(users);
  await page.getByLabel('Everybody').setChecked(everybody);
  await page.getByLabel('Payload').fill(JSON.stringify(payload, null, 2));
  const rows = page.locator('#receipts li');
  const count = await rows.count();
  await page.getByRole('button', { name: 'Push' }).click();
  await rows.nth(count).waitFor();
  return rows.first().innerText();
}

const events = (page) => page.locator('#events li');
const row = (page, text) => events(page).filter({ hasText: text });

/** Waits until the row is there, and proves that it stays the only one: a later event arrives behind any double. */
async function once(page, pusher, text, behind) {
  await row(page, text).first().waitFor();
  await push(pusher, { channels: behind, event: 'MARK', payload: null });
  await row(page, 'MARK').first().waitFor();
  assert.equal(await row(page, text).count(), 1);
  return row(page, text);
}

async function fitsItsWidth(page) {
  const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= width, `the page is ${content} px wide on a screen of ${width} px`);
}

/** Taken when what just arrived has finished moving. */
async function picture(page, name) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true });
}

story('a push to the channel arrives once, via the channel, and the receipt says so', async () => {
  await visit();
  const listener = await listen(`channel=room-${own}`);
  const pusher = await open(`/push.html?channel=room-${own}`);
  assert.equal(await pusher.getByLabel('Channels').inputValue(), `room-${own}`);
  const receipt = await push(pusher, { channels: `room-${own}`, payload: { text: 'hello', big: 1 } });
  assert.match(receipt, /Reached 1 connection$/);
  const arrived = await once(listener, pusher, '"text": "hello"', `room-${own}`);
  assert.equal(await arrived.locator('.name').innerText(), 'MESSAGE:NEW');
  assert.equal(await arrived.locator('.badge').innerText(), `channel room-${own}`);
  assert.ok(receipt.includes(await arrived.locator('.id').innerText()), 'listener and backend see the same id');
});

story('a push to adam arrives via the user, and one to adam and the channel arrives once', async () => {
  await visit();
  const adam = `adam-${own}`;
  const listener = await listen(`channel=room-${own}`);
  await listener.getByLabel('User name').fill(adam);
  await listener.getByRole('button', { name: 'Identify' }).click();
  await listener.getByText(`You are ${adam} now.`).waitFor();
  const pusher = await open('/push.html');
  assert.match(await push(pusher, { users: adam, event: 'FOR:ADAM' }), /Reached 1 connection$/);
  await row(listener, 'FOR:ADAM').waitFor();
  assert.equal(await row(listener, 'FOR:ADAM').locator('.badge').innerText(), `user ${adam}`);
  assert.match(await push(pusher, { users: adam, channels: `room-${own}`, event: 'FOR:BOTH' }), /Reached 1 connection$/);
  const both = await once(listener, pusher, 'FOR:BOTH', `room-${own}`);
  assert.equal(await both.locator('.badge').innerText(), `user ${adam}`);
});

story('a push to everybody reaches who is in no channel', async () => {
  await visit();
  const listener = await listen('channel=');
  const pusher = await open('/push.html');
  await push(pusher, { everybody: true, event: `ALL-${own}` });
  await row(listener, `ALL-${own}`).waitFor();
  assert.equal(await row(listener, `ALL-${own}`).locator('.badge').innerText(), 'everybody');
});

story('the page begins in the channel chat, or where its address says', async () => {
  await visit();
  const plain = await open('/');
  await joined(plain, 'chat');
  const said = await open(`/?user=eve-${own}#channel=a-${own}&channel=b-${own}`);
  await joined(said, `a-${own}`);
  await joined(said, `b-${own}`);
  await said.getByText(`You are eve-${own} now.`).waitFor();
  assert.equal(await said.locator('#channels li').count(), 2);
});

story('the curl command names this host and channel, and a left channel goes silent', async () => {
  await visit();
  const listener = await listen(`channel=gone-${own}&channel=it's-${own}`);
  const body = JSON.stringify({ event: 'MESSAGE:NEW', targets: { channels: [`it's-${own}`] }, payload: { text: 'hello' } });
  const quoted = body.replaceAll("'", "'\\''");
  assert.equal(await listener.locator('#curl').innerText(), `curl ${new URL('/push/', TURTED_URL).href} -d '${quoted}'`);
  await listener.getByRole('button', { name: `Leave gone-${own}` }).click();
  await listener.getByRole('button', { name: `Leave gone-${own}` }).waitFor({ state: 'detached' });
  const pusher = await open('/push.html');
  assert.match(await push(pusher, { channels: `gone-${own}`, event: 'UNHEARD' }), /Nobody was there to hear it$/);
  await push(pusher, { channels: `it's-${own}`, event: 'HEARD' });
  await row(listener, 'HEARD').first().waitFor();
  assert.equal(await row(listener, 'UNHEARD').count(), 0);
});

story('a lost wire is shown and made good: what was sent meanwhile arrives once, in order, without a gap', async () => {
  await visit();
  const channel = `room-${own}`;
  let wire;
  let mayReturn = Promise.resolve();
  await context.routeWebSocket(/\/ws$/, async (page) => {
    await mayReturn;
    page.connectToServer();
    wire = page;
  });
  const listener = await listen(`channel=${channel}&user=adam-${own}`);
  await listener.getByText(`You are adam-${own} now.`).waitFor();
  const connection = await listener.locator('#connection').innerText();
  const pusher = await open('/push.html');
  await push(pusher, { channels: channel, event: 'BEFORE' });
  await row(listener, 'BEFORE').waitFor();

  let returnNow;
  mayReturn = new Promise((resolve) => (returnNow = resolve));
  await wire.close({ code: 4009, reason: 'cut by the story' });
  await listener.locator('#state:not([data-state=open])').waitFor();
  await push(pusher, { channels: channel, event: 'AWAY:CHANNEL' });
  await push(pusher, { users: `adam-${own}`, event: 'AWAY:USER' });
  returnNow();
  await listener.locator('#state[data-state=open]').waitFor();
  await push(pusher, { channels: channel, event: 'AFTER' });
  await row(listener, 'AFTER').waitFor();
  assert.deepEqual(await events(listener).locator('.name').allInnerTexts(), ['AFTER', 'AWAY:USER', 'AWAY:CHANNEL', 'BEFORE']);
  assert.equal(await row(listener, 'may be missing').count(), 0);
  assert.equal(await listener.locator('#connection').innerText(), connection);
});

story('markup from strangers is shown as text', async () => {
  await visit();
  const evil = '<img src=x onerror="document.title=\'owned\'">';
  const listener = await listen(`channel=${encodeURIComponent(evil)}`);
  const pusher = await open('/push.html');
  const receipt = await push(pusher, { channels: evil, event: evil, payload: { [evil]: evil } });
  assert.ok(receipt.includes(evil));
  await row(listener, evil).first().waitFor();
  assert.equal(await row(listener, evil).locator('.name').innerText(), evil);
  assert.ok((await row(listener, evil).locator('pre').innerText()).includes('<img src=x'));
  for (const page of [listener, pusher]) {
    assert.equal(await page.locator('main img').count(), 0);
    assert.match(await page.title(), /^turted/);
  }
});

story('a broken payload, a push to nobody and a refusal are said, not sent or swallowed', async () => {
  await visit();
  const pusher = await open('/push.html');
  await pusher.getByLabel('Payload').fill('{"text": ');
  assert.equal(await pusher.getByLabel('Payload').getAttribute('aria-invalid'), 'true');
  assert.equal(await pusher.locator('#payload-note').getAttribute('data-tone'), 'bad');
  await pusher.getByRole('button', { name: 'Push' }).click();
  assert.equal(await pusher.evaluate(() => document.activeElement.id), 'payload');
  await pusher.getByLabel('Payload').fill('[1]');
  await pusher.getByText('Valid JSON').waitFor();
  await pusher.getByLabel('Channels').fill(' , ');
  await pusher.getByRole('button', { name: 'Push' }).click();
  await pusher.getByText('Choose a channel, a user or everybody.').waitFor();
  assert.equal(await pusher.locator('#receipts li').count(), 0);
  assert.match(await push(pusher, { channels: 'x'.repeat(201) }), /\n\n?400 \w+: /);
  await picture(pusher, 'push-refused');
});

story('credentials travel as a bearer token or a password, as chosen', async () => {
  await visit();
  const pusher = await open('/push.html');
  const sent = () => pusher.waitForRequest((request) => request.method() === 'POST');
  await pusher.getByRole('radio', { name: 'Bearer token' }).check();
  await pusher.getByLabel('Token', { exact: true }).fill('s3cret');
  let [request] = await Promise.all([sent(), pusher.getByLabel('Payload').press('Control+Enter')]);
  assert.equal(request.headers().authorization, 'Bearer s3cret');
  assert.equal(request.headers().accept, 'application/json');
  assert.equal(request.postDataJSON().auth, undefined);
  await pusher.locator('#receipts li').first().waitFor();
  await pusher.getByRole('radio', { name: 'Password' }).check();
  [request] = await Promise.all([sent(), pusher.getByRole('button', { name: 'Push' }).click()]);
  assert.equal(request.headers().authorization, undefined);
  assert.deepEqual(request.postDataJSON().auth, { password: 's3cret' });
});

story('the keyboard alone joins and leaves a channel', async () => {
  await visit();
  const page = await listen('channel=');
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.ariaLabel);
  const tabTo = async (name) => {
    for (let tabs = 0; (await focused()) !== name; tabs++) {
      assert.ok(tabs < 20, `${name} is not reached with the tab key`);
      await page.keyboard.press('Tab');
    }
  };
  await tabTo('channel');
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, 'solid', 'the focus can be seen');
  await page.keyboard.type(`keys-${own}`);
  await page.keyboard.press('Enter');
  await joined(page, `keys-${own}`);
  await picture(page, 'keyboard');
  await tabTo(`Leave keys-${own}`);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: `Leave keys-${own}` }).waitFor({ state: 'detached' });
  assert.equal(await focused(), 'join-button');
});

story('the module loads in a browser as well', async () => {
  await visit();
  const page = await open('/');
  assert.deepEqual(await page.evaluate(async () => {
    const module = await import('/turted.mjs');
    return [typeof module.default, module.default === module.TURTED];
  }), ['function', true]);
});

for (const [look, options] of [
  ['desktop-light', {}],
  ['desktop-dark', { colorScheme: 'dark' }],
  ['phone-light', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }],
  ['phone-dark', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: 'dark' }],
]) {
  story(`the pages look well: ${look}`, async () => {
    await visit(options);
    const channel = `chat-${own}`;
    const listener = await listen(`channel=${channel}&channel=news-${own}&user=adam-${own}`);
    const pusher = await open('/push.html');
    await push(pusher, { everybody: true, event: 'SERVER:NOTICE', payload: 'Back in five minutes' });
    await push(pusher, { users: `adam-${own}`, event: 'ORDER:SHIPPED', payload: { order: 4711, parcels: ['A1', 'B2'] } });
    await push(pusher, { channels: 'nobody-is-here' });
    await push(pusher, { channels: channel, payload: { text: 'hello', url: `https://example.org/${'long'.repeat(30)}` } });
    await row(listener, 'MESSAGE:NEW').first().waitFor();
    await listener.getByText(`You are adam-${own} now.`).waitFor();
    const ground = await listener.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red] = ground.match(/\d+/g).map(Number);
    assert.equal(red < 128, options.colorScheme === 'dark', `background ${ground}`);
    for (const [page, name] of [[listener, 'listen'], [pusher, 'push']]) {
      await fitsItsWidth(page);
      await picture(page, `${name}-${look}`);
    }
  });
}
