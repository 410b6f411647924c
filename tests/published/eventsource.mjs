// Stories about the published EventSource for Node.js on the event stream.
//   TURTED_URL=http://127.0.0.1:7117 node --test eventsource.mjs
// In: a server in its default configuration. Out: a verdict on its Server-Sent Events.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { assertThousand, FOREIGN, LONG, thousand } from './payloads.mjs';
import { eventually, story } from './scene.mjs';
import { EventStream } from './streams.mjs';

const plain = (events) => events.map(({ event, payload }) => [event, payload]);

async function connected(scene, words = ['NEWS'], query = undefined) {
  const adam = new EventStream(scene, words, query);
  await adam.connect();
  return adam;
}

/** Says it for a stream, the way pages do that have no other wire. */
async function say(scene, { connection, resume }, command) {
  const body = JSON.stringify({ ...command, secret: resume });
  const response = await fetch(`${scene.url}/events/${connection}`, { method: 'POST', body });
  assert.equal(response.status, 200, `${response.status} ${await response.clone().text()}`);
  return response.json();
}

describe('eventsource 2.0', () => {
  story('events arrive under their names, those for its user and those for its channel, each once', async (scene) => {
    const adam = await connected(scene, ['NEWS', 'CHAT', 'ALL', 'OTHERS']);
    await scene.push('OTHERS', { users: `not ${scene.user}`, channels: [`not ${scene.channel}`] }, {});
    await scene.push('NEWS', { users: scene.user, channels: scene.channel, broadcast: true }, { any: 'json' });
    await scene.push('CHAT', { channels: scene.channel }, [1]);
    await scene.push('ALL', { broadcast: true }, 'text');
    const events = await adam.everything();
    assert.deepEqual(plain(events), [['NEWS', { any: 'json' }], ['CHAT', [1]], ['ALL', 'text']]);
    assert.equal(new Set(events.map(({ id }) => id)).size, 3);
  });

  story('it may ask for several channels, and need not say who it is', async (scene) => {
    const channels = [`${scene.channel}a`, `${scene.channel} b&c €`];
    const query = new URLSearchParams(channels.map((channel) => ['channel', channel]));
    const adam = await connected(scene, ['NEWS'], query);
    await scene.push('NEWS', { users: scene.user, channels: [scene.channel] }, 0);
    await scene.push('NEWS', { channels: [channels[1]] }, 1);
    await scene.push('NEWS', { channels }, 2);
    assert.deepEqual(plain(await adam.everything({ channels })), [['NEWS', 1], ['NEWS', 2]]);
  });

  story('it joins and leaves through a POST with its secret', async (scene) => {
    const adam = await connected(scene, ['NEWS'], `username=${scene.user}`);
    const data = { channel: scene.channel };
    await scene.push('NEWS', { channels: scene.channel }, 0);
    const joined = await say(scene, adam.welcome, { type: 'JOIN', data, ref: 7 });
    assert.deepEqual(joined, { type: 'OK', data, ref: 7 });
    await scene.push('NEWS', { channels: scene.channel }, 1);
    const left = await say(scene, adam.welcome, { type: 'LEAVE', data, ref: 8 });
    assert.deepEqual(left, { type: 'OK', data, ref: 8 });
    await scene.push('NEWS', { channels: scene.channel }, 2);
    assert.deepEqual(plain(await adam.everything()), [['NEWS', 1]]);
  });

  story('names that mean something to EventSource itself arrive in an envelope', async (scene) => {
    const adam = await connected(scene);
    for (const type of ['message', 'open', 'error']) {
      adam.source.addEventListener(type, ({ data }) => assert.equal(data, undefined, `${type} with data`));
    }
    const targets = { users: scene.user };
    for (const name of ['message', 'open', 'error', 'turted:welcome']) await scene.pushNamed(name, targets, { of: name });
    const events = await adam.everything();
    const expected = ['message', 'open', 'error', 'turted:welcome'].map((name) => [name, { of: name }]);
    assert.deepEqual(plain(events), expected);
    assert.deepEqual(events[0].via, { user: scene.user });
  });

  story('every script and every sign survives, and so does a megabyte', async (scene) => {
    const adam = await connected(scene, ['Grüße', 'LONG']);
    await scene.push('Grüße', { users: scene.user }, FOREIGN);
    await scene.push('LONG', { users: scene.user }, LONG);
    assert.deepEqual(plain(await adam.everything()), [['Grüße', FOREIGN], ['LONG', LONG]]);
  });

  story('a thousand events come in order', async (scene) => {
    const adam = await connected(scene);
    await scene.pushAll(thousand(scene));
    assertThousand(assert, await adam.everything());
  });

  async function comesBack(scene, cut) {
    const cable = await scene.cable();
    const adam = await connected(scene, ['NEWS']);
    await scene.push('NEWS', { users: scene.user }, 0);
    assert.deepEqual(plain(await adam.everything()), [['NEWS', 0]]);
    const lost = adam.lost();
    cut(cable);
    await lost;
    await scene.push('NEWS', { users: scene.user }, 1);
    await scene.push('NEWS', { users: `not ${scene.user}` }, -1);
    await scene.push('NEWS', { channels: scene.channel, users: scene.user, broadcast: true }, 2);
    await scene.push('NEWS', { broadcast: true }, 3);
    const back = adam.welcomed();
    cable.mend();
    await back;
    await scene.push('NEWS', { channels: scene.channel }, 4);
    const events = await adam.everything();
    assert.deepEqual(plain(events), [1, 2, 3, 4].map((number) => ['NEWS', number]));
    assert.equal(new Set(events.map(({ id }) => id)).size, 4);
  }

  story('after a cut it comes back with Last-Event-ID and misses nothing', (scene) => comesBack(scene, (cable) => cable.cut()));
  story('it comes back before the server has noticed', (scene) => comesBack(scene, (cable) => cable.cutUnnoticed()));

  story('after it has closed nobody is reached', async (scene) => {
    const adam = await connected(scene);
    assert.equal(await scene.reach({ users: scene.user }), 1);
    adam.close();
    await eventually(async () => (await scene.reach({ users: scene.user })) === 0, () => 'nobody is reached');
  });
});
