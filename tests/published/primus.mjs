// Stories about the published clients of Primus, four generations over plain WebSockets and the newest over the other transformers.
//   TURTED_URL=http://127.0.0.1:7117 node --test primus.mjs
// In: a server with Primus at /primus, and with the transformers engine.io and sockjs at /primus-engine and /primus-sockjs, where
// what clients write is said in the channel `open`; anybody may join, and publish in `open` only. Out: a verdict on all of them.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createRequire } from 'node:module';
import { SocketIo } from './clients.mjs';
import { Client } from './client.mjs';
import { assertThousand, FOREIGN, LENGTHY, LONG, thousand } from './payloads.mjs';
import { eventually, story, within } from './scene.mjs';
import { SockJsNative } from './streams.mjs';

const require = createRequire(import.meta.url);
const plain = (events) => events.map(({ event, payload }) => [event, payload]);

/** Versions and transformers with the path where they are spoken. */
const KINDS = [
  ['8', 'websockets', '/primus'],
  ['7', 'websockets', '/primus'],
  ['6', 'websockets', '/primus'],
  ['2', 'websockets', '/primus'],
  ['8', 'engine.io', '/primus-engine'],
  ['8', 'sockjs', '/primus-sockjs'],
];

class Spark extends Client {
  constructor(scene, [version, transformer, pathname]) {
    super(scene);
    const Primus = require(`primus-${version}`);
    this.Socket = Primus.createSocket({ transformer, pathname, parser: 'json' });
  }

  async connect(query = '') {
    this.socket = new this.Socket(this.scene.url + query, { reconnect: { min: 50, max: 200 }, strategy: ['disconnect', 'online', 'timeout'] });
    // The library lives in a realm of its own; its objects are none of ours.
    this.socket.on('data', (data) => this.read(JSON.parse(JSON.stringify(data))));
    this.socket.on('error', (error) => (this.error = error));
    await within(new Promise((resolve) => this.socket.once('open', resolve)), () => `open, after ${this.error?.message}`);
  }

  say(type, data) {
    this.socket.write({ type, data });
  }

  read(data) {
    if (typeof data?.event === 'string') this.hear(data);
    else this.answered(data?.type, data?.data);
  }

  id() {
    return within(new Promise((resolve) => this.socket.id(resolve)), () => 'its id');
  }

  next(name) {
    return within(new Promise((resolve) => this.socket.once(name, resolve)), () => `'${name}'`);
  }

  close() {
    this.socket?.end();
  }
}

for (const kind of KINDS) {
  const [version, transformer] = kind;
  describe(`primus ${version}, ${transformer}`, () => {
    const settled = (scene) => new Spark(scene, kind).settle();

    story('a push that matches it three times is heard once, and says why', async (scene) => {
      const adam = await settled(scene);
      await scene.push('NEWS', { users: [scene.user], channels: [scene.channel], broadcast: true }, { any: 'json' });
      await scene.push('CHAT', { channels: scene.channel }, [1, 'two']);
      await scene.push('ALL', { broadcast: true }, 'text');
      const events = await adam.everything();
      assert.deepEqual(plain(events), [['NEWS', { any: 'json' }], ['CHAT', [1, 'two']], ['ALL', 'text']]);
      assert.deepEqual([events[0].via, events[1].via], [{ user: scene.user }, { channel: scene.channel }]);
    });

    story('every kind of JSON and text survives, up and down', async (scene) => {
      const adam = await settled(scene);
      assert.deepEqual(await adam.echo(FOREIGN), FOREIGN);
      assert.deepEqual(await adam.echo(LENGTHY), LENGTHY);
      for (const payload of [FOREIGN, LONG, 'text', '', 0, 1.5, true, false, null, [], {}, 'primus::server::close']) {
        await scene.push('ANY', { users: scene.user }, payload);
        assert.deepEqual(plain(await adam.everything()), [['ANY', payload]]);
      }
    });

    story('a thousand events come in order', async (scene) => {
      const adam = await settled(scene);
      await scene.pushAll(thousand(scene));
      assertThousand(assert, await adam.everything());
    });

    story('it has an id, and after leaving a channel is silent', async (scene) => {
      const adam = await settled(scene);
      assert.match(await adam.id(), /^[\w-]{8,}$/);
      await adam.leave();
      await scene.push('AFTER', { channels: scene.channel }, 2);
      assert.deepEqual(await adam.everything(), []);
    });

    story('what it writes is published where it may, and what it may not is said', async (scene) => {
      const adam = await settled(scene);
      await assert.rejects(adam.command('PUBLISH', { channel: 'shut', event: 'A' }), /publish_denied/);
      await adam.join('open');
      const { recipients } = await adam.command('PUBLISH', { channel: 'open', event: scene.name('SAID'), payload: { n: 1 } });
      assert.ok(recipients > 0);
      const [said] = await adam.everything();
      assert.deepEqual([said.payload, said.from.user], [{ n: 1 }, scene.user]);
      if (transformer === 'websockets') return;
      const heard = new Promise((resolve) => {
        adam.socket.on('data', (data) => data?.event === 'WRITTEN' && data.payload?.by === scene.user && resolve(data));
      });
      adam.socket.write({ by: scene.user });
      assert.equal((await within(heard, () => 'what it wrote')).via.channel, 'open');
    });

    story('who is thrown out is closed and stays away', async (scene) => {
      const adam = await settled(scene);
      const [closed, ended] = [adam.next('close'), adam.next('end')];
      let attempts = 0;
      adam.socket.on('reconnect scheduled', () => (attempts += 1));
      const kick = await fetch(`${process.env.TURTED_URL}/api/users/${encodeURIComponent(scene.user)}/kick`, { method: 'POST' });
      assert.equal(kick.status, 200, await kick.text());
      await Promise.all([closed, ended]);
      assert.equal(attempts, 0);
      assert.equal(await scene.reach({ users: scene.user }), 0);
    });

    story('after a cut it comes back by itself as another spark', async (scene) => {
      const cable = await scene.cable();
      const adam = await settled(scene);
      const before = await adam.id();
      const back = adam.next('reconnected');
      cable.cut();
      await eventually(async () => (await scene.reach({ users: scene.user })) === 0, () => 'the server has noticed');
      cable.mend();
      await back;
      assert.notEqual(await adam.id(), before);
      await adam.ident();
      await adam.join();
      await scene.push('NEWS', { users: scene.user, channels: scene.channel }, 2);
      assert.deepEqual(plain(await adam.everything()), [['NEWS', 2]]);
    });

    story('who its request says it is is known at once', async (scene) => {
      const adam = new Spark(scene, kind);
      await adam.connect(`?username=${encodeURIComponent(scene.user)}&channel=${encodeURIComponent(scene.channel)}`);
      await eventually(async () => (await scene.reach({ users: scene.user })) === 1, () => 'it is known');
      await scene.push('CHAT', { channels: scene.channel }, 1);
      const heard = plain(await adam.everything()).filter(([event]) => event !== 'PROBE');
      assert.deepEqual(heard, [['CHAT', 1]]);
    });
  });
}

describe('Primus beside others', () => {
  story('one push reaches a native client, one of Socket.IO and a spark at once, each with its reason', async (scene) => {
    const spark = new Spark(scene, KINDS[0]);
    const others = [new SocketIo(scene, SocketIo.VERSIONS[0], 'websocket only'), new SockJsNative(scene, SockJsNative.VERSIONS[0], 'websocket')];
    await spark.settle();
    for (const other of others) {
      await other.connect();
      await other.join();
    }
    const heard = [spark, ...others].map((client) => client.on('NEWS'));
    await scene.push('NEWS', { users: scene.user, channels: scene.channel }, 1);
    const vias = (await Promise.all(heard)).map(({ via }) => via);
    assert.deepEqual(vias, [{ user: scene.user }, { channel: scene.channel }, { channel: scene.channel }]);
  });

  story('the specification and a sentence about the library are where clients look for them', async () => {
    const spec = await (await fetch(`${process.env.TURTED_URL}/primus/spec`)).json();
    assert.deepEqual(spec, { pingInterval: 30_000, pathname: '/primus', version: '8.0.9', parser: 'json', transformer: 'websockets' });
    const library = await fetch(`${process.env.TURTED_URL}/primus/primus.js`);
    assert.deepEqual([library.status, /client/.test(await library.text())], [404, true]);
    assert.equal((await fetch(`${process.env.TURTED_URL}/primus`)).status, 426);
  });
});
