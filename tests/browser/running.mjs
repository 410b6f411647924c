// What the stories about transports play on: a server of their own, a bad network in front of it, and a browser page with a client.
// In: TURTED, the server's program (default: the debug build); CHROMIUM (default /usr/bin/chromium). Out: server(), network(), pages.
// It refuses to know what a story expects; it knows of the protocol only how a token is resumed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { TURTED = here('../../target/debug/turted'), CHROMIUM = '/usr/bin/chromium' } = process.env;

export const PASSWORD = 'of these stories';
const SETTINGS = {
  'server.static_dir': here('../../static'), // the client as it is in the tree
  'auth.clients.type': 'password',
  'auth.clients.password': PASSWORD,
  'limits.ping': '2s', // a silent wire is found out soon
};

/** Starts a server, with more settings perhaps. `push` takes what a backend would POST, or a list of that; `stop` lets it say goodbye to its clients. */
export async function server(port = 0, more = {}) {
  const settings = Object.entries({ ...SETTINGS, ...more }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const options = { cwd: here('.'), stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(resolve(TURTED), ['serve', '--listen', `127.0.0.1:${port}`, ...settings], options);
  let said = '';
  const url = await new Promise((found, reject) => {
    const hear = (text) => {
      said += text;
      const [address] = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(said) ?? [];
      if (address) found(address);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`the server did not start: ${said}`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    async push(pushes) {
      const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
      const answer = await fetch(new URL('/push/', url), { method: 'POST', headers, body: JSON.stringify(pushes) });
      if (!answer.ok) throw new Error(`push: status ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    /** One of its numbers, such as turted_parked: connections without a wire that may be resumed. */
    async metric(name) {
      const numbers = await (await fetch(new URL('/metrics', url))).text();
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(numbers)[1]);
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** What the server answers to whoever comes with this token. */
export async function resume(url, token) {
  const wire = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`);
  const answered = new Promise((resolve) => {
    wire.on('message', (text) => {
      const { type, data } = JSON.parse(text);
      if (type === 'WELCOME') wire.send(JSON.stringify({ type: 'RESUME', data: { token } }));
      if (type === 'OK') resolve(data);
    });
  });
  return answered.finally(() => wire.terminate());
}

/**
 * A network between the browser and a server, which can be cut (reset), go silent (stall, until it flows again) and be down for a while.
 * `blocks` is a list of what does not get through: 'upgrade' is refused, 'silent-upgrade' never answered, 'events' kept back as by a proxy
 * that collects a whole answer first, and a path such as '/poll' is refused. `requests` lists what came, as "GET /poll/…".
 */
export async function network(to) {
  const sockets = new Set();
  const requests = [];
  let isStalled = false;
  const self = { blocks: [], requests, cut, stall, flow, down, up, stop };

  const proxy = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (self.blocks.some((path) => request.url.startsWith(path))) return response.writeHead(502).end();
    const { method, url: path, headers } = request;
    const onward = http.request({ port: to, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
      const isKept = self.blocks.includes('events') && request.url.startsWith('/events');
      response.writeHead(answer.statusCode, answer.headers);
      answer.on('error', () => response.destroy());
      if (isKept) answer.resume();
      else answer.pipe(response);
      if (!isKept) response.flushHeaders();
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  proxy.on('upgrade', (request, socket, head) => {
    requests.push(`UPGRADE ${request.url}`);
    if (self.blocks.includes('silent-upgrade')) return;
    if (self.blocks.includes('upgrade')) return socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const onward = net.connect(to, '127.0.0.1');
    const lines = request.rawHeaders.flatMap((name, index, all) => (index % 2 ? [] : [`${name}: ${all[index + 1]}\r\n`]));
    onward.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    onward.write(head);
    join(socket, onward);
  });
  // The outer layer knows bytes only: it is where wires break, whatever runs over them.
  const inside = await listening(proxy);
  const cable = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const onward = net.connect(inside, '127.0.0.1');
    join(socket, onward);
    if (isStalled) socket.unpipe(onward);
  });
  const port = await listening(cable);

  function join(one, other) {
    one.pipe(other);
    other.pipe(one);
    for (const [from, to] of [[one, other], [other, one]]) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    one.other = other;
  }

  function cut() {
    for (const socket of sockets) socket.resetAndDestroy();
  }

  function stall() {
    isStalled = true;
    for (const socket of sockets) {
      socket.unpipe(socket.other);
      socket.other.unpipe(socket);
    }
  }

  /** What was stalled is as lost as behind a router that has forgotten its connections. */
  function flow() {
    isStalled = false;
    cut();
  }

  async function down() {
    const closed = cable.listening && once(cable, 'close');
    cable.close();
    cut();
    await closed;
  }

  async function up() {
    cable.listen(port, '127.0.0.1');
    await once(cable, 'listening');
  }

  async function stop() {
    await down();
    proxy.close();
    proxy.closeAllConnections();
  }

  return Object.assign(self, { url: `http://127.0.0.1:${port}` });
}

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
      // These keep the browser from looking for anything but the server under test …
      ...['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      // … and this is a page of somebody else.
      '--host-resolver-rules=MAP foreign.example 127.0.0.1',
    ],
  });
}

/**
 * A page of that origin with the client loaded, from the same place or from `host`, and nothing else. `token()` is what
 * the client would resume with.
 */
export async function blank(context, origin, host = origin) {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  let token;
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.postData()) token = JSON.parse(request.postData()).secret;
  });
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      const { type, data } = JSON.parse(payload);
      if (type === 'WELCOME') token = data.resume;
    });
  });
  await page.goto(new URL('/turted.js', origin).href); // shown as text: a page without a client of its own
  await page.addScriptTag({ url: new URL('/turted.js', host).href });
  return Object.assign(page, { token: () => token });
}

/** Makes the page's client. From then on `heard` has every event, and `told` all that the client says about itself. */
export async function connect(page, url, options) {
  await page.evaluate(([url, options]) => {
    Object.assign(globalThis, { turted: new TURTED(url, options), heard: [], told: [] });
    turted.on('*', (payload, { event, id, via, from }) => heard.push({ event, payload, id, via, from }));
    for (const name of ['state', 'open', 'close', 'gap', 'error', 'denied', 'joined', 'left', 'signed-out']) {
      turted.on(`turted:${name}`, (payload) => told.push({ name, payload }));
    }
  }, [url, options]);
}

/** Connects and waits until the connection is open. */
export async function opened(page, url, options) {
  await connect(page, url, options);
  await page.waitForFunction(() => turted.state === 'open');
}

/** What the client said under one name. */
export const told = (page, wanted) =>
  page.evaluate((wanted) => told.filter(({ name }) => name === wanted).map(({ payload }) => payload), wanted);
