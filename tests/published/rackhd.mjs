// Stories about RackHD's clients, its RabbitMQ and its MongoDB.
//   TURTED_URL=http://127.0.0.1:7117 TURTED_AMQP=amqp://… TURTED_MONGODB=mongodb://…/pxe node --test rackhd.mjs
// In: a server with RackHD's protocol at / and at /on-wss, a connector that hears this RabbitMQ on demand and a responder that asks this
// MongoDB; anybody may join and call everything but `closed`, a resource that the configuration adds, and may watch the exchanges on.events
// and on.test. RackHD was never published but on GitHub, and its client is a page; the one of this file has its shape: a callback when the
// session is there, messages without what is undefined, a store that reads the first of every item's id. Out: a verdict.
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import amqp from 'amqplib';
import { MongoClient, ObjectId } from 'mongodb';
import WebSocket from 'ws';
import { SocketIo } from './clients.mjs';
import { eventually, story, within } from './scene.mjs';
import { SockJsNative } from './streams.mjs';

const COLLECTIONS = {
  catalogs: 'catalogs', files: 'files', graphDefs: 'graphdefinitions', graphObjs: 'graphobjects', logs: 'logs', lookups: 'lookups',
  nodes: 'nodes', pollers: 'workitems', profiles: 'profiles', skus: 'skus', taskDefs: 'taskdefinitions', templates: 'templates',
};
/** Of these clients get neither id nor times. */
const BARE = ['files', 'graphDefs', 'taskDefs'];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PAYLOADS = [{ a: 1 }, [1, 'two', null], 'text', '', 0, 1.5, true, false, null, { 'é☃😀': 'ünï' }, 'x'.repeat(5000)];

/** A page's client of one channel. It connects again by itself, after `again` instead of the original's 30 s. */
class Messenger {
  constructor(channel, host, callback, again = 50) {
    this.url = `ws://${host}/${channel}`;
    this.handlers = {};
    this.again = again;
    this.connect(callback);
  }

  connect(callback) {
    this.socket = new WebSocket(this.url);
    this.socket.on('error', () => {});
    this.socket.on('open', () => this.exec('init'));
    this.socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.handler === 'session') {
        this.id = message.id;
        callback?.(this);
      }
      for (const handler of this.handlers[message.handler] ?? []) handler(message);
    });
    this.socket.on('close', () => {
      if (this.again !== null) this.timer = setTimeout(() => this.connect(callback), this.again);
    });
  }

  exec(handler, resource, params) {
    this.socket.send(JSON.stringify({ handler, resource, params }));
  }

  on(handler, hear) {
    (this.handlers[handler] ??= []).push(hear);
  }

  get = (resource, params) => this.exec('get', resource, params);
  query = (resource, params) => this.exec('query', resource, params);
  all = (resource) => this.exec('all', resource);
  watch = (resource, params) => this.exec('watch', resource, params);
  stop = (resource, params) => this.exec('stop', resource, params);

  close() {
    this.again = null;
    clearTimeout(this.timer);
    this.socket.terminate();
  }
}

/** What a page keeps of what its client hears. It throws at an item without an id, as the original does. */
class Store {
  items = {};
  changes = [];

  constructor(messenger) {
    messenger.on('list', ({ items }) => items.forEach((item) => (this.items[item.id] = item)));
    messenger.on('item', ({ id, data }) => {
      const [event, name] = [id[0], id[1]];
      this.changes.push([event, name]);
      this.items[name] = data;
    });
    messenger.on('remove', ({ id }) => {
      if (!id) return;
      this.changes.push(['destroyed', id]);
      delete this.items[id];
    });
  }
}

/** A client that keeps everything, without what a message says twice. */
class Page {
  heard = [];
  sessions = 0;

  constructor(scene, channel, { url = scene.url, path = '' } = {}) {
    scene.opened(this);
    const ready = new Promise((resolve) => {
      this.messenger = new Messenger(channel, `${new URL(url).host}${path}`, () => {
        this.sessions += 1;
        resolve();
      });
    });
    for (const handler of ['list', 'item', 'remove', 'error']) {
      this.messenger.on(handler, ({ type, via, ...message }) => {
        assert.equal(type, message.resource);
        this.heard.push(message);
        this.via = via;
      });
    }
    this.ready = within(ready, () => 'the session').then(() => this);
  }

  static open(...of) {
    return new Page(...of).ready;
  }

  get id() {
    return this.messenger.id;
  }

  /** The next thing that it hears. */
  async next() {
    await eventually(() => this.heard.length > 0, () => 'something is heard');
    return this.heard.shift();
  }

  /** Resolves when all that was said before is done: questions have their turn behind what stands before them. */
  async settled() {
    const before = this.sessions;
    this.messenger.exec('init');
    await eventually(() => this.sessions > before, () => 'init is answered');
  }

  /** Nothing but this is heard. */
  async has(expected) {
    await eventually(() => this.heard.length >= expected.length, () => `${expected.length} are heard, not ${JSON.stringify(this.heard).slice(0, 500)}`);
    await this.settled();
    assert.deepEqual(this.heard.splice(0), expected);
  }

  close() {
    this.messenger.close();
  }
}

let bus;
let mongo;
let tag = 0;
const unique = () => `n${process.pid}x${tag++}`;

/** Publishes as RackHD's services do; false when nobody's queue gets it. */
async function publish(exchange, key, body, properties = { contentType: 'application/json', type: 'Object' }) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  let returned = false;
  const hear = () => (returned = true);
  bus.on('return', hear);
  await new Promise((resolve, reject) => bus.publish(exchange, key, bytes, { mandatory: true, ...properties }, (error) => (error ? reject(error) : resolve())));
  bus.off('return', hear);
  return !returned;
}
const change = (collection, event, id, record) => publish('on.waterline', `${collection}.${event}.${id}`, { event, record });

let connection;
before(async () => {
  connection = await amqp.connect(process.env.TURTED_AMQP);
  bus = await connection.createConfirmChannel();
  bus.setMaxListeners(0);
  for (const exchange of ['on.waterline', 'on.events', 'on.test']) await bus.assertExchange(exchange, 'topic', { durable: true });
  mongo = await new MongoClient(process.env.TURTED_MONGODB).connect();
});
after(async () => {
  await connection?.close();
  await mongo?.close();
});

describe("RackHD's clients", () => {
  story('a look says what is there', async (scene) => {
    for (const path of ['/on-wss', '/on-wss/nodes']) {
      const response = await fetch(new URL(path, scene.url));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      assert.equal(await response.text(), 'RackHD WebSocketServer');
    }
  });

  story('a session has one id, a UUID', async (scene) => {
    const page = await Page.open(scene, 'nodes');
    const { id } = page;
    assert.match(id, UUID);
    await page.settled();
    assert.equal(page.id, id);
  });

  story('every resource is asked for: query, all and get', async (scene) => {
    const page = await Page.open(scene, 'nodes');
    for (const [resource, collection] of Object.entries(COLLECTIONS)) {
      const [id, name, createdAt] = [new ObjectId(), unique(), new Date(0)];
      // A list in a list is nothing for FerretDB.
      const payloads = PAYLOADS.map((value) => ({ value }));
      await mongo.db().collection(collection).insertOne({ _id: id, name, createdAt, payloads });
      const hex = id.toHexString();
      const rest = { name, payloads };
      const document = BARE.includes(resource) ? rest : { id: hex, ...rest, createdAt: '1970-01-01T00:00:00.000Z' };
      page.messenger.query(resource, { name: name.toUpperCase() });
      await page.has([{ handler: 'list', resource, items: [document] }]);
      page.messenger.all(resource);
      const all = await page.next();
      assert.deepEqual([all.handler, all.resource], ['list', resource]);
      assert.deepEqual(all.items.filter((item) => item.name === name), [document]);
      page.messenger.get(resource, { id: hex });
      await page.has([{ handler: 'item', resource, id: document, data: document }]);
      const params = { id: 'nobody' };
      page.messenger.get(resource, params);
      await page.has([{ handler: 'remove', resource, id: 'nobody', params }]);
      // As the specification spells it.
      page.messenger.socket.send(JSON.stringify({ handler: 'query', type: resource, params: { name } }));
      await page.has([{ handler: 'list', resource, items: [document] }]);
    }
  });

  story('criteria of each kind', async (scene) => {
    const page = await Page.open(scene, 'skus');
    const kind = unique();
    const at = (day) => new Date(`2016-01-${day}T00:00:00Z`);
    await mongo.db().collection('skus').insertMany([
      { kind, name: 'Alpha', size: 1, createdAt: at('01') },
      { kind, name: 'beta.1', size: 2, createdAt: at('02') },
      { kind, name: 'gamma', size: 3.5, createdAt: at('03'), parent: null },
    ]);
    for (const [criteria, names] of [
      [{}, ['Alpha', 'beta.1', 'gamma']],
      [{ name: 'alpha' }, ['Alpha']],
      [{ name: ['gamma', 'alpha'] }, ['gamma']],
      [{ size: { '>': 1, '<=': 3.5 } }, ['beta.1', 'gamma']],
      [{ size: { '<': 2 } }, ['Alpha']],
      [{ size: { '>=': 2, '!': 2 } }, ['gamma']],
      [{ name: { '!': 'gamma' } }, ['Alpha', 'beta.1']],
      [{ name: { like: '%MM%' } }, ['gamma']],
      [{ name: { contains: 'a.' } }, ['beta.1']],
      [{ name: { startsWith: 'AL' } }, ['Alpha']],
      [{ name: { endsWith: '.1' } }, ['beta.1']],
      [{ or: [{ size: 1 }, { name: 'gamma' }] }, ['Alpha', 'gamma']],
      [{ createdAt: { '>': at('01') } }, ['beta.1', 'gamma']],
      [{ id: null }, []],
    ]) {
      page.messenger.query('skus', { where: { ...criteria, kind }, sort: 'size' });
      const { handler, items } = await page.next();
      assert.deepEqual([handler, items?.map(({ name }) => name)], ['list', names], JSON.stringify(criteria));
    }
    page.messenger.query('skus', { where: { kind }, sort: { size: -1 }, skip: 1, limit: 1 });
    assert.deepEqual((await page.next()).items.map(({ name }) => name), ['beta.1']);
    for (const criteria of [{ $where: '1' }, { name: { $gt: '' } }, { name: { within: 1 } }, { 'a.__proto__': 1 }]) {
      page.messenger.query('skus', criteria);
      const { handler, resource, params } = await page.next();
      assert.deepEqual([handler, resource, params.code], ['error', 'skus', 'call_failed'], JSON.stringify(criteria));
    }
  });

  story('the channel is the last part of the path, and a resource that is named goes before it', async (scene) => {
    const name = unique();
    await mongo.db().collection('nodes').insertOne({ _id: name, name });
    const document = { id: name, name };
    for (const channel of ['nodes', 'any/prefix/nodes', 'nodes?x=1']) {
      const page = await Page.open(scene, channel);
      page.messenger.query(undefined, { name });
      await page.has([{ handler: 'list', resource: 'nodes', items: [document] }]);
      page.messenger.query(null, { name });
      await page.has([{ handler: 'list', resource: 'nodes', items: [document] }]);
    }
    for (const page of [await Page.open(scene, 'skus'), await Page.open(scene, 'skus', { path: '/on-wss' })]) {
      page.messenger.query('nodes', { name });
      await page.has([{ handler: 'list', resource: 'nodes', items: [document] }]);
    }
  });

  story('what makes no sense is not answered, and the connection stays', async (scene) => {
    const page = await Page.open(scene, '');
    for (const text of ['', '{', 'null', '[]', '7', '{}', '{"handler":"dance"}', '{"handler":"query","resource":"unknown"}', '{"handler":"query"}']) {
      page.messenger.socket.send(text);
    }
    page.messenger.exec('error', 'nodes', { message: 'mine' });
    await page.has([]);
  });

  story('what is watched comes from the broker, and nothing else', async (scene) => {
    const page = await Page.open(scene, 'nodes');
    for (const resource of ['nodes', 'pollers', 'graphObjs']) page.messenger.watch(resource);
    await page.settled();
    for (const [resource, collection] of [['nodes', 'nodes'], ['pollers', 'workitems'], ['graphObjs', 'graphobjects']]) {
      const id = unique();
      await eventually(() => change(collection, 'created', id, { id, a: 1 }), () => `${collection} is heard`);
      const { heard } = page;
      await eventually(() => heard.some((message) => message.data?.id === id), () => `${id} is heard`);
      page.heard.length = 0;
      assert.ok(await change(collection, 'updated', id, { id, a: 2 }));
      assert.ok(await change(collection, 'destroyed', id, { id }));
      await page.has([
        { handler: 'item', resource, id: ['updated', id], data: { id, a: 2 } },
        { handler: 'remove', resource, id, data: { id } },
      ]);
    }
    assert.equal(await change('templates', 'created', 'x', {}), false, 'nobody watches');
    page.messenger.stop('nodes');
    page.messenger.stop('nodes');
    page.messenger.stop('skus', { x: 1 });
    await page.settled();
    await eventually(async () => !(await change('nodes', 'updated', 'x', {})), () => 'nobody listens');
    page.heard.length = 0;
    await page.has([]);
  });

  story('mq: each watch is told, one stop ends all that are the same, and other bodies are bytes', async (scene) => {
    const page = await Page.open(scene, 'mq');
    const word = unique();
    const [all, some] = [{ exchange: 'on.events', routingKey: `${word}.#` }, { routingKey: `${word}.tftp.*`, exchange: 'on.events' }];
    page.messenger.watch(null, all);
    page.messenger.watch(undefined, some);
    await page.settled();
    await eventually(() => publish('on.events', `${word}.x`, 0), () => 'the first is heard');
    await eventually(() => publish('on.events', `${word}.tftp.x`, 0) && page.heard.filter(({ id }) => id === `${word}.tftp.x`).length > 1, () => 'both are heard');
    await page.settled();
    page.heard.length = 0;
    const key = `${word}.tftp.success`;
    assert.ok(await publish('on.events', key, { é: 1.5 }));
    const item = (data) => ({ handler: 'item', resource: 'mq', id: key, data });
    await page.has([item({ é: 1.5 }), item({ é: 1.5 })]);
    page.messenger.stop('mq', { exchange: all.exchange, routingKey: all.routingKey });
    await page.settled();
    assert.ok(await publish('on.events', key, Buffer.from('plain'), { contentType: 'text/plain' }));
    await page.has([item({ data: { type: 'Buffer', data: [...Buffer.from('plain')] }, contentType: 'text/plain' })]);
    for (const params of [{ exchange: 'amq.topic', routingKey: '#' }, { exchange: 'on.logging', routingKey: '#' }, {}, undefined]) {
      page.messenger.watch('mq', params);
      const { handler, resource, params: why } = await page.next();
      assert.deepEqual([handler, resource], ['error', 'mq'], JSON.stringify(params));
      assert.ok(why.message);
    }
    for (const handler of ['query', 'all', 'get']) page.messenger.exec(handler, 'mq', {});
    await page.has([]);
  });

  story('stop(null, null) ends the watch of the channel', async (scene) => {
    const page = await Page.open(scene, 'templates');
    page.messenger.stop(null, null);
    page.messenger.watch(null, null);
    await page.settled();
    await scene.pushNamed('created', { channels: 'templates' }, { id: 't1' });
    await page.has([{ handler: 'item', resource: 'templates', id: ['created', 't1'], data: { id: 't1' } }]);
    page.messenger.stop(null, null);
    await page.settled();
    await eventually(async () => !(await change('templates', 'created', 't2', {})), () => 'nobody listens');
    await page.has([]);
  });

  story('a page keeps what it is told', async (scene) => {
    const page = await Page.open(scene, 'lookups');
    const store = new Store(page.messenger);
    const [kept, gone] = [unique(), unique()];
    await mongo.db().collection('lookups').insertOne({ _id: kept, name: kept });
    page.messenger.query(null, { name: kept });
    page.messenger.get(null, { id: 'nobody' });
    page.messenger.watch();
    await page.settled();
    await eventually(() => change('lookups', 'created', gone, { id: gone }), () => 'it is heard');
    await eventually(() => store.items[gone], () => 'it is kept');
    store.changes.length = 0;
    await change('lookups', 'updated', kept, { id: kept, a: 2 });
    await change('lookups', 'destroyed', gone, { id: gone });
    await eventually(() => !store.items[gone], () => 'it is gone');
    assert.deepEqual(store.changes, [['updated', kept], ['destroyed', gone]]);
    assert.deepEqual(store.items[kept], { id: kept, a: 2 });
  });

  story('documents of every kind of JSON come once and in order', async (scene) => {
    const page = await Page.open(scene, 'catalogs');
    page.messenger.watch();
    await page.settled();
    await eventually(() => change('catalogs', 'created', 'first', 0), () => 'it is heard');
    await page.next();
    await page.settled();
    page.heard.length = 0;
    const item = (record, at) => ({ handler: 'item', resource: 'catalogs', id: ['updated', `c${at}`], data: record });
    // A change always has a record.
    const records = PAYLOADS.filter((record) => record !== null);
    for (const [at, record] of records.entries()) await change('catalogs', 'updated', `c${at}`, record);
    await page.has(records.map(item));
    for (const [at, record] of PAYLOADS.entries()) await scene.pushNamed('updated', { channels: 'catalogs' }, { id: `c${at}`, record });
    await page.has(PAYLOADS.map(item));
  });

  story('a thousand from the broker, and a thousand that were pushed, come in order', async (scene) => {
    const page = await Page.open(scene, 'profiles');
    page.messenger.watch();
    await page.settled();
    await eventually(() => change('profiles', 'created', 'first', 0), () => 'it is heard');
    await page.next();
    await page.settled();
    page.heard.length = 0;
    const numbers = [...Array(1000).keys()];
    const expected = numbers.map((number) => ({ handler: 'item', resource: 'profiles', id: ['updated', `p${number}`], data: { number } }));
    const sent = numbers.map((number) => change('profiles', 'updated', `p${number}`, { number }));
    assert.ok((await Promise.all(sent)).every(Boolean));
    await page.has(expected);
    const pushed = numbers.map((number) => ({ event: 'updated', targets: { channels: 'profiles' }, payload: { id: `p${number}`, record: { number } } }));
    while (pushed.length > 0) {
      const body = JSON.stringify(pushed.splice(0, 100));
      const response = await fetch(new URL('/push/', scene.url), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
      assert.equal(response.status, 200);
    }
    await page.has(expected);
  });

  story('who may not is told so', async (scene) => {
    const page = await Page.open(scene, 'closed');
    for (const [handler, code] of [['query', 'call_denied'], ['all', 'call_denied'], ['get', 'call_denied'], ['watch', 'join_denied']]) {
      page.messenger.exec(handler, 'closed', {});
      const { resource, params, ...rest } = await page.next();
      assert.deepEqual([rest.handler, resource, params.code], ['error', 'closed', code]);
    }
  });

  story('it comes back by itself, and watches anew what it is told to', async (scene) => {
    const between = await scene.cable();
    const page = await Page.open(scene, 'files');
    const first = page.id;
    page.messenger.watch();
    await page.settled();
    between.cut();
    between.mend();
    await eventually(() => page.sessions > 2, () => 'there is a session again');
    assert.notEqual(page.id, first);
    page.messenger.watch();
    await page.settled();
    await scene.pushNamed('created', { channels: 'files' }, { id: 'f1' });
    await page.has([{ handler: 'item', resource: 'files', id: ['created', 'f1'], data: { id: 'f1' } }]);
  });

  story('a broadcast leaves out the sessions that it skips', async (scene) => {
    const pages = await Promise.all(['nodes', 'skus', 'mq'].map((channel) => Page.open(scene, channel)));
    const name = unique();
    const message = { handler: 'item', resource: 'nodes', type: 'nodes', id: ['updated', name], data: { name } };
    const exclude = { connections: [pages[0].id, pages[1].id] };
    const body = JSON.stringify({ event: 'BROADCAST', targets: { broadcast: true }, payload: message, exclude });
    const response = await fetch(new URL('/push/', scene.url), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    assert.equal(response.status, 200);
    const mine = ({ heard }) => heard.filter(({ data }) => data?.name === name);
    await eventually(() => mine(pages[2]).length > 0, () => 'the third hears it');
    for (const page of pages) await page.settled();
    const { type: _, ...heard } = message;
    assert.deepEqual(pages.map(mine), [[], [], [heard]]);
  });

  story('one push is heard by a native client, by one of Socket.IO and by theirs', async (scene) => {
    scene.channel = 'taskDefs';
    const page = await Page.open(scene, 'taskDefs');
    page.messenger.watch();
    await page.settled();
    const others = [new SocketIo(scene, SocketIo.VERSIONS[0], 'websocket only'), new SockJsNative(scene, SockJsNative.VERSIONS[0], 'websocket')];
    await Promise.all(others.map((other) => other.settle()));
    page.heard.length = 0;
    const payload = { id: 't', record: { n: 'é?' } };
    await scene.push('NEWS', { channels: scene.channel }, payload);
    const via = { channel: 'taskDefs' };
    const heard = await page.next();
    assert.deepEqual([heard.id[1], heard.data, page.via], ['t', payload.record, via]);
    for (const other of others) {
      const events = (await other.everything()).filter(({ event }) => event !== 'MARK');
      assert.deepEqual(events.map(({ event, payload, via }) => [event, payload, via]), [['NEWS', payload, via]]);
    }
  });

  story('when the last has gone, nothing is left at the broker', async (scene) => {
    const word = unique();
    const pages = await Promise.all([1, 2].map(() => Page.open(scene, 'mq')));
    for (const page of pages) {
      page.messenger.watch('mq', { exchange: 'on.test', routingKey: word });
      await page.settled();
    }
    await eventually(() => publish('on.test', word, 1), () => 'somebody listens');
    pages[0].close();
    await pages[1].settled();
    assert.ok(await publish('on.test', word, 2));
    pages[1].close();
    await eventually(async () => !(await publish('on.test', word, 3)), () => 'nobody listens');
  });
});
