// A story about all published clients at once: whatever a page speaks, it is in the same room as the others.
//   TURTED_URL=http://127.0.0.1:7117 node --test together.mjs
// In: a server in its default configuration. Out: a verdict on whether one push reaches every kind of client.
import assert from 'node:assert/strict';
import { EngineIo, SocketIo, WIRINGS } from './clients.mjs';
import { story } from './scene.mjs';
import { EventStream, SockJsNative, SockJsTurted } from './streams.mjs';
// After the others, which look for a `window` when they are loaded: CometD needs one.
import { CometD, Faye } from './bayeux_clients.mjs';

/** One client of every kind, each a user of its own. */
function* everyKind(scene) {
  for (const wiring of Object.keys(WIRINGS)) {
    for (const version of SocketIo.VERSIONS) yield new SocketIo(scene, version, wiring);
    for (const version of EngineIo.VERSIONS) yield new EngineIo(scene, version, wiring);
  }
  for (const wiring of Faye.WIRINGS) yield new Faye(scene, wiring);
  for (const version of CometD.VERSIONS) {
    for (const wiring of CometD.WIRINGS) yield new CometD(scene, version, wiring);
  }
  for (const version of SockJsTurted.VERSIONS) {
    for (const transport of SockJsTurted.TRANSPORTS) {
      yield new SockJsTurted(scene, version, transport);
      yield new SockJsNative(scene, version, transport);
    }
  }
}

story('one push reaches every kind of client in the channel once', async (scene) => {
  const clients = [...everyKind(scene)];
  for (const client of clients) {
    await client.connect();
    await client.join();
  }
  const stream = new EventStream(scene, ['NEWS'], `channel=${scene.channel}`);
  await stream.connect();
  clients.push(stream);

  const payload = { text: 'Grüße' };
  const channel = { channels: scene.channel };
  assert.equal(await scene.reach(channel), clients.length);
  const marked = clients.map((client) => client.on('MARK'));
  await scene.push('NEWS', channel, payload);
  await scene.push('MARK', channel, {});
  await Promise.all(marked);
  for (const client of clients) {
    const heard = client.heard.filter(({ event }) => event === 'NEWS').map((event) => event.payload);
    assert.deepEqual(heard, [payload], client.constructor.name);
  }
});
