// Stories about the clients of Bayeux in a page: Faye's browser build over each of its transports, from this origin and from another one, and
// CometD by callback-polling. The page is jsdom's.
//   TURTED_URL=http://127.0.0.1:7117 node --test bayeux_pages.mjs
// In: a server on which everybody may say anything. Out: a verdict on what pages get.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe } from 'node:test';
import { JSDOM } from 'jsdom';
import { eventually, story, within } from './scene.mjs';

const require = createRequire(import.meta.url);
const faye = readFileSync(require.resolve('faye/client/faye-browser.js'), 'utf8');
const PAYLOADS = ['text', 7, null, [1, { deep: [true] }], { text: 'a\u2028b\u2029 😀 & = </script> "\\" 100% +' }];

/** A page at this address, with a `Referer` for what it loads. */
function page(scene, url) {
  const dom = new JSDOM('<!doctype html><html><head></head><body></body></html>', {
    url,
    referrer: url,
    runScripts: 'dangerously',
    resources: 'usable',
    pretendToBeVisual: true,
  });
  scene.opened({ close: () => dom.window.close() });
  return dom.window;
}

const FOREIGN = 'http://localhost:9/page.html';

for (const [origin, wiring, disabled] of [
  ['same', 'websocket', []],
  ['same', 'long-polling', ['websocket', 'eventsource']],
  ['another', 'websocket', []],
  ['another', 'cross-origin-long-polling', ['websocket', 'eventsource']],
  ['another', 'callback-polling', ['websocket', 'eventsource', 'cross-origin-long-polling']],
]) {
  describe(`faye 1.4 in a page of ${origin} origin, ${wiring}`, () => {
    story('it says and hears every kind of JSON', async (scene) => {
      const window = page(scene, origin === 'same' ? `${scene.url}/page.html` : FOREIGN);
      window.eval(faye);
      const client = new window.Faye.Client(`${scene.url}/bayeux`, { retry: 0.5 });
      scene.opened({ close: () => client.disconnect() });
      for (const type of disabled) client.disable(type);
      const [heard, room] = [[], `/${scene.channel}`];
      await within(client.subscribe(room, (data) => heard.push(data)), () => 'a subscription');
      for (const payload of PAYLOADS) {
        await within(client.publish(room, window.JSON.parse(JSON.stringify(payload))), () => 'the answer to a publication');
      }
      await scene.push('NEWS', { channels: scene.channel }, 'pushed');
      await eventually(() => heard.length > PAYLOADS.length, () => `all is heard, not ${JSON.stringify(heard)}`);
      assert.deepEqual(JSON.parse(JSON.stringify(heard)), [...PAYLOADS, 'pushed']);
      assert.equal(client._dispatcher._transport.connectionType, wiring);
    });
  });
}

/** Version 3 asks whether an answer is an `Array` of its own: it must be loaded by the page. The others find their page in `window`. */
async function CometD(version) {
  if (version !== '3') return (await import(`cometd-${version}`)).CometD;
  window.eval(readFileSync(require.resolve('cometd-3/cometd.js'), 'utf8'));
  return window.org.cometd.CometD;
}

for (const version of ['3', '8', '9']) {
  story(`cometd ${version} in a page, callback-polling`, async (scene) => {
    globalThis.window = page(scene, FOREIGN);
    window.console = { ...console, debug: () => {} };
    const cometd = new (await CometD(version))();
    scene.opened({ close: () => cometd.disconnect() });
    for (const type of cometd.getTransportTypes()) if (type !== 'callback-polling') cometd.unregisterTransport(type);
    assert.deepEqual([...cometd.getTransportTypes()], ['callback-polling']);
    cometd.configure({ url: `${scene.url}/bayeux`, logLevel: 'error' });
    const reply = await within(new Promise((resolve) => cometd.handshake(resolve)), () => 'the handshake');
    assert.equal(reply.successful, true, JSON.stringify(reply));
    const [heard, room] = [[], `/${scene.channel}`];
    await within(new Promise((resolve) => cometd.subscribe(room, ({ data }) => heard.push(data), resolve)), () => 'a subscription');
    for (const payload of PAYLOADS) {
      await within(new Promise((resolve) => cometd.publish(room, payload, resolve)), () => 'the answer to a publication');
    }
    await scene.push('NEWS', { channels: scene.channel }, 'pushed');
    await eventually(() => heard.length > PAYLOADS.length, () => `all is heard, not ${JSON.stringify(heard)}`);
    assert.deepEqual(JSON.parse(JSON.stringify(heard)), [...PAYLOADS, 'pushed']);
    await within(new Promise((resolve) => cometd.disconnect(resolve)), () => 'the goodbye');
  });
}
