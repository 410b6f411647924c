// Stories about the published clients of nodefony, in a page of jsdom: stage 0.1.9 and nodefony-client 6.
//   TURTED_URL=http://127.0.0.1:7117 node --test nodefony.mjs
// In: a server with nodefony at /realtime, whose services `random` and `closed` are at 127.0.0.1:$TURTED_SERVICE and at a port
// where nobody listens, and `news` the channel `news`; anybody may join and call, and publish in `news`. Out: a verdict on it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FOREIGN } from './payloads.mjs';
import { push } from './push.mjs';
import { story, within } from './scene.mjs';

const require = createRequire(import.meta.url);
const { JSDOM } = require('jsdom');
const here = (name) => dirname(require.resolve(`${name}/package.json`));

/** The service `random` of nodefony's demonstration: READY, then numbers as it is asked for them, and whatever else comes, back. */
const service = net.createServer({ allowHalfOpen: true }, (socket) => {
  let timer;
  socket.write('READY');
  socket.on('data', (data) => {
    let message = {};
    try {
      message = JSON.parse(data);
    } catch {
      socket.write(data);
    }
    clearInterval(timer);
    const number = () => JSON.stringify({ jsonrpc: '2.0', result: 7, error: null, id: null });
    if (message.method === 'start') timer = setInterval(() => socket.write(number()), message.params[0]);
  });
  socket.on('end', () => socket.end('BYE'));
  socket.on('error', () => {});
  socket.on('close', () => clearInterval(timer));
});
before(() => new Promise((resolve) => service.listen(Number(process.env.TURTED_SERVICE), '127.0.0.1', resolve)));
after(() => service.close());

/** Everything that a client tells, in order, and patience for each of it. */
class Told {
  #told = [];
  #wanted = [];

  tell(name, ...values) {
    this.#told.push([name, ...values]);
    this.#wanted.splice(0).forEach((look) => look());
  }

  /** The values of the next telling of this name that fits. */
  next(name, fits = () => true) {
    const look = (resolve) => {
      const at = this.#told.findIndex(([told, ...values]) => told === name && fits(...values));
      if (at < 0) return this.#wanted.push(() => look(resolve));
      resolve(this.#told.splice(at, 1)[0].slice(1));
    };
    return within(new Promise(look), () => `${name}; told was ${JSON.stringify(this.#told).slice(0, 400)}`);
  }
}

/** stage.realtime of 2015 to 2018: it asks, shakes hands and connects. */
async function stage(scene) {
  const page = scene.opened(new JSDOM('', { url: scene.url, runScripts: 'outside-only' }));
  const { window } = page;
  page.close = () => window.close();
  // It looks for cameras as it is loaded.
  window.eval('var webkitMediaStream = function () {};');
  window.eval(readFileSync(join(here('jquery'), 'dist/jquery.js'), 'utf8'));
  window.eval(readFileSync(join(here('nodefony-stage'), 'dist/stage.js'), 'utf8'));
  const client = new window.stage.realtime(`${scene.url}/realtime`);
  const told = new Told();
  const names = ['onAuthorized', 'onHandshake', 'onConnect', 'onSubscribe', 'onUnSubscribe', 'onMessage', 'onError', 'onDisconnect', 'onClose'];
  for (const name of names) client.listen(client, name, (...values) => told.tell(name.slice(2).toLowerCase(), ...values));
  client.start();
  for (const name of ['authorized', 'handshake', 'connect']) await told.next(name);
  assert.equal(client.publicAddress, '127.0.0.1');
  return {
    told,
    subscribe: (name, data) => client.subscribe(name, data),
    unsubscribe: (name) => client.unSubscribe(name),
    say: (name, data) => client.sendMessage(name, data),
    stop: () => client.stop(),
  };
}

/** nodefony.Socket of nodefony-client 6: it shakes hands and connects where it is told. */
async function socket(scene) {
  const script = pathToFileURL(join(here('nodefony-client'), 'dist/nodefony.js'));
  const page = scene.opened(
    new JSDOM(`<script src="${script}"></script>`, {
      url: scene.url,
      runScripts: 'dangerously',
      resources: 'usable',
      beforeParse(window) {
        // jsdom has neither; a browser sets its own User-Agent.
        window.Headers = Headers;
        window.fetch = (url, { method, body }) => fetch(new URL(url, scene.url), { method, body, headers: { 'content-type': 'application/json' } });
      },
    }),
  );
  const { window } = page;
  page.close = () => window.close();
  await within(new Promise((resolve) => window.addEventListener('load', resolve)), () => 'the page');
  await window.nodefony.load({ socket: true });
  const client = new window.nodefony.Socket('/realtime');
  const told = new Told();
  for (const name of ['handshake', 'ready', 'subscribe', 'unsubscribe', 'message', 'error', 'disconnect', 'close']) {
    client.on(name, (...values) => told.tell(name, ...values));
  }
  for (const name of ['handshake', 'ready']) await told.next(name);
  return {
    told,
    subscribe: (name, data) => client.subscribe(name, data),
    unsubscribe: (name) => client.unSubscribe(name),
    stop: () => client.stop(),
  };
}

for (const [name, open] of Object.entries({ 'stage 0.1.9': stage, 'nodefony-client 6': socket })) {
  describe(name, () => {
    story('a service is bridged: its first words, what it is asked for, and its last', async (scene) => {
      const client = await open(scene);
      client.subscribe('random', JSON.stringify({ method: 'start', params: [20] }));
      assert.equal((await client.told.next('subscribe'))[0], 'random');
      await client.told.next('message', (from, data) => from === 'random' && data.startsWith('READY'));
      await client.told.next('message', (from, data) => data.includes('"result":7'));
      client.unsubscribe('random');
      await client.told.next('message', (from, data) => data.endsWith('BYE'));
      assert.equal((await client.told.next('unsubscribe'))[0], 'random');
      client.subscribe('random');
      assert.equal((await client.told.next('subscribe'))[0], 'random');
    });

    story('a port where nobody listens is told with its code', async (scene) => {
      const client = await open(scene);
      client.subscribe('closed');
      const [code, argument, sentence] = await client.told.next('error');
      assert.deepEqual([code, sentence], ['403', 'ECONNREFUSED']);
      assert.match(argument, /,\/meta\/subscribe$/);
    });

    story('a channel is heard as a service, in order, with every kind of text', async (scene) => {
      const client = await open(scene);
      client.subscribe('news');
      await client.told.next('subscribe');
      const own = scene.name('');
      const texts = Array.from({ length: 100 }, (_, number) => `${own} ${number} ${FOREIGN.text}`);
      for (const text of texts) await push('NEWS', { channels: 'news' }, text);
      for (const text of texts) assert.equal((await client.told.next('message', (from, data) => data.startsWith(own)))[1], text);
      await push('NEWS', { channels: 'news' }, { own });
      assert.deepEqual(JSON.parse((await client.told.next('message', (from, data) => data.includes(`"${own}"`)))[1]), { own });
    });

    story('it stops, and hears that it has', async (scene) => {
      const client = await open(scene);
      client.stop();
      await client.told.next('disconnect');
      await client.told.next('close');
    });
  });
}

describe('stage 0.1.9', () => {
  story('what it says reaches the service, and is answered by its number', async (scene) => {
    const client = await stage(scene);
    client.subscribe('random');
    await client.told.next('message', (from, data) => data === 'READY');
    const id = client.say('random', 'Grüße €😀');
    assert.equal((await client.told.next('message', (from) => from === id))[1], true);
    await client.told.next('message', (from, data) => data === 'Grüße €😀');
  });
});
