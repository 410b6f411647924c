// A real OpenID provider: turted finds its keys, and takes what it signs.
//
// In: oidc-provider, with its discovery document and its keys, which it replaces. Out: who comes in.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { promisify } from 'node:util';

import * as jose from 'jose';
import { Provider } from 'oidc-provider';

import { serve, status } from './server.mjs';

async function key(kid) {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { ...(await jose.exportJWK(privateKey)), kid, use: 'sig', alg: 'RS256' };
}

test('tokens of an OpenID provider', async (t) => {
  const http = createServer();
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => (http.close(), http.closeAllConnections()));
  const issuer = `http://127.0.0.1:${http.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'adam',
        client_secret: 'known to the client',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    jwks: { keys: [await key('first')] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:turted',
        getResourceServerInfo: (_, resource) => ({
          scope: 'hear',
          audience: resource === 'urn:turted' ? 'turted' : 'shop',
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
  });
  const asked = [];
  http.on('request', (request, response) => {
    asked.push(request.url);
    provider.callback()(request, response);
  });

  const server = await serve(t, `auth.clients = { type = "jwt", issuer = "${issuer}", audience = "turted" }`);
  const token = async (resource = 'urn:turted') => {
    const answer = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('adam:known+to+the+client')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
    });
    const { access_token: made, ...rest } = await answer.json();
    assert.ok(made, JSON.stringify(rest));
    return made;
  };
  const made = await token();
  assert.equal(jose.decodeProtectedHeader(made).typ, 'at+jwt');
  assert.equal(await status(server, made), 200);
  assert.equal(await status(server, await token('urn:shop')), 401, 'for somebody else');
  for (let count = 0; count < 20; count += 1) assert.equal(await status(server, made), 200);
  const fetched = asked.filter((path) => path !== '/token');
  assert.deepEqual(fetched, ['/.well-known/openid-configuration', '/jwks']);

  const stranger = await jose.generateKeyPair('RS256');
  const forged = new jose.SignJWT(jose.decodeJwt(made)).setProtectedHeader(jose.decodeProtectedHeader(made));
  assert.equal(await status(server, await forged.sign(stranger.privateKey)), 401);

  // Not in one go: the provider has to answer meanwhile.
  const command = ['token', '--check', made, '--config', server.config];
  const { stdout: check } = await promisify(execFile)(process.env.TURTED, command);
  for (const line of ['✓ the signature holds', '✓ aud is "turted"', '✓ user adam']) assert.ok(check.includes(line), check);
  assert.ok(!server.said().includes(made.split('.')[2]), 'a token in the log');
});
