// Stories about the published clients where not every channel is for everybody: what each hears that may not, and what it may say itself.
//   TURTED_URL=http://127.0.0.1:7117 node --test permissions.mjs
// In: a server where anybody may join and publish to `open.**` and `open_*` and to nothing else. Out: a verdict on its words for a no.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createRequire } from 'node:module';
import { SocketIo } from './clients.mjs';
import { story, within } from './scene.mjs';
import { EventStream, SockJsNative, SockJsTurted } from './streams.mjs';
// After the others, which look for a `window` when they are loaded: CometD needs one.
import { CometD, Faye } from './bayeux_clients.mjs';

const EventSource = createRequire(import.meta.url)('eventsource');

/** A scene with a channel that is open, and one that is not. */
function set(scene) {
  scene.channel = `open.${scene.name('room')}`;
  scene.shut = scene.name('shut');
  return scene;
}

/** What a page hears that says something in another client's channel: TYPING, and who it was. */
async function heardBy(listener, saying) {
  const heard = listener.on('TYPING');
  await saying();
  const { payload, from } = await heard;
  return [payload, from?.user];
}

for (const version of SocketIo.VERSIONS) {
  for (const wiring of ['polling only', 'websocket only']) {
    describe(`socket.io-client ${version}, ${wiring}`, () => {
      story('a channel that is not for it is denied in the event and in the acknowledgement, and it stays', async (scene) => {
        set(scene);
        const adam = await new SocketIo(scene, version, wiring).settle();
        await assert.rejects(adam.join(scene.shut), /you may not join/);
        for (let times = 0; times < 25; times += 1) {
          const [{ error }] = await adam.acknowledged('JOIN', { channel: scene.shut });
          assert.deepEqual([error.code, error.channel], ['join_denied', scene.shut]);
        }
        await scene.push('NEWS', { channels: [scene.shut] }, 1);
        assert.deepEqual(await adam.everything(), []);
      });

      story('what it says to a channel is acknowledged, and heard with its name', async (scene) => {
        set(scene);
        const [adam, eve] = [new SocketIo(scene, version, wiring), new SocketIo(scene, version, wiring)];
        await adam.settle();
        await eve.connect();
        await eve.join();
        const said = { channel: scene.channel, event: scene.name('TYPING'), payload: { n: [1, '€'] }, echo: false };
        const heard = await heardBy(eve, async () => {
          const [receipt] = await adam.acknowledged('PUBLISH', said);
          assert.equal(receipt.recipients, 1);
        });
        assert.deepEqual(heard, [{ n: [1, '€'] }, scene.user]);
        const [{ error }] = await adam.acknowledged('PUBLISH', { ...said, channel: scene.shut });
        assert.equal(error.code, 'publish_denied');
      });
    });
  }
}

for (const version of SockJsNative.VERSIONS) {
  for (const transport of SockJsNative.TRANSPORTS) {
    describe(`sockjs-client ${version}, ${transport}`, () => {
      story('native: a channel is denied with its code, and what it says is heard with its name', async (scene) => {
        set(scene);
        const [adam, eve] = [new SockJsNative(scene, version, transport), new SockJsNative(scene, version, transport)];
        await adam.settle();
        await eve.connect();
        await eve.join();
        for (let times = 0; times < 25; times += 1) await assert.rejects(adam.join(scene.shut), /join_denied/);
        const said = { channel: scene.channel, event: scene.name('TYPING'), payload: [1], echo: false };
        const heard = await heardBy(eve, async () => assert.equal((await adam.command('PUBLISH', said)).recipients, 1));
        assert.deepEqual(heard, [[1], scene.user]);
      });

      story('as TURTED 1: a channel is denied with a sentence, and it stays', async (scene) => {
        set(scene);
        const adam = new SockJsTurted(scene, version, transport);
        const sentences = [];
        const read = adam.read.bind(adam);
        adam.read = (message) => (message.type === 'ERROR' ? sentences.push(message.data) : read(message));
        await adam.settle();
        for (let times = 0; times < 25; times += 1) await adam.join(scene.shut);
        assert.equal(sentences.length, 25);
        assert.ok(sentences.every((sentence) => sentence.startsWith(`you may not join ${scene.shut}`)), sentences[0]);
        await scene.push('NEWS', { channels: [scene.channel, scene.shut] }, 1);
        assert.deepEqual((await adam.everything()).map(({ via }) => via), [{ channel: scene.channel }]);
      });
    });
  }
}

for (const [name, Client] of [
  ...Faye.WIRINGS.map((wiring) => [`faye 1.4, ${wiring}`, (scene) => new Faye(scene, wiring)]),
  ...CometD.VERSIONS.map((version) => [`cometd ${version}`, (scene) => new CometD(scene, version, 'websocket')]),
]) {
  describe(name, () => {
    story('a channel is denied with its name, also below a star, and what it says is heard with its name', async (scene) => {
      set(scene);
      // Faye has no names with dots.
      scene.channel = `open_${scene.name('room')}`;
      const [adam, eve] = [Client(scene), Client(scene)];
      await adam.settle();
      await eve.connect();
      await eve.join();
      const is = (word) => (error) => `${error.code}:${error.params?.[0] ?? ''}:${error.message}`.includes(word);
      for (const channel of [`/${scene.shut}`, `/${scene.shut}/*`, '/**']) {
        await assert.rejects(adam.subscribe(channel), is('subscribe_denied'), channel);
      }
      await assert.rejects(adam.publish(`/${scene.shut}`, {}), is('publish_denied'));
      const heard = eve.on('TYPING');
      await scene.push('TYPING', { channels: [scene.channel, scene.shut] }, 1);
      assert.deepEqual((await heard).via, { channel: scene.channel });
      await adam.publish(adam.room, { n: [1, '€'] });
      await scene.push('LAST', { channels: [scene.channel] }, 2);
      await eve.everything();
    });
  });
}

describe('eventsource 2.0', () => {
  story('of several channels it is told which is not for it', async (scene) => {
    set(scene);
    const adam = new EventStream(scene, ['NEWS'], new URLSearchParams([['channel', scene.shut], ['channel', scene.channel], ['username', scene.user]]));
    const connecting = adam.connect();
    const denied = new Promise((resolve) => adam.source.once('turted:denied', ({ data }) => resolve(JSON.parse(data))));
    await connecting;
    const { code, channel } = await within(denied, () => 'turted:denied');
    assert.deepEqual([code, channel], ['join_denied', scene.shut]);
    await scene.push('NEWS', { channels: [scene.shut] }, 0);
    await scene.push('NEWS', { channels: [scene.channel] }, 1);
    assert.deepEqual((await adam.everything()).map(({ payload }) => payload), [1]);
  });

  story('where there is none for it it is refused, and does not come back', async (scene) => {
    set(scene);
    for (const door of ['events', 'sse']) {
      const source = scene.opened(new EventSource(`${scene.url}/${door}?channel=${encodeURIComponent(scene.shut)}`));
      const refused = new Promise((resolve) => source.once('error', resolve));
      assert.equal((await within(refused, () => 'the refusal')).status, 403, door);
      assert.equal(source.readyState, EventSource.CLOSED, door);
    }
  });
});
