// The examples of docs/backends, each in its framework, with a browser that logs in and a turted that asks.
//
// In: the blocks of a page, and around them in stage/ what an application has anyway. Out: who comes in, and who does not.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { blocks, elsewhere } from './blocks.mjs';
import { backend, client, freePort, serve, status, well } from './server.mjs';

const { ROOT, PYTHON, CLASSPATH } = process.env;
const environment = {
  ...process.env,
  TURTED_PUSH_PASSWORD: 'correct horse battery staple',
  TURTED_JWT_SECRET: 'only for this test, and long enough for one',
  TURTED_HOOK_SECRET: `whsec_${Buffer.from('only for this test, too').toString('base64')}`,
};
const basic = { authorization: `Basic ${btoa('adam:apple')}` };
const php = (port) => ['php', '-d', 'display_errors=stderr', '-d', 'log_errors=1', '-S', `127.0.0.1:${port}`, 'index.php'];

/** Puts text where `mark` stands in a file of the stage. */
function fill(file, mark, text) {
  const parts = readFileSync(file, 'utf8').split(mark);
  assert.equal(parts.length, 2, `${file} has one "${mark}"`);
  writeFileSync(file, parts.join(text));
}

function write(folder, name, text) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

/** What each framework asks for: how its files are laid, the command that runs it, how somebody logs in, what the page calls. */
const frameworks = {
  express: {
    wants: 'token',
    lay: (folder, { 'turted.js': module }, [application]) => {
      write(folder, 'turted.js', module);
      fill(join(folder, 'app.js'), '// The page\'s block.', application);
    },
    command: () => ['node', 'app.js'],
  },
  django: {
    wants: 'token',
    lay: (folder, { 'turted.py': module }, [urls]) => {
      write(folder, 'turted.py', module);
      fill(join(folder, 'app.py'), "# The page's block.", urls);
    },
    command: (port) => [PYTHON, 'app.py', port],
  },
  laravel: {
    wants: 'ticket',
    lay: (folder, { 'routes/web.php': routes, 'config/services.php': services }) => {
      for (const name of ['bootstrap/cache', 'storage/framework/sessions', 'storage/framework/views', 'config']) {
        mkdirSync(join(folder, name), { recursive: true });
      }
      write(folder, 'routes/web.php', `<?php\n${routes}`);
      fill(join(folder, 'services.php'), "// The page's block.", services);
      for (const name of ['app', 'services']) cpSync(join(folder, `${name}.php`), join(folder, `config/${name}.php`));
      for (const name of ['auth', 'session', 'view', 'logging']) {
        write(folder, `config/${name}.php`, `<?php return (require dirname(__DIR__) . '/others.php')['${name}'];`);
      }
      cpSync(join(ROOT, 'clients/php/src/Client.php'), join(folder, 'Client.php'));
    },
    command: php,
  },
  symfony: {
    wants: 'token',
    lay: (folder, { 'config/services.yaml': services, ...files }) => {
      mkdirSync(join(folder, 'sessions'));
      write(folder, 'config/services.yaml', services);
      for (const [name, text] of Object.entries(files)) write(folder, name, `<?php\n${text}`);
      cpSync(join(folder, 'LoginController.php'), join(folder, 'src/Controller/LoginController.php'));
      cpSync(join(ROOT, 'clients/php/src/Client.php'), join(folder, 'Client.php'));
    },
    command: php,
    login: {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'adam', password: 'apple' }),
    },
  },
  spring: {
    wants: 'ticket',
    lay: async (folder, { 'TurtedController.java': controller }, [security]) => {
      write(folder, 'TurtedController.java', `package app;\n${controller}`);
      fill(join(folder, 'Application.java'), "// The page's block.", security);
      const client = join(ROOT, 'clients/java/src/main/java/org/turted');
      const sources = readdirSync(client).map((name) => join(client, name));
      const compile = ['-parameters', '-encoding', 'UTF-8', '-cp', CLASSPATH, '-d', 'classes', 'Application.java', 'TurtedController.java'];
      await promisify(execFile)('javac', [...compile, ...sources], { cwd: folder });
    },
    command: (port) => [
      ...['java', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-cp', `classes:${CLASSPATH}`, 'app.Application'],
      ...[`--server.port=${port}`, '--server.address=127.0.0.1', '--spring.main.banner-mode=off'],
    ],
    login: { headers: basic },
  },
};

test('every page has its story', () => {
  const pages = readdirSync(join(ROOT, 'docs/backends')).map((name) => name.replace('.md', ''));
  assert.deepEqual(pages.sort(), Object.keys(frameworks).sort());
});

for (const [name, { wants, lay, command, login }] of Object.entries(frameworks)) {
  test(name, async (t) => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const [settings, ...rest] = blocks(`backends/${name}.md`);
    assert.equal(settings.file, 'turted.toml');
    const server = await serve(t, elsewhere(settings.text, '', origin), environment);

    const folder = mkdtempSync(join(process.cwd(), `${name}-`));
    cpSync(`stage/${name}`, folder, { recursive: true });
    const move = ({ text }) => elsewhere(text, server.url, origin);
    const files = Object.fromEntries(rest.filter(({ file }) => file).map((block) => [block.file, move(block)]));
    await lay(folder, files, rest.filter(({ file }) => !file).map(move));
    await backend(t, port, command(`${port}`), { cwd: folder, env: { ...environment, PORT: `${port}` } });

    // Somebody logs in, as with any page.
    const hello = await fetch(`${origin}/login?user=adam`, login);
    assert.equal(hello.status, 200, `${JSON.stringify([...hello.headers])} ${await hello.clone().text()}`);
    const { csrf = '' } = await hello.json();
    const cookie = hello.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
    const own = { cookie, 'x-csrf-token': csrf, 'x-csrftoken': csrf };

    // (a) The backend hands over a token or a ticket, to whoever is logged in.
    const ask = (headers) => fetch(`${origin}/turted/${wants}`, { method: 'POST', headers: { accept: 'application/json', ...headers }, redirect: 'manual' });
    const answer = await ask(own);
    assert.equal(answer.status, 200, await answer.clone().text());
    const told = await answer.json();
    const { [wants]: handed } = told;
    // What the backend answers is what the page says to the server, as it is.
    const page = await client(server.url);
    assert.equal((await page.ask('IDENT', told)).data.username, 'adam', JSON.stringify(told));
    assert.equal((await page.ask('JOIN', { channel: 'user.adam' })).type, 'OK');
    assert.equal((await page.ask('JOIN', { channel: 'user.eve' })).data.code, 'join_denied', 'a channel of somebody else');
    page.close();
    // And in the request of a stream, with another ticket: each opens once.
    const once = wants === 'token' ? handed : (await (await ask(own)).json()).ticket;
    const shown = wants === 'token' ? { headers: { authorization: `Bearer ${once}` } } : { query: `&ticket=${once}` };
    assert.equal(await status(server.url, 'user.adam', shown), 200, 'its stream');
    assert.notEqual((await ask({})).status, 200, 'nobody gets a token');

    // (b) turted asks, with the cookie that the browser sent.
    const browser = await client(server.url, { cookie });
    assert.equal((await browser.ask('IDENT', {})).data.username, 'adam', 'whose session it is');
    browser.close();
    const asks = (sent) => status(server.url, 'user.adam', { headers: { cookie: sent } });
    assert.equal(await asks(cookie), 200, 'whose session it is');
    assert.equal(await status(server.url, 'user.eve', { headers: { cookie } }), 403, 'a channel of somebody else');
    const session = /cookie\.([^"]+)"/.exec(settings.text)[1];
    for (const wrong of ['x', 'A'.repeat(40), '%00', '..%2F..%2Fetc', '']) {
      assert.equal(await asks(`${session}=${wrong}`), 401, `the session ${wrong}`);
    }

    // Only the server may ask.
    const now = `${Math.floor(Date.now() / 1000)}`;
    const body = JSON.stringify({ verb: 'ident', cookies: Object.fromEntries([cookie.split('=', 2)]) });
    const signed = { 'webhook-id': 'msg_1', 'webhook-timestamp': now, 'webhook-signature': `v1,${btoa('x'.repeat(32))}` };
    for (const headers of [{}, signed]) {
      const all = { 'content-type': 'application/json', accept: 'application/json', ...headers };
      const forged = await fetch(`${origin}/turted/ident`, { method: 'POST', headers: all, body });
      assert.equal(forged.status, 400, `${JSON.stringify(headers)}: ${await forged.text()}`);
    }
    well.add(t);
  });
}
