// The published clients of Engine.IO and Socket.IO, unmodified, each behind the one interface of client.mjs.
// In: a scene and how to connect. Out: clients. What they speak stands here and in no story; what a server should answer does not.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Client } from './client.mjs';
import { within } from './scene.mjs';

const require = createRequire(import.meta.url);

/** How clients of Engine.IO and Socket.IO may be told to travel. */
export const WIRINGS = {
  'polling only': { transports: ['polling'], upgrade: false },
  'websocket only': { transports: ['websocket'] },
  'polling, then upgrade': { transports: ['polling', 'websocket'] },
};

/** Resolves once an Engine.IO client, of any version, has left polling behind. */
const upgraded = (engine) =>
  new Promise((resolve) => (engine.transport.name === 'websocket' ? resolve() : engine.once('upgrade', resolve)));

// ---- Socket.IO ---------------------------------------------------------------------------------------------------------

const socketIoLibraries = {
  4.8: require('socket.io-client-4'),
  3.1: require('socket.io-client-3'),
  2.5: require('socket.io-client-2'),
  1.7: require('socket.io-client-1'),
};

export class SocketIo extends Client {
  static VERSIONS = Object.keys(socketIoLibraries).reverse();

  constructor(scene, version, wiring) {
    super(scene);
    this.io = socketIoLibraries[version];
    this.wiring = WIRINGS[wiring];
  }

  /** Resolves when the client may speak; `ready` when it has settled on its last transport too. */
  async open() {
    const pauses = { reconnectionDelay: 20, reconnectionDelayMax: 50, randomizationFactor: 0 };
    // What an application says while it connects is nothing to TURTED, and must not disturb it.
    const application = { query: { app: 'stories' }, auth: { app: 'stories' } };
    this.socket = this.io(this.scene.url, { ...this.wiring, ...pauses, ...application, forceNew: true });
    for (const type of ['OK', 'ERROR', 'ECHO']) this.socket.on(type, (data) => this.answered(type, data));
    this.socket.on('EVENT', (event) => this.hear(event));
    await this.#told('connect');
  }

  async ready() {
    if (this.wiring.transports.includes('websocket')) await within(upgraded(this.socket.io.engine), () => 'the upgrade');
  }

  async connect() {
    await this.open();
    await this.ready();
  }

  disconnected() {
    return this.#told('disconnect');
  }

  /** Resolves when the library has connected once more, by itself. */
  async reconnected() {
    if (!this.socket.connected) await this.#told('connect');
    await this.ready();
  }

  say(type, data) {
    this.socket.emit(type, data);
  }

  /** Says it with a callback and resolves with what the callback is given. */
  acknowledged(type, data) {
    const called = new Promise((resolve) => this.socket.emit(type, data, (...answer) => resolve(answer)));
    return within(called, () => `the acknowledgement of ${type}`);
  }

  /** Asks for another namespace on the same connection. Resolves with what the client is told of the refusal. */
  async refusedBy(namespace) {
    const other = this.socket.io.socket(namespace);
    const refused = new Promise((resolve) => ['error', 'connect_error'].forEach((event) => other.once(event, resolve)));
    other.connect();
    const refusal = await within(refused, () => 'the refusal');
    other.close();
    return refusal;
  }

  close() {
    this.socket?.close();
  }

  #told(event) {
    return within(new Promise((resolve) => this.socket.once(event, resolve)), () => event);
  }
}

// ---- Engine.IO, and the packets of Socket.IO by hand ---------------------------------------------------------------------

const engineIoLibraries = {
  6.6: (url, options) => new (require('engine.io-client-6').Socket)(url, options),
  3.5: require('engine.io-client-3'),
  1.8: require('engine.io-client-1'),
};

export class EngineIo extends Client {
  static VERSIONS = Object.keys(engineIoLibraries).reverse();

  constructor(scene, version, wiring) {
    super(scene);
    this.version = version;
    this.wiring = WIRINGS[wiring];
  }

  /** `adjust` sees the handshake before the client does. */
  async open(adjust = () => {}) {
    const engine = engineIoLibraries[this.version](this.scene.url, { ...this.wiring, path: '/socket.io/' });
    this.engine = engine;
    this.closed = new Promise((resolve) => engine.once('close', resolve));
    const opened = new Promise((resolve) => engine.once('open', resolve));
    const joined = new Promise((resolve) => (this.joined = resolve));
    engine.on('handshake', (handshake) => {
      this.handshake = { ...handshake };
      adjust(handshake);
    });
    engine.on('message', (text) => this.#read(text));
    await within(opened, () => 'open');
    if (this.version === '6.6') engine.send('0');
    this.namespace = await within(joined, () => 'the namespace');
  }

  async ready() {
    if (this.wiring.transports.includes('websocket')) await within(upgraded(this.engine), () => 'the upgrade');
  }

  async connect() {
    await this.open();
    await this.ready();
  }

  say(type, data) {
    this.engine.send(`2${JSON.stringify([type, data])}`);
  }

  close() {
    this.engine?.close();
  }

  #read(text) {
    if (text.startsWith('0')) return this.joined(text);
    assert.ok(text.startsWith('2['), `unexpected packet ${text}`);
    const [type, data] = JSON.parse(text.slice(1));
    if (type === 'EVENT') this.hear(data);
    else this.answered(type, data);
  }
}
