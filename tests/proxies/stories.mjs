// Stories about a server behind a proxy that is set up as the README says: what clients and backends do goes through
// it, at once. In: NGINX and CADDY, their addresses; CADDY_AUTHORITY, a certificate; TURTED_PUSH_PASSWORD. Out: a
// verdict on the README. It refuses to know how proxies are configured.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Client, eventually } from './client.mjs';

const { NGINX, CADDY, CADDY_AUTHORITY, TURTED_PUSH_PASSWORD } = process.env;

/** How long a poll waits when there is nothing to say. */
const POLL = 25_000;
/** What is not kept back arrives in milliseconds, on a busy machine in seconds; the rest comes with a ping, after 25 s. */
const AT_ONCE = 10_000;
/** From one address there may be this many connections unless something else is set. */
const DEFAULT_BOUND = 1000;

const backend = { Authorization: `Bearer ${TURTED_PUSH_PASSWORD}`, Accept: 'application/json' };

function stories(name, url, authority) {
  let client;
  let observed;

  /** How many connections it reached. */
  async function push(channel, payload) {
    const body = JSON.stringify({ event: 'NEWS', targets: { channels: channel }, payload });
    const { status, text } = await client.ask('POST', '/push/', { body, headers: backend });
    assert.equal(status, 200, text);
    return JSON.parse(text).recipients;
  }

  /** The one who is in the channel leaves without a goodbye, and the server knows it long before the next ping. */
  async function vanishes(channel, who) {
    const [, connection] = await observed.has(new RegExp(`"channel":"${channel}","connection":"(\\w+)"`));
    who.leave();
    await observed.has(new RegExp(`event: ended\ndata: .*"${connection}"`), AT_ONCE);
  }

  describe(name, { concurrency: false, timeout: 120_000 }, () => {
    before(async () => {
      client = new Client(url, authority && readFileSync(authority));
      // Caddy makes its certificate after it listens.
      await eventually(async () => assert.equal((await client.ask('GET', '/health/live')).status, 200));
      const observing = await client.stream('GET', '/observe', { headers: backend });
      assert.equal(observing.status, 200);
      observed = observing.said;
    });
    after(() => client?.close());

    const story = (name, tell) => test(name, () => tell(`chat-${randomBytes(5).toString('hex')}`));

    describe('side by side', { concurrency: true }, () => {
      story('a page is served, and the client', async () => {
        const page = await client.ask('GET', '/');
        assert.equal(page.status, 200);
        assert.match(page.headers['content-type'], /^text\/html/);
        const script = await client.ask('GET', '/turted.js');
        assert.equal(script.status, 200);
        assert.match(script.text, /TURTED/);
      });

      story('a page of the proxied host may POST, one of a listed origin as well, others not', async () => {
        const asking = async (origin) => (await client.ask('POST', '/poll', { headers: { Origin: origin } })).status;
        assert.equal(await asking(client.origin), 200);
        assert.equal(await asking('https://app.example.com'), 200);
        assert.equal(await asking('https://elsewhere.example.com'), 403);
        assert.equal(await asking(client.origin.replace(/:\d+$/, ':1')), 403, 'the port belongs to the host');
      });

      story('a WebSocket joins and hears a push', async (channel) => {
        const socket = await client.socket('/ws');
        await socket.said.has(/"WELCOME"/);
        socket.say(JSON.stringify({ type: 'JOIN', data: { channel }, ref: 1 }));
        await socket.said.has(/"OK".*"ref":1/);
        assert.equal(await push(channel, 'hello'), 1);
        await socket.said.has(/"EVENT".*"hello"/, AT_ONCE);
        await vanishes(channel, socket);
      });

      story('an event stream hears a push at once', async (channel) => {
        const headers = { Accept: 'text/event-stream', 'Accept-Encoding': 'gzip' };
        const stream = await client.stream('GET', `/events?channel=${channel}`, { headers });
        assert.equal(stream.status, 200);
        assert.match(stream.headers['content-type'], /^text\/event-stream/);
        await stream.said.has(/event: turted:welcome\n/, AT_ONCE);
        assert.equal(await push(channel, 'hello'), 1);
        await stream.said.has(/event: NEWS\ndata: "hello"\n\n/, AT_ONCE);
        await vanishes(channel, stream);
      });

      story('a stream of SockJS, which is none of events, hears a push at once', async (channel) => {
        const session = `/turted/000/${channel}`;
        const stream = await client.stream('POST', `${session}/xhr_streaming`, { headers: { 'Accept-Encoding': 'gzip' } });
        await stream.said.has(/^h+\no\n/, AT_ONCE);
        const body = JSON.stringify([JSON.stringify({ type: 'join', data: { channel } })]);
        assert.equal((await client.ask('POST', `${session}/xhr_send`, { body })).status, 204);
        await stream.said.has(/OK/, AT_ONCE);
        assert.equal(await push(channel, 'hello'), 1);
        await stream.said.has(/NEWS.*hello/, AT_ONCE);
        await vanishes(channel, stream);
      });

      /** A connection by long-polling that has joined: how to wait on it. */
      async function polling(channel) {
        const { connection, secret } = JSON.parse((await client.ask('POST', '/poll')).text);
        const headers = { 'Turted-Secret': secret };
        const body = JSON.stringify({ type: 'JOIN', data: { channel } });
        assert.match((await client.ask('POST', `/poll/${connection}`, { body, headers })).text, /"OK"/);
        return () => client.ask('GET', `/poll/${connection}?after=`, { headers, patience: POLL * 2 });
      }

      story('a poll is answered with a push', async (channel) => {
        const poll = await polling(channel);
        const answer = poll();
        assert.equal(await push(channel, 'hello'), 1);
        assert.match((await answer).text, /"NEWS".*"hello"/);
      });

      story('a poll that hears nothing is answered in the end, by the server', async (channel) => {
        const poll = await polling(channel);
        const began = Date.now();
        const { status, text } = await poll();
        assert.deepEqual([status, text], [200, '[]']);
        assert.ok(Date.now() - began > POLL * 0.9, 'nobody was in a hurry');
      });

      story('Socket.IO polls, and goes over to a WebSocket', async (channel) => {
        const at = '/socket.io/?EIO=4&transport=polling';
        const { sid } = JSON.parse((await client.ask('GET', at)).text.slice(1));
        const hear = async () => (await client.ask('GET', `${at}&sid=${sid}`)).text;
        const say = async (body) => assert.equal((await client.ask('POST', `${at}&sid=${sid}`, { body })).text, 'ok');
        await say('40');
        assert.match(await hear(), /^40\{.*"sid"/);
        await say(`421["JOIN",{"channel":"${channel}"}]`);
        let heard = '';
        while (!/431\[/.test(heard)) heard += await hear();
        const next = hear();
        assert.equal(await push(channel, 'by poll'), 1);
        assert.match(await next, /^42\["EVENT",.*by poll/);

        const socket = await client.socket(`/socket.io/?EIO=4&transport=websocket&sid=${sid}`);
        const last = hear();
        socket.say('2probe');
        await socket.said.has(/^3probe\n/);
        assert.equal(await last, '6');
        socket.say('5');
        // An answer on the socket proves that the connection has gone over.
        socket.say(`422["ECHO","over"]`);
        await socket.said.has(/432\[.*over/);
        assert.equal(await push(channel, 'by socket'), 1);
        await socket.said.has(/42\["EVENT",.*by socket/, AT_ONCE);
      });

      story('pushes need the credentials, and may be as large as they may be', async (channel) => {
        const event = (payload) => JSON.stringify({ event: 'NEWS', targets: { channels: channel }, payload });
        assert.equal((await client.ask('POST', '/push/', { body: event(1) })).status, 401);
        const room = 1_048_576 - event('').length;
        assert.equal(await push(channel, 'x'.repeat(room)), 0);
        const observed = await client.ask('GET', '/metrics');
        assert.equal(observed.status, 401);
      });
    });

    // Caddy believes no address that a client names, so that all clients of this test come from one.
    if (name !== 'nginx') return;

    // Alone: it makes so many notes that an observer may lose some. Each comes by way of a first proxy on this machine,
    // which is believed.
    story('more clients than one address may have, from as many addresses', async () => {
      const left = Array.from({ length: DEFAULT_BOUND + 1 }, (_, number) => `10.1.${number >> 8}.${number & 255}`);
      const come = async () => {
        for (let from = left.pop(); from; from = left.pop()) {
          const headers = { 'X-Forwarded-For': from };
          assert.equal((await client.ask('POST', '/poll', { headers })).status, 200);
        }
      };
      await Promise.all(Array.from({ length: 20 }, come));
    });
  });
}

describe('behind', { concurrency: true }, () => {
  stories('nginx', NGINX);
  stories('Caddy', CADDY, CADDY_AUTHORITY);
});
