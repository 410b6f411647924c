/*
 * turted.js: the browser client of turted.
 *
 * In:  the server's messages over one wire (native protocol, version 1), and the page's wishes: on, ident, join, leave, publish, call, echo.
 * Out: callbacks called with (payload, meta), promises settled with the server's answers, and the connection's own life as turted:… events.
 * The wire is a WebSocket, else a stream of server-sent events, else long-polling: whatever the network lets through. All behave alike.
 * It hides every loss of the wire: it comes back by itself, resumes where it stopped and never hands over an event twice.
 * It says no more at once than the server takes, and on the console what was refused and nobody waits for.
 * It does not know the page, what a payload means, or how the server decides who may join what.
 *
 *   const turted = new TURTED();                                  // same host, /ws, /events and /poll
 *   turted.on('MESSAGE:NEW', (payload, meta) => show(payload));   // meta: { event, id, via }
 *   turted.ident(async () => ({ token: await getToken() }));      // asked whenever a new one is needed; or ident({ username: 'adam', token })
 *   turted.join('chat').catch((error) => console.log(error.code));
 *
 * One file, no build step: a classic script (global TURTED), require(), or turted.mjs for import. Types are in turted.d.ts.
 */
(function () {
  'use strict';

  /** Close codes after which coming back is pointless: refused, kicked, replaced by a newer wire. */
  const FINAL = new Set([1008, 4010, 4011]);
  /** Names this client speaks itself. An event of the server with such a name reaches on('*') only, so nobody can fake a state. */
  const OWN = new Set(['state', 'open', 'close', 'gap', 'error', 'denied', 'joined', 'left', 'expiring', 'signed-out'].map((name) => `turted:${name}`));
  /** Milliseconds a wire must have been open to count as a success; without this, a server that greets and hangs up is hammered. */
  const STEADY_AFTER = 5_000;
  /** Seconds between the server's pings if WELCOME does not say. */
  const PING = 25;
  /** Milliseconds over plain HTTP: what the answer to a command may take, and a poll, which the server ends after 25 s, and an empty one must. */
  const ANSWER_WITHIN = 15_000;
  const POLL_WITHIN = 30_000;
  const EMPTY_AFTER = 1_000;
  /** What is said at once on a new wire, and per second after that: less than a server takes with its default limits (200 and 100). */
  const BURST = 100;
  const PER_SECOND = 80;
  /** Ids of events that are known, so that none is handed over twice. A server has at most half as many under way at once. */
  const REMEMBERED = 8_192;
  /** Where a fallback that works is remembered, for all pages of an origin. */
  const KEY = 'turted:transport';

  /** What a page that is asked for its identity is asked again for, and how often something that the server does not take may be brought. */
  const ASKED_AGAIN = new Set(['ident_denied', 'expired', 'unavailable']);
  const TRIES = 3;

  /** What is not said again on another wire: it may have been done. */
  const ONCE = new Set(['PUBLISH', 'CALL']);

  const BY_PAGE = 'closed by the page';
  /** What to do about a refusal, for whoever reads the console or the page. The keys are those of the server's turted.toml. */
  const ADVICE = {
    ident_denied: 'Check the name and the token or password; [auth.clients] of the server says what it asks for.',
    join_denied: 'Identify as somebody who may hear that channel, or ask whoever runs the server.',
    bad_name: 'A name has 1 to 200 bytes (limits.name_bytes) and no control characters.',
    too_many_channels: 'Leave some first, or raise limits.channels_per_connection.',
    too_big: 'Say less at once, or raise limits.message_bytes.',
    not_joined: 'This client is not in that channel.',
    publish_denied: 'Nobody may publish unless [may] of the server says so.',
    call_denied: 'Nobody may call unless [may] of the server says so.',
    nobody_answers: 'The server has no [responders] of that name.',
    too_many_calls: 'Wait for some answers first.',
    expired: 'Get a new token. A function given to ident() is asked for one before the old one ends.',
    unavailable: 'Whoever decides for the server did not answer in time: try again a little later.',
    unknown_type: 'The server does not know this command: it may be older than this turted.js. It has the one that fits it at /turted.js.',
    bad_message: 'Something between this page and the server may have changed the message, or their versions differ.',
  };
  /** The same about an end for good, by close code. */
  const ENDINGS = {
    1002: 'Something between this page and the server breaks the WebSocket protocol, such as a proxy.',
    1007: 'A text did not come as UTF-8: something between this page and the server changes it.',
    1008: 'The server does not let this page in. If it is served from elsewhere, its origin has to stand in server.origins of the server.',
    1009: 'A message was larger than limits.message_bytes.',
    4000: 'The server could not read what it got: something between may change it, or the versions of client and server differ.',
    4010: 'The server has sent this client away.',
    4012: 'What says who this is, such as a cookie, has expired.',
    4011: 'Another page has taken this connection over, such as a copy of this tab. Reload this one to begin anew.',
  };

  class TURTED {
    #urls; // transport → where the server has it
    #WebSocket;
    #parse;
    #delays;
    #transports; // their names, best first
    #rank = 0; // of the one in use
    #failures = 0; // wires in a row that never opened
    #since = 0; // when a better transport failed last
    #listeners = new Map(); // event name → Set of callbacks
    #state = 'connecting';
    #wire = null; // { rank, transport, timer, welcome, resume: { ref, since }, openedAt, pace, rest }; null between two
    #candidate = null; // a wire on a better transport, until it is welcomed and replaces the one in use
    #pause; // the wait for the next wire
    #upgrade; // the wait for the next candidate
    #attempt = 0;
    #isMissed = false; // whether the console was told that there is no connection
    #ref = 0;
    #commands = new Map(); // ref → command without an answer yet. It outlives the wire and doubles as the queue before the first.
    #session = null; // { connection, token, last } to resume; null before the first WELCOME
    #seen = { epoch: '', ids: new Set(), newest: undefined }; // the events handed over
    #restoring = null; // the RESUME whose memberships are not all back
    #identity = null; // what the last accepted ident() said
    #source = null; // the function that it came from, if it did
    #isAsking = false; // whether the page is being asked who it is
    #channels = new Map(); // channel the page wants → whether the server has agreed
    #denied = new Set(); // channels that it wants and this identity may not hear

    constructor(url, options = {}) {
      const { minDelay = 500, maxDelay = 30_000, openTimeout = 5_000, upgradeAfter = 600_000 } = options;
      const all = Object.keys(TRANSPORTS);
      const { transports = all, WebSocket = globalThis.WebSocket, parse = JSON.parse } = options;
      const unknown = transports.find((name) => !all.includes(name));
      if (unknown) throw new TypeError(`turted: there is no transport ${unknown}; there are ${all.join(', ')}`);
      this.#transports = transports.filter((name) => (name === 'websocket' ? WebSocket : globalThis.fetch));
      if (!this.#transports.length) throw new TypeError('turted: no WebSocket here; pass one as new TURTED(url, { WebSocket })');
      this.#urls = addresses(url, options);
      this.#WebSocket = WebSocket;
      this.#parse = (text) => parse(text);
      this.#delays = { min: minDelay, max: maxDelay, open: openTimeout, upgrade: upgradeAfter };
      const { transport, since } = inStorage((storage) => JSON.parse(storage.getItem(KEY))) ?? {};
      const rank = this.#transports.indexOf(transport);
      if (rank > 0 && Math.abs(Date.now() - since) < upgradeAfter) [this.#rank, this.#since] = [rank, since];
      globalThis.addEventListener?.('online', this.#online);
      globalThis.addEventListener?.('pagehide', this.#hide);
      this.#connect();
    }

    /** 'connecting' | 'open' | 'waiting' (for the next attempt) | 'closed' (for good). */
    get state() {
      return this.#state;
    }

    /** 'websocket' | 'events' | 'poll': what the open connection travels by, undefined while there is none. */
    get transport() {
      return this.#wire?.openedAt ? this.#transports[this.#wire.rank] : undefined;
    }

    /** The connection's id as backends know it (`exclude.connections`), undefined before the first WELCOME. */
    get connection() {
      return this.#session?.connection;
    }

    /** The channels that the page wants and this identity may not hear: they are asked for again with another one. */
    get denied() {
      return [...this.#denied];
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

    /**
     * Says who this is; data goes to the server's authenticator as it is. Resolves with { username }. A function that gives data, or a promise of
     * it, is asked now, before the identity ends, and whenever the server has forgotten it; with what was wrong with the one before, if anything.
     * Whoever throws in it has signed out. Should it only be impossible now, let it throw an error with the code 'unavailable'.
     */
    ident(data) {
      if (typeof data === 'function') return this.#issue('IDENT', {}, { source: data });
      return this.#issue('IDENT', { ...data }); // a copy: it is said again after a loss, whatever the page does to its own
    }

    /** Resolves with { channel }. */
    join(channel) {
      const known = this.#channels.has(channel);
      this.#denied.delete(channel);
      if (!known && this.#state !== 'closed') this.#channels.set(channel, false);
      return this.#issue('JOIN', { channel });
    }

    /** Resolves with { channel }. */
    leave(channel) {
      const joined = [this.#channels, this.#denied].map((wanted) => wanted.delete(channel)).some(Boolean);
      return this.#issue('LEAVE', { channel }, { joined });
    }

    /**
     * Says something to everybody in a channel, and to this client if it is in it, unless echo is false. Resolves with { id, recipients }. What was
     * under way when the connection broke is not said twice: its promise is rejected with code 'disconnected'.
     */
    publish(channel, event, payload, { echo } = {}) {
      return this.#issue('PUBLISH', { channel, event, payload, echo });
    }

    /**
     * Asks whoever answers by that name on the server; resolves with the answer. What was under way when the connection broke is not asked twice:
     * its promise is rejected with code 'disconnected'.
     */
    call(name, params) {
      return this.#issue('CALL', { name, params });
    }

    /** Resolves with the same data once the server has sent it back; on('ECHO') hears it too. */
    echo(data = null) {
      return this.#issue('ECHO', data);
    }

    /** While it waits for the next attempt: makes it now. */
    reconnect() {
      if (this.#state !== 'waiting') return;
      clearTimeout(this.#pause);
      this.#connect();
    }

    /** Ends it for good. Commands without an answer are rejected with code 'disconnected'. */
    close() {
      if (this.#state === 'closed') return;
      this.#drop(true);
      this.#end({ code: 1000, reason: BY_PAGE, reconnect: false });
    }

    // ---- commands -------------------------------------------------------------------------------------------------

    #issue(type, data, notes) {
      const command = { type, data, ref: ++this.#ref, ...notes };
      const answer = (command.answer = new Answer((resolve, reject) => {
        Object.assign(command, { resolve, reject, text: written(command) });
        if (this.#state === 'closed') return this.#reject(command, failure('disconnected', 'the connection is closed'));
        this.#commands.set(command.ref, command);
        this.#speak();
      }));
      answer.forget(); // fire and forget is fine; whoever keeps the promise still hears the rejection
      return answer;
    }

    /** Says what is not said yet on this wire: in order, and no faster than the server takes it. */
    #speak() {
      const wire = this.#wire;
      if (!wire?.openedAt || wire.rest) return;
      for (const command of this.#commands.values()) {
        if (command.wire === wire) continue; // its answer is on its way
        if (command.source && command.given !== wire) {
          this.#ask(command, wire);
          if (command.renews) continue; // nothing hangs on it
          return;
        }
        const wait = wire.pace.wait();
        if (wait) return this.#rest(wire, wait);
        command.wire = wire;
        wire.transport.send(command.text);
      }
    }

    /** Asks the page who it is, one question at a time. What it gives is for this wire; another one begins with another question. */
    async #ask(command, wire) {
      if (this.#isAsking) return; // and looks here again when it is done
      this.#isAsking = true;
      let [data, error] = [];
      try {
        data = await Promise.resolve(command.refused).then(command.source); // never within whoever speaks
        if (!data || typeof data !== 'object') throw failure('signed_out', 'ident() was given no identity');
      } catch (thrown) {
        error = thrown ?? failure('signed_out');
      }
      this.#isAsking = false;
      if (wire !== this.#wire || !this.#commands.has(command.ref)) return this.#speak();
      if (error?.code === 'unavailable') return this.#rest(wire, this.#patience(command, error));
      if (error) return this.#signOut(error, command);
      Object.assign(command, { data: { ...data }, given: wire });
      command.text = written(command);
      this.#speak();
    }

    /** How long to wait until a page is asked again: longer each time. */
    #patience(command, { after = 0 }) {
      const { min, max } = this.#delays;
      command.waits = (command.waits ?? 0) + 1;
      return Math.max(after, Math.min(max, min * 2 ** command.waits) * (0.5 + Math.random() / 2));
    }

    /** Nobody says any more who this is: it ends, instead of going on as nobody or asking for ever. */
    #signOut(error, command) {
      if (command) this.#commands.delete(command.ref);
      command?.reject(error);
      if (this.#state === 'closed') return;
      this.#emit('turted:signed-out', error);
      if (this.#state === 'closed') return; // by the page, when it heard of that
      this.#drop(true);
      this.#end({ code: 1000, reason: 'signed out', reconnect: false });
    }

    /** The identity ends soon. */
    #renew(data) {
      const isHeard = this.#emit('turted:expiring', { in: data?.in });
      if (!this.#source) return isHeard || warn(`the identity ends in ${data?.in} s. ${ADVICE.expired}`);
      const isOnItsWay = [...this.#commands.values()].some(({ type }) => type === 'IDENT');
      if (!isOnItsWay) this.#issue('IDENT', {}, { source: this.#source, restoring: true, renews: true });
    }

    #rest(wire, wait) {
      clearTimeout(wire.rest);
      wire.rest = setTimeout(() => {
        wire.rest = 0;
        if (wire === this.#wire) this.#speak();
      }, wait);
    }

    /** An answer on the wire in use. */
    #answered(command, error, data) {
      const wire = this.#wire;
      const wait = error ? this.#pauseAfter(command, error) : 0;
      const isDone = command.repeat !== wire || (ONCE.has(command.type) && !error);
      if (!wait && isDone) return this.#settle(command, error, data);
      if (wait && error.code === 'unavailable' && command.type !== 'IDENT') return this.#later(command, wait);
      command.wire = command.repeat = null;
      if (!wait) return this.#speak();
      // What went out behind it may have been taken already. If it depends on this one, its answer does not count.
      const commands = [...this.#commands.values()];
      const behind = commands.slice(commands.indexOf(command) + 1).filter((other) => other.wire === wire);
      for (const other of behind) if (depends(other, command)) other.repeat = wire;
      if (error.code === 'too_fast') wire.pace.slower();
      this.#rest(wire, wait);
    }

    /** Nothing else waits for it. */
    #later(command, wait) {
      const { wire } = command;
      const timer = setTimeout(() => {
        if (command.wire !== wire) return;
        command.wire = null;
        this.#speak();
      }, wait);
      timer.unref?.(); // it keeps no program alive that is done
    }

    /** The milliseconds after which a command is said again that was refused; 0 if it is not. */
    #pauseAfter(command, error) {
      if (error.code === 'too_fast') return this.#delays.min * (1 + Math.random());
      // Neither yes nor no: what the page had is not given up for that, and what it wants anew it may ask again itself.
      if (error.code === 'unavailable' && command.restoring && !command.source) return this.#patience(command, error);
      if (!command.source || !ASKED_AGAIN.has(error.code)) return 0;
      if (error.code !== 'unavailable' && (command.tries = (command.tries ?? 0) + 1) >= TRIES) return 0;
      Object.assign(command, { given: null, refused: error });
      return this.#patience(command, error);
    }

    #settle(command, error, data) {
      const { type, ref } = command;
      this.#commands.delete(ref);
      // The channel was ours, or wanted, and its end was asked for: after a loss or a denial "not joined" is the answer hoped for.
      if (error?.code === 'not_joined' && command.joined) [error, data] = [null, command.data];
      if (type === 'IDENT' && !error) this.#identified(command, data);
      if (type === 'JOIN') this.#agree(command, error);
      if (!error) return command.resolve(data);
      if (command.source && ASKED_AGAIN.has(error.code)) return this.#signOut(error, command);
      if (!command.restoring) return this.#reject(command, error);
      command.reject(error);
      if (command.again) return; // it was told that the channel is denied
      this.#complain(error, { command: type, data: command.data });
      if (type === 'IDENT' && ASKED_AGAIN.has(error.code)) this.#emit('turted:signed-out', error);
    }

    /** With another identity, what was denied to the one before is asked for again. */
    #identified({ data, source = null, restoring }, { channels = [] } = {}) {
      const isAnother = !restoring || JSON.stringify(data) !== JSON.stringify(this.#identity);
      [this.#identity, this.#source] = [data, source];
      for (const channel of channels) {
        const isNew = !this.#channels.get(channel);
        this.#denied.delete(channel);
        this.#channels.set(channel, true);
        if (isNew) this.#emit('turted:joined', { channel });
      }
      if (!isAnother) return;
      for (const channel of this.#denied) {
        this.#denied.delete(channel);
        this.#channels.set(channel, false);
        this.#issue('JOIN', { channel }, { restoring: true, again: true });
      }
    }

    /** What nobody waits for is told on the console, a moment later: the page may still be about to. */
    #reject(command, error) {
      command.reject(error);
      setTimeout(() => command.answer.isHeard || warn(`${named(command)}: ${inWords(error)}`));
    }

    /** What no command of the page has brought about. */
    #complain(error, meta) {
      if (this.#emit('turted:error', error, meta)) return;
      const what = meta ? `${named({ type: meta.command, data: meta.data })}, said again after a lost connection: ` : '';
      warn(what + inWords(error));
    }

    #agree({ data: { channel }, answer, again }, error) {
      if (!error && this.#channels.has(channel)) {
        this.#channels.set(channel, true); // absent: left again in the meantime
        if (again) this.#emit('turted:joined', { channel });
      }
      if (!error || this.#channels.get(channel) !== false) return;
      this.#channels.delete(channel);
      if (error.code !== 'join_denied') return;
      this.#denied.add(channel);
      answer.isHeard = this.#emit('turted:denied', { channel, code: error.code, message: error.message }) || answer.isHeard;
    }

    /** The server has taken this client out of a channel. */
    #leftBy({ channel, reason } = {}) {
      if (this.#channels.delete(channel) && reason === 'denied') this.#denied.add(channel);
      this.#emit('turted:left', { channel, reason });
    }

    // ---- the wire -------------------------------------------------------------------------------------------------

    #connect() {
      this.#wire = this.#raise(this.#rank);
      this.#become('connecting');
    }

    #raise(rank) {
      const name = this.#transports[rank];
      const wire = { rank, transport: null, timer: 0, welcome: null, resume: null, openedAt: 0, pace: null, rest: 0 };
      // Behind the last transport there is nothing to turn to, so it gets more time.
      const within = rank + 1 < this.#transports.length ? this.#delays.open : 2 * this.#delays.open;
      wire.timer = setTimeout(() => this.#lose(wire, { code: 4009, reason: 'no welcome' }), within);
      const tell = {
        hear: (message) => this.#hear(wire, message),
        alive: () => this.#watch(wire),
        lose: (why) => this.#lose(wire, why),
        parse: this.#parse,
      };
      try {
        wire.transport = new TRANSPORTS[name](this.#urls[name], tell, this.#WebSocket);
      } catch ({ message: reason }) {
        Promise.resolve().then(() => tell.lose({ code: 1006, reason })); // such as ws: on a page of https:
      }
      return wire;
    }

    #hear(wire, message) {
      const isWelcome = message?.type === 'WELCOME' && !wire.welcome; // the first poll repeats it
      if (isWelcome && wire === this.#candidate) this.#adopt(wire);
      if (wire !== this.#wire) return;
      if (typeof message?.type !== 'string') return this.#complain(failure('bad_message', 'the server sent no message'));
      const { type, data, ref } = message;
      if (isWelcome) return this.#greet(wire, data);
      if (type === 'EVENT') return this.#deliver(data);
      if (type === 'BYE') return this.#lose(wire, data);
      if (type === 'EXPIRING') return this.#renew(data);
      if (type === 'LEFT') return this.#leftBy(data);
      if (type === 'GAP') {
        // The one that belongs to our RESUME is told by its answer; any other is news.
        if (!wire.resume || (data?.since ?? undefined) !== wire.resume.since) this.#emit('turted:gap', { since: data?.since });
        return;
      }
      if (!['OK', 'ERROR', 'ECHO', 'ANSWER'].includes(type)) return; // PONG has done its work by arriving
      const error = type === 'ERROR' ? failure(data?.code, data?.message) : null;
      if (error && data?.after) error.after = data.after;
      const command = this.#commands.get(ref);
      if (wire.resume && ref === wire.resume.ref) this.#resumed(wire, error, data);
      else if (command) this.#answered(command, error, data);
      else if (error) this.#complain(error);
      if (type === 'ECHO') this.#emit('ECHO', data);
    }

    /** RESUME must be the first command of a connection, so everything else waits for its answer. */
    #greet(wire, welcome) {
      clearTimeout(wire.timer);
      wire.welcome = welcome;
      if (!this.#session) {
        this.#session = { connection: welcome.connection, token: welcome.resume, last: undefined };
        return this.#open(wire, false);
      }
      const { token, last } = this.#session;
      const ref = ++this.#ref;
      wire.resume = { ref, since: last, text: JSON.stringify({ type: 'RESUME', data: { token, last }, ref }) };
      wire.transport.send(wire.resume.text);
    }

    #resumed(wire, error, data) {
      if (error?.code === 'too_fast') {
        wire.rest = setTimeout(() => wire.transport.send(wire.resume.text), this.#delays.min);
        return;
      }
      clearTimeout(wire.rest);
      wire.rest = 0;
      const recovered = !error && data.recovered === true;
      const renewed = error || data.connection === wire.welcome.connection;
      if (renewed) Object.assign(this.#session, { connection: wire.welcome.connection, token: wire.welcome.resume });
      if (recovered) return this.#open(wire, true);
      const { since } = wire.resume;
      // A server that was started anew lets each JOIN bring what came since its start. Until all are back, another RESUME has to begin here again.
      this.#restoring = wire.resume;
      this.#session.last = since;
      const restored = this.#restore();
      this.#open(wire, false);
      // Told only when the memberships are back: what the page then fetches is complete, later events arrive by themselves.
      Promise.allSettled(restored).then(() => {
        if (this.#restoring !== wire.resume) return; // a later gap is told instead, from the same place on
        this.#restoring = null;
        const { newest } = this.#seen;
        this.#session.last = newest === since && renewed ? undefined : newest;
        if (this.#state !== 'closed') this.#emit('turted:gap', { since });
      });
    }

    /** The server has forgotten us: says again who we are and which channels the page still wants, ahead of anything newer. */
    #restore() {
      const waiting = [...this.#commands.values()];
      for (const command of waiting) command.renews = false; // now all hangs on it
      const restored = waiting.filter(({ restoring }) => restoring).map(({ answer }) => answer); // after an earlier loss
      const joining = new Set(waiting.filter(({ type }) => type === 'JOIN').map(({ data }) => data.channel));
      if (this.#identity && !waiting.some(({ type }) => type === 'IDENT')) {
        const source = this.#source;
        restored.push(this.#issue('IDENT', source ? {} : this.#identity, source ? { source, restoring: true } : { restoring: true }));
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
      wire.pace = new Pace(BURST, PER_SECOND);
      this.#failures = 0;
      this.#stay();
      this.#speak();
      // Until the first command the server holds broadcasts back, because it might be RESUME.
      if (!wire.resume && !this.#commands.size) wire.transport.send('{"type":"PING"}');
      this.#become('open');
      this.#emit('turted:open', { connection: this.connection, recovered });
    }

    #deliver({ event, payload, id, via, from }) {
      if (!this.#isNew(id)) return;
      const told = from ? { id, via, from } : { id, via };
      if (!OWN.has(event) && event !== '*') this.#emit(event, payload, told);
      this.#emit('*', payload, { event, ...told });
    }

    /** Ids rise, but after a restart of the server only per channel: each JOIN then brings what is older than what is here already. */
    #isNew(id) {
      const [, epoch, sequence] = /^(.+)-(\d+)$/.exec(id) ?? [];
      if (!sequence) return true;
      if (epoch !== this.#seen.epoch) this.#seen = { epoch, ids: new Set(), newest: undefined };
      const { ids, newest } = this.#seen;
      const number = Number(sequence);
      if (ids.has(number)) return false;
      ids.add(number);
      if (ids.size > REMEMBERED) ids.delete(ids.values().next().value);
      if (!newest || number > Number(newest.slice(epoch.length + 1))) this.#seen.newest = id;
      if (this.#session && !this.#restoring) this.#session.last = this.#seen.newest;
      return true;
    }

    /** A browser does not show the server's pings: after a long silence ask, and drop a wire that stays silent. */
    #watch(wire) {
      if (wire !== this.#wire || !wire.welcome) return;
      const interval = (wire.welcome.ping || PING) * 1000;
      clearTimeout(wire.timer);
      wire.timer = setTimeout(() => {
        wire.transport.send('{"type":"PING"}');
        wire.timer = setTimeout(() => this.#lose(wire, { code: 4009, reason: 'no sign of life' }), interval / 2);
      }, interval * 1.5);
    }

    #lose(wire, { code, reason, reconnect = !FINAL.has(code) }) {
      if (wire === this.#candidate) return this.#climb(wire.rank + 1);
      if (wire !== this.#wire) return;
      this.#drop();
      const isRelieved = code === 1009 && this.#giveUpLargest();
      if (this.#state === 'closed') return; // by the page, when it heard of that
      if (!reconnect && !isRelieved) return this.#end({ code, reason, reconnect });
      if (!wire.openedAt && this.#descend(code)) return this.#connect();
      if (wire.openedAt && Date.now() - wire.openedAt > STEADY_AFTER) this.#attempt = 0;
      // Full jitter: after a restart of the server its clients do not come back in step.
      const { min, max } = this.#delays;
      const delay = min + Math.random() * (Math.min(max, min * 2 ** ++this.#attempt) - min);
      this.#pause = setTimeout(() => this.#connect(), delay);
      this.#state = 'waiting'; // before the first callback, which may read it or close()
      const isHeard = this.#emit('turted:close', { code, reason, reconnect: true, delay });
      if (!this.#session && !this.#isMissed && !isHeard && !this.#listeners.get('turted:state')?.size) {
        this.#isMissed = true;
        const why = reason ? `: ${reason}` : '';
        warn(`no connection to ${this.#urls[this.#transports[0]]} yet${why}. Is the server running, and does a proxy on the way pass WebSockets on? It is trying again.`);
      }
      if (this.#state === 'waiting') this.#emit('turted:state', 'waiting');
    }

    /** Lets go of the wire. The server keeps the connection for a while, unless this is goodbye. */
    #drop(goodbye = false) {
      const wires = [this.#wire, this.#candidate].filter(Boolean);
      this.#wire = this.#candidate = null;
      clearTimeout(this.#upgrade);
      for (const { timer, rest, transport } of wires) {
        clearTimeout(timer);
        clearTimeout(rest);
        transport?.close(goodbye);
      }
      const isLost = ({ type, wire }) => !goodbye && ONCE.has(type) && wires.includes(wire);
      for (const command of [...this.#commands.values()].filter(isLost)) {
        this.#commands.delete(command.ref);
        this.#reject(command, failure('disconnected', 'the connection broke before the answer: it may have been said, or not'));
      }
    }

    /** Message too big: repeated on the next wire it would end that one as well. Without it there is no reason to stay away. */
    #giveUpLargest() {
      const [largest] = [...this.#commands.values()].sort((a, b) => b.text.length - a.text.length);
      if (largest) this.#settle(largest, failure('too_big', 'the server refused a message of this size'));
      return Boolean(largest);
    }

    #end(why) {
      clearTimeout(this.#pause);
      globalThis.removeEventListener?.('online', this.#online);
      globalThis.removeEventListener?.('pagehide', this.#hide);
      this.#state = 'closed';
      this.#channels.clear();
      this.#denied.clear();
      for (const { reject } of this.#commands.values()) reject(failure('disconnected', why.reason || 'the connection is closed'));
      this.#commands.clear();
      if (ENDINGS[why.code]) why.advice = ENDINGS[why.code];
      const isHeard = [this.#emit('turted:close', why), this.#emit('turted:state', 'closed')].some(Boolean);
      const isOurs = why.reason === BY_PAGE;
      if (!isHeard && !isOurs) warn(`the connection is closed for good: ${inWords({ ...why, message: why.reason || 'no reason given' })}`);
    }

    /** The network is back: no need to sit out the delay. */
    #online = () => this.reconnect();

    /** The page goes for good, unless the browser may bring it back: then the connection is resumed. */
    #hide = ({ persisted }) => persisted || this.close();

    // ---- which transport ------------------------------------------------------------------------------------------

    /**
     * A wire has not opened. The second one in a row, or one that is not welcomed in time, tells that the transport does not work here.
     * The others are then tried without a pause, so that a server that is just coming up is met by the best of them.
     */
    #descend(code) {
      this.#failures += code === 4009 ? 2 : 1;
      if (this.#failures < 2) return false;
      this.#since = Date.now();
      this.#rank = (this.#rank + 1) % this.#transports.length;
      return this.#rank > 0; // else all have failed: a pause, and again from the best
    }

    /** This transport works. It is remembered if it is not the best, and the better ones are tried again after a time. */
    #stay() {
      const { rank } = this.#wire;
      const fallback = JSON.stringify({ transport: this.#transports[rank], since: this.#since });
      inStorage((storage) => (rank ? storage.setItem(KEY, fallback) : storage.removeItem(KEY)));
      clearTimeout(this.#upgrade);
      if (rank) this.#upgrade = setTimeout(() => this.#climb(0), Math.max(0, this.#since + this.#delays.upgrade - Date.now()));
    }

    /** Tries a better transport beside the one in use, which goes on until the other one is welcomed. */
    #climb(rank) {
      clearTimeout(this.#candidate?.timer);
      this.#candidate?.transport?.close();
      this.#candidate = rank < this.#wire.rank ? this.#raise(rank) : null;
      if (this.#candidate) return;
      this.#since = Date.now();
      this.#stay();
    }

    #adopt(candidate) {
      this.#candidate = null; // it is not to be dropped with the old wire
      this.#drop();
      this.#wire = candidate;
      this.#rank = candidate.rank;
    }

    // ---- telling the page -----------------------------------------------------------------------------------------

    #become(state) {
      if (state === this.#state) return; // another transport is tried, or a better one has taken over
      this.#state = state;
      this.#emit('turted:state', state);
    }

    /** Whether anybody listens. */
    #emit(event, payload, meta) {
      const listeners = this.#listeners.get(event);
      const isHeard = Boolean(listeners?.size);
      for (const fn of [...(listeners ?? [])]) {
        if (!listeners.has(fn)) continue; // taken off by one before it
        try {
          fn(payload, { event, ...meta });
        } catch (error) {
          (globalThis.reportError ?? console.error)(error); // seen, but the others are still called
        }
      }
      return isHeard;
    }
  }

  /** A promise that knows whether anybody waits for it: await, then(), catch() and Promise.all() all come through then(). */
  class Answer extends Promise {
    static [Symbol.species] = Promise;
    isHeard = false;

    then(fulfilled, rejected) {
      this.isHeard = true;
      return super.then(fulfilled, rejected);
    }

    /** No rejection of it is unhandled. */
    forget() {
      super.then(undefined, () => {});
    }
  }

  /** A bucket that holds `burst` messages and gains `rate` of them per second, as the server's does. */
  class Pace {
    constructor(burst, rate) {
      Object.assign(this, { burst, rate, left: burst, at: Date.now() });
    }

    /** 0 if a message may be said, which then counts; else the milliseconds until one may. */
    wait() {
      const now = Date.now();
      const gained = (Math.max(0, now - this.at) / 1000) * this.rate;
      [this.left, this.at] = [Math.min(this.burst, this.left + gained), now];
      if (this.left < 1) return Math.ceil(((1 - this.left) / this.rate) * 1000);
      this.left -= 1;
      return 0;
    }

    /** For a server that takes less. */
    slower() {
      [this.left, this.rate] = [0, Math.max(1, this.rate / 2)];
    }
  }

  /** Whether the server's answer to one command hangs on another before it: on who this is, and on the same channel. */
  function depends({ type, data }, before) {
    if (type === 'ECHO') return false;
    if (before.type === 'IDENT') return true;
    const concerns = [type, before.type].every((one) => one === 'JOIN' || one === 'LEAVE');
    return concerns && data.channel === before.data.channel;
  }

  // ---- the transports ---------------------------------------------------------------------------------------------
  // Each opens by itself and tells the client: hear(message) for every message, alive() when anything came in, lose({ code, reason }) at
  // its end. send(text) takes a command, and its answer is heard. close(goodbye) ends the wire, and the connection as well if it is goodbye.

  class Sockets {
    constructor(url, tell, WebSocket) {
      this.socket = new WebSocket(url);
      this.socket.onmessage = ({ data }) => {
        tell.hear(parsed(data, tell.parse));
        tell.alive();
      };
      this.socket.onclose = ({ code, reason }) => tell.lose({ code, reason });
      this.socket.onerror = () => {}; // says nothing, and close follows
    }

    send(text) {
      this.socket.send(text);
    }

    close(goodbye) {
      if (goodbye) this.socket.close(1000);
      else this.socket.close();
    }
  }

  /** What both transports over plain HTTP share. Commands go out one by one, because their order counts, and make no preflight necessary. */
  class Requests {
    constructor(url, tell) {
      this.url = url;
      this.tell = tell;
      this.welcome = null;
      this.sent = Promise.resolve();
      this.requests = new Set();
      this.closed = false;
      this.open().catch((error) => this.fail(error));
    }

    /** Resolves with what `read` makes of the response; ends with the wire, or after a time. */
    async request(url, options, read, within) {
      const stopper = new AbortController();
      const timer = within && setTimeout(() => stopper.abort(new Error('no answer')), within);
      this.requests.add(stopper);
      try {
        const response = await fetch(url, { cache: 'no-store', credentials: 'include', ...options, signal: stopper.signal });
        if (response.ok) return await read(response);
        const { status, headers } = response;
        const why = (await response.json().catch(() => null))?.error;
        throw Object.assign(failure(why?.code, why?.message ?? `status ${status}`), { status, later: headers.get('Retry-After') });
      } finally {
        clearTimeout(timer);
        this.requests.delete(stopper);
      }
    }

    json = async (response) => this.tell.parse(await response.text());

    hear(message) {
      if (message?.type === 'WELCOME') this.welcome = message.data;
      this.tell.hear(message);
    }

    /** Whom a door turns away that knows who it is, by a cookie perhaps, need not come back. */
    fail({ code, message: reason }) {
      const final = { bad_origin: 1008, ident_denied: 4010, expired: 4012 }[code];
      this.tell.lose(final ? { code: final, reason, reconnect: false } : { code: 1006, reason });
    }

    address(query) {
      const url = new URL(this.url);
      url.pathname += `/${this.welcome.connection}`;
      for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
      return url.href;
    }

    send(text) {
      this.sent = this.sent.then(() => this.closed || this.post(JSON.parse(text)));
    }

    async post(command) {
      const body = JSON.stringify({ ...command, secret: this.welcome.resume });
      try {
        const answer = await this.request(this.address(), { method: 'POST', body }, this.json, ANSWER_WITHIN);
        if (answer) this.tell.hear(answer);
      } catch (error) {
        const code = { 413: 'too_big', 429: 'too_fast' }[error.status];
        if (!code) return this.fail(error);
        this.tell.hear({ type: 'ERROR', data: { code, message: error.message }, ref: command.ref });
      }
    }

    close(goodbye) {
      this.closed = true;
      const stop = () => this.requests.forEach((stopper) => stopper.abort());
      if (!goodbye || !this.welcome) return stop();
      // It outlives the page, and comes before the end of the stream, which alone would look like a lost wire.
      const options = { method: 'DELETE', credentials: 'include', keepalive: true };
      fetch(this.address({ secret: this.welcome.resume }), options).then(stop, stop);
    }
  }

  /** Read with fetch, because an EventSource hides what tells a quiet stream from a dead one: comments, and the status of a refusal. */
  class EventStream extends Requests {
    async open() {
      const url = new URL(this.url);
      url.searchParams.set('format', 'native');
      await this.request(url.href, { headers: { Accept: 'text/event-stream' } }, (response) => this.read(response.body.getReader()));
      throw new Error('the stream has ended');
    }

    async read(reader) {
      const decoder = new TextDecoder();
      let [rest, data] = ['', ''];
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        const lines = (rest + decoder.decode(chunk.value, { stream: true })).split('\n');
        rest = lines.pop();
        for (const line of lines) {
          if (line.startsWith('data:')) data += line.slice(5);
          if (!data || line.trim()) continue;
          this.hear(parsed(data, this.tell.parse));
          data = '';
        }
        this.tell.alive();
      }
    }
  }

  class Polling extends Requests {
    /** The id of the newest event seen. It goes with each poll, because browsers and proxies repeat a lost one without a word. */
    last = '';

    post(command) {
      if (command.type === 'RESUME') this.last = command.data.last ?? '';
      return super.post(command);
    }

    async open() {
      this.hear({ type: 'WELCOME', data: await this.request(this.url, { method: 'POST' }, this.json) });
      const secret = this.welcome.resume;
      await this.sent; // RESUME goes first
      for (let failures = 0; !this.closed; ) {
        try {
          const asked = Date.now();
          const messages = await this.request(this.address({ after: this.last, secret }), {}, this.json, POLL_WITHIN);
          for (const message of messages) {
            if (message.type === 'EVENT') this.last = message.data.id;
            this.hear(message);
          }
          failures = 0;
          // Whoever answers nothing at once, such as a cache, must not be asked without end.
          if (!messages.length) await sleep(asked + EMPTY_AFTER - Date.now());
        } catch (error) {
          if (error.status === 429) await sleep(Math.max(EMPTY_AFTER, 1000 * (Number(error.later) || 1))); // too fast: a little later
          else if (error.status === 404 || ++failures > 1) throw error;
        }
      }
    }
  }

  const TRANSPORTS = { websocket: Sockets, events: EventStream, poll: Polling };

  /** ws:, wss:, http:, https: or relative to the page; a bare origin means its /ws. The other doors are beside it. */
  function addresses(url, { path = '/ws', eventsPath = 'events', pollPath = 'poll' }) {
    const base = new URL(url ?? path, globalThis.location?.href);
    if (base.pathname === '/') base.pathname = path;
    base.hash = '';
    base.protocol = base.protocol.replace(/^ws/, 'http');
    if (!/^https?:$/.test(base.protocol)) throw new TypeError(`turted: cannot connect to ${base.protocol} addresses`);
    const beside = (path) => Object.assign(new URL(path, base), { search: base.search }).href;
    return { websocket: base.href.replace(/^http/, 'ws'), events: beside(eventsPath), poll: beside(pollPath) };
  }

  /** For all pages of an origin. Only a page has a memory; where it is forbidden there is none. */
  function inStorage(use) {
    try {
      return globalThis.document && use(globalThis.localStorage);
    } catch {
      return null;
    }
  }

  function parsed(text, parse) {
    try {
      return parse(text);
    } catch {
      return null;
    }
  }

  const written = ({ type, data, ref }) => JSON.stringify({ type, data, ref });
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  function failure(code = 'unknown', message = code) {
    return Object.assign(new Error(message), { name: 'TurtedError', code, advice: ADVICE[code] });
  }

  /** "JOIN chat", "IDENT adam": what was said, without any credential. */
  const named = ({ type, data }) => [type, data?.channel ?? data?.username ?? data?.user ?? ''].join(' ').trim();
  const inWords = ({ message, code, advice }) => [`${message}${message === String(code) ? '' : ` (${code})`}`, advice].filter(Boolean).join('. ');
  const warn = (text) => globalThis.console?.warn(`turted: ${text}`);

  globalThis.TURTED = TURTED;
  if (typeof module === 'object' && module.exports) module.exports = TURTED;
})();
