// Stories about static/turted.js, told against a scripted server. No server of ours and no browser is needed:
//   npm install && node --test client.mjs
// In: the client file. Out: a verdict on its side of the native protocol. Nothing sleeps: every step waits for a message.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { afterEach, beforeEach, describe, test } from 'node:test';
import vm from 'node:vm';
import { WebSocket } from 'ws';
import TURTED, { TURTED as named } from '../../static/turted.mjs';
import { listener, scriptedServer } from './scripted.mjs';

const story = (name, fn) => test(name, { timeout: 10_000 }, fn);

const welcome = (n, more) => ({
  type: 'WELCOME',
  data: { connection: `c${n}`, resume: `secret${n}`, window: 120, server: 'scripted', ping: 25, ...more },
});
const ok = ({ ref }, data) => ({ type: 'OK', data, ref });
const error = ({ ref }, code) => ({ type: 'ERROR', data: { code, message: `no: ${code}` }, ref });
const event = (id, payload, name = 'NEWS') => ({ type: 'EVENT', data: { event: name, payload, via: { channel: 'chat' }, id } });

let server;
let clients;
beforeEach(async () => {
  server = await scriptedServer();
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
  server.stop();
});

function connect(url = server.url, options) {
  const client = new TURTED(url, { WebSocket, minDelay: 1, maxDelay: 2, ...options });
  clients.push(client);
  return client;
}

/** A client that is open, identified as adam and in the channels, on the wire that is returned with it. */
async function settled(...channels) {
  const client = connect();
  const wire = await server.wire();
  wire.say(welcome(1));
  const answers = [client.ident({ username: 'adam', token: 't' }), ...channels.map((channel) => client.join(channel))];
  for (const _ of answers) {
    const command = await wire.hear();
    wire.say(ok(command, command.data));
  }
  await Promise.all(answers);
  return { client, wire };
}

/**
 * A client in `chat` and `news` that has heard 42 and come back to a server that was started anew, and the commands
 * that it begins again with, without their answers.
 */
async function forgotten() {
  const { client, wire } = await settled('chat', 'news');
  const told = listener(client, 'NEWS', 'turted:gap');
  wire.say(event('e-42', 42));
  await told.next('NEWS');
  wire.cut();
  const second = await server.wire();
  second.say(welcome(2));
  second.say(ok(await second.hear(), { connection: 'c2', recovered: false }), { type: 'GAP', data: { since: 'e-42' } });
  const [ident, chat, news] = [await second.hear(), await second.hear(), await second.hear()];
  return { client, told, second, ident, chat, news };
}

/** An echo goes behind everything sent before it, so its answer proves that nothing else is on its way. */
async function barrier(client, wire) {
  const answer = client.echo('barrier');
  const command = await wire.hear();
  assert.equal(command.type, 'ECHO', `expected nothing before the barrier, got ${JSON.stringify(command)}`);
  wire.say({ type: 'ECHO', data: command.data, ref: command.ref });
  await answer;
}

describe('commands', () => {
  story('wait for the connection and leave in order', async () => {
    const client = connect();
    const answers = [client.ident({ username: 'adam' }), client.join('chat'), client.join('news'), client.leave('chat'), client.echo([1])];
    const wire = await server.wire();
    assert.equal(wire.path, '/ws');
    assert.equal(client.state, 'connecting');
    assert.equal(wire.unheard, 0, 'nothing is sent before WELCOME');
    wire.say(welcome(1));
    const heard = [];
    for (const _ of answers) heard.push(await wire.hear());
    assert.deepEqual(heard.map(({ type, data }) => [type, data]), [
      ['IDENT', { username: 'adam' }],
      ['JOIN', { channel: 'chat' }],
      ['JOIN', { channel: 'news' }],
      ['LEAVE', { channel: 'chat' }],
      ['ECHO', [1]],
    ]);
    assert.equal(new Set(heard.map(({ ref }) => ref)).size, 5, 'every command has a ref of its own');
    assert.equal(client.connection, 'c1');
    for (const { type, data, ref } of heard) wire.say({ type: type === 'ECHO' ? 'ECHO' : 'OK', data, ref });
    assert.deepEqual(await Promise.all(answers), heard.map(({ data }) => data));
    assert.deepEqual(client.channels, ['news']);
  });

  story('begin with a PING where the page has none, so that the server need not wait for a RESUME', async () => {
    const client = connect();
    const wire = await server.wire();
    wire.say(welcome(1));
    assert.deepEqual(await wire.hear(), { type: 'PING' });
    await barrier(client, wire);
  });

  story('are answered by ref, in whatever order, with data or an error that has a code', async () => {
    const client = connect();
    const wire = await server.wire();
    wire.say(welcome(1));
    const [open, secret] = [client.join('open'), client.join('secret')];
    const [first, second] = [await wire.hear(), await wire.hear()];
    wire.say(error(second, 'join_denied'), ok(first, { channel: 'open' }));
    await assert.rejects(secret, (thrown) => thrown instanceof Error && thrown.code === 'join_denied' && thrown.message === 'no: join_denied');
    assert.deepEqual(await open, { channel: 'open' });
    assert.deepEqual(client.channels, ['open']);
  });

  story('may be fired and forgotten: a refusal nobody waits for is no unhandled rejection', async (t) => {
    const unhandled = t.mock.fn();
    process.on('unhandledRejection', unhandled);
    t.after(() => process.off('unhandledRejection', unhandled));
    const client = connect();
    const wire = await server.wire();
    wire.say(welcome(1));
    client.join('secret');
    wire.say(error(await wire.hear(), 'join_denied'));
    await barrier(client, wire);
    await new Promise(setImmediate);
    assert.equal(unhandled.mock.callCount(), 0);
  });

  story('keep what was said, though the page wipes its own copy', async () => {
    const client = connect();
    const credentials = { username: 'adam', token: 'secret' };
    client.ident(credentials);
    credentials.token = '';
    const wire = await server.wire();
    wire.say(welcome(1));
    assert.deepEqual((await wire.hear()).data, { username: 'adam', token: 'secret' });
  });

  story('without an answer are rejected as disconnected by close(), as are later ones', async () => {
    const client = connect();
    const wire = await server.wire();
    wire.say(welcome(1));
    const pending = client.join('chat');
    await wire.hear();
    client.close();
    await assert.rejects(pending, { code: 'disconnected' });
    await assert.rejects(client.echo(1), { code: 'disconnected' });
    assert.equal(client.state, 'closed');
    const [code] = await wire.ended;
    assert.equal(code, 1000);
  });
});

describe('events', () => {
  story('reach their callbacks with payload and meta, and on("*") too', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'NEWS', '*', 'OTHER');
    wire.say(event('e-1', { text: 'hello' }));
    const expected = { payload: { text: 'hello' }, meta: { event: 'NEWS', id: 'e-1', via: { channel: 'chat' } } };
    assert.deepEqual(await told.next('NEWS'), expected);
    assert.deepEqual(await told.next('*'), expected);
    assert.deepEqual(told.all('OTHER'), []);
  });

  story('are never delivered twice within an epoch, and a new epoch starts afresh', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'NEWS');
    wire.say(event('e-9', 9), event('e-10', 10), event('e-10', 10), event('e-9', 9), event('e-11', 11), event('new-1', 1), event('new-1', 1));
    await barrier(client, wire);
    assert.deepEqual(told.all('NEWS'), [9, 10, 11, 1]);
  });

  story('cannot pose as states of the connection', async () => {
    const { client, wire } = await settled();
    const told = listener(client, 'turted:state', '*');
    wire.say(event('e-1', 'closed', 'turted:state'), event('e-2', 'star', '*'));
    await barrier(client, wire);
    assert.deepEqual(told.all('turted:state'), []);
    assert.deepEqual(told.all('*'), ['closed', 'star']);
  });

  story('still reach the others when one callback throws', async (t) => {
    const report = t.mock.method(console, 'error', () => {});
    const { client, wire } = await settled('chat');
    client.on('NEWS', () => {
      throw new Error('careless page');
    });
    const told = listener(client, 'NEWS');
    wire.say(event('e-1', 1), event('e-2', 2));
    await barrier(client, wire);
    assert.deepEqual(told.all('NEWS'), [1, 2]);
    assert.deepEqual(report.mock.calls.map(({ arguments: [{ message }] }) => message), ['careless page', 'careless page']);
  });

  story('stop with off(event, fn), with off(event), and at once for a callback taken off by the one before', async (t) => {
    const { client, wire } = await settled('chat');
    const [one, two, three] = [t.mock.fn(() => client.off('NEWS', two)), t.mock.fn(), t.mock.fn()];
    client.on('NEWS', one).on('NEWS', two).on('NEWS', three);
    wire.say(event('e-1', 1));
    await barrier(client, wire);
    client.off('NEWS');
    client.off('never heard of');
    wire.say(event('e-2', 2));
    await barrier(client, wire);
    assert.deepEqual([one, two, three].map(({ mock }) => mock.callCount()), [1, 0, 1]);
  });

  story('and echoes: ECHO answers its promise and on("ECHO")', async () => {
    const { client, wire } = await settled();
    const told = listener(client, 'ECHO');
    await barrier(client, wire);
    assert.deepEqual(told.all('ECHO'), ['barrier']);
  });

  story('are read as the page wishes, so that a number beyond 2^53 can be kept as it came', async () => {
    const client = connect(server.url, { parse: (text) => JSON.parse(text.replace(/(?<=:)\d{16,}/g, '"$&"')) });
    const told = listener(client, 'NEWS');
    const wire = await server.wire();
    wire.say(welcome(1), '{"type":"EVENT","data":{"event":"NEWS","payload":{"id":9007199254740993},"via":{"broadcast":true},"id":"e-1"}}');
    assert.deepEqual((await told.next('NEWS')).payload, { id: '9007199254740993' });
  });

  story('survive nonsense from the wire, which is told as turted:error', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'turted:error', 'NEWS');
    wire.say('not json', 'null', '{"no":"type"}', { type: 'ERROR', data: { code: 'too_fast', message: 'slow down' } }, { type: 'FUTURE' }, event('e-1', 1));
    await barrier(client, wire);
    assert.deepEqual(told.all('turted:error').map(({ code }) => code), ['bad_message', 'bad_message', 'bad_message', 'too_fast']);
    assert.deepEqual(told.all('NEWS'), [1]);
  });
});

describe('a lost wire', () => {
  story('is resumed with token and last id; recovered means nothing is said again', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'NEWS', 'turted:open', 'turted:gap', 'turted:state', 'turted:close');
    wire.say(event('e-41', 41), event('e-42', 42));
    await told.next('NEWS');
    await told.next('NEWS');
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    const resume = await second.hear();
    assert.deepEqual([resume.type, resume.data], ['RESUME', { token: 'secret1', last: 'e-42' }]);
    second.say(event('e-42', 42), event('e-43', 43), ok(resume, { connection: 'c1', recovered: true, replayed: 1 }), event('e-44', 44));
    await told.next('turted:open');
    await barrier(client, second);
    assert.deepEqual(told.all('NEWS'), [41, 42, 43, 44]);
    assert.deepEqual(told.all('turted:open'), [{ connection: 'c1', recovered: true }]);
    assert.deepEqual(told.all('turted:gap'), []);
    assert.deepEqual(told.all('turted:state'), ['waiting', 'connecting', 'open']);
    assert.equal(told.all('turted:close')[0].reconnect, true);
    assert.deepEqual(client.channels, ['chat']);

    second.cut(); // the connection went on under its old id, and so does its token
    const third = await server.wire();
    third.say(welcome(3));
    assert.deepEqual((await third.hear()).data, { token: 'secret1', last: 'e-44' });
  });

  for (const [how, answer] of [
    ['recovered:false', (resume) => [ok(resume, { connection: 'c2', recovered: false }), { type: 'GAP', data: { since: 'e-42' } }]],
    ['recovered:false, GAP first', (resume) => [{ type: 'GAP', data: { since: 'e-42' } }, ok(resume, { connection: 'c2', recovered: false })]],
    ['ERROR', (resume) => [error(resume, 'bad_message')]],
  ]) {
    story(`falls back to IDENT and JOIN on ${how}, and tells one gap once they are back`, async () => {
      const { client, wire } = await settled('chat', 'news', 'left');
      const told = listener(client, 'turted:gap', 'turted:open', 'NEWS');
      const leaving = client.leave('left');
      wire.say(ok(await wire.hear(), { channel: 'left' }), event('e-42', 42));
      await leaving;
      await told.next('NEWS');
      wire.cut();
      const second = await server.wire();
      second.say(welcome(2));
      second.say(...answer(await second.hear()));
      const again = [await second.hear(), await second.hear(), await second.hear()];
      assert.deepEqual(again.map(({ type, data }) => [type, data]), [
        ['IDENT', { username: 'adam', token: 't' }],
        ['JOIN', { channel: 'chat' }],
        ['JOIN', { channel: 'news' }],
      ]);
      await barrier(client, second);
      assert.deepEqual(told.all('turted:gap'), [], 'no gap before the memberships are back');
      second.say(...again.map((command) => ok(command, command.data)), event('e-43', 43));
      assert.deepEqual((await told.next('turted:gap')).payload, { since: 'e-42' });
      await barrier(client, second);
      assert.equal(told.all('turted:gap').length, 1);
      assert.deepEqual(told.all('turted:open'), [{ connection: 'c2', recovered: false }]);
      assert.deepEqual(told.all('NEWS'), [42, 43]);

      second.cut(); // from here on the new token counts
      const third = await server.wire();
      third.say(welcome(3));
      assert.deepEqual((await third.hear()).data, { token: 'secret2', last: 'e-43' });
    });
  }

  story('before any event is resumed without a last id', async () => {
    const { wire } = await settled('chat');
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    assert.deepEqual((await second.hear()).data, { token: 'secret1' });
  });

  story('through a restart: what each JOIN brings from the start on is handed over, once, whatever came before it', async () => {
    const { client, told, second, ident, chat, news } = await forgotten();
    second.say(ok(ident, ident.data), event('f-3', 3), event('f-7', 7), ok(chat, chat.data), event('f-8', 8));
    second.say(event('f-2', 2), event('f-3', 3), event('f-5', 5), ok(news, news.data), event('f-9', 9));
    await told.next('turted:gap');
    await barrier(client, second);
    assert.deepEqual(told.all('NEWS'), [42, 3, 7, 8, 2, 5, 9]);
  });

  story('before all memberships are back is resumed from where the first gap began, so that no JOIN brings less', async () => {
    const { client, told, second, ident, chat, news } = await forgotten();
    second.say(ok(ident, ident.data), event('f-7', 7), ok(chat, chat.data));
    while (told.all('NEWS').length < 2) await told.next('NEWS');
    second.cut();
    const third = await server.wire();
    third.say(welcome(3));
    const resume = await third.hear();
    assert.deepEqual(resume.data, { token: 'secret2', last: 'e-42' });
    third.say(ok(resume, { connection: 'c2', recovered: false }), { type: 'GAP', data: { since: 'e-42' } });
    const again = [await third.hear(), await third.hear(), await third.hear()];
    assert.deepEqual(again.map(({ data }) => data), [ident.data, news.data, chat.data]);
    third.say(ok(again[0], ident.data), event('f-2', 2), ok(again[1], news.data));
    await barrier(client, third);
    assert.deepEqual(told.all('turted:gap'), [], 'not all are back');
    third.say(event('f-7', 7), event('f-8', 8), ok(again[2], chat.data));
    await told.next('turted:gap');
    await barrier(client, third);
    assert.deepEqual(told.all('NEWS'), [42, 7, 2, 8]);
    third.cut();
    const fourth = await server.wire();
    fourth.say(welcome(4));
    assert.deepEqual((await fourth.hear()).data, { token: 'secret2', last: 'f-8' });
  });

  story('leaves commands without an answer pending: they are sent again and answered', async () => {
    const { client, wire } = await settled('chat');
    const answers = [client.join('news'), client.leave('chat'), client.ident({ username: 'eve' })];
    for (const _ of answers) await wire.hear();
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c2', recovered: false }));
    const again = [await second.hear(), await second.hear(), await second.hear()];
    assert.deepEqual(again.map(({ type, data }) => [type, data]), [
      ['IDENT', { username: 'eve' }],
      ['JOIN', { channel: 'news' }],
      ['LEAVE', { channel: 'chat' }],
    ]);
    second.say(ok(again[0], { username: 'eve' }), ok(again[1], { channel: 'news' }), error(again[2], 'not_joined'));
    assert.deepEqual(await Promise.all(answers), [{ channel: 'news' }, { channel: 'chat' }, { username: 'eve' }]);
    assert.deepEqual(client.channels, ['news']);
  });

  story('tells a membership that is not granted again, and retries one that came too fast', async () => {
    const { client, wire } = await settled('chat', 'news');
    const told = listener(client, 'turted:error', 'turted:gap');
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(error(await second.hear(), 'bad_message'));
    const [ident, chat, news] = [await second.hear(), await second.hear(), await second.hear()];
    second.say(ok(ident, { username: 'adam' }), error(chat, 'join_denied'), error(news, 'too_fast'));
    const retried = await second.hear();
    assert.deepEqual(retried, news);
    second.say(ok(retried, { channel: 'news' }));
    await told.next('turted:gap');
    const { payload, meta } = await told.next('turted:error');
    assert.equal(payload.code, 'join_denied');
    assert.deepEqual(meta, { event: 'turted:error', command: 'JOIN', data: { channel: 'chat' } });
    assert.deepEqual(client.channels, ['news']);
  });

  story('is noticed by silence: PING, then the wire is dropped', async () => {
    const client = connect();
    const told = listener(client, 'turted:close');
    const wire = await server.wire();
    wire.say(welcome(1, { ping: 0.2 }));
    assert.equal((await wire.hear()).type, 'PING');
    wire.say({ type: 'PONG' }); // a sign of life: the next silence is asked about anew
    assert.equal((await wire.hear()).type, 'PING');
    assert.deepEqual(told.all('turted:close'), []);
    const { payload } = await told.next('turted:close');
    assert.deepEqual([payload.code, payload.reconnect], [4009, true]);
    assert.equal((await server.wire()).path, '/ws');
  });

  story('through a message too big is not repeated: that command is rejected, the others go on', async () => {
    const { client, wire } = await settled();
    const [join, echo] = [client.join('chat'), client.echo('x'.repeat(1000))];
    await wire.hear();
    await wire.hear();
    wire.close(1009);
    await assert.rejects(echo, { code: 'too_big' });
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c1', recovered: true, replayed: 0 }));
    const again = await second.hear();
    assert.equal(again.type, 'JOIN');
    second.say(ok(again, again.data));
    await join;
    const echoed = client.echo('y'.repeat(1000));
    await second.hear();
    second.say({ type: 'BYE', data: { code: 1009, reason: 'message too big', reconnect: false } });
    await assert.rejects(echoed, { code: 'too_big' });
    assert.equal((await server.wire()).path, '/ws', 'without that message there is no reason to stay away');
  });
});

/** The server's bucket with its default limits, as src/client/pace.rs keeps it: false when a message comes too fast. */
function bucket(burst = 200, rate = 100) {
  let [left, at] = [burst, performance.now()];
  return () => {
    const now = performance.now();
    [left, at] = [Math.min(burst, left + ((now - at) / 1000) * rate), now];
    return left < 1 ? false : Boolean((left -= 1));
  };
}

const said = ({ type, data }) => [type, data.channel ?? data.username ?? data];

describe('a server that is in no hurry', () => {
  story('a page in 128 channels that says 100 things while the server restarts stays below its limits', async () => {
    const channels = Array.from({ length: 128 }, (_, index) => `room-${index}`);
    const { client, wire } = await settled(...channels);
    const told = listener(client, 'turted:gap', 'turted:error', 'turted:close');
    wire.cut();
    await told.next('turted:close');
    const echoes = Array.from({ length: 100 }, (_, index) => client.echo(index));
    const second = await server.wire();
    const allows = bucket();
    second.say(welcome(2));
    second.say(error(await second.hear(), 'bad_message'));
    allows();
    const heard = [];
    while (heard.length < 229) {
      const command = await second.hear();
      heard.push(command);
      assert.ok(allows(), `message ${heard.length} comes too fast`);
      second.say(command.type === 'ECHO' ? { type: 'ECHO', data: command.data, ref: command.ref } : ok(command, command.data));
    }
    await told.next('turted:gap');
    assert.deepEqual(await Promise.all(echoes), echoes.map((_, index) => index));
    assert.deepEqual(heard.map(said), [['IDENT', 'adam'], ...channels.map((name) => ['JOIN', name]), ...echoes.map((_, index) => ['ECHO', index])]);
    assert.deepEqual(client.channels, channels);
    assert.deepEqual(told.all('turted:error'), []);
  });

  story('"too fast" is no answer: what the page said is said again, and slower', async () => {
    const client = connect();
    const wire = await server.wire();
    wire.say(welcome(1));
    const answers = [client.ident({ username: 'adam' }), client.join('chat'), client.echo('hello')];
    const commands = [await wire.hear(), await wire.hear(), await wire.hear()];
    wire.say(...commands.map((command) => error(command, 'too_fast')));
    for (const command of commands) {
      assert.deepEqual(await wire.hear(), command);
      wire.say(command.type === 'ECHO' ? command : ok(command, command.data));
    }
    assert.deepEqual(await Promise.all(answers), [{ username: 'adam' }, { channel: 'chat' }, 'hello']);
    assert.deepEqual(client.channels, ['chat']);
  });

  story('what was said behind it and hangs on it is said again as well, in its order', async () => {
    const { client, wire } = await settled();
    const [join, leave, other] = [client.join('chat'), client.leave('chat'), client.join('other')];
    const [first, second, third] = [await wire.hear(), await wire.hear(), await wire.hear()];
    wire.say(error(first, 'too_fast'), error(second, 'not_joined'), ok(third, { channel: 'other' }));
    await other;
    assert.deepEqual([await wire.hear(), await wire.hear()], [first, second]);
    wire.say(ok(first, { channel: 'chat' }), ok(second, { channel: 'chat' }));
    assert.deepEqual(await Promise.all([join, leave]), [{ channel: 'chat' }, { channel: 'chat' }]);
    assert.deepEqual(client.channels, ['other']);

    const [ident, secret] = [client.ident({ username: 'eve' }), client.join('only for eve')];
    const [who, where] = [await wire.hear(), await wire.hear()];
    wire.say(error(who, 'too_fast'), error(where, 'join_denied'));
    assert.deepEqual([await wire.hear(), await wire.hear()], [who, where]);
    wire.say(ok(who, { username: 'eve' }), ok(where, where.data));
    assert.deepEqual(await Promise.all([ident, secret]), [{ username: 'eve' }, { channel: 'only for eve' }]);
  });

  story('a wire that is lost in between begins afresh', async () => {
    const { client, wire } = await settled();
    const answer = client.join('chat');
    const leaving = client.leave('chat');
    wire.say(error(await wire.hear(), 'too_fast'));
    await wire.hear();
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c1', recovered: true, replayed: 0 }));
    for (const type of ['JOIN', 'LEAVE']) {
      const command = await second.hear();
      assert.equal(command.type, type);
      second.say(ok(command, command.data));
    }
    await Promise.all([answer, leaving]);
    await barrier(client, second);
  });
});

describe('the end', () => {
  for (const [how, end, code] of [
    ['close code 1008', (wire) => wire.close(1008, 'policy'), 1008],
    ['close code 4010', (wire) => wire.close(4010, 'kicked'), 4010],
    ['close code 4011', (wire) => wire.close(4011, 'replaced'), 4011],
    ['BYE reconnect:false', (wire) => wire.say({ type: 'BYE', data: { code: 1001, reason: 'moved', reconnect: false } }), 1001],
  ]) {
    story(`is final on ${how}`, async () => {
      const { client, wire } = await settled('chat');
      const told = listener(client, 'turted:state', 'turted:close');
      const pending = client.echo(1);
      await wire.hear();
      end(wire);
      const { payload } = await told.next('turted:close');
      assert.deepEqual([payload.code, payload.reconnect, payload.delay], [code, false, undefined]);
      await assert.rejects(pending, { code: 'disconnected' });
      await wire.ended;
      assert.deepEqual(told.all('turted:state'), ['closed']);
      assert.equal(server.untaken, 0);
    });
  }

  story('is not near on BYE reconnect:true: the client comes back', async () => {
    const { client, wire } = await settled();
    const told = listener(client, 'turted:close');
    wire.say({ type: 'BYE', data: { code: 1001, reason: 'going away', reconnect: true } });
    const { payload } = await told.next('turted:close');
    assert.deepEqual([payload.code, payload.reason, payload.reconnect], [1001, 'going away', true]);
    assert.equal((await server.wire()).path, '/ws');
  });

  story('can be called from a callback while the client is between two wires', async () => {
    const { client, wire } = await settled();
    const told = listener(client, 'turted:state');
    client.on('turted:close', () => client.close());
    wire.cut();
    await told.next('turted:state');
    assert.deepEqual(told.all('turted:state'), ['closed']);
  });
});

describe('who this is', () => {
  const expiring = { type: 'EXPIRING', data: { in: 30 } };
  /** A function for ident() whose questions are answered by the story, one after the other. */
  function questions() {
    const [asked, waiting] = [[], []];
    const source = (refused) =>
      new Promise((resolve, reject) => {
        const question = { refused, answer: resolve, refuse: reject };
        if (waiting.length) waiting.shift()(question);
        else asked.push(question);
      });
    const next = () => (asked.length ? Promise.resolve(asked.shift()) : new Promise((resolve) => waiting.push(resolve)));
    return { source, next, open: () => asked.length };
  }

  /** A client whose identity comes from a function, on its first wire. */
  async function vouched() {
    const client = connect();
    const wire = await server.wire();
    const { source, next, open } = questions();
    const answer = client.ident(source);
    wire.say(welcome(1));
    (await next()).answer({ token: 1 });
    const ident = await wire.hear();
    assert.deepEqual([ident.type, ident.data], ['IDENT', { token: 1 }]);
    wire.say(ok(ident, { username: 'adam' }));
    assert.deepEqual(await answer, { username: 'adam' });
    return { client, wire, next, open };
  }

  story('a function is asked when there is a connection, and what depends on it waits for it', async () => {
    const client = connect();
    const wire = await server.wire();
    const { source, next, open } = questions();
    const answers = Promise.all([client.ident(source), client.join('chat')]);
    assert.equal(open(), 0, 'there is nobody to tell it to');
    wire.say(welcome(1));
    const question = await next();
    assert.equal(question.refused, undefined);
    assert.equal(wire.unheard, 0);
    question.answer({ token: 'new' });
    const [ident, join] = [await wire.hear(), await wire.hear()];
    assert.deepEqual([ident.data, join.type], [{ token: 'new' }, 'JOIN']);
    wire.say(ok(ident, { username: 'adam', channels: ['user.adam'] }), ok(join, { channel: 'chat' }));
    assert.equal((await answers)[0].username, 'adam');
    assert.deepEqual(client.channels.sort(), ['chat', 'user.adam']);
  });

  story('before the identity ends it is asked again, once, and holds nothing up', async () => {
    const { client, wire, next, open } = await vouched();
    const told = listener(client, 'turted:expiring');
    wire.say(expiring, expiring);
    assert.deepEqual((await told.next('turted:expiring')).payload, { in: 30 });
    const question = await next();
    await barrier(client, wire);
    assert.equal(open(), 0, 'one question at a time');
    question.answer({ token: 2 });
    const ident = await wire.hear();
    assert.deepEqual([ident.type, ident.data], ['IDENT', { token: 2 }]);
    wire.say(ok(ident, { username: 'adam' }));
    await barrier(client, wire);
  });

  story('what was asked for one wire is not said on another: that one begins with a question of its own', async () => {
    const { client, wire, next, open } = await vouched();
    wire.say(expiring);
    const first = await next();
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c2', recovered: false, code: 'expired' }));
    client.join('chat');
    assert.deepEqual([open(), second.unheard], [0, 0], 'one question at a time');
    first.answer({ token: 'old' });
    (await next()).answer({ token: 'new' });
    assert.deepEqual((await second.hear()).data, { token: 'new' });
    assert.deepEqual((await second.hear()).data, { channel: 'chat' });
  });

  story('a wire that goes on with the connection asks nothing', async () => {
    const { client, wire, open } = await vouched();
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c1', recovered: true, replayed: 0 }));
    await barrier(client, second);
    assert.equal(open(), 0);
  });

  story('a function that throws has signed out: the page hears it, and the connection ends for good', async () => {
    const { client, wire, next } = await vouched();
    const told = listener(client, 'turted:signed-out', 'turted:close');
    wire.say(expiring);
    (await next()).refuse(new Error('no session'));
    assert.equal((await told.next('turted:signed-out')).payload.message, 'no session');
    assert.equal((await told.next('turted:close')).payload.reconnect, false);
    await wire.ended;
    assert.equal(client.state, 'closed');
  });

  story('the promise of the first question is rejected with what was thrown, and nothing is no identity', async () => {
    for (const [source, message] of [[() => { throw new Error('nobody'); }, /nobody/], [async () => null, /no identity/]]) {
      const client = connect();
      client.on('turted:close', () => {});
      const answer = client.ident(source);
      (await server.wire()).say(welcome(1));
      await assert.rejects(answer, message);
      assert.equal(client.state, 'closed');
    }
  });

  story('a page that cannot say it now is asked again', async () => {
    const { client, wire, next } = await vouched();
    wire.say(expiring);
    (await next()).refuse(Object.assign(new Error('offline'), { code: 'unavailable' }));
    (await next()).answer({ token: 2 });
    const ident = await wire.hear();
    assert.deepEqual(ident.data, { token: 2 });
    assert.equal(client.state, 'open');
  });

  story('what the server does not take is asked for again with the reason, three times in all; what went out behind it waits', async () => {
    const client = connect();
    const told = listener(client, 'turted:signed-out');
    const wire = await server.wire();
    const { source, next } = questions();
    const answer = client.ident(source);
    const joined = client.join('chat');
    wire.say(welcome(1));
    for (const code of ['expired', 'unavailable', 'ident_denied']) {
      (await next()).answer({ token: code });
      const [ident, join] = [await wire.hear(), await wire.hear()];
      assert.deepEqual([ident.data, join.type], [{ token: code }, 'JOIN']);
      wire.say(error(ident, code), error(join, 'join_denied'));
    }
    const last = await next();
    assert.equal(last.refused.code, 'ident_denied');
    last.answer({ token: 'last' });
    const [ident, join] = [await wire.hear(), await wire.hear()];
    wire.say(error(ident, 'expired'), ok(join, { channel: 'chat' }));
    await assert.rejects(answer, { code: 'expired' });
    assert.equal((await told.next('turted:signed-out')).payload.code, 'expired');
    await assert.rejects(joined, { code: 'disconnected' });
  });

  story('an identity that was not given by a function and is not taken any more is told, and nobody is asked', async () => {
    const { told, second, ident, chat, news, client } = await forgotten();
    const out = listener(client, 'turted:signed-out', 'turted:error');
    second.say(error(ident, 'expired'), ok(chat, chat.data), ok(news, news.data));
    assert.equal((await out.next('turted:signed-out')).payload.code, 'expired');
    assert.equal((await out.next('turted:error')).payload.code, 'expired');
    await told.next('turted:gap');
    assert.equal(client.state, 'open');
  });

  story('a channel that is denied is told and not asked for again, until there is another identity', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'turted:denied', 'turted:joined');
    const refused = client.join('shut');
    const asked = await wire.hear();
    wire.say(error(asked, 'join_denied'));
    await assert.rejects(refused, { code: 'join_denied' });
    assert.deepEqual((await told.next('turted:denied')).payload, { channel: 'shut', code: 'join_denied', message: 'no: join_denied' });
    assert.deepEqual([client.channels, client.denied], [['chat'], ['shut']]);
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c2', recovered: false }));
    const [ident, chat] = [await second.hear(), await second.hear()];
    assert.deepEqual([ident.type, chat.data], ['IDENT', { channel: 'chat' }]);
    second.say(ok(ident, { username: 'adam' }), ok(chat, chat.data));
    await barrier(client, second);
    client.ident({ username: 'adam', token: 'staff' });
    second.say(ok(await second.hear(), { username: 'adam' }));
    const again = await second.hear();
    assert.deepEqual([again.type, again.data], ['JOIN', { channel: 'shut' }]);
    assert.deepEqual(client.denied, []);
    second.say(ok(again, again.data));
    assert.deepEqual((await told.next('turted:joined')).payload, { channel: 'shut' });
    assert.deepEqual(client.channels.sort(), ['chat', 'shut']);
  });

  story('what cannot be decided after a loss is asked again, and holds nothing else up', async () => {
    const { client, told, second, ident, chat, news } = await forgotten();
    second.say({ type: 'ERROR', data: { code: 'unavailable', message: 'later', after: 1 }, ref: ident.ref });
    second.say(error(chat, 'join_denied'), ok(news, news.data));
    const [who, again] = [await second.hear(), await second.hear()];
    assert.deepEqual([who.data, again.data], [ident.data, chat.data], 'the identity, and what hung on it');
    const third = await second.hear();
    assert.deepEqual(third.data, news.data);
    second.say(ok(who, { username: 'adam' }), error(again, 'unavailable'), ok(third, news.data));
    const echo = client.echo(1);
    const heard = [await second.hear(), await second.hear()];
    const [said] = heard.filter(({ type }) => type === 'ECHO');
    const [join] = heard.filter(({ type }) => type === 'JOIN');
    second.say({ type: 'ECHO', data: 1, ref: said.ref }, ok(join, chat.data));
    await echo;
    await told.next('turted:gap');
    assert.deepEqual(client.channels.sort(), ['chat', 'news']);
  });

  story('a channel that the server takes away is told, and comes back with an identity that may hear it', async () => {
    const { client, wire } = await settled('chat', 'news');
    const told = listener(client, 'turted:left');
    const left = (channel, reason) => ({ type: 'LEFT', data: { channel, reason } });
    wire.say(left('chat', 'denied'), left('news', 'closed'));
    assert.deepEqual((await told.next('turted:left')).payload, { channel: 'chat', reason: 'denied' });
    await told.next('turted:left');
    assert.deepEqual(client.channels, []);
    client.ident({ username: 'eve' });
    wire.say(ok(await wire.hear(), { username: 'eve' }));
    assert.deepEqual((await wire.hear()).data, { channel: 'chat' });
    assert.equal(wire.unheard, 0);
    // Whoever does not want it any more says so, and the server's answer is the one hoped for.
    wire.say(left('news', 'closed'));
    client.join('shut').catch(() => {});
    wire.say(error(await wire.hear(), 'join_denied'));
    const forgotten = client.leave('shut');
    wire.say(error(await wire.hear(), 'not_joined'));
    assert.deepEqual(await forgotten, { channel: 'shut' });
    assert.deepEqual(client.denied, []);
  });
});

describe('what a client says to a channel', () => {
  story('it is answered with its receipt; who said an event is told with it', async () => {
    const { client, wire } = await settled('chat');
    const told = listener(client, 'TYPING', '*');
    const answers = [client.publish('chat', 'TYPING'), client.publish('chat', 'TYPING', { n: 1 }, { echo: false })];
    const [first, second] = [await wire.hear(), await wire.hear()];
    assert.deepEqual([first.type, first.data], ['PUBLISH', { channel: 'chat', event: 'TYPING' }]);
    assert.deepEqual(second.data, { channel: 'chat', event: 'TYPING', payload: { n: 1 }, echo: false });
    const receipt = { id: 'e-1', recipients: 2 };
    wire.say(ok(first, receipt), error(second, 'publish_denied'));
    assert.deepEqual(await answers[0], receipt);
    await assert.rejects(answers[1], { code: 'publish_denied', advice: /\[may\]/ });
    const heard = event('e-1', {}, 'TYPING');
    heard.data.from = { user: 'eve', connection: 'c9' };
    wire.say(heard);
    const meta = { id: 'e-1', via: { channel: 'chat' }, from: { user: 'eve', connection: 'c9' } };
    assert.deepEqual((await told.next('TYPING')).meta, { event: 'TYPING', ...meta });
    assert.deepEqual((await told.next('*')).meta, { event: 'TYPING', ...meta });
  });

  story('it is said once: what was under way on a wire that broke is not said again, what was not is', async () => {
    const { client, wire } = await settled();
    const lost = client.publish('chat', 'TYPING');
    await wire.hear();
    wire.cut();
    await assert.rejects(lost, { code: 'disconnected' });
    const kept = client.publish('chat', 'SAID');
    const second = await server.wire();
    second.say(welcome(2));
    second.say(ok(await second.hear(), { connection: 'c1', recovered: true, replayed: 0 }));
    const said = await second.hear();
    assert.equal(said.data.event, 'SAID');
    second.say(ok(said, { id: 'e-2', recipients: 0 }));
    assert.equal((await kept).id, 'e-2');
    await barrier(client, second);
  });

  story('what the server had no time for is said again, and not what it took behind it', async () => {
    const { client, wire } = await settled();
    const answers = Promise.all([client.ident({ username: 'eve' }), client.publish('chat', 'ONE'), client.publish('chat', 'TWO')]);
    const [who, one, two] = [await wire.hear(), await wire.hear(), await wire.hear()];
    wire.say(error(who, 'too_fast'), ok(one, { id: 'e-1', recipients: 0 }), error(two, 'publish_denied'));
    const [again, second] = [await wire.hear(), await wire.hear()];
    assert.deepEqual([again.type, second.data.event], ['IDENT', 'TWO']);
    wire.say(ok(again, { username: 'eve' }), ok(second, { id: 'e-2', recipients: 0 }));
    assert.deepEqual((await answers).slice(1).map(({ id }) => id), ['e-1', 'e-2']);
    await barrier(client, wire);
  });
});

describe('what nobody listens to', () => {
  /** What the client writes to the console, line by line. */
  function consoled(t) {
    const { mock } = t.mock.method(console, 'warn', () => {});
    return () => mock.calls.map(({ arguments: [text] }) => text);
  }

  story('a refusal nobody waits for is told on the console: what, why, and what to do', async (t) => {
    const lines = consoled(t);
    const { client, wire } = await settled();
    client.ident({ username: 'eve', token: 'guessed' });
    client.join('secret');
    wire.say(error(await wire.hear(), 'ident_denied'), error(await wire.hear(), 'too_many_channels'));
    await barrier(client, wire);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(lines().length, 2);
    assert.match(lines()[0], /^turted: IDENT eve: no: ident_denied \(ident_denied\)\. .*token.*\[auth\.clients\]/);
    assert.doesNotMatch(lines()[0], /guessed/, 'no credential');
    assert.match(lines()[1], /^turted: JOIN secret: .*limits\.channels_per_connection/);
  });

  story('one that somebody waits for is not: await, then(), catch(), Promise.all()', async (t) => {
    const lines = consoled(t);
    const { client, wire } = await settled();
    const refused = async () => wire.say(error(await wire.hear(), 'join_denied'));
    const awaited = (async () => {
      try {
        await client.join('a');
      } catch ({ code, advice }) {
        return [code, typeof advice];
      }
    })();
    await refused();
    assert.deepEqual(await awaited, ['join_denied', 'string']);
    const caught = client.join('b').catch(({ code }) => code);
    await refused();
    assert.equal(await caught, 'join_denied');
    const all = Promise.all([client.join('c')]).catch(({ code }) => code);
    await refused();
    assert.equal(await all, 'join_denied');
    const later = client.join('d');
    await refused();
    await assert.rejects(later, { code: 'join_denied' });
    await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(lines(), []);
  });

  story('a turted:error and the end, unless the page hears them; never what the page did itself', async (t) => {
    const lines = consoled(t);
    const { client, wire } = await settled('chat');
    wire.say({ type: 'ERROR', data: { code: 'bad_message', message: 'the message has no type' } });
    await barrier(client, wire);
    assert.equal(lines().length, 1);
    assert.match(lines()[0], /^turted: the message has no type \(bad_message\)/);
    const told = listener(client, 'turted:error');
    wire.say({ type: 'ERROR', data: { code: 'bad_message', message: 'the message has no type' } });
    await told.next('turted:error');
    assert.equal(lines().length, 1);
    client.off('turted:error');
    wire.cut();
    const second = await server.wire();
    second.say(welcome(2));
    second.say(error(await second.hear(), 'bad_message'));
    second.say(ok(await second.hear(), {}), error(await second.hear(), 'join_denied'));
    await barrier(client, second);
    assert.equal(lines().length, 2);
    assert.match(lines()[1], /^turted: JOIN chat, said again after a lost connection: no: join_denied \(join_denied\)\. /);
    client.echo(1);
    await second.hear();
    second.say({ type: 'BYE', data: { code: 4011, reason: 'replaced', reconnect: false } });
    await second.ended;
    while (client.state !== 'closed') await new Promise(setImmediate);
    assert.equal(lines().length, 3, 'the end, and not each command that it took along');
    assert.match(lines()[2], /^turted: the connection is closed for good: replaced \(4011\)\. /);
    const other = connect();
    (await server.wire()).say(welcome(1));
    other.echo(1);
    other.close();
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(lines().length, 3);
  });

  story('a server that cannot be reached, once', async (t) => {
    const lines = consoled(t);
    let attempts = 0;
    let again;
    const third = new Promise((resolve) => (again = resolve));
    class Refused {
      constructor() {
        if (++attempts === 3) again();
        queueMicrotask(() => this.onclose({ code: 1006, reason: '' }));
      }
      close() {}
    }
    connect('ws://nobody.invalid', { WebSocket: Refused });
    await third;
    assert.equal(lines().length, 1);
    assert.match(lines()[0], /^turted: no connection to ws:\/\/nobody\.invalid\/ws yet.*trying again/);
  });
});

describe('over plain HTTP', () => {
  story('"too many requests" means a little later: for a command, for a poll, and no wire is lost', async (t) => {
    const asked = [];
    let refusals = 2;
    const host = http.createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const command = text && JSON.parse(text);
      asked.push([request.method, command?.type ?? '']);
      const answer = (status, body, headers = {}) => response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
      if (request.method === 'POST' && !command) return answer(200, welcome(1).data);
      if (command?.type === 'JOIN' || request.method === 'GET') {
        if (request.method === 'GET' ? asked.filter(([method]) => method === 'GET').length <= 2 : refusals-- > 0) {
          return answer(429, { error: { code: 'too_fast', message: 'slow down' } }, { 'Retry-After': '0' });
        }
      }
      if (command) return answer(200, ok(command, command.data));
      if (asked.filter(([method]) => method === 'GET').length === 3) return answer(200, [event('e-1', 1)]);
      request.on('close', () => response.destroy()); // a poll that waits
    });
    host.listen(0, '127.0.0.1');
    await once(host, 'listening');
    t.after(() => [host.close(), host.closeAllConnections()]);
    const client = connect(`http://127.0.0.1:${host.address().port}`, { transports: ['poll'] });
    const told = listener(client, 'NEWS', 'turted:close', 'turted:error');
    assert.deepEqual(await client.join('chat'), { channel: 'chat' });
    assert.equal((await told.next('NEWS')).payload, 1);
    assert.deepEqual([told.all('turted:close'), told.all('turted:error')], [[], []]);
    assert.equal(asked.filter(([, type]) => type === 'JOIN').length, 3);
  });
});

describe('coming back', () => {
  story('at once on reconnect(), and only while the client waits', async () => {
    const client = connect(server.url, { minDelay: 60_000, maxDelay: 60_000 });
    const told = listener(client, 'turted:close', 'turted:open');
    client.reconnect();
    const wire = await server.wire();
    wire.say(welcome(1));
    await told.next('turted:open');
    client.reconnect();
    wire.cut();
    await told.next('turted:close');
    assert.equal(client.state, 'waiting');
    client.reconnect();
    assert.equal(client.state, 'connecting');
    (await server.wire()).say(welcome(2));
    client.close();
    client.reconnect();
    assert.equal(client.state, 'closed');
    assert.equal(server.untaken, 0);
  });

  story('takes a jittered delay that doubles between the two bounds', async (t) => {
    t.mock.method(Math, 'random', () => 0.999999);
    const delays = [];
    class Refused {
      constructor() {
        queueMicrotask(() => this.onclose({ code: 1006, reason: '' }));
      }
      close() {}
    }
    const client = connect('ws://nobody.invalid', { WebSocket: Refused, minDelay: 1, maxDelay: 10 });
    await new Promise((resolve) => client.on('turted:close', ({ delay }) => delays.push(Math.round(delay)) === 6 && resolve()));
    assert.deepEqual(delays, [2, 4, 8, 10, 10, 10]);
  });
});

describe('the file', () => {
  const source = new URL('../../static/turted.js', import.meta.url);

  /** Runs the classic script in a page-like world and returns where new TURTED(url) would connect to. */
  async function classic(href) {
    const opened = [];
    class Spy {
      constructor(url) {
        opened.push(url);
      }
      close() {}
    }
    const world = vm.createContext({ URL, WebSocket: Spy, setTimeout, clearTimeout, location: href && new URL(href) });
    vm.runInContext(await readFile(source, 'utf8'), world);
    return (...args) => {
      new world.TURTED(...args).close();
      return opened.at(-1);
    };
  }

  story('loads as an ES module, default and named, and as CommonJS', async () => {
    assert.equal(typeof TURTED, 'function');
    assert.equal(named, TURTED);
    assert.equal(globalThis.TURTED, TURTED);
    const module = { exports: {} };
    vm.runInNewContext(await readFile(source, 'utf8'), { module });
    assert.equal(module.exports.name, 'TURTED');
  });

  story('loads as a classic script and finds its server from the page or the url', async () => {
    const page = await classic('https://example.org/shop/cart?x=1#top');
    assert.equal(page(), 'wss://example.org/ws');
    assert.equal(page('/turted/ws'), 'wss://example.org/turted/ws');
    assert.equal(page('ws'), 'wss://example.org/shop/ws');
    assert.equal(page('http://push.example.org:7117'), 'ws://push.example.org:7117/ws');
    assert.equal(page('wss://push.example.org/'), 'wss://push.example.org/ws');
    assert.equal(page('wss://push.example.org/live?a=b#c'), 'wss://push.example.org/live?a=b');
    assert.throws(() => page('ftp://example.org/'), /cannot connect to ftp:/);
  });

  story('wants a url where there is no page, and a WebSocket where there is none', async () => {
    const nowhere = await classic();
    assert.throws(() => nowhere(), /Invalid URL/);
    assert.equal(nowhere('http://127.0.0.1:7117'), 'ws://127.0.0.1:7117/ws');
    const bare = vm.createContext({ URL });
    vm.runInContext(await readFile(source, 'utf8'), bare);
    assert.throws(() => new bare.TURTED('ws://127.0.0.1'), /no WebSocket here/);
  });
});
