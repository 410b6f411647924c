/*
 * What the demo pages share: building elements, the list of rows, the connection's state, the curl command and its copy button.
 * In: plain values and text from strangers. Out: elements. Text goes in as text only, never as markup.
 * Of the client it knows states and reasons only, of the server and the pages nothing.
 */
'use strict';

/** What a long payload shows before somebody asks for the rest. */
const HEAD_LINES = 14;
const HEAD_CHARACTERS = 1_500;

const $ = (id) => document.getElementById(id);

/** element('span', 'badge', 'chat'): children are elements or text. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

/** Reads JSON so that a number which a double cannot hold stays as it came, where the browser tells how it was written. */
function exact(text) {
  return JSON.parse(text, (name, value, context) => {
    const isBent = typeof value === 'number' && !Number.isSafeInteger(value) && context && String(value) !== context.source;
    return isBent && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
  });
}

/** What the server says to programs, for people. */
const PLAIN = {
  ident_denied: 'the server does not believe it',
  join_denied: 'the server does not allow it',
  disconnected: 'there is no connection',
};

/** "already in 128 channels. Leave some first …": what happened, and what to do. */
const inWords = ({ code, message, advice }) => [PLAIN[code] ?? message, advice].filter(Boolean).join('. ');

/** Why a connection was lost, for people. */
const LOSSES = {
  1001: 'The server is stopping or starting anew',
  1011: 'Something went wrong in the server',
  4008: 'This page read too slowly, so the server let it go',
  4009: 'The server gives no sign of life',
};

/** The state in the bar and, while there is no connection, a banner: why, until when, and a button for those who cannot wait. */
function showConnection(turted) {
  const words = { connecting: 'Connecting…', open: 'Connected', waiting: 'Offline', closed: 'Closed' };
  let why = null; // since the last time it was open
  let wasOpen = false;
  let due = 0;

  const what = () => {
    if (!why.reconnect) return [`The connection is closed for good${why.reason ? ` (${why.reason})` : ''}.`, why.advice];
    if (!navigator.onLine) return ['This device has no network.', 'The page comes back by itself.'];
    if (!wasOpen) return [`The server at ${location.host} cannot be reached${why.reason ? ` (${why.reason})` : ''}.`, 'Is it running?'];
    return [`${LOSSES[why.code] ?? 'The connection is lost'}${why.reason ? ` (${why.reason})` : ''}.`, 'What is sent meanwhile comes later, or the page says that something is missing.'];
  };
  const when = () => {
    if (turted.state === 'closed') return '';
    if (turted.state !== 'waiting') return 'Trying again…';
    return `Next try in ${Math.max(1, Math.ceil((due - Date.now()) / 1000))} s.`;
  };
  const tick = () => why && ($('banner-when').textContent = when());

  const show = (state) => {
    if (state === 'open') [why, wasOpen] = [null, true];
    $('state').dataset.state = state;
    $('state').textContent = words[state];
    document.body.dataset.connection = why ? 'lost' : state;
    $('banner').hidden = !why;
    if (!why) return;
    $('banner').dataset.tone = state === 'closed' ? 'bad' : 'warn';
    const [fact, advice = ''] = what();
    if ($('banner-what').textContent !== fact) $('banner-what').textContent = fact; // else it would be read out at each try
    if ($('banner-advice').textContent !== advice) $('banner-advice').textContent = advice;
    $('banner-do').textContent = state === 'closed' ? 'Reload' : 'Try now';
    tick();
  };
  turted.on('turted:close', (told) => {
    [why, due] = [told, Date.now() + (told.delay ?? 0)];
  });
  turted.on('turted:state', show);
  setInterval(tick, 250);
  $('banner-do').addEventListener('click', () => (turted.state === 'closed' ? location.reload() : turted.reconnect()));
}

/** For those who listen to the page: of many things one sentence, at most every few seconds. `sentence` gets how many, and the newest. */
function announcer(sentence, every = 3_000) {
  let [count, newest, timer] = [0, null, 0];
  return (what) => {
    [count, newest] = [count + 1, what];
    timer ||= setTimeout(() => {
      $('announce').textContent = sentence(count, newest);
      [count, timer] = [0, 0];
    }, count === 1 ? 500 : every);
  };
}

/** On a phone what is below the events is folded, until somebody wants it. */
function foldOnPhones() {
  const phone = matchMedia('(max-width: 48rem)');
  const fold = () => document.querySelectorAll('.fold').forEach((card) => (card.open = !phone.matches));
  phone.addEventListener('change', fold);
  fold();
}

/** A long text shows its beginning and a button for the rest: nothing is cut without saying so, and no row is endless. */
function shortened(text, className) {
  const lines = text.split('\n');
  const head = lines.slice(0, HEAD_LINES).join('\n').slice(0, HEAD_CHARACTERS);
  const block = element('pre', className, text);
  if (head.length === text.length) return [block];
  const button = element('button', 'plain more');
  button.type = 'button';
  const show = (all) => {
    block.textContent = all ? text : `${head}\n…`;
    const size = lines.length > HEAD_LINES ? `${lines.length} lines` : `${text.length.toLocaleString('en')} characters`;
    button.textContent = all ? 'Show less' : `Show all ${size}`;
    button.ariaExpanded = String(all);
  };
  button.addEventListener('click', () => show(button.ariaExpanded !== 'true'));
  show(false);
  return [block, button];
}

/** A note below a form field or button; tone is '', 'good' or 'bad'. A bad one is not left in a folded card. */
function note(id, text, tone = '') {
  const folded = tone === 'bad' && $(id).closest('details');
  if (folded) folded.open = true;
  $(id).textContent = text;
  $(id).dataset.tone = tone;
}

function clock(date = new Date()) {
  const two = (number) => String(number).padStart(2, '0');
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const time = element('time', 'clock', text);
  time.dateTime = date.toISOString();
  return time;
}

/** Puts a row on top and lets the oldest go, so that a page left open overnight stays light. */
function addRow(list, row, limit) {
  list.prepend(row);
  while (list.childElementCount > limit) list.lastElementChild.remove();
}

/** The push as one would type it. Within single quotes a shell leaves everything alone but the quote itself. */
function curl(body, headers = []) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const url = new URL('/push/', location.href).href;
  return ['curl', url, ...headers.map((header) => `-H ${quoted(header)}`), '-d', quoted(body)].join(' ');
}

/** Copies where the browser allows it (not over plain http from another host); else selects the source, so that Ctrl+C does it. */
function copyButton(button, source, text = () => source.textContent) {
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
}
