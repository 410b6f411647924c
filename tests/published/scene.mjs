// The stage of one story: names that no other story uses, the clients and cables that it opens, and patience with an end.
// In: what a story does. Out: a verdict. It refuses to know any protocol.
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { cable } from './cut.mjs';
import { push, pushAll, reach } from './push.mjs';

const PATIENCE = 10_000;

/** The promise, or after a while an error that says what it waited for. */
export function within(promise, what, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patience} ms for ${what()}`)), patience);
  });
  const first = Promise.race([promise, late]).finally(() => clearTimeout(timer));
  // A story that has failed meanwhile does not come back to hear of this.
  first.catch(() => {});
  return first;
}

/** Asks again until the answer is true. */
export async function eventually(ask, what, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`waited ${patience} ms until ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Scene {
  #tag = `@${randomBytes(5).toString('hex')}`;
  #opened = [];
  url = process.env.TURTED_URL;
  user = `adam${this.#tag}`;
  channel = `chat${this.#tag}`;

  /** The name of an event on the wire. Broadcasts of other stories arrive here too; the tag tells them apart. */
  name(word) {
    return word + this.#tag;
  }

  /** The word for a name on the wire, null for an event of another story. */
  word(name) {
    const at = name.lastIndexOf('@');
    if (at < 0) return name;
    return name.slice(at) === this.#tag ? name.slice(0, at) : null;
  }

  push(word, targets, payload) {
    return push(this.name(word), targets, payload);
  }

  /** With a name that must stay as it is; for targets that only this story has. */
  pushNamed(name, targets, payload) {
    return push(name, targets, payload);
  }

  pushAll(events) {
    return pushAll(events.map(([word, targets, payload]) => [this.name(word), targets, payload]));
  }

  reach(targets) {
    return reach(this.name('PROBE'), targets);
  }

  /** From now on clients connect through a cable that the story can cut. */
  async cable() {
    const between = await cable(this.url);
    this.opened(between);
    this.url = between.url;
    return between;
  }

  /** Whatever is given here is closed when the story ends. */
  opened(thing) {
    this.#opened.push(thing);
    return thing;
  }

  end() {
    for (const thing of this.#opened.reverse()) thing.close();
  }
}

export function story(name, tell, timeout = 30_000) {
  test(name, { timeout }, (context) => {
    const scene = new Scene();
    // Not in a `finally`: a story that waits for ever must not keep what it opened.
    context.after(() => scene.end());
    return tell(scene, context);
  });
}
