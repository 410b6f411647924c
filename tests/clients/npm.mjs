// Stories about the npm package of static/turted.js, told in a folder where somebody has installed it.
// In: TURTED_URL, the installed package, the examples of its README. Out: a verdict on how it is imported and how it runs in Node.js.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import TURTED, { TURTED as named } from 'turted';
import { WebSocket } from 'ws';

const url = process.env.TURTED_URL;
const require = createRequire(import.meta.url);
const story = (name, options, fn = options) => test(`npm: ${name}`, { timeout: 20_000, ...(fn === options ? {} : options) }, fn);

const push = (event, payload) =>
  fetch(new URL('/push/', url), { method: 'POST', body: JSON.stringify({ event, targets: { channels: 'npm' }, payload }) });

/** Runs a file of this folder as a program of its own, where a WebSocket is global as in a browser or in newer Node.js. */
function program(file) {
  const child = spawn(process.execPath, ['--import', './websocket.mjs', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  return { child, ended };
}

story('import and require give the same class, by the name and by the file', async () => {
  assert.equal(named, TURTED);
  assert.equal(require('turted'), TURTED);
  assert.equal(require('turted/turted.js'), TURTED);
  assert.equal(require('turted/package.json').name, 'turted');
});

story('the package holds the client and nothing of the demo', () => {
  const expected = ['README.md', 'package.json', 'turted.d.mts', 'turted.d.ts', 'turted.js', 'turted.mjs'];
  assert.deepEqual(readdirSync('node_modules/turted').sort(), expected);
});

story('it connects from Node.js with the WebSocket that it is given, and hears events', async () => {
  const turted = new TURTED(url, { WebSocket });
  assert.deepEqual(await turted.join('npm'), { channel: 'npm' });
  const heard = new Promise((resolve) => turted.on('NEWS', (payload, meta) => resolve({ payload, meta })));
  await push('NEWS', { text: 'hello', empty: {} });
  const { payload, meta } = await heard;
  assert.deepEqual(payload, { text: 'hello', empty: {} });
  assert.deepEqual([meta.event, meta.via], ['NEWS', { channel: 'npm' }]);
  turted.close();
});

for (const transport of ['events', 'poll']) {
  story(`without a WebSocket ${transport} will do`, async () => {
    const turted = new TURTED(url, { transports: ['websocket', transport], WebSocket: null });
    assert.deepEqual(await turted.join('npm'), { channel: 'npm' });
    assert.equal(turted.transport, transport);
    const heard = new Promise((resolve) => turted.on('NEWS', resolve));
    await push('NEWS', { by: transport });
    assert.deepEqual(await heard, { by: transport });
    turted.close();
  });
}

story('without a WebSocket where nothing else is wanted it says what to do', () => {
  assert.throws(() => new TURTED(url, { transports: ['websocket'], WebSocket: null }), /pass one as new TURTED\(url, \{ WebSocket \}\)/);
});

story('the first example of the README prints what arrives', async () => {
  const { child, ended } = program('./example1.mjs');
  const printed = new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text))));
  const body = JSON.stringify({ event: 'MESSAGE:NEW', targets: { channels: 'chat' }, payload: { text: 'hello' } });
  // It does not say when it has joined, so the event is repeated until it is heard.
  const again = setInterval(() => fetch(new URL('/push/', url), { method: 'POST', body }), 200);
  assert.match(await printed, /^\{ text: 'hello' \} \{ channel: 'chat' \} /);
  clearInterval(again);
  child.kill();
  await ended;
});

story('the second example of the README ends by itself', async () => {
  assert.equal(await program('./example2.cjs').ended, 0);
});

story('the third example of the README says what it travels by, and ends by itself', async () => {
  const { child, ended } = program('./example3.mjs');
  const printed = new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text))));
  assert.equal(await printed, 'events\n');
  assert.equal(await ended, 0);
});

story('the fourth example of the README identifies with a function, is told what is not granted, and ends by itself', async () => {
  const { child, ended } = program('./example4.mjs');
  const printed = new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text))));
  assert.equal(await printed, 'publish_denied\n');
  assert.equal(await ended, 0);
});
