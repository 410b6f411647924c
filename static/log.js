/*
 * The log page at work. In: events and states from turted.js. Out: rows, at most LINES of them, painted at most once per frame.
 * The address may say where to begin: ?channel=log&filter=db&level=warn (or the same behind #; user and token too).
 * A line goes queue → all → shown: it waits for its frame (or for the end of a pause), is kept, and is shown if the filter agrees.
 * What a payload means is log-line.js's business, how a row looks that of log-rows.js, how the connection lives on that of turted.js.
 */
'use strict';

const LINES = 5_000;
const CHARACTERS = 16 * 1024 * 1024;
/** Rows that go at once: each time all others move, which costs the browser more than the new ones do. */
const STEP = 500;
/** May wait for their frame; fewer, so that a remark about those left out stays among the lines. */
const WAITING = 4_000;
/** New rows per frame at most, and milliseconds without one at most, so that a flood leaves room for the user. */
const PER_FRAME = 1_000;
const LONGEST_REST = 200;

const wishes = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`);
const wished = wishes.getAll('channel').filter(Boolean);
const channels = wished.length ? wished : ['log'];

const turted = new TURTED(undefined, { parse: exact });
const queue = new Newest(WAITING, CHARACTERS);
const all = new Newest(LINES, CHARACTERS);
const shown = new Newest(LINES, CHARACTERS, STEP);
const lineOf = new WeakMap(); // row → line

let numbered = 0;
let before = null; // the line before, whose level a stack trace goes on with
let frame = 0; // asked for, or not rested from yet
let due = false; // something came since the last one
let paused = false;
let leftOut = 0; // lines that found the queue full
let filter = readFilter('');
let least = -1; // rank of the lowest level shown
let follow = true;
let below = 0; // rows added since the user looked away from the end
let lastTop = 0;
const files = { first: '', width: 0 }; // characters of the longest name

const number = (count) => count.toLocaleString('en');
const lines = (count) => `${number(count)} line${count === 1 ? '' : 's'}`;
const passes = (line) => line.told || (line.rank >= least && filter.test(`${line.file} ${line.text}`));
const isLine = (line) => !line.told;

// ---- the connection ---------------------------------------------------------------------------------------------------

const announce = announcer((count, text) => (count === 1 ? text : `${lines(count)}, the last: ${text}`), 10_000);
let lost = null; // why, from the first loss until the return

turted.on('turted:close', (why) => {
  if (!lost) tell(`Connection ${why.reconnect ? 'lost' : 'closed'}${why.reason ? `: ${why.reason}` : ''}`, 'bad');
  lost = why;
});
showConnection(turted);
turted.on('turted:open', ({ recovered }) => lost && recovered && back('Back, nothing missed', 'good'));
turted.on('turted:gap', () => back(lost ? 'Back, some lines may be missing' : 'Some lines may be missing'));
turted.on('turted:error', (error, { command, data }) => tell(`${command ? `${command} ${data.channel ?? data.username}: ` : ''}${inWords(error)}`, 'bad'));
turted.on('turted:left', ({ channel }) => tell(`The server has taken this page out of ${channel}`, 'bad'));
turted.on('turted:signed-out', (error) => tell(`The server does not know any more who this is: ${inWords(error)}`, 'bad'));
turted.on('*', (payload, { event, id, via }) => {
  before = { ...readLine(payload, before), event, id, via, at: new Date() };
  arrive(before);
  announce(before.text.slice(0, 200));
});

function back(text, tone) {
  tell(text, tone);
  lost = null;
}

/** A remark of the page among the lines; no filter hides it. */
function tell(told, tone = '') {
  arrive({ told, tone, size: 0, at: new Date() });
  announce(told);
}

// ---- from the queue into the page -------------------------------------------------------------------------------------

function arrive(line) {
  line.n = ++numbered;
  leftOut += queue.add(line).length;
  due = true;
  frame ||= requestAnimationFrame(paint);
}

function paint() {
  const begun = performance.now();
  due = false;
  if (!paused) holding(move);
  showCounts();
  // When the browser has painted, it rests for as long: one that always paints lets messages and the user wait.
  const rested = () => (frame = due || (queue.lines.length && !paused) ? requestAnimationFrame(paint) : 0);
  setTimeout(() => setTimeout(rested, Math.min(performance.now() - begun, LONGEST_REST)));
}

function move() {
  if (leftOut) queue.lines.unshift({ told: `${lines(leftOut)} left out: more came than can wait`, tone: '', size: 0, at: new Date(), n: queue.lines[0].n - 0.5 });
  leftOut = 0;
  const [rows, gone] = [[], []];
  for (let count = 0; count < PER_FRAME && queue.lines.length; count++) add(queue.take(), rows, gone);
  for (const line of gone) remove(line.row);
  $('lines').append(...rows.filter((row) => lineOf.has(row)));
}

function add(line, rows, gone) {
  all.add(line);
  if (isLine(line)) prepare(line);
  if (!passes(line)) return;
  gone.push(...shown.add(line));
  rows.push(rowOf(line));
  if (!follow) below += 1;
}

/** With the first line the advice goes. The time of arrival is shown once a line does not bring its own; names of files once there are two. */
function prepare({ timed, file }) {
  if (!$('setup').hidden) $('setup').hidden = true;
  if (!timed) $('lines').dataset.clock = 'arrival';
  if (!file) return;
  files.first ||= file;
  if (file !== files.first) $('lines').dataset.files = 'several';
  if (file.length <= files.width) return;
  files.width = file.length;
  $('lines').style.setProperty('--file-width', `${Math.min(file.length, 24)}ch`);
}

/** A row that goes must not take the keyboard's place with it. */
function remove(row) {
  if (row.contains(document.activeElement)) $('log').focus({ preventScroll: true });
  row.remove();
  lineOf.delete(row);
}

/** After a new filter: what is shown and what was kept besides, sieved again. */
function sieve() {
  const oldest = all.lines[0]?.n ?? Infinity;
  const candidates = [...shown.lines.filter(({ n }) => n < oldest), ...all.lines];
  shown.clear();
  for (const line of candidates) if (passes(line)) shown.add(line);
  holding(() => $('lines').replaceChildren(...shown.lines.map(rowOf)));
  showCounts();
}

// ---- rows -------------------------------------------------------------------------------------------------------------

function rowOf(line) {
  line.row ??= line.told ? remark(line) : build(line);
  if (!line.told && line.marks !== filter.marks) highlight(line.row, line, (line.marks = filter.marks));
  lineOf.set(line.row, line);
  return line.row;
}

function toggle(row) {
  const line = lineOf.get(row);
  const open = row.childElementCount === 1;
  if (open) row.append(details(line));
  else row.lastElementChild.remove();
  row.toggleAttribute('data-open', open);
  row.firstElementChild.setAttribute('aria-expanded', String(open));
  setFollow(!open && atEnd()); // whoever reads does not want it to move
  if (open) row.scrollIntoView({ block: 'nearest' });
  lastTop = $('log').scrollTop;
}

// ---- following --------------------------------------------------------------------------------------------------------

/** Changes rows and keeps the place: the end while following, else the row that stands on top. */
function holding(change) {
  const log = $('log');
  const anchor = follow ? null : rowAt(log.getBoundingClientRect().top + 1);
  const top = anchor?.getBoundingClientRect().top;
  change();
  if (!$('setup').hidden) return; // to be read from its beginning
  if (follow) log.scrollTop = log.scrollHeight;
  else if (anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - top;
  lastTop = log.scrollTop;
}

function rowAt(y) {
  return document.elementFromPoint($('log').getBoundingClientRect().left + 8, y)?.closest('#lines > li');
}

function atEnd() {
  const { scrollTop, scrollHeight, clientHeight } = $('log');
  return scrollHeight - clientHeight - scrollTop < 2;
}

function setFollow(on) {
  follow = on;
  if (on) {
    below = 0;
    holding(() => {});
  }
  showCounts();
}

$('log').addEventListener('scroll', () => {
  const { scrollTop } = $('log');
  const moved = scrollTop - lastTop;
  if (Math.abs(moved) < 1 || !$('setup').hidden) return; // the page did it, not the user; or there is nothing to follow yet
  lastTop = scrollTop;
  if (moved < 0 && follow) setFollow(false);
  if (moved > 0 && !follow && atEnd()) setFollow(true);
});
new ResizeObserver(() => holding(() => {})).observe($('log'));

// ---- what the page says about itself ----------------------------------------------------------------------------------

function showCounts() {
  const [kept, seen] = [all, shown].map((newest) => newest.lines.filter(isLine).length);
  const filtered = least >= 0 || $('filter').value.trim() !== '';
  $('count').textContent = filtered ? `${number(seen)} shown, ${lines(kept)} kept` : lines(seen);
  $('mode').textContent = paused ? 'paused' : follow ? 'following' : 'not following';
  $('pause').dataset.on = paused;
  $('pause').textContent = paused ? `Resume${queue.lines.length ? ` (${number(queue.lines.length)})` : ''}` : 'Pause';
  $('follow').hidden = follow;
  $('follow').textContent = below ? `↓ Follow (${number(below)} new)` : '↓ Follow';
  $('none').hidden = seen > 0 || !$('setup').hidden;
  $('none-text').textContent = kept ? `None of the last ${lines(kept)} passes the filter.` : 'Cleared. New lines show up here.';
  $('unfilter').hidden = !kept;
}

// ---- the tools --------------------------------------------------------------------------------------------------------

let typing;
$('filter').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(setFilter, 80);
});
$('level').addEventListener('change', setFilter);

function setFilter() {
  least = LEVELS.indexOf($('level').value);
  let broken = '';
  try {
    filter = readFilter($('filter').value);
  } catch (error) {
    broken = `${error.message}. The filter before stays.`;
  }
  $('filter').ariaInvalid = String(Boolean(broken));
  note('filter-note', broken, broken && 'bad');
  sieve();
}

$('unfilter').addEventListener('click', () => {
  $('filter').value = '';
  $('level').value = '';
  setFilter();
  $('log').focus();
});

$('choose').addEventListener('submit', (submit) => {
  submit.preventDefault();
  const address = new URL(location.href);
  address.search = address.hash = '';
  for (const channel of $('channel').value.split(',').map((name) => name.trim()).filter(Boolean)) address.searchParams.append('channel', channel);
  location.assign(address);
});

function togglePause() {
  paused = !paused;
  showCounts();
  frame ||= requestAnimationFrame(paint);
}

$('pause').addEventListener('click', togglePause);
$('follow').addEventListener('click', () => {
  $('log').focus({ preventScroll: true });
  setFollow(true);
});
$('wrap').addEventListener('click', () => {
  const wrap = $('wrap').ariaPressed !== 'true';
  $('wrap').ariaPressed = String(wrap);
  holding(() => ($('lines').dataset.wrap = wrap));
});
$('clear').addEventListener('click', () => {
  for (const newest of [queue, all, shown]) newest.clear();
  leftOut = 0;
  $('lines').replaceChildren();
  setFollow(true);
});

copyButton($('copy'), $('lines'), () => shown.lines.filter(isLine).map(({ text }) => text).join('\n'));
for (const button of document.querySelectorAll('[data-copies]')) copyButton(button, $(button.dataset.copies));

$('lines').addEventListener('click', ({ target }) => {
  const row = target.closest('.glance')?.parentElement;
  if (row && getSelection().type !== 'Range') toggle(row); // whoever marks text wants no details
});

// ---- the keyboard -----------------------------------------------------------------------------------------------------

/** Only while the log has the focus, so that no key of a screen reader or of the browser is taken away elsewhere. */
const KEYS = {
  ArrowUp: () => walk(-1),
  ArrowDown: () => walk(1),
  Home: () => goTo(nextLine($('lines').firstElementChild, 1)),
  End: () => {
    setFollow(true);
    goTo(nextLine($('lines').lastElementChild, -1));
  },
  Enter: () => focusedRow() && toggle(focusedRow()),
  ' ': () => focusedRow() && toggle(focusedRow()),
  Escape: () => $('log').focus({ preventScroll: true }),
  p: togglePause,
  '/': () => $('filter').focus(),
};

$('log').addEventListener('keydown', (key) => {
  const elsewhere = key.ctrlKey || key.altKey || key.metaKey || key.target.closest('button, pre');
  const does = KEYS[key.key.length === 1 ? key.key.toLowerCase() : key.key];
  if (elsewhere || !does || (key.key === ' ' && !focusedRow())) return;
  key.preventDefault();
  does();
});
$('filter').addEventListener('keydown', ({ key }) => key === 'Enter' && $('log').focus());

const focusedRow = () => document.activeElement.closest('.line');

function nextLine(row, step) {
  while (row && !row.matches('.line')) row = step > 0 ? row.nextElementSibling : row.previousElementSibling;
  return row;
}

/** One line on; from the log itself to the last line that is in sight. */
function walk(step) {
  const row = focusedRow();
  if (row) return goTo(nextLine(step > 0 ? row.nextElementSibling : row.previousElementSibling, step));
  goTo(nextLine(rowAt($('log').getBoundingClientRect().bottom - 4) ?? $('lines').lastElementChild, -1));
}

function goTo(row) {
  row?.firstElementChild.focus({ preventScroll: true });
  row?.scrollIntoView({ block: 'nearest' });
}

// ---- from the start ---------------------------------------------------------------------------------------------------

const [channel] = channels;
$('channel').value = channels.join(', ');
$('filter').value = wishes.get('filter') ?? '';
$('level').value = LEVELS.includes(wishes.get('level')) ? wishes.get('level') : '';
$('setup-channel').textContent = channels.length > 1 ? `channels ${channels.join(', ')}` : `channel ${channel}`;
$('setup-toml').textContent = '[connectors.log]\ntype = "file"\npaths = ["/var/log/app/*.log"]';
if (channel !== 'log') $('setup-toml').textContent += `\nenvelope = { event = "LOG:LINE", channels = ${JSON.stringify(channel.replace(/[{}]/g, '$&$&'))} }`;
const sample = { file: 'app.log', line: `${new Date().toISOString()} ERROR db: gone`, level: 'error' };
$('setup-curl').textContent = curl(JSON.stringify({ event: 'LOG:LINE', targets: { channels: [channel] }, payload: sample }));
document.title = `turted · ${channels.join(', ')}`;
setFilter();

const refused = (error) => tell(`Not let in: ${inWords(error)}`, 'bad');
const [user, token] = [wishes.get('user'), wishes.get('token')];
if (user) turted.ident({ username: user, ...(token && { token }) }).catch(refused);
for (const each of channels) turted.join(each).catch(refused);
addEventListener('hashchange', () => location.reload());
