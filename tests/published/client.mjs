// What every client of a story can do, whatever it speaks: commands that resolve with their answers, and everything heard, in order.
// In: what an adapter (clients.mjs, streams.mjs) reads from the wire. Out: answers and events. It refuses to know any carrier.
import assert from 'node:assert/strict';
import { within } from './scene.mjs';

const brief = (value) => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 400 ? `${text.slice(0, 400)}… (${text.length} characters)` : text;
};

export class Client {
  #waiting = []; // commands without an answer yet, in order
  #heard = [];
  #expected = []; // { word, resolve } of those who wait for an event
  #last = 'nothing';
  /** The identifier of the last event, where the protocol has one. */
  last = undefined;

  constructor(scene) {
    this.scene = scene;
    scene.opened(this);
  }

  ident(username = this.scene.user) {
    return this.command('IDENT', { username });
  }

  join(channel = this.scene.channel) {
    return this.command('JOIN', { channel });
  }

  leave(channel = this.scene.channel) {
    return this.command('LEAVE', { channel });
  }

  echo(value) {
    return this.command('ECHO', value);
  }

  /** Connected, known as the user of the scene and in its channel. */
  async settle() {
    await this.connect();
    await this.ident();
    await this.join();
    return this;
  }

  /** Says it and resolves with the data of the answer. An ERROR rejects. */
  async command(type, data) {
    const { promise, ...waiting } = this.#promise();
    this.#waiting.push(waiting);
    this.say(type, data);
    const answer = await within(promise, () => `the answer to ${type} ${brief(data)}; the last thing heard was ${this.#last}`);
    assert.equal(answer.type, type.toUpperCase() === 'ECHO' ? 'ECHO' : 'OK', `${type} was answered ${brief(answer)}`);
    return answer.data;
  }

  /** Resolves with the next event of that name. */
  on(word) {
    const { promise, resolve } = this.#promise();
    this.#expected.push({ word, resolve });
    return within(promise, () => `the event ${word}; the last thing heard was ${this.#last}`);
  }

  /** Every event so far since the last question. */
  get heard() {
    return this.#heard;
  }

  /** Every event since the last question. A mark behind them proves that they are all. */
  async everything(targets = { users: this.scene.user }) {
    const marked = this.on('MARK');
    await Promise.all([marked, this.scene.push('MARK', targets, {})]);
    const events = this.#heard;
    this.#heard = [];
    return events.slice(0, -1);
  }

  // ---- for the adapters

  /** An answer came: OK, ERROR or ECHO. */
  answered(type, data) {
    this.#last = brief({ type, data });
    this.#waiting.shift()?.resolve({ type, data });
  }

  /** An event came: `{ event, payload }` and what else the protocol tells. */
  hear(event) {
    const word = this.scene.word(event.event);
    if (word === null) return;
    this.#last = brief(event);
    this.last = event.id;
    this.#heard.push({ ...event, event: word });
    for (const expected of this.#expected) if (expected.word === word) expected.resolve(event);
    this.#expected = this.#expected.filter((expected) => expected.word !== word);
  }

  #promise() {
    const parts = {};
    parts.promise = new Promise((resolve) => (parts.resolve = resolve));
    return parts;
  }
}
