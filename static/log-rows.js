/*
 * How a log line looks: its row, what the filter found in it, its details.
 * In: lines as log.js keeps them. Out: elements. Whatever strangers wrote goes in as text only (CWE-79), and no row grows without bound.
 * It does not know which lines are shown, nor where.
 */
'use strict';

/** Characters of a line that its row shows; its details show all. */
const ROW_CHARACTERS = 4_000;
const MEMBERS = 200;
const MARKS = 100;

/** The row of a remark by the page itself. */
function remark({ told, tone, at }) {
  const row = element('li', 'told', clock(at), element('span', '', told));
  row.dataset.tone = tone;
  return row;
}

/** The row of a line, still without its text: highlight() puts that in. */
function build({ at, level, continued, file, event, payload }) {
  const head = element('div', 'glance', clock(at), element('span', 'level', continued ? '' : level ?? ''));
  head.tabIndex = -1;
  head.setAttribute('role', 'button');
  head.setAttribute('aria-expanded', 'false');
  if (file) head.append(element('span', 'file'));
  if (event !== 'LOG:LINE') head.append(hint(event || '(no name)', 'the name of the event'));
  head.append(element('span', 'text'));
  if (payload?.cut === true) head.append(hint('cut', 'the line was longer than the connector takes'));
  if (payload?.replaced === true) head.append(hint('not UTF-8', 'bytes that are not UTF-8 were replaced'));
  if (payload?.partial === true) head.append(hint('no end yet', 'the line was taken before its end was written'));
  const row = element('li', 'line', head);
  if (level) row.dataset.level = level;
  return row;
}

const hint = (text, title) => Object.assign(element('span', 'hint', text), { title });

/** Puts the text in (anew), with what `marks` finds in it highlighted. */
function highlight(row, { text, file }, marks) {
  const rest = text.length > ROW_CHARACTERS ? ' …' : '';
  row.querySelector('.text').replaceChildren(...marked(text.slice(0, ROW_CHARACTERS), marks), rest);
  row.querySelector('.file')?.replaceChildren(...marked(file, marks));
}

function marked(text, marks) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of marks ? text.matchAll(marks) : []) {
    if (!found) continue; // a regex such as /x*/ finds nothing everywhere
    if (parts.length >= 2 * MARKS) break;
    parts.push(text.slice(end, index), element('mark', '', found));
    end = index + found.length;
  }
  return [...parts, text.slice(end)];
}

/** The members of the payload, and what the event says besides. */
function details({ payload, event, id, via, at }) {
  const list = element('dl', 'facts');
  const put = (name, value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    if (text !== undefined) list.append(element('dt', '', name), element('dd', '', text));
  };
  const members = isObject(payload) ? Object.entries(payload) : [['payload', payload]];
  for (const [name, value] of members.slice(0, MEMBERS)) put(name, value);
  if (members.length > MEMBERS) put('…', `${members.length - MEMBERS} more; Copy takes them all`);
  const reached = Object.entries(via ?? {}).flat().join(' ');
  for (const [name, value] of Object.entries({ event, id, via: reached, arrived: at.toISOString() })) put(name, value);
  const copy = element('button', 'plain', 'Copy');
  copy.type = 'button';
  copyButton(copy, list, () => JSON.stringify(payload, null, 2));
  return element('div', 'members', list, copy);
}
