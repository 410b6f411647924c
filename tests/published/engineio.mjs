// Stories about the published Engine.IO clients, three generations. Engine.IO carries nothing but Socket.IO here, whose packets these
// stories write by hand.
//   TURTED_URL=http://127.0.0.1:7117 node --test engineio.mjs
// In: a server in its default configuration. Out: a verdict on its Engine.IO.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { EngineIo, WIRINGS } from './clients.mjs';
import { assertThousand, FOREIGN, LONG, thousand } from './payloads.mjs';
import { eventually, story } from './scene.mjs';

/** Longest interval between two pings that a story waits for, in milliseconds. */
const BEARABLE = 3_000;

for (const version of EngineIo.VERSIONS) {
  for (const wiring of Object.keys(WIRINGS)) {
    const polls = WIRINGS[wiring].transports.includes('polling');
    const client = (scene) => new EngineIo(scene, version, wiring);
    const settled = (scene) => client(scene).settle();

    /** What the server says to a poll of that session. */
    async function poll(scene, engine) {
      const query = new URLSearchParams({ EIO: version === '6.6' ? 4 : 3, transport: 'polling', sid: engine.id });
      const response = await fetch(`${scene.url}/socket.io/?${query}`);
      return { status: response.status, text: await response.text() };
    }

    describe(`engine.io-client ${version}, ${wiring}`, () => {
      story('it opens, is offered what it may upgrade to, and is in the namespace', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        const { sid, upgrades, pingInterval, pingTimeout } = adam.handshake;
        assert.deepEqual(upgrades, wiring === 'websocket only' ? [] : ['websocket']);
        assert.ok(sid.length >= 20 && pingInterval > 0 && pingTimeout > 0, JSON.stringify(adam.handshake));
        assert.equal(adam.engine.transport.name, wiring === 'polling only' ? 'polling' : 'websocket');
        if (version === '6.6') assert.equal(typeof JSON.parse(adam.namespace.slice(1)).sid, 'string');
        else assert.equal(adam.namespace, '0');
      });

      story('a thousand messages come in order', async (scene) => {
        const adam = await settled(scene);
        await scene.pushAll(thousand(scene));
        assertThousand(assert, await adam.everything());
      });

      story('what it says at once is heard in order', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        const sayings = Array.from({ length: 100 }, (_, number) => ({ number, text: '€'.repeat(number) }));
        assert.deepEqual(await Promise.all(sayings.map((saying) => adam.echo(saying))), sayings);
      });

      story('every script and every sign survives, both ways, and so does a megabyte', async (scene) => {
        const adam = await settled(scene);
        assert.deepEqual(await adam.echo(FOREIGN), FOREIGN);
        await scene.push('NEWS', { users: scene.user }, FOREIGN);
        await scene.push('LONG', { users: scene.user }, LONG);
        const [news, long] = await adam.everything();
        assert.deepEqual(news.payload, FOREIGN);
        assert.deepEqual(long.payload, LONG);
      });

      story('pings are answered', async (scene, context) => {
        const adam = client(scene);
        if (version === '6.6') {
          await adam.connect();
          const { pingInterval } = adam.handshake;
          if (pingInterval > BEARABLE) return context.skip(`the server pings every ${pingInterval} ms`);
          for (let ping = 0; ping < 2; ping += 1) await new Promise((resolve) => adam.engine.once('ping', resolve));
        } else {
          // Here the client pings, as often as the handshake tells it.
          await adam.open((handshake) => (handshake.pingInterval = 30));
          await adam.ready();
          for (let pong = 0; pong < 5; pong += 1) await new Promise((resolve) => adam.engine.once('pong', resolve));
        }
        assert.equal(await adam.echo('still here'), 'still here');
      });

      story('when it closes, its session is gone', async (scene) => {
        const adam = await settled(scene);
        adam.close();
        await adam.closed;
        let last;
        const gone = async () => {
          last = await poll(scene, adam.engine);
          return last.status === 400 && JSON.parse(last.text).code === 1;
        };
        await eventually(gone, () => `a poll is refused with code 1; the last was answered ${last.status} ${last.text}`);
        if (polls) await eventually(async () => (await scene.reach({ users: scene.user })) === 0, () => 'nobody is reached');
      });

      if (wiring === 'polling, then upgrade') {
        story('what it says and hears during the upgrade keeps its order', async (scene) => {
          const adam = client(scene);
          await adam.open();
          await Promise.all([adam.ident(), adam.join()]);
          const sayings = Array.from({ length: 50 }, (_, number) => number);
          const echoes = Promise.all(sayings.map((saying) => adam.echo(saying)));
          await Promise.all([adam.ready(), scene.pushAll(thousand(scene))]);
          const more = Promise.all(sayings.map((saying) => adam.echo(saying)));
          assert.deepEqual([await echoes, await more], [sayings, sayings]);
          assertThousand(assert, await adam.everything());
        });

        story('polling on a session that has upgraded is refused', async (scene) => {
          const adam = client(scene);
          await adam.connect();
          // The client calls itself upgraded when it has said so; the answer tells that the server has heard it.
          await adam.echo('over there');
          const { status, text } = await poll(scene, adam.engine);
          assert.deepEqual([status, JSON.parse(text).code], [400, 3]);
          assert.equal(await adam.echo('still here'), 'still here');
        });
      }
    });
  }
}
