// Stories about the published Socket.IO clients, four generations, each over every transport that runs in Node.js.
//   TURTED_URL=http://127.0.0.1:7117 node --test socketio.mjs
// In: a server in its default configuration. Out: a verdict on its Engine.IO, its Socket.IO and its TURTED vocabulary.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { SocketIo, WIRINGS } from './clients.mjs';
import { assertThousand, FOREIGN, LENGTHY, LONG, thousand } from './payloads.mjs';
import { eventually, story } from './scene.mjs';

const plain = (events) => events.map(({ event, payload }) => [event, payload]);

for (const version of SocketIo.VERSIONS) {
  for (const wiring of Object.keys(WIRINGS)) {
    const client = (scene) => new SocketIo(scene, version, wiring);
    const settled = (scene) => client(scene).settle();

    describe(`socket.io-client ${version}, ${wiring}`, () => {
      story('commands are answered with what they said', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        assert.deepEqual(await adam.ident(), { username: scene.user });
        assert.deepEqual(await adam.join(), { channel: scene.channel });
        assert.deepEqual(await adam.echo({ any: ['json', 1.5, null] }), { any: ['json', 1.5, null] });
        assert.deepEqual(await adam.leave(), { channel: scene.channel });
      });

      story('commands in small letters are commands, and `user` is a user name', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        assert.deepEqual(await adam.command('ident', { user: scene.user }), { username: scene.user });
        assert.deepEqual(await adam.command('join', { channel: scene.channel }), { channel: scene.channel });
        await scene.push('NEWS', { channels: scene.channel }, 1);
        assert.deepEqual(plain(await adam.everything()), [['NEWS', 1]]);
      });

      story('a command that makes no sense is answered with an error, and the next one works', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        await assert.rejects(adam.command('IDENT', { nobody: 1 }), /"type":"ERROR"/);
        await assert.rejects(adam.command('JOIN', null), /"type":"ERROR"/);
        assert.deepEqual(await adam.ident(), { username: scene.user });
      });

      story('an echo comes back in its acknowledgement', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        assert.deepEqual(await adam.acknowledged('ECHO', { n: [1, '€'] }), [{ n: [1, '€'] }]);
        assert.deepEqual(await adam.acknowledged('ECHO', 'text'), ['text']);
        await adam.ident();
      });

      story('bytes come back as bytes', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        const bytes = Buffer.from([0, 1, 0x1e, 0x7f, 0x80, 0xff]);
        const { file, more } = await adam.echo({ file: bytes, more: [Buffer.alloc(5_000, 'ü'), 'text'] });
        assert.deepEqual([Buffer.from(file), Buffer.from(more[0]), more[1]], [bytes, Buffer.alloc(5_000, 'ü'), 'text']);
      });

      story('there is one namespace, and asking for another does no harm', async (scene) => {
        const adam = await settled(scene);
        const refusal = await adam.refusedBy('/nope');
        assert.equal(refusal.message ?? refusal, 'Invalid namespace');
        assert.deepEqual(await adam.everything(), []);
      });

      story('a push that matches it three times is heard once, and nothing that is meant for others', async (scene) => {
        const adam = await settled(scene);
        await scene.push('OTHERS', { users: `not ${scene.user}`, channels: [`not ${scene.channel}`] }, {});
        await scene.push('NEWS', { users: [scene.user], channels: [scene.channel], broadcast: true }, { any: 'json' });
        await scene.push('ALL', { broadcast: true }, ['list']);
        assert.deepEqual(plain(await adam.everything()), [['NEWS', { any: 'json' }], ['ALL', ['list']]]);
      });

      story('every script and every sign survives, both ways', async (scene) => {
        const adam = await settled(scene);
        assert.deepEqual(await adam.echo(FOREIGN), FOREIGN);
        await scene.push('Grüße', { users: scene.user }, FOREIGN);
        assert.deepEqual(plain(await adam.everything()), [['Grüße', FOREIGN]]);
        // A client of 1.x decodes once too often what it should not; text that already looks like that must not be touched.
        assert.deepEqual(await adam.echo('Ã¼'), 'Ã¼');
        assert.deepEqual(await adam.echo('€'), '€');
      });

      story('a megabyte comes down, and as much as clients may say goes up', async (scene) => {
        const adam = await settled(scene);
        await scene.push('LONG', { channels: scene.channel }, LONG);
        assert.deepEqual(plain(await adam.everything()), [['LONG', LONG]]);
        assert.deepEqual(await adam.echo(LENGTHY), LENGTHY);
      });

      story('a thousand events come in order', async (scene) => {
        const adam = await settled(scene);
        await scene.pushAll(thousand(scene));
        assertThousand(assert, await adam.everything());
      });

      story('after LEAVE the channel is silent', async (scene) => {
        const adam = await settled(scene);
        await scene.push('BEFORE', { channels: scene.channel }, 1);
        await adam.leave();
        await scene.push('AFTER', { channels: scene.channel }, 2);
        assert.deepEqual(plain(await adam.everything()), [['BEFORE', 1]]);
      });

      story('after it has closed nobody is reached', async (scene) => {
        const adam = await settled(scene);
        assert.equal(await scene.reach({ users: scene.user }), 1);
        adam.close();
        await eventually(async () => (await scene.reach({ users: scene.user, channels: scene.channel })) === 0, () => 'nobody is reached');
      });

      if (wiring === 'polling, then upgrade') {
        story('what happens during the upgrade is heard once and in order', async (scene) => {
          const adam = client(scene);
          await adam.open();
          await adam.ident();
          await adam.join();
          await Promise.all([adam.ready(), scene.pushAll(thousand(scene))]);
          assertThousand(assert, await adam.everything());
        });
      }

      // From 4.6 on it need not say it again: recovery.mjs.
      if (version !== '4.8') {
        story('it comes back after a cut, and works once it has said again who it is', async (scene) => {
          const cable = await scene.cable();
          const adam = await settled(scene);
          const gone = adam.disconnected();
          cable.cut();
          await gone;
          await scene.push('MEANWHILE', { users: scene.user }, {});
          const said = adam.echo('said while away');
          cable.mend();
          await adam.reconnected();
          assert.equal(await said, 'said while away');
          await adam.ident();
          await adam.join();
          await scene.push('NEWS', { users: scene.user, channels: scene.channel }, 1);
          assert.deepEqual(plain(await adam.everything()), [['NEWS', 1]]);
        });
      }
    });
  }
}
