// Stories about the published clients of Bayeux: Faye 1.4 and CometD 3.1, 8 and 9, over WebSocket and long-polling.
//   TURTED_URL=http://127.0.0.1:7117 node --test bayeux.mjs
// In: a server on which everybody may say anything, with connects held for three seconds and messages of up to 256 KiB. Out: a verdict on
// its Bayeux.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { CometD, Faye } from './bayeux_clients.mjs';
import { assertThousand, FOREIGN, LONG, thousand } from './payloads.mjs';
import { eventually, story, within } from './scene.mjs';

const plain = (events) => events.map(({ event, payload }) => [event, payload]);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Longer than a connect is held, see above. */
const HELD = 3_000;

/** What clients say themselves. */
const PAYLOADS = ['text', 7, true, [1, 'two', null], { Grüße: '€😀 \u2028 & = "' }, '', 0, false, {}, 'x'.repeat(70_000)];

function tellAll(make) {
  const settled = (scene) => make(scene).settle();

  story('a push that matches it three times is heard once, and says why', async (scene) => {
    const adam = await settled(scene);
    await scene.push('OTHERS', { users: `not ${scene.user}`, channels: [`not ${scene.channel}`] }, {});
    await scene.push('NEWS', { users: [scene.user], channels: [scene.channel], broadcast: true }, { any: 'json' });
    await scene.push('CHAT', { channels: scene.channel }, [1, 'two']);
    await scene.push('ALL', { broadcast: true }, 'text');
    const events = await adam.everything();
    assert.deepEqual(plain(events), [['NEWS', { any: 'json' }], ['CHAT', [1, 'two']], ['ALL', 'text']]);
    assert.deepEqual([events[0].via, events[1].via], [{ user: scene.user }, { channel: scene.channel }]);
    const channels = events.map(({ channel }) => channel);
    assert.deepEqual(channels, ['/service/user', adam.room, '/service/everybody']);
  });

  story('every script and every sign survives, and a megabyte', async (scene) => {
    const adam = await settled(scene);
    await scene.push('Grüße', { users: scene.user }, FOREIGN);
    await scene.push('LONG', { channels: scene.channel }, LONG);
    assert.deepEqual(plain(await adam.everything()), [['Grüße', FOREIGN], ['LONG', LONG]]);
  });

  story('a thousand events come in order', async (scene) => {
    const adam = await settled(scene);
    await scene.pushAll(thousand(scene));
    assertThousand(assert, await adam.everything());
  });

  story('what it publishes it hears itself, every kind of JSON, in order', async (scene) => {
    const adam = make(scene);
    await adam.connect({ services: false });
    const heard = [];
    await adam.subscribe(adam.room, (message) => heard.push(message?.data ?? message));
    const done = PAYLOADS.map((payload) => adam.publish(adam.room, payload));
    await Promise.all(done);
    await eventually(() => heard.length >= PAYLOADS.length, () => `all is heard, not ${heard.length}`);
    // CometD tells of a message, Faye of its data.
    const said = heard.map((data) => (data !== null && typeof data === 'object' && 'ext' in data ? data.data : data));
    assert.deepEqual(said, PAYLOADS);
  });

  story('stars are for one part or for all, and what matches twice comes once to each', async (scene) => {
    const adam = make(scene);
    await adam.connect({ services: false });
    const heard = { exact: [], part: [], all: [] };
    const note = (list) => (message) => list.push(message.data?.n ?? message.n);
    await adam.subscribe(`${adam.room}/a`, note(heard.exact));
    await adam.subscribe(`${adam.room}/*`, note(heard.part));
    await adam.subscribe(`${adam.room}/**`, note(heard.all));
    for (const [n, below] of ['/a', '/b', '/a/b', ''].entries()) {
      await scene.push('N', { channels: `${scene.channel}${below}` }, { n });
    }
    await scene.push('N', { channels: `${scene.channel}/last` }, { n: 9 });
    await eventually(() => heard.all.includes(9), () => 'the last is heard');
    assert.deepEqual(heard, { exact: [0], part: [0, 1, 9], all: [0, 1, 2, 9] });
  });

  story('an event of a channel that Bayeux has no name for harms nobody', async (scene) => {
    const adam = make(scene);
    await adam.connect({ services: false });
    await adam.subscribe('/**');
    for (const name of [`a.b c é ${scene.channel}`, `meta/${scene.channel}`, `/${scene.channel}`]) {
      await scene.push('ODD', { channels: name, users: `not ${scene.user}` }, name);
    }
    await scene.push('PLAIN', { channels: scene.channel }, 1);
    const all = await adam.everything({ channels: scene.channel });
    // Others tell their stories beside this one.
    const heard = all.filter(({ via }) => via.channel.includes(scene.channel));
    const events = heard.map(({ event, channel, via }) => [event, channel, via.channel.split(scene.channel)[0]]);
    const dotted = adam instanceof Faye ? '/service/channel' : `/a.b c é ${scene.channel}`;
    assert.deepEqual(events, [
      ['ODD', dotted, 'a.b c é '],
      ['ODD', '/service/channel', 'meta/'],
      ['ODD', '/service/channel', '/'],
      ['PLAIN', adam.room, ''],
    ]);
  });

  story('after leaving, the channel is silent', async (scene) => {
    const adam = await settled(scene);
    await scene.push('BEFORE', { channels: scene.channel }, 1);
    assert.deepEqual(plain(await adam.everything()), [['BEFORE', 1]]);
    await adam.leave();
    await scene.push('AFTER', { channels: scene.channel }, 2);
    assert.deepEqual(plain(await adam.everything()), []);
  });

  story('words of the server are nobody else’s', async (scene) => {
    const adam = make(scene);
    await adam.connect({ services: false });
    const is403 = (error) => /403/.test(`${error.code} ${error.message}`);
    if (adam instanceof Faye) {
      await assert.rejects(adam.subscribe('/meta/x'), is403);
      await assert.rejects(adam.publish('/meta/x', {}), is403);
    } else {
      // CometD keeps its applications from asking: it takes such a subscription for a listener.
      await assert.rejects(adam.publish('/meta/x', {}), /meta/);
    }
  });

  story('it lives on when connects were held for as long as they may', async (scene) => {
    const adam = await settled(scene);
    await pause(HELD * 1.5);
    await scene.push('NEWS', { users: scene.user }, 1);
    assert.deepEqual(plain(await adam.everything()), [['NEWS', 1]]);
    assert.equal(await scene.reach({ users: scene.user }), 1);
  });

  story('after a cut the same session goes on, with what came meanwhile', async (scene) => {
    const cable = await scene.cable();
    const adam = await settled(scene);
    await scene.push('BEFORE', { users: scene.user }, 0);
    assert.deepEqual(plain(await adam.everything()), [['BEFORE', 0]]);
    cable.cut();
    await pause(300);
    await scene.push('FIRST', { users: scene.user }, 1);
    await scene.push('SECOND', { channels: scene.channel }, 2);
    assert.equal(await scene.reach({ users: scene.user }), 1, 'it is still counted');
    cable.mend();
    const events = (await adam.everything()).filter(({ event }) => event !== 'PROBE');
    assert.deepEqual(plain(events), [['FIRST', 1], ['SECOND', 2]]);
    assert.equal(await scene.reach({ users: scene.user }), 1, 'there is one of it');
    // As long as its cable is whole: Faye repeats a goodbye for ever.
    await adam.leaveForGood();
  });

  story('after a goodbye nobody is reached', async (scene) => {
    const adam = await settled(scene);
    assert.equal(await scene.reach({ users: scene.user }), 1);
    await adam.close();
    await eventually(async () => (await scene.reach({ users: scene.user })) === 0, () => 'nobody is reached');
  });
}

for (const wiring of Faye.WIRINGS) {
  describe(`faye 1.4, ${wiring}`, () => tellAll((scene) => new Faye(scene, wiring)));
}

for (const version of CometD.VERSIONS) {
  for (const wiring of CometD.WIRINGS) {
    describe(`cometd ${version}, ${wiring}`, () => {
      tellAll((scene) => new CometD(scene, version, wiring));

      story('a batch is answered in order, and it leaves in good order', async (scene) => {
        const adam = new CometD(scene, version, wiring);
        await adam.connect({ services: false });
        const answers = [];
        adam.cometd.batch(() => {
          for (const n of [1, 2, 3, 4, 5]) adam.cometd.publish(adam.room, n, () => answers.push(n));
        });
        await eventually(() => answers.length === 5, () => 'all are answered');
        assert.deepEqual(answers, [1, 2, 3, 4, 5]);
        await adam.disconnect();
        await eventually(() => adam.cometd.getStatus() === 'disconnected', () => 'it is disconnected');
      });

      story('with acknowledgements and clocks', async (scene) => {
        const adam = new CometD(scene, version, wiring, { extensions: ['AckExtension', 'TimeSyncExtension'] });
        const seen = [];
        adam.cometd.addListener('/meta/connect', (reply) => seen.push(reply.ext?.ack));
        await adam.connect();
        assert.equal(adam.reply.ext.ack, true);
        await adam.join();
        await scene.pushAll(thousand(scene));
        assertThousand(assert, await adam.everything());
        const numbers = seen.filter((ack) => ack !== undefined);
        assert.ok(numbers.length > 1 && numbers.every((ack, at) => at === 0 || ack > numbers[at - 1]), `${seen}`);
        const { TimeSyncExtension: clock } = adam;
        assert.ok(Math.abs(clock.getTimeOffset()) < 1_000, `the offset is ${clock.getTimeOffset()}`);
        assert.ok(clock.getNetworkLag() >= 0 && clock.getNetworkLag() < 1_000, `the lag is ${clock.getNetworkLag()}`);
      });

      story('with acknowledgements nothing is lost, wherever the cable is cut', async (scene) => {
        const cable = await scene.cable();
        const adam = await new CometD(scene, version, wiring, { extensions: ['AckExtension'] }).settle();
        let next = 0;
        const some = async () => {
          for (let n = 0; n < 20; n += 1) await scene.push('NEWS', { channels: scene.channel }, (next += 1));
        };
        for (let cut = 0; cut < 3; cut += 1) {
          await some();
          cable.cutUnnoticed();
          await some();
          await pause(200);
          cable.mend();
          await some();
        }
        const heard = (await within(adam.everything(), () => 'all of them', 20_000)).map(({ payload }) => payload);
        const fresh = heard.filter((number, at) => heard.indexOf(number) === at);
        assert.deepEqual(fresh, Array.from({ length: next }, (_, n) => n + 1));
      });
    });
  }
}
