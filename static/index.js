/*
 * The listening page at work. In: events and states from turted.js. Out: rows, chips and the state; ident, join and leave from its forms.
 * The address may say where to begin: ?channel=news&channel=chat&user=adam (or the same behind #). Without a channel it is "chat".
 * It does not know how the connection lives on; that is turted.js's business.
 */
'use strict';

const ROWS = 200;

const turted = new TURTED(undefined, { parse: exact });
let user = null;
let received = 0;
let reason = ''; // of the newest denial
const announce = announcer((count, what) => (count === 1 ? what : `${count} new events, the newest ${what}`));

// ---- the connection ---------------------------------------------------------------------------------------------------

turted.on('turted:state', (state) => {
  $('connection').textContent = turted.connection ?? 'none yet';
  if (state === 'closed') showChannels();
});
showConnection(turted);
turted.on('turted:gap', ({ since }) => tell(`Events may be missing${since ? ` since ${since}` : ''}`));
turted.on('turted:denied', ({ channel, message }) => {
  reason = message; // on this machine the server says why
  announce(`You may not hear ${channel}`);
  $('denied').closest('details').open = true; // on a phone it may be folded
  showChannels();
});
turted.on('turted:joined', () => showChannels());
turted.on('turted:left', ({ channel, reason: why }) => {
  if (why === 'denied') reason = '';
  tell(`The server has taken you out of ${channel}${why === 'denied' ? ': whoever you are now may not hear it' : ''}.`);
  showChannels();
});
turted.on('turted:expiring', ({ in: seconds }) => {
  tell(`In ${seconds} s the server does not know any more who you are. Identify again, with a new token.`);
});
turted.on('turted:signed-out', (error) => {
  user = null;
  $('user').textContent = $('you-digest').textContent = 'nobody any more';
  note('ident-note', `The server does not know any more who you are: ${inWords(error)}`, 'bad');
});
turted.on('turted:error', (error, { command, data }) => {
  tell(`${command ? `${command} ${data.channel ?? data.username}: ` : ''}${inWords(error)}`);
  showChannels();
});

// ---- events -----------------------------------------------------------------------------------------------------------

turted.on('*', (payload, { event, id, via, from }) => {
  const [kind, name] = Object.entries(via ?? {})[0] ?? ['broadcast', true];
  const reached = kind === 'broadcast' ? 'everybody' : `${kind} ${name}`;
  const badge = element('span', 'badge', reached);
  badge.dataset.via = kind;
  const sender = from ? [element('span', 'badge', `from ${from.user ?? 'somebody'}`)] : [];
  const head = element('div', 'head', clock(), element('strong', 'name', event || '(no name)'), badge, ...sender, element('span', 'id', id ?? ''));
  show(element('li', 'event', head, ...shortened(JSON.stringify(payload, null, 2) ?? '', 'payload')));
  announce(`${event} via ${reached}`);
  received += 1;
  $('count').textContent = received;
});

function tell(text) {
  show(element('li', 'event told', element('div', 'head', clock(), element('span', '', text))));
  announce(text);
}

function show(row) {
  $('empty').hidden = true;
  addRow($('events'), row, ROWS);
}

$('clear').addEventListener('click', () => {
  $('events').replaceChildren();
  $('empty').hidden = false;
  received = 0;
  $('count').textContent = received;
});

// ---- who and where ----------------------------------------------------------------------------------------------------

async function ident(credentials) {
  note('ident-note', '');
  try {
    user = (await turted.ident(credentials)).username ?? credentials.username;
    $('user').textContent = $('you-digest').textContent = user;
    note('ident-note', `You are ${user} now.`, 'good');
    showChannels(); // it may hear others
  } catch (error) {
    note('ident-note', `Not identified: ${inWords(error)}`, 'bad');
  }
  showCurl();
}

async function join(channel) {
  note('join-note', '');
  try {
    await turted.join(channel);
  } catch (error) {
    // What is denied stands there, until one is somebody else.
    if (error.code !== 'join_denied') note('join-note', `Not joined: ${inWords(error)}`, 'bad');
  }
  showChannels();
}

async function leave(channel) {
  try {
    await turted.leave(channel);
  } catch (error) {
    note('join-note', `Not left: ${inWords(error)}`, 'bad');
  }
  showChannels();
  $('join-button').focus(); // the one that had the focus is gone; the field would call up a phone's keyboard
}

$('ident').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const { username, token } = submit.target.elements;
  ident({ username: username.value, ...(token.value && { token: token.value }) });
});

$('join').addEventListener('submit', (submit) => {
  submit.preventDefault();
  join($('channel').value);
  $('channel').value = '';
});

function chip(channel, label) {
  const button = element('button', '', '×');
  button.type = 'button';
  button.ariaLabel = label;
  button.addEventListener('click', () => leave(channel));
  const name = element('span', '', channel);
  name.title = channel;
  return element('li', 'chip', name, button);
}

function showChannels() {
  const { channels, denied } = turted;
  $('channels').replaceChildren(...channels.map((channel) => chip(channel, `Leave ${channel}`)));
  $('not-for-you').hidden = !denied.length;
  $('denied').replaceChildren(...denied.map((channel) => chip(channel, `Forget ${channel}`)));
  const fact = `As ${user ?? 'nobody in particular'} you may not hear what is said there. Identify as somebody who may: then it is joined by itself.`;
  $('denied-why').textContent = reason ? `${fact} The server says: “${reason}”.` : fact;
  $('channels-digest').textContent = turted.channels.join(', ');
  showCurl();
}

/** The command reaches this very page: through its newest channel, else its user, else as one of everybody. */
function showCurl() {
  const channel = turted.channels.at(-1);
  const targets = channel ? { channels: [channel] } : user ? { users: [user] } : { broadcast: true };
  $('curl').textContent = curl(JSON.stringify({ event: 'MESSAGE:NEW', targets, payload: { text: 'hello' } }));
  const same = new URLSearchParams(channel ? { channel } : user ? { user } : {});
  $('to-push').href = `push.html?${same}`;
}

// ---- from the start ---------------------------------------------------------------------------------------------------

const wishes = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`);
if (wishes.get('user')) {
  $('username').value = wishes.get('user');
  ident({ username: wishes.get('user'), ...(wishes.get('token') && { token: wishes.get('token') }) });
}
for (const channel of wishes.has('channel') ? wishes.getAll('channel') : ['chat']) if (channel) join(channel);
addEventListener('hashchange', () => location.reload());
copyButton($('copy'), $('curl'));
foldOnPhones();
showCurl();
