/*
 * What a log line is to the log page: its level, its text, its file; which lines a filter lets through; how many are kept.
 * In: the payload of any event, the filter as typed. Out: plain values. It does not know the page or the connection.
 */
'use strict';

/** From harmless to fatal; the place in this list is the rank. */
const LEVELS = ['trace', 'debug', 'info', 'notice', 'warn', 'error', 'fatal'];

/** How programs spell them. Single letters count only where a payload names its level. */
const SPELLINGS = {
  trace: 't trc trace verbose',
  debug: 'd dbg dbug debug',
  info: 'i inf info information',
  notice: 'n notice',
  warn: 'w wrn warn warning',
  error: 'e err error fail severe',
  fatal: 'f c fatal crit critical alert emerg emergency panic',
};
const SPELT = new Map(Object.entries(SPELLINGS).flatMap(([level, words]) => words.split(' ').map((word) => [word, level])));
const WORDS = [...SPELT.keys()].filter((word) => word.length > 2).join('|');
/** In capitals a level may stand anywhere; otherwise it needs brackets, a name or a colon, for "no error" is no error. */
const LOUD = new RegExp(`\\b(?:${WORDS.toUpperCase()})\\b`);
const MARKED = new RegExp(`[[(<] *(${WORDS}) *[\\])>]|\\b(?:level|lvl|severity)["']? *[=:] *["']?(${WORDS})\\b|(?:^|\\s)(${WORDS}):`, 'i');
const SYSLOG = ['fatal', 'fatal', 'fatal', 'error', 'warn', 'notice', 'info', 'debug'];
const TENS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** A number that stays as it was written (see page.js) is no object, though it looks like one. */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON?.(value);
const first = (members, ...names) => names.map((name) => members[name]).find((value) => value !== undefined && value !== null);

/** Without the colours that are meant for a terminal. */
const uncoloured = (text) => text.replace(/\u001b\[[\d;?]*[@-~]/g, '');

/** A level as a payload names it: a word, a syslog severity (0 to 7) or the tens of pino and bunyan (10 to 60). */
function namedLevel(value) {
  if (typeof value === 'object') return undefined;
  const number = typeof value === 'number' || /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= 10) return TENS[Math.min(Math.floor(number / 10), TENS.length) - 1];
  return SYSLOG[number] ?? SPELT.get(String(value).trim().toLowerCase());
}

/** A level as it stands in a line, near its beginning. */
function levelInside(text) {
  const head = text.slice(0, 200);
  const [loud] = LOUD.exec(head) ?? [];
  const found = loud ?? MARKED.exec(head)?.slice(1).find(Boolean);
  return SPELT.get(found?.toLowerCase());
}

/** Whether it says when it was written: 10:00:00 or an epoch near its beginning. */
const isTimed = (text) => /\d\d:\d\d:\d\d|\b\d{10}(\d{3})?\b/.test(text.slice(0, 60));

/** {"time":…,"level":"info","msg":"hello","user":42} → "<time> hello user=42"; undefined without a message. */
function sentence(members) {
  const message = first(members, 'message', 'msg');
  if (typeof message !== 'string') return undefined;
  const time = first(members, 'time', 'timestamp', 'ts', '@timestamp');
  const told = new Set(['message', 'msg', 'level', 'severity', 'lvl', 'time', 'timestamp', 'ts', '@timestamp']);
  const plain = (value) => (typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value));
  const rest = Object.entries(members).filter(([name]) => !told.has(name));
  return [...(time === undefined ? [] : [typeof time === 'string' ? time : JSON.stringify(time)]), message, ...rest.map(([name, value]) => `${name}=${plain(value)}`)].join(' ');
}

/**
 * A payload as the page shows it. The file connector's has `line`, beside it perhaps `fields`, or `json` instead; any other is shown as it is.
 * `before` is the line before: an indented one of the same file (a stack trace) goes on with its level.
 */
function readLine(payload, before) {
  const members = isObject(payload) ? payload : {};
  const packed = JSON.stringify(payload) ?? '';
  const raw = typeof members.line === 'string' ? members.line : typeof payload === 'string' ? payload : undefined;
  const json = isObject(members.json) ? members.json : undefined;
  const fields = isObject(members.fields) ? members.fields : {};
  const named = [members, json ?? {}, fields].map((each) => first(each, 'level', 'severity', 'lvl')).find((value) => value !== undefined);
  const told = json ?? (raw === undefined ? members : {});
  const text = uncoloured(sentence(told) ?? raw ?? (json ? JSON.stringify(json) : packed));
  const file = typeof members.file === 'string' ? members.file : '';
  const own = namedLevel(named) ?? levelInside(uncoloured(raw ?? text));
  const continued = !own && /^\s/.test(text) && before?.file === file;
  const level = continued ? before.level : own;
  const timed = continued || isTimed(text);
  return { payload, file, text, level, continued, timed, rank: LEVELS.indexOf(level), size: packed.length };
}

/**
 * The filter as typed. Words must all be in a line, "in quotes" they stay together, -word must not be; /regex/i must match.
 * Gives test(text) and `marks`, which finds what to highlight. Throws what the browser says about a broken regex.
 */
function readFilter(typed) {
  const [, source, flags] = /^\s*\/(.+)\/([imsu]*)\s*$/.exec(typed) ?? [];
  if (source) {
    const pattern = new RegExp(source, flags);
    return { test: (text) => pattern.test(text), marks: new RegExp(source, `${flags}g`) };
  }
  const words = [...typed.toLowerCase().matchAll(/(-?)(?:"([^"]+)"|(\S+))/g)].map(([, minus, quoted, word]) => [minus, quoted ?? word]);
  const wanted = words.filter(([minus]) => !minus).map(([, word]) => word);
  const unwanted = words.filter(([minus]) => minus).map(([, word]) => word);
  const escaped = wanted.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  const test = (text) => {
    const lower = text.toLowerCase();
    return wanted.every((word) => lower.includes(word)) && !unwanted.some((word) => lower.includes(word));
  };
  return { test, marks: wanted.length ? new RegExp(escaped.join('|'), 'gi') : null };
}

/**
 * The newest lines, oldest first: never more than `count` of them nor of `characters`, whatever strangers send (CWE-770).
 * When there are too many, `step` of them go at once.
 */
class Newest {
  lines = [];
  #characters = 0;

  constructor(count, characters, step = 1) {
    this.most = { count, characters, step };
  }

  /** Gives back those that had to go. */
  add(line) {
    this.lines.push(line);
    this.#characters += line.size;
    const { count, characters, step } = this.most;
    const gone = [];
    if (this.lines.length > count) while (this.lines.length > count + 1 - step) gone.push(this.take());
    while (this.#characters > characters && this.lines.length > 1) gone.push(this.take());
    return gone;
  }

  /** The oldest. */
  take() {
    const line = this.lines.shift();
    this.#characters -= line?.size ?? 0;
    return line;
  }

  clear() {
    this.lines = [];
    this.#characters = 0;
  }
}
