// From a line in a file to the log page, with nothing in between that stands in for anything: a turted server tails real files, a real browser
// shows them.
//   npm install && TURTED=../../target/debug/turted node --test tail.mjs
// In: TURTED, the server's program; CHROMIUM (default /usr/bin/chromium); ARTEFACTS, the folder for screenshots (default: the system's for temporary files).
// Out: a verdict and a picture. It starts its own server with its own files, and leaves neither behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const { TURTED, CHROMIUM = '/usr/bin/chromium', ARTEFACTS = tmpdir() } = process.env;
if (!TURTED) throw new Error('TURTED must name the program of the server, such as ../../target/debug/turted');

const PATIENCE = 30_000;

let folder;
let server;
let url;
let browser;

// The section of the README, and one for a program that writes JSON.
const SETTINGS = `
[server]
listen = "127.0.0.1:0"

[connectors.log]
type = "file"
paths = ["app.log"]
state_file = "app.state"
match = '(?<level>DEBUG|INFO|WARN|ERROR)'

[connectors.worker]
type = "file"
paths = ["worker.log"]
format = "json"
`;

before(async () => {
  await mkdir(ARTEFACTS, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), 'turted-tail-'));
  await writeFile(join(folder, 'app.log'), '11:59:59 INFO before anybody looked\n');
  await writeFile(join(folder, 'turted.toml'), SETTINGS);
  server = spawn(resolve(TURTED), ['serve'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: server.stdout })) {
    url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (url) break;
  }
  assert.ok(url, 'the server did not say where it listens');
  for (let ready = false; !ready; ) {
    const { connectors } = await (await fetch(`${url}/health/ready`)).json();
    ready = Object.values(connectors).every(({ state }) => state === 'running');
  }
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    // The last four keep the browser from looking for anything but the server under test.
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
      ...['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
});

after(async () => {
  await browser?.close();
  if (server?.exitCode === null && server.kill('SIGTERM')) await once(server, 'exit');
  if (folder) await rm(folder, { recursive: true, force: true });
});

const append = (name, ...lines) => appendFile(join(folder, name), lines.map((line) => `${line}\n`).join(''));

/** Waits until these are the rows of the page, "<level> <text>" each, and no others. */
async function showing(page, ...rows) {
  const texts = () => [...document.querySelectorAll('#lines > .line')].map((row) => `${row.dataset.level} ${row.querySelector('.text').textContent}`);
  const there = (count) => document.querySelectorAll('#lines > .line').length >= count;
  await page.waitForFunction(there, rows.length).catch(() => {}); // what is missing is said below
  assert.deepEqual(await page.evaluate(texts), rows);
}

test('lines that programs append to their logs appear in the page with their levels, also after a rotation', { timeout: 120_000 }, async () => {
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 800 } })).newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(`${url}/log.html`);
  await page.waitForFunction(() => turted.channels.includes('log'));

  await append('app.log', '12:00:01 ERROR disk full', 'a line that is not asked for', '12:00:02 WARN disk almost full', '12:00:03 INFO disk has room');
  const rows = ['error 12:00:01 ERROR disk full', 'warn 12:00:02 WARN disk almost full', 'info 12:00:03 INFO disk has room'];
  await showing(page, ...rows);
  assert.equal(await page.locator('.file').first().isVisible(), false);

  await rename(join(folder, 'app.log'), join(folder, 'app.log.1'));
  await append('app.log.1', '12:00:04 DEBUG its writer has not noticed yet');
  await append('app.log', '12:00:05 INFO rotated');
  rows.push('debug 12:00:04 DEBUG its writer has not noticed yet', 'info 12:00:05 INFO rotated');
  await showing(page, ...rows);

  await append('worker.log', '{"severity":"critical","msg":"job failed","job":93}');
  rows.push('fatal job failed job=93');
  await showing(page, ...rows);
  assert.deepEqual((await page.locator('.file').allInnerTexts()).slice(-2), ['app.log', 'worker.log']);
  await page.screenshot({ path: join(ARTEFACTS, 'log-tail.png') });
});
