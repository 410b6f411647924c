// A client that comes through a proxy: as from a page of the proxied host, whose name leads to this machine. In: the
// address of the proxy, the authority that signed its certificate. Out: answers, streams and sockets with deadlines.
// It refuses to know what turted says in them.
import http from 'node:http';
import https from 'node:https';
import { WebSocket } from 'ws';

const PATIENCE = 20_000;

/** The promise, or after a while an error that says what it waited for. */
export function within(patience, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patience} ms for ${what}`)), patience);
  });
  const first = Promise.race([promise, late]).finally(() => clearTimeout(timer));
  // A story that has failed meanwhile does not come back to hear of this.
  first.catch(() => {});
  return first;
}

/** Asks again until it does not throw; the last error when the patience is over. */
export async function eventually(ask, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Every name leads to this machine. */
function lookup(_, { all }, found) {
  if (all) found(null, [{ address: '127.0.0.1', family: 4 }]);
  else found(null, '127.0.0.1', 4);
}

/** What was said so far, and a way to wait for more. */
class Said {
  #listeners = new Set();
  text = '';

  add(more) {
    this.text += more;
    for (const listener of this.#listeners) listener();
  }

  /** Resolves with the match as soon as it was said. */
  has(pattern, patience = PATIENCE) {
    let listener;
    const said = new Promise((resolve) => {
      listener = () => {
        const match = pattern.exec(this.text);
        if (match) resolve(match);
      };
      this.#listeners.add(listener);
      listener();
    });
    return within(patience, `${pattern} in ${JSON.stringify(this.text.slice(-500))}`, said).finally(() => this.#listeners.delete(listener));
  }
}

export class Client {
  #opened = [];

  constructor(url, authority) {
    this.url = url;
    this.origin = new URL(url).origin;
    this.module = url.startsWith('https:') ? https : http;
    this.options = { lookup, ca: authority };
    this.agent = new this.module.Agent({ ...this.options, keepAlive: true, maxSockets: 20 });
  }

  #request(method, path, { body, headers = {} } = {}) {
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const options = { ...this.options, agent: this.agent, method, headers: { ...length, ...headers } };
    return new Promise((resolve, reject) => {
      const request = this.module.request(new URL(path, this.url), options, resolve);
      this.#opened.push(request);
      request.on('error', reject).end(body);
    });
  }

  /** The whole answer: its status, headers and text. */
  async ask(method, path, { patience = PATIENCE, ...more } = {}) {
    const whole = async () => {
      const response = await this.#request(method, path, more);
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() };
    };
    return within(patience, `an answer to ${method} ${path}`, whole());
  }

  /** The beginning of an answer that goes on; what it says is in `said`. */
  async stream(method, path, more) {
    const response = await within(PATIENCE, `the head of ${path}`, this.#request(method, path, more));
    const said = new Said();
    response.setEncoding('utf8').on('data', (text) => said.add(text)).on('error', () => {});
    return { status: response.statusCode, headers: response.headers, said, leave: () => response.destroy() };
  }

  /** An open WebSocket; each message that it hears is a line of `said`. */
  async socket(path) {
    const wire = new WebSocket(new URL(path, this.url.replace(/^http/, 'ws')), { ...this.options, origin: this.origin });
    this.#opened.push({ destroy: () => wire.terminate() });
    const said = new Said();
    wire.on('message', (text) => said.add(`${text}\n`));
    const open = new Promise((resolve, reject) => wire.on('open', resolve).on('error', reject));
    await within(PATIENCE, `the handshake of ${path}`, open);
    return { said, say: (text) => wire.send(text), leave: () => wire.terminate() };
  }

  close() {
    for (const thing of this.#opened) thing.destroy();
    this.agent.destroy();
  }
}
