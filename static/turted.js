/*
 * turted.js: the browser client of turted.
 *
 * In:  the server's messages over one WebSocket (native protocol, version 1), and the page's wishes: on, ident, join, leave, echo.
 * Out: callbacks called with (payload, meta), promises settled with the server's answers, and the connection's own life as turted:… events.
 * It hides every loss of the wire: it comes back by itself, resumes where it stopped and never hands over an event twice.
 * It does not know the page, what a payload means, or how the server decides who may join what.
 *
 *   const turted = new TURTED();                                  // same host, /ws
 *   turted.on('MESSAGE:NEW', (payload, meta) => show(payload));   // meta: { event, id, via }
 *   turted.ident({ username: 'adam', token });
 *   turted.join('chat').catch((error) => console.log(error.code));
 *
 * One file, no build step: a classic script (global TURTED), require(), or turted.mjs for import. Types are in turted.d.ts.
 */
(function () {
  'use strict';

  /** Close codes after which coming back is pointless: refused, kicked, replaced by a newer wire. */
  const FINAL = new Set([1008, 4010, 4011]);
  /** Names this client speaks itself. An event of the server with such a name reaches on('*') only, so nobody can fake a state. */
  const OWN = new Set(['turted:state', 'turted:open', 'turted:close', 'turted:gap', 'turted:error']);
  /** Milliseconds a new wire may take until the server's WELCOME. */
  const WELCOME_WITHIN = 10_000;
  /** Milliseconds a wire must have been open to count as a success; without this, a server that greets and hangs up is hammered. */
  const STEADY_AFTER = 5_000;
  /** Seconds between the server's pings if WELCOME does not say. */
  const PING = 25;

  class TURTED {
    #url;
    #WebSocket;
    #delays;
    #listeners = new Map(); // event name → Set of callbacks
    #state = 'connecting';
    #wire = null; // { socket, welcome, resume: { ref, since }, openedAt } of the current WebSocket; null between two
    #timer; // one at a time: the watchdog of a wire, or the wait for the next one
    #attempt = 0;
    #ref = 0;
    #commands = new Map(); // ref → command without an answer yet. It outlives the wire and doubles as the queue before the first.
    #session = null; // { connection, token, last } to resume; null before the first WELCOME
    #seen = { epoch: '', sequence: 0 }; // the newest event handed over
    #identity = null; // what the last accepted ident() said
    #channels = new Map(); // channel the page wants → whether the server has agreed

    constructor(url, options = {}) {
      this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
      if (!this.#WebSocket) throw new TypeError('turted: no WebSocket here; pass one as new TURTED(url, { WebSocket })');
      this.#url = address(url);
      this.#delays = { min: options.minDelay ?? 500, max: options.maxDelay ?? 30_000 };
      globalThis.addEventListener?.('online', this.#online);
      this.#connect();
    }

    /** 'connecting' | 'open' | 'waiting' (for the next attempt) | 'closed' (for good). */
    get state() {
      return this.#state;
    }

    /** The connection's id as backends know it (`exclude.connections`), undefined before the first WELCOME. */
    get connection() {
      return this.#session?.connection;
    }

    /** The channels the server has let this client into. */
    get channels() {
      return [...this.#channels].filter(([, agreed]) => agreed).map(([channel]) => channel);
    }

    /** Calls fn(payload, meta) for every event of that name; '*' hears every event. */
    on(event, fn) {
      if (typeof fn !== 'function') throw new TypeError('turted: on(event, fn) wants a function');
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(fn);
      return this;
    }

    /** Forgets one callback, or all of that event. */
    off(event, fn) {
      if (fn) this.#listeners.get(event)?.delete(fn);
      else this.#listeners.delete(event);
      return this;
    }

    /** Says who this is; data goes to the server's authenticator as it is. Resolves with { username }. */
    ident(data) {
      return this.#issue('IDENT', { ...data }); // a copy: it is said again after a loss, whatever the page does to its own
    }

    /** Resolves with { channel }. */
    join(channel) {
      const known = this.#channels.has(channel);
      if (!known && this.#state !== 'closed') this.#channels.set(channel, false);
      return this.#issue('JOIN', { channel });
    }

    /** Resolves with { channel }. */
    leave(channel) {
      const joined = this.#channels.delete(channel);
      return this.#issue('LEAVE', { channel }, { joined });
    }

    /** Resolves with the same data once the server has sent it back; on('ECHO') hears it too. */
    echo(data = null) {
      return this.#issue('ECHO', data);
    }

    /** Ends it for good. Commands without an answer are rejected with code 'disconnected'. */
    close() {
      if (this.#state === 'closed') return;
      const wire = this.#wire;
      this.#wire = null;
      wire?.socket.close(1000);
      this.#end({ code: 1000, reason: 'closed by the page', reconnect: false });
    }

    // ---- commands -------------------------------------------------------------------------------------------------

    #issue(type, data, notes) {
      const command = { type, data, ref: ++this.#ref, ...notes };
      const answer = new Promise((resolve, reject) => {
        Object.assign(command, { resolve, reject, text: JSON.stringify({ type, data, ref: command.ref }) });
        if (this.#state === 'closed') return reject(failure('disconnected', 'the connection is closed'));
        this.#commands.set(command.ref, command);
        if (this.#state === 'open') this.#wire.socket.send(command.text);
      });
      answer.catch(() => {}); // fire and forget is fine; whoever keeps the promise still hears the rejection
      return answer;
    }

    #settle(command, error, data) {
      const { type, ref, resolve, reject } = command;
      // Coming back with many memberships can run into the server's rate limit. The page did not ask, so it need not know.
      if (error?.code === 'too_fast' && command.restoring) return this.#later(command);
      this.#commands.delete(ref);
      // The channel was ours and its end was asked for: after a loss "not joined" is the answer hoped for.
      if (error?.code === 'not_joined' && command.joined) [error, data] = [null, command.data];
      if (type === 'IDENT' && !error) this.#identity = command.data;
      if (type === 'JOIN') this.#agree(command.data.channel, !error);
      if (!error) return resolve(data);
      reject(error);
      if (command.restoring) this.#emit('turted:error', error, { command: type, data: command.data });
    }

    #agree(channel, agreed) {
      if (agreed && this.#channels.has(channel)) this.#channels.set(channel, true); // absent: left again in the meantime
      if (!agreed && this.#channels.get(channel) === false) this.#channels.delete(channel);
    }

    #later(command) {
      const wire = this.#wire;
      setTimeout(() => wire === this.#wire && wire.socket.send(command.text), this.#delays.min * (1 + Math.random()));
    }

    // ---- the wire -------------------------------------------------------------------------------------------------

    #connect() {
      const wire = { socket: new this.#WebSocket(this.#url), welcome: null, resume: null, openedAt: 0 };
      this.#wire = wire;
      wire.socket.onmessage = ({ data }) => wire === this.#wire && this.#hear(wire, data);
      wire.socket.onclose = ({ code, reason }) => this.#lose(wire, { code, reason });
      wire.socket.onerror = () => {}; // says nothing, and close follows
      this.#timer = setTimeout(() => this.#lose(wire, { code: 4009, reason: 'no welcome' }), WELCOME_WITHIN);
      this.#become('connecting');
    }

    #hear(wire, text) {
      let message = null;
      try {
        message = JSON.parse(text);
      } catch {}
      if (typeof message?.type !== 'string') return this.#emit('turted:error', failure('bad_message', 'the server sent no message'));
      const { type, data, ref } = message;
      if (type === 'WELCOME') wire.welcome = data;
      if (wire.welcome) this.#watch(wire);
      if (type === 'WELCOME') return this.#greet(wire);
      if (type === 'EVENT') return this.#deliver(data);
      if (type === 'BYE') return this.#lose(wire, data);
      if (type === 'GAP') {
        // The one that belongs to our RESUME is told by its answer; any other is news.
        if (!wire.resume || (data?.since ?? undefined) !== wire.resume.since) this.#emit('turted:gap', { since: data?.since });
        return;
      }
      if (!['OK', 'ERROR', 'ECHO'].includes(type)) return; // PONG has done its work by arriving
      const error = type === 'ERROR' ? failure(data?.code, data?.message) : null;
      const command = this.#commands.get(ref);
      if (wire.resume && ref === wire.resume.ref) this.#resumed(wire, error, data);
      else if (command) this.#settle(command, error, data);
      else if (error) this.#emit('turted:error', error);
      if (type === 'ECHO') this.#emit('ECHO', data);
    }

    /** RESUME must be the first command of a connection, so everything else waits for its answer. */
    #greet(wire) {
      if (!this.#session) {
        this.#session = { connection: wire.welcome.connection, token: wire.welcome.resume, last: undefined };
        return this.#open(wire, false);
      }
      wire.resume = { ref: ++this.#ref, since: this.#session.last };
      const { token, last } = this.#session;
      wire.socket.send(JSON.stringify({ type: 'RESUME', data: { token, last }, ref: wire.resume.ref }));
    }

    #resumed(wire, error, data) {
      const recovered = !error && data.recovered === true;
      const renewed = error || data.connection === wire.welcome.connection;
      if (renewed) {
        const last = recovered ? this.#session.last : undefined;
        this.#session = { connection: wire.welcome.connection, token: wire.welcome.resume, last };
      }
      const restored = recovered ? [] : this.#restore();
      this.#open(wire, recovered);
      if (recovered) return;
      // Told only when the memberships are back: what the page then fetches is complete, later events arrive by themselves.
      const { since } = wire.resume;
      Promise.allSettled(restored).then(() => this.#state === 'closed' || this.#emit('turted:gap', { since }));
    }

    /** The server has forgotten us: says again who we are and which channels the page still wants, ahead of anything newer. */
    #restore() {
      const waiting = [...this.#commands.values()];
      const joining = new Set(waiting.filter(({ type }) => type === 'JOIN').map(({ data }) => data.channel));
      const restored = [];
      if (this.#identity && !waiting.some(({ type }) => type === 'IDENT')) {
        restored.push(this.#issue('IDENT', this.#identity, { restoring: true }));
      }
      for (const channel of this.#channels.keys()) {
        this.#channels.set(channel, false);
        if (!joining.has(channel)) restored.push(this.#issue('JOIN', { channel }, { restoring: true }));
      }
      // The identity comes first, even one that was asked for last: it may be the newer token that opens the channels.
      const rank = ({ type, restoring }) => (type === 'IDENT' ? 0 : restoring ? 1 : 2);
      const ordered = [...this.#commands].sort(([, a], [, b]) => rank(a) - rank(b));
      this.#commands = new Map(ordered);
      return restored;
    }

    #open(wire, recovered) {
      wire.openedAt = Date.now();
      for (const { text } of this.#commands.values()) wire.socket.send(text);
      this.#become('open');
      this.#emit('turted:open', { connection: this.connection, recovered });
    }

    #deliver({ event, payload, via, id }) {
      const [, epoch, sequence] = /^(.+)-(\d+)$/.exec(id) ?? [];
      if (sequence) {
        if (epoch === this.#seen.epoch && Number(sequence) <= this.#seen.sequence) return;
        this.#seen = { epoch, sequence: Number(sequence) };
        if (this.#session) this.#session.last = id;
      }
      if (!OWN.has(event) && event !== '*') this.#emit(event, payload, { id, via });
      this.#emit('*', payload, { event, id, via });
    }

    /** A browser does not show the server's pings: after a long silence ask, and drop a wire that stays silent. */
    #watch(wire) {
      const interval = (wire.welcome.ping || PING) * 1000;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        wire.socket.send('{"type":"PING"}');
        this.#timer = setTimeout(() => this.#lose(wire, { code: 4009, reason: 'no sign of life' }), interval / 2);
      }, interval * 1.5);
    }

    #lose(wire, { code, reason, reconnect = !FINAL.has(code) }) {
      if (wire !== this.#wire) return;
      this.#wire = null;
      wire.socket.close();
      if (!reconnect) return this.#end({ code, reason, reconnect });
      if (code === 1009) this.#giveUpLargest();
      if (wire.openedAt && Date.now() - wire.openedAt > STEADY_AFTER) this.#attempt = 0;
      // Full jitter: after a restart of the server its clients do not come back in step.
      const { min, max } = this.#delays;
      const delay = min + Math.random() * (Math.min(max, min * 2 ** ++this.#attempt) - min);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#connect(), delay);
      this.#state = 'waiting'; // before the first callback, which may read it or close()
      this.#emit('turted:close', { code, reason, reconnect, delay });
      if (this.#state === 'waiting') this.#emit('turted:state', 'waiting');
    }

    /** Message too big: repeated on the next wire it would end that one as well. */
    #giveUpLargest() {
      const [largest] = [...this.#commands.values()].sort((a, b) => b.text.length - a.text.length);
      if (largest) this.#settle(largest, failure('too_big', 'the server refused a message of this size'));
    }

    #end(why) {
      clearTimeout(this.#timer);
      globalThis.removeEventListener?.('online', this.#online);
      this.#state = 'closed';
      this.#channels.clear();
      for (const { reject } of this.#commands.values()) reject(failure('disconnected', why.reason || 'the connection is closed'));
      this.#commands.clear();
      this.#emit('turted:close', why);
      this.#emit('turted:state', 'closed');
    }

    /** The network is back: no need to sit out the delay. */
    #online = () => {
      if (this.#state !== 'waiting') return;
      clearTimeout(this.#timer);
      this.#connect();
    };

    // ---- telling the page -----------------------------------------------------------------------------------------

    #become(state) {
      this.#state = state;
      this.#emit('turted:state', state);
    }

    #emit(event, payload, meta) {
      const listeners = this.#listeners.get(event);
      for (const fn of [...(listeners ?? [])]) {
        if (!listeners.has(fn)) continue; // taken off by one before it
        try {
          fn(payload, { event, ...meta });
        } catch (error) {
          (globalThis.reportError ?? console.error)(error); // seen, but the others are still called
        }
      }
    }
  }

  /** ws:, wss:, http:, https: or relative to the page; a bare origin means its /ws. */
  function address(url = '/ws') {
    const absolute = new URL(url, globalThis.location?.href);
    absolute.protocol = absolute.protocol.replace(/^http/, 'ws');
    if (!/^wss?:$/.test(absolute.protocol)) throw new TypeError(`turted: cannot connect to ${absolute.protocol} addresses`);
    if (absolute.pathname === '/') absolute.pathname = '/ws';
    absolute.hash = '';
    return absolute.href;
  }

  function failure(code = 'unknown', message = code) {
    return Object.assign(new Error(message), { name: 'TurtedError', code });
  }

  globalThis.TURTED = TURTED;
  if (typeof module === 'object' && module.exports) module.exports = TURTED;
})();
