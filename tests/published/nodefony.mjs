// Stories about the published clients of nodefony, in a page of jsdom: stage 0.0.2 and 0.1.9, and nodefony-client 6.
//   TURTED_URL=http://127.0.0.1:7117 node --test nodefony.mjs
// In: a server with nodefony at /realtime, whose services `random` and `closed` are at 127.0.0.1:$TURTED_SERVICE and at a port
// where nobody listens, and `news` and `members` channels of these names; anybody may call, and join and publish in `news`, users may
// join `members`. The same at /quiet, which wants nobody back, and at /secure/realtime, where `tom` logs in with `Grüße`.
// Out: a verdict on it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SocketIo } from './clients.mjs';
import { FOREIGN } from './payloads.mjs';
import { push, pushAll } from './push.mjs';
import { story, within } from './scene.mjs';
import { SockJsNative } from './streams.mjs';

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
    if (message.method === 'quit') socket.end('GONE');
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

/** Runs the timers of a minute, after which these clients come back, at once. Gives their number. */
function hurry(window) {
  const patient = window.setTimeout.bind(window);
  const hurried = { count: 0 };
  window.setTimeout = (run, time, ...rest) => {
    if (time === 60_000) hurried.count += 1;
    return patient(run, time === 60_000 ? 20 : time, ...rest);
  };
  return hurried;
}

/** What stage.realtime says, and what is called when it comes in. */
const STAGE = ['onUnauthorized', 'onAuthorized', 'onHandshake', 'onConnect', 'onSubscribe', 'onUnSubscribe', 'onMessage', 'onError', 'onDisconnect', 'onClose'];

/** stage.realtime of 2015 to 2018: it asks, shakes hands and connects. */
class Stage {
  told = new Told();

  constructor(scene, version, path) {
    const page = scene.opened(new JSDOM('', { url: scene.url, runScripts: 'outside-only' }));
    const { window } = page;
    page.close = () => window.close();
    this.minutes = hurry(window);
    // It looks for cameras as it is loaded.
    window.eval('var webkitMediaStream = function () {};');
    window.eval(readFileSync(join(here('jquery'), 'dist/jquery.js'), 'utf8'));
    window.eval(readFileSync(join(here(version), 'dist/stage.js'), 'utf8'));
    this.client = new window.stage.realtime(scene.url + path);
    for (const name of STAGE) this.client.listen(this.client, name, (...values) => this.told.tell(name.slice(2).toLowerCase(), ...values));
    this.client.start();
  }

  async open() {
    for (const name of ['authorized', 'handshake', 'connect']) await this.told.next(name);
    assert.equal(this.client.publicAddress, '127.0.0.1');
    assert.equal(this.client.domain.hostname, '127.0.0.1');
  }

  /** It begins anew. */
  returned() {
    return this.open();
  }

  subscribe(name, data) {
    return this.client.subscribe(name, data);
  }

  unsubscribe(name) {
    this.client.unSubscribe(name);
  }

  say(name, data) {
    return this.client.sendMessage(name, data);
  }

  raw(message) {
    this.client.protocol.send(JSON.stringify(message));
  }

  /** Subscribes where it has subscribed; it refuses that by itself. */
  async again(name) {
    assert.equal(this.subscribe(name), false);
    assert.equal((await this.told.next('error'))[2], 'already subscribed');
  }

  stop() {
    this.client.stop();
  }
}

const stage = (version) => async (scene, path = '/realtime') => {
  const client = new Stage(scene, version, path);
  await client.open();
  return client;
};

/** What nodefony.Socket says. */
const SOCKET = ['handshake', 'ready', 'subscribe', 'unsubscribe', 'message', 'error', 'disconnect', 'close'];

/** nodefony.Socket of nodefony-client 6: it shakes hands and connects where it is told. */
class Socket {
  told = new Told();

  constructor(window) {
    this.window = window;
    this.minutes = hurry(window);
  }

  async open(path) {
    await this.window.nodefony.load({ socket: true });
    this.client = new this.window.nodefony.Socket(path);
    for (const name of SOCKET) this.client.on(name, (...values) => this.told.tell(name, ...values));
    for (const name of ['handshake', 'ready']) await this.told.next(name);
    assert.equal(this.client.publicAddress, '127.0.0.1');
    assert.equal(this.client.domain.hostname, '127.0.0.1');
  }

  /** It only opens its WebSocket again. */
  returned() {
    return this.told.next('ready');
  }

  subscribe(name, data) {
    this.client.subscribe(name, data);
  }

  unsubscribe(name) {
    this.client.unSubscribe(name);
  }

  raw(message) {
    this.client.send(JSON.stringify(message));
  }

  async again(name) {
    assert.throws(() => this.subscribe(name), /Already subscribed/);
  }

  stop() {
    this.client.stop();
  }
}

async function socket(scene, path = '/realtime') {
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
  const client = new Socket(window);
  await client.open(path);
  return client;
}

const VERSIONS = { 'stage 0.0.2': 'nodefony-stage-0.0', 'stage 0.1.9': 'nodefony-stage-0.1' };
const STAGES = Object.fromEntries(Object.entries(VERSIONS).map(([name, version]) => [name, stage(version)]));

for (const [name, open] of Object.entries({ ...STAGES, 'nodefony-client 6': socket })) {
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
      await client.again('random');
    });

    story('a service that ends is heard to its last word, and can be subscribed again', async (scene) => {
      const client = await open(scene);
      for (const _ of [1, 2]) {
        client.subscribe('random', JSON.stringify({ method: 'quit' }));
        await client.told.next('message', (from, data) => data.endsWith('GONE'));
        assert.equal((await client.told.next('unsubscribe'))[0], 'random');
      }
    });

    story('what does not exist, and what is not for it, is told with its code', async (scene) => {
      const client = await open(scene);
      client.raw({ channel: '/meta/subscribe', subscription: '/service/nowhere' });
      assert.deepEqual(await client.told.next('error'), ['404', '/service/nowhere', 'Unknown Channel']);
      client.subscribe('members');
      const [code, , sentence] = await client.told.next('error');
      assert.equal(code, '403');
      assert.match(sentence, /^you may not join members/);
    });

    story('a port where nobody listens is told with its code', async (scene) => {
      const client = await open(scene);
      client.subscribe('closed');
      const [code, argument, sentence] = await client.told.next('error');
      assert.deepEqual([code, sentence], ['403', 'ECONNREFUSED']);
      assert.match(argument, /,\/meta\/subscribe$/);
    });

    story('a thousand events of a channel are heard in order, each once, with every kind of payload', async (scene) => {
      const client = await open(scene);
      client.subscribe('news');
      await client.told.next('subscribe');
      const own = scene.name('');
      const kinds = [FOREIGN.text, FOREIGN, '', null, true, -1.5e300, 0, [], {}, [[[{ a: [] }]]], 'x'.repeat(100_000), '{"a":"text"}'];
      const payloads = kinds.concat(Array.from({ length: 1_000 - kinds.length }, (_, number) => ({ own, number })));
      await pushAll(payloads.map((payload) => ['NEWS', { channels: 'news' }, payload]));
      for (const payload of payloads) {
        const [from, data] = await client.told.next('message');
        assert.equal(from, 'news');
        if (typeof payload === 'string') assert.equal(data, payload);
        else assert.deepEqual(JSON.parse(data), payload);
      }
      await push('NEWS', { channels: 'news' }, own);
      assert.deepEqual((await client.told.next('message')).slice(0, 2), ['news', own]);
    });

    story('whoever loses its wire comes back after a minute, if it is wanted', async (scene) => {
      const cable = await scene.cable();
      const client = await open(scene);
      cable.cut();
      cable.mend();
      await client.told.next('close');
      assert.equal(client.minutes.count, 1);
      await client.returned();
      client.subscribe('news');
      await client.told.next('subscribe');
      const own = scene.name('back');
      await push('NEWS', { channels: 'news' }, own);
      await client.told.next('message', (from, data) => data === own);
      const quiet = await open(scene, '/quiet');
      cable.cut();
      await quiet.told.next('close');
      assert.equal(quiet.minutes.count, 0);
    });

    story('one push is heard by a native client, by one of Socket.IO and by this one, each with why', async (scene) => {
      scene.channel = 'news';
      const client = await open(scene);
      client.subscribe('news');
      await client.told.next('subscribe');
      const others = [new SocketIo(scene, SocketIo.VERSIONS[0], 'websocket only'), new SockJsNative(scene, SockJsNative.VERSIONS[0], 'websocket')];
      await Promise.all(others.map((other) => other.settle()));
      const payload = { own: scene.name('é?') };
      const pushes = { NEWS: { channels: 'news' }, ALL: { broadcast: true } };
      for (const [event, targets] of Object.entries(pushes)) await scene.push(event, targets, payload);
      for (const service of ['news', 'everybody']) {
        const [, data] = await client.told.next('message', (from, data) => from === service && data.includes(payload.own));
        assert.deepEqual(JSON.parse(data), payload);
      }
      for (const other of others) {
        const heard = (await other.everything()).filter(({ event }) => event in pushes);
        assert.deepEqual(
          heard.map(({ event, payload, via }) => [event, payload, via]),
          [['NEWS', payload, { channel: 'news' }], ['ALL', payload, { broadcast: true }]],
        );
      }
    });

    story('it stops, and hears that it has', async (scene) => {
      const client = await open(scene);
      client.stop();
      await client.told.next('disconnect');
      await client.told.next('close');
    });
  });
}

for (const [name, open] of Object.entries(STAGES)) {
  describe(name, () => {
    story('what it says reaches the service, and is answered by its number', async (scene) => {
      const client = await open(scene);
      client.subscribe('random');
      await client.told.next('message', (from, data) => data === 'READY');
      const id = client.say('random', 'Grüße €😀');
      assert.equal((await client.told.next('message', (from) => from === id))[1], true);
      await client.told.next('message', (from, data) => data === 'Grüße €😀');
    });

    story('whoever stops does not come back', async (scene) => {
      const client = await open(scene);
      client.stop();
      await client.told.next('close');
      assert.equal(client.minutes.count, 0);
    });

    story('whoever logs in is that user, hears what is for it, and stays it when it comes back', async (scene) => {
      const cable = await scene.cable();
      const client = new Stage(scene, VERSIONS[name], '/secure/realtime');
      const [authenticate] = await client.told.next('unauthorized');
      for (const [user, password] of [['tom', 'Gruesse'], ['eve', 'Grüße']]) {
        authenticate.register(user, password);
        const [code, , why] = await client.told.next('error');
        assert.deepEqual([code, why.code], [401, 401]);
      }
      authenticate.register('tom', 'Grüße');
      await client.open();
      client.subscribe('members');
      await client.told.next('subscribe');
      const own = scene.name('');
      for (const [service, targets] of [['members', { channels: 'members' }], ['user', { users: 'tom' }]]) {
        await push('NEWS', targets, own);
        assert.deepEqual((await client.told.next('message')).slice(0, 2), [service, own]);
      }
      cable.cut();
      cable.mend();
      await client.told.next('close');
      await client.open();
      await push('NEWS', { users: 'tom' }, own);
      assert.deepEqual((await client.told.next('message')).slice(0, 2), ['user', own]);
    });
  });
}
