// One `turted serve` for each story.
//
// In: lines of a configuration. Out: its address, and whether somebody with a token comes in. It ends with the story.

import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts one, and ends it after the test `t`. */
export async function serve(t, lines) {
  const folder = mkdtempSync(join(tmpdir(), 'turted-'));
  const config = join(folder, 'turted.toml');
  writeFileSync(config, `server.listen = "127.0.0.1:0"\n${lines}\n`);
  const child = spawn(process.env.TURTED, ['serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  t.after(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  });
  const url = await new Promise((resolve, reject) => {
    const listen = (data) => {
      said += data;
      const found = said.match(/listening on (http:\/\/[\d.:]+)/);
      if (found) resolve(found[1]);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', () => reject(new Error(`the server did not start:\n${said}`)));
  });
  return { url, config, said: () => said };
}

/** The status with which a stream begins for whoever brings this token. */
export async function status({ url }, token) {
  const stop = new AbortController();
  const response = await fetch(`${url}/events?channel=news`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  });
  stop.abort();
  return response.status;
}
