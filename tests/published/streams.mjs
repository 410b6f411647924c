// The published clients of SockJS, in two dialects, and of Server-Sent Events, unmodified, each behind the one interface of client.mjs.
// In: a scene and how to connect. Out: clients. What they speak stands here and in no story; what a server should answer does not.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Client } from './client.mjs';
import { within } from './scene.mjs';

const require = createRequire(import.meta.url);
const EventSource = require('eventsource');

// ---- SockJS ------------------------------------------------------------------------------------------------------------

const sockJsLibraries = { '1.6': require('sockjs-client-1.6'), '1.0': require('sockjs-client-1.0') };

const ALL_TRANSPORTS_FAILED = 2000;

class SockJs extends Client {
  static VERSIONS = Object.keys(sockJsLibraries);
  static TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

  constructor(scene, version, transport) {
    super(scene);
    this.Library = sockJsLibraries[version];
    this.transport = transport;
  }

  async connect() {
    // The client gives a transport little time, less than a busy machine may need; a page would try again as well.
    for (let tries = 1; (await this.#attempt()) === ALL_TRANSPORTS_FAILED; tries += 1) assert.ok(tries < 3, 'all transports failed');
  }

  /** Resolves with nothing when open, else with the code that it closed with. */
  async #attempt() {
    this.socket = new this.Library(this.scene.url + this.path, null, { transports: this.transport });
    this.socket.onmessage = ({ data }) => this.read(JSON.parse(data));
    this.closed = new Promise((resolve) => (this.socket.onclose = resolve));
    const opened = new Promise((resolve) => (this.socket.onopen = resolve));
    const refused = this.closed.then(({ code, reason }) => {
      assert.equal(code, ALL_TRANSPORTS_FAILED, `closed instead of opened: ${code} ${reason}`);
      return code;
    });
    const end = await within(Promise.race([opened, refused]), () => 'open');
    return end === ALL_TRANSPORTS_FAILED ? end : undefined;
  }

  close() {
    this.socket?.close();
  }
}

/** TURTED 1.x: nothing but an echo is answered, and an event is a type of its own. What else a server says (OK) nobody listens to. */
export class SockJsTurted extends SockJs {
  path = '/turted';

  ident(username = this.scene.user) {
    return this.command('IDENT', { id: 7, username, token: 'nobody asks' });
  }

  async command(type, data) {
    if (type === 'ECHO') return super.command(type, data);
    this.say(type, data);
    await this.echo(`after ${type}`);
  }

  say(type, data) {
    this.socket.send(JSON.stringify({ type: type.toLowerCase(), data }));
  }

  read({ type, data, ...more }) {
    if (type === 'message') this.answered('ECHO', data);
    else if (type !== 'OK' && type !== 'ERROR') this.hear({ event: type, payload: data, ...more });
  }
}

export class SockJsNative extends SockJs {
  path = '/sockjs';
  #ref = 0;

  async connect() {
    const first = new Promise((resolve) => (this.first = resolve));
    await super.connect();
    this.welcome = await within(first, () => 'the first message');
  }

  say(type, data) {
    this.#ref += 1;
    this.socket.send(JSON.stringify({ type, data, ref: this.#ref }));
  }

  read(message) {
    this.first(message);
    if (message.type === 'EVENT') this.hear(message.data);
    else if (message.ref !== undefined) this.answered(message.type, message.data);
  }
}

// ---- Server-Sent Events ----------------------------------------------------------------------------------------------------

/** Hears the events whose names it was told, as pages do. It says who it is and what it wants in the address. */
export class EventStream extends Client {
  constructor(scene, words, query = `username=${scene.user}&channel=${scene.channel}`) {
    super(scene);
    this.words = words;
    this.query = query;
  }

  async connect() {
    this.source = new EventSource(`${this.scene.url}/events?${this.query}`);
    const welcomed = this.welcomed();
    for (const name of [...this.words, 'MARK'].map((word) => this.scene.name(word))) {
      this.source.addEventListener(name, ({ data, lastEventId }) => this.hear({ event: name, payload: JSON.parse(data), id: lastEventId }));
    }
    this.source.addEventListener('turted:event', ({ data }) => this.hear(JSON.parse(data)));
    this.welcome = await welcomed;
  }

  /** Resolves with the next welcome: once when it connects, and again when the library has come back by itself. */
  welcomed() {
    const welcome = new Promise((resolve) => this.source.once('turted:welcome', ({ data }) => resolve(JSON.parse(data))));
    return within(welcome, () => 'turted:welcome');
  }

  lost() {
    return within(new Promise((resolve) => this.source.once('error', resolve)), () => 'the loss of the stream');
  }

  close() {
    this.source?.close();
  }
}
