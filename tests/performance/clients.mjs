// Clients that cost next to nothing: WebSockets that join one channel and count what arrives, without looking at it.
//   node clients.mjs PORT CLIENTS EVENTS
// In: a turted server on this machine; events on channel "bench" that each hold one "!". Out: "ready" on standard output once all have joined,
// "done" once each of them has had every event; an error when one of them is sent away. It refuses to know what an event says.
import { connect } from 'node:net';

const [port, clients, events] = process.argv.slice(2).map(Number);
const AT_ONCE = 100;
// Not among the bytes that stand before a message of some 200 bytes, as "~" is.
const MARK = '!'.charCodeAt(0);

const HELLO =
  `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const JOIN = Buffer.from(JSON.stringify({ type: 'JOIN', data: { channel: 'bench' }, ref: 1 }));
// Masked with zeros, which change nothing.
const FRAME = Buffer.concat([Buffer.from([0x81, 0x80 | JOIN.length, 0, 0, 0, 0]), JOIN]);

let ready = 0;
let done = 0;
let begun = 0;

function begin() {
  let heard = ''; // up to the answer to JOIN
  let count = 0;
  begun += 1;
  const wire = connect({ port, host: '127.0.0.1', onread: { buffer: Buffer.allocUnsafe(256 * 1024), callback: read } });
  wire.on('error', (error) => fail(error.message)).on('close', () => fail(`a client was sent away after ${count} events`));
  wire.write(Buffer.concat([Buffer.from(HELLO), FRAME]));

  function read(length, buffer) {
    const bytes = buffer.subarray(0, length);
    if (heard !== null) {
      heard += bytes.toString('latin1');
      if (!heard.includes('"OK"')) return true;
      heard = null;
      if (++ready === clients) console.log('ready');
      if (begun < clients) begin();
    }
    for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) count += 1;
    if (count === events && ++done === clients) {
      console.log('done');
      process.exit();
    }
    return true;
  }
}

function fail(why) {
  console.error(`${why}; ${done} of ${clients} have everything`);
  process.exit(1);
}

for (let each = 0; each < Math.min(AT_ONCE, clients); each += 1) begin();
