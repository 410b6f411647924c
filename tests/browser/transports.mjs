// One suite of stories, told of each transport in a real browser against a real server: whatever carries it, the connection behaves alike.
//   npm install && TURTED=../../target/debug/turted node --test transports.mjs        TURTED_LONG=1: the wire is cut for a minute
// In: what running.mjs takes. Out: a verdict on static/turted.js with the server's doors. Which transport is taken when is told in choice.mjs.
// Nothing sleeps but the mishaps of the network: an expectation waits until the page fulfils it.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PASSWORD, blank, launch, network, opened, resume, server, told } from './running.mjs';

const LONG = Boolean(process.env.TURTED_LONG);
const story = (name, fn) => test(name, { timeout: LONG ? 150_000 : 60_000 }, fn);

let browser;
let host; // the server
let net; // the network before it
let context;
let stories = 0;
let own; // a suffix that makes this story's names its own

before(async () => {
  [browser, host] = await Promise.all([launch(), server()]);
});
after(async () => {
  await browser?.close();
  await host?.stop();
});
beforeEach(async () => {
  own = `${process.pid}-${++stories}`;
  context = await browser.newContext();
  net = await network(host.port);
});
afterEach(async () => {
  await context.close();
  await net.stop();
});

for (const transport of ['websocket', 'events', 'poll']) {
  const options = { transports: [transport], minDelay: 50, maxDelay: 500 };

  /** A page whose client is open, identified as adam and in the room, both this story's own. */
  async function settled({ url } = net) {
    const page = await blank(context, url);
    await opened(page, url, options);
    const answers = await page.evaluate(
      ([username, password, channel]) => Promise.all([turted.ident({ username, password }), turted.join(channel)]),
      [`adam-${own}`, PASSWORD, `room-${own}`],
    );
    assert.deepEqual(answers, [{ username: `adam-${own}` }, { channel: `room-${own}` }]);
    assert.equal(await page.evaluate(() => turted.transport), transport);
    return page;
  }

  const push = (...payloads) =>
    host.push(payloads.map((payload) => ({ event: 'NUMBER', targets: { channels: `room-${own}` }, payload })));
  const counted = (page, number) => page.waitForFunction((number) => heard.length >= number, number);
  const numbers = (page) => page.evaluate(() => heard.map(({ payload }) => payload));
  const upTo = (number) => Array.from({ length: number }, (_, index) => index + 1);

  /** An event behind all others proves that nothing else is on its way. */
  async function barrier(page) {
    await host.push({ event: 'BARRIER', targets: { users: `adam-${own}` }, payload: null });
    await page.waitForFunction(() => heard.some(({ event }) => event === 'BARRIER'));
  }

  /** Whether the wire makes good what was pushed since the last id, with nobody noticing. */
  async function unharmed(page, number) {
    await counted(page, number);
    await barrier(page);
    assert.deepEqual((await numbers(page)).slice(0, -1), upTo(number));
    assert.deepEqual(await told(page, 'gap'), []);
    assert.deepEqual(await told(page, 'error'), []);
  }

  describe(transport, () => {
    story('answers commands, in order and each with its own answer', async () => {
      const page = await settled();
      const answers = await page.evaluate(() =>
        Promise.allSettled([turted.echo({ any: ['json', 1.5, null, 'ü'] }), turted.join('a'), turted.leave('a'), turted.leave('never joined')]),
      );
      assert.deepEqual(
        answers.map(({ value }) => value),
        [{ any: ['json', 1.5, null, 'ü'] }, { channel: 'a' }, { channel: 'a' }, undefined],
      );
      const code = await page.evaluate(() => turted.leave('never joined').catch(({ code }) => code));
      assert.equal(code, 'not_joined');
      assert.deepEqual(await page.evaluate(() => turted.channels), [`room-${own}`]);
    });

    story('refuses an identity without the password, and the connection goes on', async () => {
      const page = await settled();
      const code = await page.evaluate(() => turted.ident({ username: 'eve', password: 'guessed' }).catch(({ code }) => code));
      assert.equal(code, 'ident_denied');
      await barrier(page);
      assert.deepEqual(await told(page, 'close'), []);
    });

    story('refuses a message that is too big, and the others go on', async () => {
      const page = await settled();
      const [big, small] = await page.evaluate(() =>
        Promise.allSettled([turted.echo('x'.repeat(100_000)).catch(({ code }) => code), turted.echo('small')]),
      );
      assert.deepEqual([big.value, small.value], ['too_big', 'small']);
    });

    story('brings what is for the user, the channel and everybody, once each', async () => {
      const page = await settled();
      const all = { users: `adam-${own}`, channels: `room-${own}`, broadcast: true };
      for (const targets of [{ users: all.users }, { channels: all.channels }, { broadcast: true }, all]) {
        await host.push({ event: `FOR:${own}`, targets, payload: { text: 'ü', empty: {} } });
      }
      await counted(page, 4);
      await barrier(page);
      const heard = await page.evaluate(() => globalThis.heard.slice(0, -1));
      assert.deepEqual(heard.map(({ via }) => via), [{ user: all.users }, { channel: all.channels }, { broadcast: true }, { user: all.users }]);
      for (const { event, payload } of heard) assert.deepEqual([event, payload], [`FOR:${own}`, { text: 'ü', empty: {} }]);
    });

    story('is silent about a channel that was left', async () => {
      const page = await settled();
      await page.evaluate((channel) => turted.leave(channel), `room-${own}`);
      await push(1);
      await barrier(page);
      assert.deepEqual(await numbers(page), [null]);
    });

    story('brings 500 events in their order, also large ones', async () => {
      const page = await settled();
      for (let batch = 0; batch < 5; batch++) await push(...upTo(100).map((index) => batch * 100 + index));
      await unharmed(page, 500);
      await push('ä'.repeat(300_000));
      await page.waitForFunction(() => heard.at(-1).payload?.length === 300_000);
    });

    story('comes back after a cut, and what was pushed meanwhile arrives once', async () => {
      const page = await settled();
      const connection = await page.evaluate(() => turted.connection);
      await push(1, 2);
      await counted(page, 2);
      await net.down();
      await push(3, 4);
      await net.up();
      await push(5);
      await unharmed(page, 5);
      assert.equal(await page.evaluate(() => turted.connection), connection);
      assert.equal(await page.evaluate(() => turted.transport), transport);
    });

    story('keeps a command that no answer came to, and answers it on the next wire', async () => {
      const page = await settled();
      await net.down();
      const answer = page.evaluate(() => turted.join('later'));
      await net.up();
      assert.deepEqual(await answer, { channel: 'later' });
    });

    story('begins again when the server has forgotten it: identity and channels come back, and a gap is told', async (t) => {
      const other = await server();
      t.after(() => other.stop());
      const way = await network(other.port);
      t.after(() => way.stop());
      const page = await settled(way);
      // Whoever is between two polls when the server goes finds nobody who could say so.
      const polls = transport === 'poll' ? page.waitForRequest((request) => request.url().includes('/poll')) : undefined;
      await other.push({ event: 'BEFORE', targets: { channels: `room-${own}` } });
      await counted(page, 1);
      await polls;
      // Its next poll is there before these are answered.
      for (let trip = 0; trip < 5; trip++) await other.push({ event: 'NOBODY', targets: { channels: 'nobody' } });
      await other.stop();
      await page.waitForFunction(() => told.some(({ name, payload }) => name === 'close' && payload.reconnect));
      assert.equal((await told(page, 'close'))[0].code, 1001, 'the server says that it goes');
      const again = await server(other.port);
      t.after(() => again.stop());
      await page.waitForFunction(() => told.some(({ name }) => name === 'gap'));
      for (const targets of [{ channels: `room-${own}` }, { users: `adam-${own}` }]) await again.push({ event: 'AFTER', targets });
      await counted(page, 3);
      assert.equal((await told(page, 'gap')).length, 1);
    });

    story('asks its page who it is, gets what was denied with another identity, and says something to a channel', async (t) => {
      const rules = { 'may.anyone.join': '["open"]', 'may.users.join': '["user.{user}"]', 'may.users.publish': '["open"]' };
      const other = await server(0, rules);
      t.after(() => other.stop());
      const way = await network(other.port);
      t.after(() => way.stop());
      const page = await blank(context, way.url);
      await opened(page, way.url, options);
      const denied = await page.evaluate(() => Promise.all(['open', 'user.adam'].map((channel) => turted.join(channel).catch(({ code }) => code))));
      assert.deepEqual(denied, [{ channel: 'open' }, 'join_denied']);
      assert.deepEqual((await told(page, 'denied')).map(({ channel }) => channel), ['user.adam']);
      assert.equal(await page.evaluate(() => turted.publish('open', 'SAID', 1).catch(({ code }) => code)), 'publish_denied');

      const answer = await page.evaluate((password) => {
        globalThis.asked = [];
        return turted.ident(async (refused) => {
          asked.push(refused?.code ?? null);
          return { username: 'adam', password: asked.length === 1 ? 'stale' : password };
        });
      }, PASSWORD);
      assert.deepEqual([answer, await page.evaluate(() => asked)], [{ username: 'adam' }, [null, 'ident_denied']]);
      await page.waitForFunction(() => told.some(({ name }) => name === 'joined'));
      assert.deepEqual(await page.evaluate(() => [turted.channels.sort(), turted.denied]), [['open', 'user.adam'], []]);
      const { recipients } = await page.evaluate(() => turted.publish('open', 'SAID', { n: 1 }));
      assert.equal(recipients, 1);
      await counted(page, 1);
      const [{ payload, from }] = await page.evaluate(() => heard);
      assert.deepEqual([payload, from], [{ n: 1 }, { user: 'adam', connection: await page.evaluate(() => turted.connection) }]);

      // The server has forgotten it: its page is asked again. One that throws then has signed out.
      await other.stop();
      const again = await server(other.port, rules);
      t.after(() => again.stop());
      await page.waitForFunction(() => asked.length === 3 && turted.channels.length === 2);
      await page.evaluate(() => turted.ident(() => Promise.reject(new Error('logged out'))).catch(() => {}));
      await page.waitForFunction(() => turted.state === 'closed');
      assert.equal((await told(page, 'signed-out')).length, 1);
    });

    story('ends for good when another wire takes its connection over', async () => {
      const page = await settled();
      await page.evaluate(() => turted.echo(1));
      const { recovered } = await resume(host.url, page.token());
      assert.equal(recovered, true);
      await page.waitForFunction(() => turted.state === 'closed');
      const [{ code, reconnect }] = await told(page, 'close');
      assert.deepEqual([code, reconnect], [4011, false]);
    });

    for (const [how, leave] of [
      ['close()', (page) => page.evaluate(() => turted.close())],
      ['a page that goes', (page) => page.goto('about:blank')],
    ]) {
      story(`says goodbye on ${how}: the server keeps nothing for it`, async (t) => {
        const other = await server();
        t.after(() => other.stop());
        const page = await settled(other);
        assert.equal(await other.metric('turted_connections'), 1);
        await leave(page);
        while ((await other.metric('turted_connections')) + (await other.metric('turted_parked'))) {
          assert.ok(!t.signal.aborted, 'the server still keeps the connection');
          await pause(20);
        }
      });
    }

    story('loses nothing and doubles nothing while its wire is cut, stalled and taken away under steady pushes', async () => {
      const page = await settled();
      const until = Date.now() + (LONG ? 60_000 : 12_000);
      let number = 0;
      const pushing = (async () => {
        for (; Date.now() < until; await pause(20)) await push(++number);
      })();
      const mishaps = [
        async () => net.cut(),
        async () => {
          net.stall();
          await pause(transport === 'poll' && !LONG ? 1_000 : 4_500); // the client itself finds out, but for a poll it takes 30 s
          net.flow();
        },
        async () => {
          await net.down();
          await pause(400);
          await net.up();
        },
      ];
      for (let turn = 0; Date.now() < until - 2_000; turn++) {
        await pause(300 + Math.random() * 500);
        await mishaps[turn % mishaps.length]();
        await page.waitForFunction((count) => heard.length > count, await page.evaluate(() => heard.length));
      }
      await pushing;
      assert.ok(number > 200, `${number} pushes`);
      await unharmed(page, number);
    });
  });
}
