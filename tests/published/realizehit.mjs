// Stories about realizehit's clients, its API and the Redis that its nodes share.
//   TURTED_URL=http://127.0.0.1:7117 TURTED_REDIS=6379 node --test realizehit.mjs
// In: a server with realizehit at /ws/, its API at / (through a connector that hears Redis on demand) and Redis at 127.0.0.1:$TURTED_REDIS;
// anybody may join but what begins with `secret:`. Its own packages client-ws, client-api, server-ws and server-api were never published
// anywhere but on GitHub: TURTED_REALIZEHIT is a folder with these four repositories, their dependencies installed. Without it the client
// is one of this file, made of what was published (Engine.IO 1.8, the patterns and their ids), and there is no node of theirs. Out: a verdict.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { SocketIo } from './clients.mjs';
import { eventually, story, within } from './scene.mjs';
import { SockJsNative } from './streams.mjs';

const require = createRequire(import.meta.url);
const theirs = process.env.TURTED_REALIZEHIT;
const original = (name) => theirs && require(join(theirs, name));
const Engine = require('engine.io-client-1');
const idOf = require('realizehit-pattern-to-id');
const { Pattern } = require('realizehit-subscription');
const port = process.env.TURTED_REDIS;
const ours = process.env.TURTED_URL;

/** What redis-cli makes of a command: one line for each reply. */
const redis = (...words) => execFileSync('redis-cli', ['-p', port, ...words], { encoding: 'utf8' }).trimEnd().split('\n');
const nodes = (channel) => Number(redis('PUBSUB', 'NUMSUB', channel)[1]);
const spelling = (pattern) => new Pattern(pattern).stringify();

/** The client where there is no original: one action after the other, and what is heard by pattern. */
class Own {
  constructor({ uri, transports }) {
    this.engine = new Engine(uri, { path: '/ws', ...(transports && { transports, upgrade: false }) });
    this.waiting = new Map();
    this.subscriptions = {};
    this.engine.on('message', (text) => {
      const [, id, payload] = /^([a-zA-Z0-9]*)\?([^?]*)$/.exec(text) ?? [];
      if (id !== undefined) return this.subscriptions[id].hear(JSON.parse(payload));
      const answer = JSON.parse(text);
      this.waiting.get(answer.id)?.(answer);
    });
  }

  act(act, { pat } = {}) {
    const id = Math.random().toString(36).slice(2);
    this.engine.send(JSON.stringify({ id, act, pat }));
    return new Promise((resolve, reject) => this.waiting.set(id, ({ id: _, err, ...rest }) => (err ? reject(new Error(err)) : resolve(rest))));
  }

  listen(pattern, hear) {
    this.subscriptions[idOf(pattern)] = { hear };
    return this.act('sub', { pat: pattern });
  }
}

class Hits {
  errors = [];
  heard = new Map();

  constructor(scene, url, transports) {
    scene.opened(this);
    const uri = url.replace('http', 'ws');
    const WSClient = !transports && original('client-ws.js');
    this.client = WSClient ? new WSClient({ uri }) : new Own({ uri, transports });
    this.client.on?.('error', (error) => this.errors.push(error?.message));
  }

  async open() {
    await within(new Promise((resolve) => this.client.engine.once('open', resolve)), () => 'open');
    return this;
  }

  async hear(pattern) {
    const heard = [];
    this.heard.set(idOf(pattern), heard);
    if (this.client.listen) return within(this.client.listen(pattern, (payload) => heard.push(payload)), () => 'sub');
    const subscription = this.client.getSubscription(pattern, true);
    subscription.on('payload', (payload) => heard.push(payload));
    return within(subscription.subscribe(), () => 'sub');
  }

  /** Why it was refused, or what it was answered. */
  act(act, pat) {
    return within(this.client.act(act, { pat }), () => act).catch((error) => error.message);
  }

  async has(pattern, expected) {
    const heard = this.heard.get(idOf(pattern));
    await eventually(() => heard.length >= expected.length, () => `${expected.length} were heard, not ${heard.length}`);
    assert.deepEqual(heard, expected);
    assert.deepEqual(this.errors, []);
  }

  close() {
    this.client.engine.close();
  }
}

/** By their API client, if it is there, as it would. */
async function publish(url, pattern, payload) {
  const API = original('client-api.js');
  if (API) return new API(`${url}/`).publish(pattern, payload);
  const body = JSON.stringify({ pattern, payload });
  const response = await fetch(`${url}/`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  assert.deepEqual([response.status, await response.text()], [200, 'Your payload has been queued for delivery']);
}

const free = async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
};
/** A node of theirs, at a port of its own. */
const node = async (name, variable) => {
  const at = await free();
  const env = { ...process.env, REDIS_URI: `redis://127.0.0.1:${port}`, [variable]: at };
  const child = spawn(process.execPath, [join(theirs, name, 'server.js')], { env, stdio: 'ignore' });
  after(() => child.kill());
  const answers = () => new Promise((resolve) => net.connect(at, '127.0.0.1').on('connect', function () { resolve(!this.destroy().connecting); }).on('error', () => resolve(false)));
  await eventually(answers, () => `${name} listens`);
  return `http://127.0.0.1:${at}`;
};

const PAYLOADS = [{ a: 1 }, [1, 'two', null], 'text', '', 0, 1.5, true, false, null, { 'é☃😀': 'ünï' }, 'x'.repeat(5000)];
const QUESTIONS = { 'why?': ['is? this?', '?', '\\?'] };
let tag = 0;
const pattern = () => ({ story: `s${process.pid}x${tag++}`, kind: 'news' });

const wires = [['ours', ours]];
const apis = [['our API', ours]];
if (theirs) {
  wires.push(['their node', await node('server-ws', 'SERVER_WS_PORT')]);
  apis.push(['their API', await node('server-api', 'SERVER_API_PORT')]);
}

for (const [wire, at] of wires) {
  for (const [api, to] of apis) {
    describe(`realizehit: clients of ${wire}, ${api}`, () => {
      story('every kind of JSON comes once and in order', async (scene) => {
        const hits = await new Hits(scene, at).open();
        const news = pattern();
        await hits.hear(news);
        // Their own node sends what their client cuts.
        const payloads = at === ours ? [...PAYLOADS, QUESTIONS] : PAYLOADS;
        for (const payload of payloads) await publish(to, news, payload);
        await hits.has(news, payloads);
      });

      story('a pattern is exact', async (scene) => {
        const hits = await new Hits(scene, at).open();
        const [broad, narrow] = [pattern(), { ...pattern(), channel: 'CNN' }];
        await hits.hear(broad);
        await hits.hear(narrow);
        await publish(to, { ...broad, channel: 'CNN' }, 0);
        await publish(to, broad, 1);
        await publish(to, narrow, 2);
        await hits.has(broad, [1]);
        await hits.has(narrow, [2]);
      });

      story('a thousand come in order', async (scene) => {
        const hits = await new Hits(scene, at).open();
        const news = pattern();
        await hits.hear(news);
        const numbers = [...Array(1000).keys()];
        for (const number of numbers) await publish(to, news, number);
        await hits.has(news, numbers);
      });
    });
  }
}

describe('realizehit: its clients', () => {
  story('what is wrong is said in the words of the original, and a ping is answered', async (scene) => {
    const hits = await new Hits(scene, ours).open();
    const nothing = 'Cannot stringify without having filters';
    for (const [act, pat, answer] of [
      ['dance', { a: 'b' }, 'Unable to attend request'],
      ['sub', undefined, nothing],
      ['sub', null, nothing],
      ['sub', {}, nothing],
      ['sub', 7, 'invalid filters provided'],
      ['sub', { 'a-b': 'c' }, 'invalid filter provided'],
      ['sub', { a: '*' }, 'invalid chunk provided'],
      ['sub', { a: '' }, 'chunk not defined'],
      ['sub', { constructor: 'a' }, 'filter already exist'],
      ['unsub', pattern(), 'We did not found a subscription on this client'],
    ]) {
      assert.equal(await hits.act(act, pat), answer, JSON.stringify([act, pat]));
    }
    assert.deepEqual(await hits.act('ping'), { ret: 'pong' });
    assert.match(await hits.act('sub', { secret: 'x' }), /^you may not join secret:x/);
    assert.equal(nodes('secret:x'), 0);
  });

  story('Redis is listened to from the first of them to the last', async (scene) => {
    const [one, two] = [await new Hits(scene, ours).open(), await new Hits(scene, ours).open()];
    const news = pattern();
    const channel = spelling(news);
    assert.deepEqual(redis('PUBLISH', channel, '0'), ['0']);
    await one.hear(news);
    await two.hear(news);
    assert.deepEqual(redis('PUBLISH', channel, '1'), ['1']);
    await one.has(news, [1]);
    assert.deepEqual(await one.act('unsub', news), {});
    assert.deepEqual(redis('PUBLISH', channel, '2'), ['1']);
    await two.has(news, [1, 2]);
    await one.has(news, [1]);
    two.close();
    await eventually(() => nodes(channel) === 0, () => 'nobody listens');
  });

  story('polling alone, with letters of every kind', async (scene) => {
    const hits = await new Hits(scene, ours, ['polling']).open();
    const news = pattern();
    await hits.hear(news);
    for (const payload of [...PAYLOADS, QUESTIONS]) await publish(ours, news, payload);
    await hits.has(news, [...PAYLOADS, QUESTIONS]);
  });

  story('one push is heard by a native client, by one of Socket.IO and by theirs', async (scene) => {
    const news = pattern();
    scene.channel = spelling(news);
    const hits = await new Hits(scene, ours).open();
    const others = [new SocketIo(scene, SocketIo.VERSIONS[0], 'websocket only'), new SockJsNative(scene, SockJsNative.VERSIONS[0], 'websocket')];
    await Promise.all([hits.hear(news), ...others.map((other) => other.settle())]);
    await publish(ours, news, { n: 'é?' });
    await scene.push('NEWS', { channels: scene.channel }, [2]);
    await hits.has(news, [{ n: 'é?' }, [2]]);
    for (const other of others) {
      const heard = (await other.everything()).filter(({ event }) => event !== 'MARK');
      const why = { channel: scene.channel };
      assert.deepEqual(heard.map(({ event, payload, via }) => [event, payload, via]), [['MESSAGE', { n: 'é?' }, why], ['NEWS', [2], why]]);
    }
  });
});
