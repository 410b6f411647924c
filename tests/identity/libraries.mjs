// Tokens that other libraries make are taken, and what an attacker would make with them is not.
//
// In: jose for Node.js, PyJWT, java-jwt. Out: who comes in.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import * as jose from 'jose';

import { serve, status } from './server.mjs';

const SECRET = 'a secret of at least sixty-four bytes, so that it is good for HS512 too.';
const folder = mkdtempSync(join(tmpdir(), 'turted-'));
const written = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const now = () => Math.floor(Date.now() / 1000);
const claims = (more = {}) => ({ sub: 'adam', iss: 'shop', aud: 'turted', iat: now(), exp: now() + 60, ...more });
const byJose = (alg, key, more) => new jose.SignJWT(claims(more)).setProtectedHeader({ alg }).sign(key);
const byPython = (alg, path, more) =>
  execFileSync(process.env.PYTHON ?? 'python3', [join(import.meta.dirname, 'tokens.py'), alg, path, JSON.stringify(claims(more))])
    .toString()
    .trim();

/** java-jwt writes the times that it is given. */
const byJava = (alg, path, more) =>
  execFileSync('java', [join(import.meta.dirname, 'Tokens.java'), alg, path, JSON.stringify(claims(more))])
    .toString()
    .trim();

test('a secret that is shared', async (t) => {
  const server = await serve(t, `auth.clients = { type = "jwt", secret = "${SECRET}", audience = "turted" }`);
  const key = new TextEncoder().encode(SECRET);
  const path = written('secret', SECRET);
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    assert.equal(await status(server, await byJose(alg, key)), 200, `jose ${alg}`);
    assert.equal(await status(server, byPython(alg, path)), 200, `PyJWT ${alg}`);
    assert.equal(await status(server, byJava(alg, path)), 200, `java-jwt ${alg}`);
    const wrong = new TextEncoder().encode(`${SECRET}!`);
    assert.equal(await status(server, await byJose(alg, wrong)), 401, `forged ${alg}`);
  }
  assert.equal(await status(server, byJava('HS256', written('other', `${SECRET}!`))), 401, 'forged by java-jwt');
  assert.equal(await status(server, byJava('HS256', path, { exp: now() - 60, iat: now() - 120 })), 401, 'over, by java-jwt');
  const fraction = byPython('HS256', path, { iat: now() + 0.25, exp: now() + 60.5 });
  assert.equal(await status(server, fraction), 200, 'times with fractions');
  const text = byPython('HS256', path, { aud: ['a', 'turted'], may: { join: ['news'] } });
  assert.equal(await status(server, text), 200);
  for (const [name, more] of Object.entries({
    'another audience': { aud: 'shop' },
    'no end': { exp: undefined },
    'over': { iat: now() - 120, exp: now() - 60 },
    'not yet': { nbf: now() + 120 },
    'an end as a text': { exp: `${now() + 60}` },
  })) {
    const made = new jose.SignJWT(JSON.parse(JSON.stringify(claims(more)))).setProtectedHeader({ alg: 'HS256' });
    assert.equal(await status(server, await made.sign(key)), 401, name);
  }
  const unsecured = new jose.UnsecuredJWT(claims()).encode();
  assert.equal(await status(server, unsecured), 401, 'alg none');
});

for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA']) {
  test(`a public key for ${alg}`, async (t) => {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    const pem = await jose.exportSPKI(publicKey);
    const path = written(`${alg}.pem`, pem);
    const server = await serve(
      t,
      `auth.clients = { type = "jwt", issuer = "shop", audience = "turted", public_key = "${path}" }`,
    );
    assert.equal(await status(server, await byJose(alg, privateKey)), 200, 'jose');
    const secret = written(`${alg}.private`, await jose.exportPKCS8(privateKey));
    assert.equal(await status(server, byPython(alg, secret)), 200, 'PyJWT');
    if (['RS256', 'ES256'].includes(alg)) {
      assert.equal(await status(server, byJava(alg, secret)), 200, 'java-jwt');
      assert.equal(await status(server, byJava(alg, secret, { iss: 'other' })), 401, 'another issuer, by java-jwt');
      const confused = byJava('HS256', path);
      assert.equal(await status(server, confused), 401, 'the public key as a secret, by java-jwt');
    }
    assert.equal(await status(server, await byJose(alg, privateKey, { iss: 'other' })), 401, 'another issuer');
    const stranger = await jose.generateKeyPair(alg);
    assert.equal(await status(server, await byJose(alg, stranger.privateKey)), 401, 'another key');
    const confused = await byJose('HS256', new TextEncoder().encode(pem));
    assert.equal(await status(server, confused), 401, 'the public key as a secret');
    const jwk = await jose.exportJWK(stranger.publicKey);
    const brought = new jose.SignJWT(claims()).setProtectedHeader({ alg, jwk });
    assert.equal(await status(server, await brought.sign(stranger.privateKey)), 401, 'a key that the token brings');
  });
}
