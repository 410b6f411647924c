// Every block of docs/identity.md and docs/permissions.md, in the order in which they stand.
//
// In: the pages. Out: configurations that turted takes, commands that print what the page says, questions as the page shows them. A
// block that nobody here takes makes a story fail.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';

import { blocks, elsewhere } from './blocks.mjs';
import { backend, client, freePort, serve, status, well } from './server.mjs';

const { ROOT, TURTED } = process.env;
const { TURTED: Turted } = await import(`${ROOT}/static/turted.mjs`);
const secrets = {
  TURTED_JWT_SECRET: 'only for this test, and long enough for one',
  TURTED_HOOK_SECRET: 'only for this test, too',
  TURTED_PUSH_PASSWORD: 'correct horse battery staple',
};
const backends = '[auth.backends]\ntype = "password"\npassword = "sesame"\n';

/** What a command prints; its exit code too, as nobody throws. */
function run(command, env = {}) {
  return new Promise((resolve) => {
    execFile(command[0], command.slice(1), { env: { ...process.env, ...secrets, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

/** A file with a configuration in it. */
function written(lines) {
  const file = join(mkdtempSync(join(tmpdir(), 'turted-')), 'turted.toml');
  writeFileSync(file, lines);
  return file;
}

async function check(text) {
  const { code, stderr } = await run([TURTED, 'check', '--config', written(text)]);
  assert.equal(code, 0, `${text}\n${stderr}`);
}

async function token(config, ...more) {
  const { code, stdout, stderr } = await run([TURTED, 'token', 'adam', '--config', config, ...more]);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

/** The same members, whatever their texts and numbers are. */
function like(wanted, told) {
  assert.equal(typeof told, typeof wanted, `${JSON.stringify(told)} for ${JSON.stringify(wanted)}`);
  if (typeof wanted !== 'object') return;
  assert.deepEqual(Object.keys(told).sort(), Object.keys(wanted).sort());
  for (const key of Object.keys(wanted)) like(wanted[key], told[key]);
}

const bearer = (made) => ({ headers: { authorization: `Bearer ${made}` } });

test('docs/identity.md', async (t) => {
  const page = blocks('identity.md');
  const next = (language, part) => {
    const block = page.shift();
    assert.ok(block?.language === language && block.text.includes(part), `here comes ${language} with ${part}, not ${JSON.stringify(block)}`);
    return block.text;
  };

  await t.test('JSON Web Tokens', async (t) => {
    const settings = next('toml', 'type = "jwt"');
    const script = next('sh', 'turted token adam');
    const made = await run(['sh', '-ec', `${script}\nprintenv TURTED_JWT_SECRET`], { TURTED_CONFIG: written(settings) });
    assert.equal(made.code, 0, made.stderr);
    const [jwt, TURTED_JWT_SECRET] = made.stdout.trim().split('\n');
    const server = await serve(t, `${settings}[may.users]\njoin = ["user.{user}"]\n`, { TURTED_JWT_SECRET });
    assert.equal(await status(server.url, 'room.9', bearer(jwt)), 200, '--may');
    assert.equal(await status(server.url, 'user.adam', bearer(jwt)), 200, 'its name');
    assert.equal(await status(server.url, 'news', bearer(jwt)), 403);
    assert.deepEqual(JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).join, ['room.7']);
    well.add(t);
  });

  await t.test('an identity provider', async () => {
    // With a provider: tests/identity/provider.mjs.
    await check(next('toml', 'issuer = '));
    await check(next('toml', '[[auth.clients]]'));
  });

  await t.test('why not', async () => {
    const lines = (audience) => `[auth.clients]\ntype = "jwt"\nsecret = "\${TURTED_JWT_SECRET}"\naudience = "${audience}"\n`;
    const jwt = await token(written(lines('shop')));
    const script = next('sh', 'turted token --check').replace('eyJhbGciOi…', jwt);
    const { code, stdout } = await run(['sh', '-ec', script], { TURTED_CONFIG: written(lines('turted')) });
    assert.notEqual(code, 0);
    const wanted = next('', '✗').trimEnd().split('\n');
    // The page leaves out what holds as well and is about times.
    assert.deepEqual(stdout.split('\n').filter((line) => wanted.includes(line)), wanted, stdout);
  });

  await t.test('callback, and its signature', async (t) => {
    const settings = next('toml', 'type = "callback"');
    const question = JSON.parse(next('json', '"verb": "ident"'));
    const verified = next('php', 'hash_hmac');
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const folder = mkdtempSync(join(tmpdir(), 'turted-'));
    writeFileSync(
      join(folder, 'index.php'),
      `<?php\n${verified}
      file_put_contents('asked.json', $body);
      echo json_encode(['user' => json_decode($body)->cookies->session === 'of adam' ? 'adam' : null]);`,
    );
    const php = ['php', '-d', 'display_errors=1', '-S', `127.0.0.1:${port}`, 'index.php'];
    await backend(t, port, php, { cwd: folder, env: { ...process.env, ...secrets } });
    const server = await serve(t, `${elsewhere(settings, '', origin)}[may.users]\njoin = ["user.{user}"]\n`, secrets);
    const ask = (cookie) => status(server.url, 'user.adam', { headers: { cookie, 'user-agent': 'Browser/2' } });
    const asked = () => JSON.parse(readFileSync(join(folder, 'asked.json'), 'utf8'));
    const adam = await client(server.url, { cookie: 'session=of%20adam; other=private', 'user-agent': 'Browser/1' });
    assert.equal((await adam.ask('IDENT', {})).data.username, 'adam');
    like(question, asked());
    adam.close();
    assert.equal(await ask('session=of%20adam; other=private'), 200);
    // A stream is asked about before it is a connection; as another browser, since answers are remembered.
    const { connection, ...rest } = question;
    like(rest, asked());
    assert.equal(await ask('session=of%20eve'), 403);
    for (const headers of [{}, { 'webhook-id': 'msg_1', 'webhook-timestamp': `${Math.floor(Date.now() / 1000)}`, 'webhook-signature': 'v1,x' }]) {
      assert.equal((await fetch(origin, { method: 'POST', headers, body: '{}' })).status, 400, 'forged');
    }
    well.add(t);
  });

  await t.test('in the page', async (t) => {
    const script = next('js', 'turted.ident(');
    const server = await serve(t, '[auth.clients]\ntype = "jwt"\nsecret = "${TURTED_JWT_SECRET}"\n', secrets);
    const turted = new Turted(server.url, { WebSocket });
    t.after(() => turted.close());
    const asked = [];
    const fetched = async (path, { method }) => {
      asked.push(`${method} ${path}`);
      return { json: async () => ({ token: await token(server.config) }) };
    };
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction('turted', 'fetch', script)(turted, fetched);
    assert.deepEqual(asked, ['POST /turted/token']);
    well.add(t);
  });

  await t.test('a proxy in front', async (t) => {
    const server = await serve(t, next('toml', 'type = "headers"'), secrets);
    const location = elsewhere(next('nginx', 'X-User'), server.url, '');
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'turted-'));
    writeFileSync(join(folder, 'users'), 'adam:{PLAIN}apple\n');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
      http { access_log off; ${temporary.join(' ')}
      server { listen 127.0.0.1:${port}; auth_basic turted; auth_basic_user_file ${folder}/users;\n${location}} }`,
    );
    await backend(t, port, ['nginx', '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')]);
    const adam = await client(`http://127.0.0.1:${port}`, { authorization: `Basic ${btoa('adam:apple')}`, 'x-user': 'eve' });
    assert.equal((await adam.ask('IDENT', {})).data.username, 'adam');
    assert.equal((await adam.ask('JOIN', { channel: 'user.adam' })).type, 'OK');
    assert.equal((await adam.ask('JOIN', { channel: 'user.eve' })).data.code, 'join_denied');
    adam.close();
    well.add(t);
  });

  await t.test('your backend decides', async (t) => {
    const settings = next('toml', '[may.ask]');
    const question = JSON.parse(next('json', '"verb": "join"'));
    const asked = [];
    const answers = { 'doc.7': [200, { may: true }], 'doc.8': [200, { may: false }], 'doc.9': [401], 'doc.10': [403], 'doc.11': [500], 'doc.12': [200, {}] };
    const decider = createServer(async (request, response) => {
      const body = JSON.parse(Buffer.concat(await request.toArray()));
      asked.push(body);
      const [code, answer] = answers[body.name];
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
    });
    await new Promise((resolve) => decider.listen(0, '127.0.0.1', resolve));
    t.after(() => (decider.close(), decider.closeAllConnections()));
    const origin = `http://127.0.0.1:${decider.address().port}`;
    const server = await serve(t, `${elsewhere(settings, '', origin)}[auth.clients]\ntype = "jwt"\nsecret = "\${TURTED_JWT_SECRET}"\n`, secrets);
    const jwt = await token(server.config, '--claim', 'org=acme', '--claim', 'other=private');
    assert.equal(await status(server.url, 'doc.7', bearer(jwt)), 200);
    assert.deepEqual(asked, [question]);
    for (const name of ['doc.8', 'doc.9', 'doc.10']) assert.equal(await status(server.url, name, bearer(jwt)), 403, name);
    for (const name of ['doc.11', 'doc.12']) assert.equal(await status(server.url, name, bearer(jwt)), 503, name);
    well.add(t);
  });

  await t.test('tickets', async (t) => {
    const script = next('sh', '/api/tickets');
    const answer = JSON.parse(next('json', '"ticket"'));
    const server = await serve(t, `${backends}[may.users]\njoin = ["org.{claim.org}.*"]\n`);
    const { code, stdout, stderr } = await run(['sh', '-ec', elsewhere(script, server.url, '')], { BACKEND: 'sesame' });
    assert.equal(code, 0, stderr);
    const told = JSON.parse(stdout);
    like(answer, told);
    assert.equal(told.expires_in, answer.expires_in);
    assert.match(told.ticket, /^tk_/);
    const query = `&channel=org.acme.news&ticket=${told.ticket}`;
    assert.equal(await status(server.url, 'room.7', { query }), 200, 'once');
    assert.equal(await status(server.url, 'room.8', { query: '&ticket=tk_x' }), 401);
    well.add(t);
  });

  assert.deepEqual(page.map(({ text }) => text), [], 'blocks that nobody has run');
});

test('docs/permissions.md', async () => {
  const [settings, ...rest] = blocks('permissions.md');
  assert.deepEqual([settings.language, rest], ['toml', []]);
  await check(settings.text);
  const page = readFileSync(join(ROOT, 'docs/permissions.md'), 'utf8');
  const commands = [...page.matchAll(/^ {4}\$ (?<command>.*)\n(?<output>(?: {4}[^$].*\n)+)/gm)];
  assert.equal(commands.length, page.match(/^ {4}\$ /gm).length);
  for (const { groups } of commands) {
    const { code, stdout, stderr } = await run(['sh', '-c', groups.command], { TURTED_CONFIG: written(settings.text) });
    const output = groups.output.replace(/^ {4}/gm, '');
    assert.equal(`${stdout}${stderr}`, output, groups.command);
    assert.equal(code === 0, output.startsWith('yes'));
  }
});
