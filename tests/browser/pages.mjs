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
  const folded = page.locator('details:not([open]) > summary'); // on a phone
  while (await folded.count()) await folded.first().click();
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

/** A page whose wires are in the story's hands: `hold()` keeps the next ones from opening, `release()` lets them. */
async function wires() {
  let [mayOpen, open, wire, held] = [Promise.resolve(), () => {}, null, 0];
  await context.routeWebSocket(/\/ws$/, async (page) => {
    held += 1;
    await mayOpen;
    page.connectToServer();
    wire = page;
  });
  return {
    hold: () => (mayOpen = new Promise((resolve) => (open = resolve))),
    release: () => open(),
    cut: () => wire.close({ code: 4009, reason: 'cut by the story' }),
    get tried() {
      return held;
    },
  };
}

story('without a connection a banner says why and until when, counts down, and "Try now" does not wait', async () => {
  await visit();
  const net = await wires();
  await context.addInitScript(() => (Math.random = () => 0.999)); // the longest pauses, so that there is something to count
  const page = await listen('channel=chat');
  assert.equal(await page.locator('#banner').isVisible(), false);
  const banner = (text) => page.locator('#banner').getByText(text).waitFor();
  const closes = await page.evaluate(() => {
    globalThis.pauses = [];
    turted.on('turted:close', ({ delay }) => pauses.push(delay));
    return pauses.length;
  });
  assert.equal(closes, 0);
  net.hold();
  await page.evaluate(() => {
    const { setTimeout: later } = globalThis;
    globalThis.setTimeout = (fn, milliseconds, ...more) => later(fn, milliseconds > 900 && milliseconds < 1_100 ? 60_000 : milliseconds, ...more);
  });
  await net.cut();
  await banner('The server gives no sign of life (cut by the story).');
  await banner(/Next try in \d+ s\./);
  assert.equal(await page.locator('#state').innerText(), 'Offline');
  assert.equal(await page.locator('.chip').first().evaluate((chip) => getComputedStyle(chip).outlineStyle), 'dashed');
  const tried = net.tried;
  await page.getByRole('button', { name: 'Try now' }).click();
  await banner('Trying again…');
  assert.equal(net.tried, tried + 1);
  net.release();
  await page.locator('#state[data-state=open]').waitFor();
  assert.equal(await page.locator('#banner').isVisible(), false);
  assert.equal(await page.locator('.chip').first().evaluate((chip) => getComputedStyle(chip).outlineStyle), 'none');
});

story('the seconds until the next try go down', async () => {
  await visit();
  const page = await open('/');
  await page.locator('#state[data-state=open]').waitFor();
  // As the client tells it, without the client's waiting.
  await page.evaluate(() => {
    const [told, callbacks] = [new Map(), { state: 'waiting', reconnect() {}, on: (event, fn) => told.set(event, fn) }];
    showConnection(callbacks);
    told.get('turted:close')({ code: 1006, reason: '', reconnect: true, delay: 3_000 });
    told.get('turted:state')('waiting');
  });
  for (const seconds of [3, 2, 1]) await page.getByText(`Next try in ${seconds} s.`).waitFor();
});

story('an end for good says in words why and what to do', async () => {
  await visit();
  await context.routeWebSocket(/\/ws$/, (wire) => wire.close({ code: 1008, reason: 'origin http://elsewhere is not this host' }));
  const page = await open('/');
  await page.getByText('The connection is closed for good (origin http://elsewhere is not this host).').waitFor();
  await page.locator('#banner').getByText('server.origins').waitFor();
  await page.locator('#join-note').getByText('Not joined: there is no connection').waitFor();
  await page.getByRole('button', { name: 'Reload' }).click();
  await page.getByText('The connection is closed for good').waitFor();
});

story('on a phone the events come first and the forms are folded, until somebody wants them or something is refused', async () => {
  await visit({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const page = await open('/?channel=chat');
  await page.locator('#channels-digest').getByText('chat').waitFor();
  assert.equal(await page.getByLabel('Channel name').isVisible(), false);
  const top = async (locator) => (await locator.boundingBox()).y;
  assert.ok((await top(page.locator('#events-title'))) < (await top(page.locator('summary').first())));
  await page.locator('summary', { hasText: 'Channels' }).tap();
  await page.getByLabel('Channel name').fill('x'.repeat(200));
  await page.getByLabel('Channel name').evaluate((field) => (field.maxLength = 500));
  await page.getByLabel('Channel name').fill('x'.repeat(300));
  await page.locator('summary', { hasText: 'Channels' }).tap();
  assert.equal(await page.getByLabel('Channel name').isVisible(), false);
  await page.locator('#join').evaluate((form) => form.requestSubmit());
  await page.getByText(/^Not joined: .*300 bytes/).waitFor(); // the card has opened by itself
});

story('numbers beyond 2^53 are shown as they came', async () => {
  await visit();
  const channel = `digits-${own}`;
  const listener = await listen(`channel=${channel}`);
  const lines = await open(`/log.html?channel=${channel}`);
  await lines.waitForFunction((channel) => turted.channels.includes(channel), channel);
  const body = (event, payload) => `{"event":"${event}","targets":{"channels":"${channel}"},"payload":${payload}}`;
  const pushes = [body('BIG', '{"id":9007199254740993,"list":[-12345678901234567890,0.1,1e400]}'), body('ALONE', '18446744073709551615')];
  pushes.push(body('LOG:LINE', '{"file":"a.log","json":{"msg":"paid","time":12345678901234567890,"order":9007199254740993,"level":30}}'));
  const answer = await fetch(new URL('/push/', TURTED_URL), { method: 'POST', body: `[${pushes}]` });
  assert.ok(answer.ok);
  await row(listener, 'ALONE').waitFor();
  const text = await row(listener, 'BIG').locator('pre').innerText();
  assert.deepEqual(text.replaceAll(/\s/g, ''), '{"id":9007199254740993,"list":[-12345678901234567890,0.1,1e400]}');
  assert.equal(await row(listener, 'ALONE').locator('pre').innerText(), '18446744073709551615');
  const texts = lines.locator('#lines .text');
  await texts.nth(2).waitFor();
  assert.equal(await texts.nth(1).innerText(), '18446744073709551615');
  assert.equal(await texts.nth(2).innerText(), '12345678901234567890 paid order=9007199254740993');
  await texts.nth(2).click();
  await lines.locator('.members').getByText('9007199254740993').first().waitFor();
});

story('a long payload shows its beginning, says how much there is, and all of it when asked', async () => {
  await visit();
  const channel = `long-${own}`;
  const listener = await listen(`channel=${channel}`);
  const pusher = await open('/push.html');
  await push(pusher, { channels: channel, event: 'LINES', payload: Array.from({ length: 100 }, (_, index) => index) });
  await push(pusher, { channels: channel, event: 'CHARACTERS', payload: 'x'.repeat(5_000) });
  await push(pusher, { channels: channel, event: 'SHORT', payload: [1, 2] });
  await row(listener, 'SHORT').waitFor();
  assert.equal(await row(listener, 'SHORT').getByRole('button').count(), 0);
  const text = (event) => row(listener, event).locator('pre').innerText();
  await row(listener, 'CHARACTERS').getByRole('button', { name: 'Show all 5,002 characters' }).waitFor();
  assert.match(await text('LINES'), /^\[\n  0,.*\n…$/s);
  const button = row(listener, 'LINES').getByRole('button', { name: 'Show all 102 lines' });
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  await button.click();
  assert.match(await text('LINES'), /  99\n\]$/);
  await row(listener, 'LINES').getByRole('button', { name: 'Show less' }).click();
  assert.match(await text('LINES'), /…$/);
});

story('many events are announced in one sentence', async () => {
  await visit();
  const channel = `many-${own}`;
  const listener = await listen(`channel=${channel}`);
  await listener.evaluate(() => {
    globalThis.said = [];
    const box = document.getElementById('announce');
    new MutationObserver(() => said.push(box.textContent)).observe(box, { childList: true });
  });
  const pushes = Array.from({ length: 50 }, (_, index) => ({ event: `E${index}`, targets: { channels: channel }, payload: null }));
  await fetch(new URL('/push/', TURTED_URL), { method: 'POST', body: JSON.stringify(pushes) });
  await listener.waitForFunction(() => said.length);
  assert.deepEqual(await listener.evaluate(() => said), [`50 new events, the newest E49 via channel ${channel}`]);
  assert.equal(await listener.locator('[aria-live]:not([aria-live=off])').count(), 0, 'no list reads itself out');
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
