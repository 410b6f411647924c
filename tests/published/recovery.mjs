// Stories about connection state recovery: a published Socket.IO client from 4.6 on that loses its connection is, when it comes back,
// who it was, and hears what it missed. No page says anything for it.
//   TURTED_URL=http://127.0.0.1:7117 node --test recovery.mjs
// In: a server in its default configuration, cables that are cut. Out: a verdict on what survives a cut.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { SocketIo, WIRINGS } from './clients.mjs';
import { story } from './scene.mjs';

const plain = (events) => events.map(({ event, payload }) => [event, payload]);

/** Cut, three events, mended; afterwards it must be as if nothing had happened. */
async function missesNothing(scene, cable, adam, cut) {
  const id = adam.socket.id;
  const gone = adam.disconnected();
  cut();
  await gone;
  await scene.push('FIRST', { users: scene.user }, 1);
  await scene.push('OTHERS', { users: `not ${scene.user}` }, {});
  await scene.push('SECOND', { channels: scene.channel, users: scene.user, broadcast: true }, '2');
  await scene.push('THIRD', { broadcast: true }, 3);
  const said = adam.echo('said while away');
  cable.mend();
  await adam.reconnected();
  assert.equal(await said, 'said while away');
  assert.equal(adam.socket.recovered, true);
  assert.equal(adam.socket.id, id);
  await scene.push('FOURTH', { channels: scene.channel }, 4);
  const expected = [['FIRST', 1], ['SECOND', '2'], ['THIRD', 3], ['FOURTH', 4]];
  assert.deepEqual(plain(await adam.everything()), expected);
}

for (const wiring of Object.keys(WIRINGS)) {
  describe(`recovery with socket.io-client 4.8, ${wiring}`, () => {
    async function connected(scene) {
      const cable = await scene.cable();
      return { cable, adam: await new SocketIo(scene, '4.8', wiring).settle() };
    }

    story('after a cut it is who it was and misses nothing', async (scene) => {
      const { cable, adam } = await connected(scene);
      assert.equal(adam.socket.recovered, false);
      await scene.push('BEFORE', { users: scene.user }, 0);
      assert.deepEqual(plain(await adam.everything()), [['BEFORE', 0]]);
      await missesNothing(scene, cable, adam, () => cable.cut());
      await missesNothing(scene, cable, adam, () => cable.cut());
    });

    story('a cut before the first event loses nothing either', async (scene) => {
      const { cable, adam } = await connected(scene);
      await missesNothing(scene, cable, adam, () => cable.cut());
    });

    story('a text that it got as an answer is not taken for a place in the log', async (scene) => {
      const { cable, adam } = await connected(scene);
      await adam.everything();
      assert.equal(await adam.echo('text'), 'text');
      await missesNothing(scene, cable, adam, () => cable.cut());
      await assert.rejects(adam.command('IDENT', { nobody: 1 }), /"type":"ERROR"/);
      await missesNothing(scene, cable, adam, () => cable.cut());
    });

    story('it comes back before the server has noticed', async (scene) => {
      const { cable, adam } = await connected(scene);
      await adam.everything();
      const id = adam.socket.id;
      const gone = adam.disconnected();
      cable.cutUnnoticed();
      await scene.push('LOST', { users: scene.user }, 1);
      await gone;
      cable.mend();
      await adam.reconnected();
      assert.deepEqual([adam.socket.recovered, adam.socket.id], [true, id]);
      await scene.push('NEWS', { channels: scene.channel }, 2);
      assert.deepEqual(plain(await adam.everything()), [['LOST', 1], ['NEWS', 2]]);
      assert.equal(await scene.reach({ users: scene.user, channels: scene.channel }), 1);
    });

    story('cut again and again in the middle of what it hears, it hears everything once and in order', async (scene) => {
      const { cable, adam } = await connected(scene);
      let number = 0;
      const targets = () => (number % 2 ? { users: scene.user } : { channels: scene.channel });
      const news = (count) => Array.from({ length: count }, () => ['NEWS', targets(), number++]);
      for (const cut of [cable.cut, cable.cutUnnoticed, cable.cut, cable.cutUnnoticed]) {
        const [heard, gone] = [adam.on('NEWS'), adam.disconnected()];
        const pushed = scene.pushAll(news(200));
        await heard;
        cut();
        await Promise.all([gone, pushed]);
        cable.mend();
        await adam.reconnected();
      }
      const payloads = (await adam.everything()).map(({ payload }) => payload);
      assert.deepEqual(payloads, Array.from({ length: number }, (_, index) => index));
    });
  });
}
