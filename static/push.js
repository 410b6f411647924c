/*
 * The pushing page at work. In: what the form says. Out: POST /push/ as any backend would send it, and a row with the receipt or the error.
 * The address may fill the targets: ?channel=chat&user=adam. The payload is checked here and sent as typed, never rewritten.
 * It does not know who listens; the receipt says how many.
 */
'use strict';

const ROWS = 50;
const form = $('push').elements;
const announce = announcer((count, what) => (count === 1 ? what : `${count} answers, the newest: ${what}`));

/** What to do about a refusal, by its status. The keys are those of the server's turted.toml. */
const ADVICE = {
  401: 'The server wants other credentials: choose them in the form; [auth.backends] says which',
  403: 'This page may not push: its origin has to stand in server.origins, or use the page that the server itself has',
  404: 'Nothing takes pushes at /push/ here: see [connectors.rest]',
  413: 'The server takes less at once: see limits.push_bytes',
  503: 'The server has too much to do, or is stopping: try again in a moment',
};

/** "chat, news" → ["chat", "news"] */
const names = (text) => text.split(',').map((name) => name.trim()).filter(Boolean);

function targets() {
  const [channels, users] = [names(form.channels.value), names(form.users.value)];
  return {
    ...(users.length && { users }),
    ...(channels.length && { channels }),
    ...(form.everybody.checked && { broadcast: true }),
  };
}

/** The request as its parts. The payload keeps the bytes it was typed with: a round trip through numbers would bend large ones. */
function request() {
  const { credentials, secret, event, payload } = form;
  const members = [
    `"event":${JSON.stringify(event.value)}`,
    `"targets":${JSON.stringify(targets())}`,
    `"payload":${payload.value.trim() || '{}'}`,
    ...(credentials.value === 'password' ? [`"auth":${JSON.stringify({ password: secret.value })}`] : []),
  ];
  const headers = credentials.value === 'bearer' ? { Authorization: `Bearer ${secret.value}` } : {};
  return { body: `{${members.join(',')}}`, headers };
}

// ---- as you type ------------------------------------------------------------------------------------------------------

function checkPayload() {
  const text = form.payload.value;
  try {
    if (text.trim()) JSON.parse(text);
    note('payload-note', text.trim() ? 'Valid JSON' : 'Empty: an empty object is sent', 'good');
    form.payload.ariaInvalid = 'false';
    return true;
  } catch (error) {
    note('payload-note', error.message, 'bad');
    form.payload.ariaInvalid = 'true';
    return false;
  }
}

function refresh() {
  const kind = form.credentials.value;
  $('secret-field').hidden = kind === 'none';
  $('secret-label').textContent = kind === 'password' ? 'Password' : 'Token';
  checkPayload();
  note('targets-note', '');
  const { body, headers } = request();
  $('curl').textContent = curl(body, Object.entries(headers).map(([name, value]) => `${name}: ${value}`));
}

// ---- sending ----------------------------------------------------------------------------------------------------------

async function push() {
  if (!checkPayload()) return form.payload.focus();
  if (!Object.keys(targets()).length) {
    note('targets-note', 'Choose a channel, a user or everybody.', 'bad');
    return form.channels.focus();
  }
  const { body, headers } = request();
  const event = form.event.value;
  $('send').disabled = true;
  try {
    const response = await fetch('/push/', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
      body,
    });
    showAnswer(event, response.status, await response.text());
  } catch (error) {
    showRow(event, 'bad', `Not sent: the server at ${location.host} cannot be reached (${error.message}). Is it running?`);
  }
  $('send').disabled = false;
}

function showAnswer(event, status, text) {
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {} // something between here and the server speaks plain text: show that
  if (status >= 400) {
    const { code = `status ${status}`, message = text } = answer.error ?? {};
    return showRow(event, 'bad', [`${status} ${code}: ${message}`, ADVICE[status]].filter(Boolean).join('. '));
  }
  const { id = '', recipients } = answer;
  if (recipients === undefined) return showRow(event, 'good', text, id);
  const reached = recipients === 0 ? 'Nobody was there to hear it' : `Reached ${recipients} connection${recipients === 1 ? '' : 's'}`;
  showRow(event, recipients === 0 ? '' : 'good', reached, id);
}

function showRow(event, tone, text, id = '') {
  $('empty').hidden = true;
  const head = element('div', 'head', clock(), element('strong', 'name', event || '(no name)'), element('span', 'id', id));
  const result = element('p', 'note', text);
  result.dataset.tone = tone;
  addRow($('receipts'), element('li', 'event', head, result), ROWS);
  announce(`${event}: ${text}`);
}

$('push').addEventListener('input', refresh);
$('push').addEventListener('submit', (submit) => {
  submit.preventDefault();
  push();
});
$('push').addEventListener('keydown', (key) => {
  if (key.key === 'Enter' && (key.ctrlKey || key.metaKey) && !$('send').disabled) push();
});

const wishes = new URLSearchParams(location.search);
form.channels.value = wishes.getAll('channel').join(', ');
form.users.value = wishes.getAll('user').join(', ');
if (!wishes.has('channel') && !wishes.has('user')) form.channels.value = 'chat';
copyButton($('copy'), $('curl'));
refresh();
