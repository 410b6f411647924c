// Stories about the published SockJS clients, two generations, over every transport that runs in Node.js, in both dialects: that of
// TURTED 1.x below /turted and the native one below /sockjs.
//   TURTED_URL=http://127.0.0.1:7117 node --test sockjs.mjs
// In: a server in its default configuration. Out: a verdict on its SockJS and on what it speaks over it.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { assertThousand, FOREIGN, LENGTHY, LONG, thousand } from './payloads.mjs';
import { eventually, story, within } from './scene.mjs';
import { SockJsNative, SockJsTurted } from './streams.mjs';

const plain = (events) => events.map(({ event, payload }) => [event, payload]);

/** What clients hear in either dialect. */
function tellBoth(client) {
  const settled = (scene) => client(scene).settle();

  story('a push that matches it three times is heard once, and says why', async (scene) => {
    const adam = await settled(scene);
    await scene.push('OTHERS', { users: `not ${scene.user}`, channels: [`not ${scene.channel}`] }, {});
    await scene.push('NEWS', { users: [scene.user], channels: [scene.channel], broadcast: true }, { any: 'json' });
    await scene.push('CHAT', { channels: scene.channel }, [1, 'two']);
    await scene.push('ALL', { broadcast: true }, 'text');
    const events = await adam.everything();
    assert.deepEqual(plain(events), [['NEWS', { any: 'json' }], ['CHAT', [1, 'two']], ['ALL', 'text']]);
    assert.deepEqual([events[0].via, events[1].via], [{ user: scene.user }, { channel: scene.channel }]);
  });

  story('every script and every sign survives, both ways', async (scene) => {
    const adam = await settled(scene);
    assert.deepEqual(await adam.echo(FOREIGN), FOREIGN);
    await scene.push('Grüße', { users: scene.user }, FOREIGN);
    assert.deepEqual(plain(await adam.everything()), [['Grüße', FOREIGN]]);
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

  story('what it says at once is heard in order', async (scene) => {
    const adam = client(scene);
    await adam.connect();
    const sayings = Array.from({ length: 100 }, (_, number) => number);
    assert.deepEqual(await Promise.all(sayings.map((saying) => adam.echo(saying))), sayings);
  });

  story('after leaving, the channel is silent', async (scene) => {
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
    // A client that closes between two polls says nothing; the server waits for the next one before it gives it up.
    const forgotten = async () => (await scene.reach({ users: scene.user, channels: scene.channel })) === 0;
    await eventually(forgotten, () => 'nobody is reached', 12_000);
  });
}

/** Two clients one after the other on a cable that was cut in between. Resolves with both. */
async function cutBetween(scene, client, meanwhile, cut = (cable) => cable.cut()) {
  const cable = await scene.cable();
  const before = await client(scene).settle();
  await scene.push('BEFORE', { users: scene.user }, 0);
  assert.deepEqual(plain(await before.everything()), [['BEFORE', 0]]);
  cut(cable);
  await meanwhile();
  cable.mend();
  const { code } = await within(before.closed, () => 'the end of the old connection');
  assert.notEqual(code, 1000);
  const after = client(scene);
  await after.connect();
  return { before, after };
}

async function pushTwo(scene) {
  await scene.push('FIRST', { users: scene.user }, 1);
  await scene.push('OTHERS', { users: `not ${scene.user}` }, {});
  await scene.push('SECOND', { users: scene.user, channels: scene.channel }, 2);
}

for (const version of SockJsTurted.VERSIONS) {
  for (const transport of SockJsTurted.TRANSPORTS) {
    describe(`sockjs-client ${version}, ${transport}, TURTED 1.x`, () => {
      const client = (scene) => new SockJsTurted(scene, version, transport);
      tellBoth(client);

      story('what makes no sense is passed over', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        const nonsense = ['', 'no json', '1', 'null', '[]', '{}', '{"type":"join","data":null}', '{"type":"message","data":{}}'];
        for (const text of nonsense) adam.socket.send(text);
        await adam.ident();
        assert.deepEqual(await adam.everything(), []);
      });

      story('after a cut a new connection works once it has said again who it is', async (scene) => {
        const { after } = await cutBetween(scene, client, () => scene.push('MEANWHILE', { users: scene.user }, 1));
        await after.ident();
        await after.join();
        await scene.push('NEWS', { users: scene.user, channels: scene.channel }, 2);
        assert.deepEqual(plain(await after.everything()), [['NEWS', 2]]);
      });
    });

    describe(`sockjs-client ${version}, ${transport}, native`, () => {
      const client = (scene) => new SockJsNative(scene, version, transport);
      tellBoth(client);

      story('it is welcomed first, and commands are answered with what they said', async (scene) => {
        const adam = client(scene);
        await adam.connect();
        assert.equal(adam.welcome.type, 'WELCOME');
        assert.deepEqual([typeof adam.welcome.data.connection, typeof adam.welcome.data.resume], ['string', 'string']);
        assert.deepEqual(await adam.ident(), { username: scene.user });
        assert.deepEqual(await adam.join(), { channel: scene.channel });
        assert.deepEqual(await adam.leave(), { channel: scene.channel });
        await assert.rejects(adam.leave(), /not_joined/);
        await assert.rejects(adam.command('DANCE', {}), /unknown_type/);
        assert.deepEqual(await adam.echo([1]), [1]);
      });

      story('the identifiers of events rise', async (scene) => {
        const adam = await client(scene).settle();
        await scene.pushAll([1, 2, 3].map((number) => ['NEWS', { users: scene.user }, number]));
        const ids = (await adam.everything()).map(({ id }) => id.split('-'));
        assert.equal(new Set(ids.map(([epoch]) => epoch)).size, 1);
        assert.ok(Number(ids[0][1]) < Number(ids[1][1]) && Number(ids[1][1]) < Number(ids[2][1]), ids.join(' '));
      });

      async function resumes(scene, cut) {
        const { before, after } = await cutBetween(scene, client, () => pushTwo(scene), cut);
        const { connection, resume } = before.welcome.data;
        const answer = await after.command('RESUME', { token: resume, last: before.last });
        assert.deepEqual([answer.connection, answer.recovered], [connection, true]);
        await scene.push('THIRD', { channels: scene.channel }, 3);
        assert.deepEqual(plain(await after.everything()), [['FIRST', 1], ['SECOND', 2], ['THIRD', 3]]);
        assert.equal(await scene.reach({ users: scene.user, channels: scene.channel }), 1);
      }

      story('after a cut it resumes and misses nothing', (scene) => resumes(scene, (cable) => cable.cut()));
      story('it resumes before the server has noticed the cut', (scene) => resumes(scene, (cable) => cable.cutUnnoticed()));
    });
  }
}
