// The stage on which the stories of the push clients play: a witness who hears what really arrives, and doors in front of the
// server that fail in the ways networks do.
// In: TURTED_URL, a server that takes every push. Out: one line per address on standard output, then "ready"; ends with its input.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { WebSocket } from 'ws';

const origin = process.env.TURTED_URL;

/** POSTs a body to the server as it came. Resolves with { status, text }. */
async function forward(body) {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
  const response = await fetch(new URL('/push/', origin), { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}

// ---- the witness: user adam, in channel chat ---------------------------------------------------------------------------

const wire = new WebSocket(`${origin.replace(/^http/, 'ws')}/ws`);
let frames = [];
let wanted = null; // { mark, resolve } while somebody waits for a mark
wire.on('message', (bytes) => {
  const frame = String(bytes);
  const { type, data } = JSON.parse(frame);
  if (type !== 'EVENT') return;
  if (data.event !== 'STAGE:MARK') return frames.push(frame);
  if (data.payload === wanted?.mark) wanted.resolve();
});
await once(wire, 'open');
for (const command of [{ type: 'IDENT', data: { username: 'adam' } }, { type: 'JOIN', data: { channel: 'chat' } }]) {
  const answered = new Promise((resolve) => {
    wire.on('message', (bytes) => JSON.parse(bytes).ref === command.type && resolve(JSON.parse(bytes)));
  });
  wire.send(JSON.stringify({ ...command, ref: command.type }));
  const { type } = await answered;
  if (type !== 'OK') throw new Error(`the witness could not ${command.type}`);
}

/** Every event since the last question, one line each, as the bytes that arrived. A mark behind them proves that they are all. */
async function heard() {
  const mark = Math.random();
  const marked = new Promise((resolve) => (wanted = { mark, resolve }));
  await forward(JSON.stringify({ event: 'STAGE:MARK', targets: { users: 'adam' }, payload: mark }));
  await marked;
  const lines = frames.map((frame) => `${frame}\n`).join('');
  frames = [];
  return lines;
}

// ---- doors -------------------------------------------------------------------------------------------------------------

function keyOf(body) {
  const { id, user } = [JSON.parse(body)].flat()[0];
  return id ?? user;
}

/** An HTTP server whose answer may depend on how often it has seen the key of a push. */
async function door(answer) {
  const seen = new Map();
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const key = body.length ? keyOf(body) : '';
    seen.set(key, (seen.get(key) ?? 0) + 1);
    await answer(body, response, seen.get(key), request);
  });
  return listening(server);
}

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

const json = { 'Content-Type': 'application/json' };
const overloaded = { error: { code: 'overloaded', message: 'the server has too much to do' } };

/** Without Content-Length and in pieces, as proxies do. */
function pass({ status, text }, response) {
  response.writeHead(status, json);
  response.write(text.slice(0, 3));
  response.end(text.slice(3));
}

const doors = {
  WITNESS: await door(async (_, response) => response.end(await heard())),
  BUSY: await door(async (body, response, times) => {
    if (times > 1) return pass(await forward(body), response);
    response.writeHead(503, { ...json, 'Retry-After': '1' }).end(JSON.stringify(overloaded));
  }),
  // The server has dispatched, and nobody hears its receipt.
  LOSSY: await door(async (body, response, times) => {
    const answer = await forward(body);
    if (times > 1) return pass(answer, response);
    response.socket.destroy();
  }),
  // Of a list only the first push is dispatched.
  PARTLY: await door(async (body, response, times) => {
    if (times > 1) return pass(await forward(body), response);
    const pushes = JSON.parse(body);
    const { text } = await forward(JSON.stringify(pushes.slice(0, 1)));
    pass({ status: 200, text: JSON.stringify([...JSON.parse(text), ...pushes.slice(1).map(() => overloaded)]) }, response);
  }),
  // A ticket that says what was asked for, and by whom. The first time there is none.
  TICKETS: await door((body, response, times, { url, headers }) => {
    if (times < 2) return response.writeHead(503, json).end(JSON.stringify(overloaded));
    const ticket = JSON.stringify({ url, authorization: headers.authorization ?? null, asked: JSON.parse(body) });
    response.writeHead(200, json).end(JSON.stringify({ ticket, expires_in: 30 }));
  }),
  WEBSITE: await door((_, response) => response.end('<html>hello</html>')),
  SILENT: await listening(net.createServer({ pauseOnConnect: true }, () => {})),
};
const closed = net.createServer();
doors.CLOSED = await listening(closed);
closed.close();
await once(closed, 'close');

for (const [name, url] of Object.entries(doors)) console.log(`${name}=${url}`);
console.log('ready');
process.stdin.resume().on('end', () => process.exit(0));
