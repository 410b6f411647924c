/*
 * What the demo pages share: building elements, the list of rows, the state, the curl command and its copy button.
 * In: plain values and text from strangers. Out: elements. Text goes in as text only, never as markup.
 * It does not know the client, the server or any page.
 */
'use strict';

const $ = (id) => document.getElementById(id);

/** element('span', 'badge', 'chat'): children are elements or text. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

/** The state of the connection, with what the last turted:close said about it. */
function showState(state, { reason, delay = 0 }) {
  const texts = {
    connecting: 'Connecting…',
    open: 'Connected',
    waiting: `Offline, next try in ${Math.ceil(delay / 1000)} s`,
    closed: `Closed${reason ? `: ${reason}` : ''}`,
  };
  $('state').dataset.state = state;
  $('state').textContent = texts[state];
}

/** A note below a form field or button; tone is '', 'good' or 'bad'. */
function note(id, text, tone = '') {
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
