// Servers that live as long as a test.
//
// In: configurations, commands. Out: where they listen. Whatever is still there at the end of the test is ended.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { WebSocket } from 'ws';

/** Tests that have come to their end; of the others everything is shown that was said. */
export const well = new WeakSet();

/**
 * A port below those that Linux gives to whoever asks for any: what else runs on this machine does not get it between this look and
 * the start of the backend that is told to listen there.
 */
export async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Whether it is this process that listens there: any answer could be that of somebody else. */
function listens(pid, port) {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync).flatMap((table) => readFileSync(table, 'utf8').split('\n'));
  const fields = sockets.map((line) => line.trim().split(/\s+/));
  const inodes = fields.filter(([, at, , state]) => at?.endsWith(local) && state === '0A').map((line) => `socket:[${line[9]}]`);
  const files = existsSync(`/proc/${pid}/fd`) ? readdirSync(`/proc/${pid}/fd`) : [];
  return files.some((file) => {
    try {
      return inodes.includes(readlinkSync(`/proc/${pid}/fd/${file}`));
    } catch {
      return false; // closed meanwhile
    }
  });
}

/** Starts a command, ends it after the test, and waits until `ready` says what it has to say. */
export async function start(t, command, options, ready) {
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let said = '';
  let over = false;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  ended.then(() => (over = true));
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
    if (!well.has(t)) console.error(`--- ${command.join(' ')} ---\n${said.slice(-6000)}`);
  });
  child.stdout.on('data', (data) => (said += data));
  child.stderr.on('data', (data) => (said += data));
  for (let count = 0; count < 1200; count += 1) {
    const answer = await ready(said, child.pid);
    if (answer) return { answer, said: () => said };
    if (over) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${command.join(' ')} did not start:\n${said}`);
}

/** A turted server with a configuration, as it stands on a page. */
export async function serve(t, lines, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'turted-'));
  const config = join(folder, 'turted.toml');
  writeFileSync(config, lines);
  const options = { env: { ...process.env, ...env } };
  const where = (said) => /listening on (http:\/\/[\d.:]+)/.exec(said)?.[1];
  const { answer: url, said } = await start(t, [process.env.TURTED, 'serve', '--config', config, '--listen', '127.0.0.1:0'], options, where);
  return { url, config, said };
}

/** A backend that is there as soon as it listens. */
export async function backend(t, port, command, options) {
  await start(t, command, options, (_, pid) => listens(pid, port));
}

/** The status with which a stream begins. */
export async function status(url, channel, { headers, query = '' } = {}) {
  const stop = new AbortController();
  const response = await fetch(`${url}/events?channel=${channel}${query}`, { headers, signal: stop.signal });
  stop.abort();
  return response.status;
}

/** A WebSocket whose commands are answered one after another. */
export async function client(url, headers) {
  const wire = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers });
  const waiting = new Map();
  wire.on('message', (data) => {
    const said = JSON.parse(data);
    waiting.get(said.ref)?.(said);
  });
  await new Promise((resolve, reject) => (wire.once('open', resolve), wire.once('error', reject)));
  const ask = (type, data, ref = Math.random()) =>
    new Promise((resolve) => (waiting.set(ref, resolve), wire.send(JSON.stringify({ type, data, ref }))));
  return { ask, close: () => wire.terminate() };
}
