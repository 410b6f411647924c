// The published clients of Bayeux that run in Node.js, unmodified, each behind the one interface of client.mjs: Faye, and CometD of three
// generations.
// In: a scene and how to connect. Out: clients. What they speak stands here and in no story; what a server should answer does not.
import { createRequire } from 'node:module';
import { adapt } from 'cometd-nodejs-client';
import * as cometd3 from 'cometd-3';
import * as cometd8 from 'cometd-8';
import * as cometd9 from 'cometd-9';
import { Client } from './client.mjs';
import { within } from './scene.mjs';

const require = createRequire(import.meta.url);
const faye = require('faye');
adapt();

/** On these a client hears what is not for a channel. */
export const SERVICES = ['/service/user', '/service/everybody', '/service/channel'];

/** What every client of Bayeux has in common: a message becomes an event. */
export class Bayeux extends Client {
  /** The path of a scene's channel. */
  get room() {
    return `/${this.scene.channel}`;
  }

  get credentials() {
    return { username: this.scene.user, password: 'nobody asks' };
  }

  get address() {
    return `${this.scene.url}/bayeux`;
  }

  hearMessage({ channel, data, ext, ...rest }) {
    const unexpected = Object.keys(rest);
    // CometD adds what it was told about the transport to nothing that it hears.
    if (unexpected.length > 0) throw new Error(`an event has ${unexpected.join(', ')}`);
    const { event, ...more } = ext.turted;
    this.hear({ event, payload: data, channel, ...more });
  }

  /** Connected, known as the user of the scene and in its channel. */
  async settle() {
    await this.connect();
    await this.join();
    return this;
  }
}

// ---- Faye --------------------------------------------------------------------------------------------------------------

export class Faye extends Bayeux {
  static WIRINGS = ['websocket', 'long-polling'];

  constructor(scene, wiring = 'websocket') {
    super(scene);
    this.wiring = wiring;
  }

  async connect({ services = true } = {}) {
    const client = new faye.Client(this.address, { retry: 0.5, timeout: 60 });
    this.client = client;
    if (this.wiring !== 'websocket') client.disable('websocket');
    client.addExtension({
      outgoing: (message, callback) => {
        if (message.channel === '/meta/handshake') message.ext = { authentication: this.credentials };
        callback(message);
      },
      incoming: (message, callback) => {
        // What Faye tells applications of an event is its data alone.
        if ('data' in message) this.message = message;
        callback(message);
      },
    });
    if (services) for (const service of SERVICES) await this.subscribe(service);
    else await within(new Promise((resolve, reject) => client.connect(resolve, reject)), () => 'a Faye client');
  }

  /** Resolves when the server has agreed; an error of the server rejects. */
  async subscribe(channel, hear = () => this.hearMessage(this.message)) {
    const subscription = this.client.subscribe(channel, hear);
    // It is a promise, and would not get through another one.
    await within(subscription, () => `the subscription of ${channel}`);
    return { cancel: () => subscription.cancel() };
  }

  async join(channel = this.room) {
    this.subscription = await this.subscribe(channel);
  }

  async leave() {
    this.subscription.cancel();
    // Nothing tells applications that it has been heard.
    await within(this.client.publish(`/flush/${this.scene.channel}`, {}), () => 'an answer');
  }

  publish(channel, data) {
    return within(this.client.publish(channel, data), () => `the answer to a publication on ${channel}`);
  }

  async leaveForGood() {
    await within(this.client.disconnect(), () => 'the answer to the goodbye');
  }

  close() {
    return this.client?.disconnect();
  }
}

// ---- CometD ------------------------------------------------------------------------------------------------------------

const cometds = { 3.1: cometd3, 8: cometd8, 9: cometd9 };

export class CometD extends Bayeux {
  static VERSIONS = Object.keys(cometds).sort();
  static WIRINGS = ['websocket', 'long-polling'];

  constructor(scene, version, wiring, { extensions = [] } = {}) {
    super(scene);
    const library = cometds[version].CometD ? cometds[version] : cometds[version].default;
    this.library = library;
    this.cometd = new library.CometD();
    this.wiring = wiring;
    for (const type of this.cometd.getTransportTypes()) if (type !== wiring) this.cometd.unregisterTransport(type);
    for (const name of extensions) this.extend(name);
  }

  /** Up to version 7 extensions are files of their own, for browsers. */
  extend(name) {
    const Extension = this.library[name] ?? require(`cometd-3/${name}.js`);
    this.cometd.registerExtension(name, (this[name] = new Extension(this.cometd)));
  }

  configure(more = {}) {
    this.cometd.configure({ url: this.address, logLevel: 'error', backoffIncrement: 100, maxBackoff: 500, maxSendBayeuxMessageSize: 200_000, ...more });
  }

  async connect({ services = true, ...more } = {}) {
    this.configure(more);
    const shaken = new Promise((resolve) => this.cometd.handshake({ ext: { authentication: this.credentials } }, resolve));
    const reply = await within(shaken, () => 'the answer to the handshake');
    if (!reply.successful) throw Object.assign(new Error(`refused: ${JSON.stringify(reply)}`), { reply });
    this.reply = reply;
    if (services) for (const service of SERVICES) await this.subscribe(service);
  }

  async subscribe(channel, hear = (message) => this.hearMessage(message)) {
    let subscription;
    const answer = new Promise((resolve) => (subscription = this.cometd.subscribe(channel, hear, resolve)));
    const reply = await within(answer, () => `the subscription of ${channel}`);
    if (!reply.successful) throw Object.assign(new Error(reply.error), { reply });
    return subscription;
  }

  async join(channel = this.room) {
    this.subscription = await this.subscribe(channel);
  }

  async leave() {
    const answer = new Promise((resolve) => this.cometd.unsubscribe(this.subscription, resolve));
    await within(answer, () => 'the end of a subscription');
  }

  async publish(channel, data) {
    const answer = new Promise((resolve) => this.cometd.publish(channel, data, resolve));
    const reply = await within(answer, () => `the answer to a publication on ${channel}`);
    if (!reply.successful) throw Object.assign(new Error(reply.error), { reply });
    return reply;
  }

  leaveForGood() {
    return this.disconnect();
  }

  async disconnect() {
    await within(new Promise((resolve) => this.cometd.disconnect(resolve)), () => 'the answer to the goodbye');
  }

  close() {
    this.cometd.disconnect();
  }
}
