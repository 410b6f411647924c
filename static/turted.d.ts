/*
 * The types of turted.js, for require() and the global TURTED; turted.d.mts passes them on to import.
 * It describes the client only: what a payload holds is between a backend and its pages.
 */
export = TURTED;
export as namespace TURTED;

declare class TURTED {
  /**
   * Connects at once: by WebSocket, else by server-sent events, else by long-polling, whatever the network lets through.
   * @param url ws:, wss:, http:, https: or relative to the page; where the WebSocket is. A bare origin gets `/ws`. Default: `/ws` of the page's host.
   */
  constructor(url?: string | URL, options?: TURTED.Options);

  readonly state: TURTED.State;
  /** What the open connection travels by; undefined while there is none. */
  readonly transport: TURTED.Transport | undefined;
  /** The connection's id as backends know it (`exclude.connections`); undefined before the first welcome. */
  readonly connection: string | undefined;
  /** The channels the server has let this client into. */
  readonly channels: string[];
  /** The channels that the page wants and this identity may not hear: they are asked for again with another one. */
  readonly denied: string[];

  on(event: 'turted:state', fn: TURTED.Callback<TURTED.State>): this;
  on(event: 'turted:open', fn: TURTED.Callback<TURTED.Open>): this;
  on(event: 'turted:close', fn: TURTED.Callback<TURTED.Close>): this;
  on(event: 'turted:gap', fn: TURTED.Callback<TURTED.Gap>): this;
  on(event: 'turted:error', fn: TURTED.Callback<TURTED.TurtedError>): this;
  on(event: 'turted:denied', fn: TURTED.Callback<TURTED.Denied>): this;
  on(event: 'turted:joined', fn: TURTED.Callback<{ channel: string }>): this;
  on(event: 'turted:left', fn: TURTED.Callback<TURTED.Left>): this;
  on(event: 'turted:expiring', fn: TURTED.Callback<TURTED.Expiring>): this;
  on(event: 'turted:signed-out', fn: TURTED.Callback<Error>): this;
  /** `'*'` hears every event of the server, `'ECHO'` every echo. */
  on<Payload = any>(event: string, fn: TURTED.Callback<Payload>): this;
  /** Forgets one callback, or all of that event. */
  off(event: string, fn?: TURTED.Callback<any>): this;

  /**
   * Everything that is said waits for the connection, survives its loss, and is said again when the server answers `too_fast`: at most 100 at once
   * and 80 per second. A refusal that nobody waits for is told on the console.
   *
   * The data goes to the server's authenticator as it is; the name comes from `username`, else from `user`.
   *
   * A function is asked for the data now, before the identity ends, and whenever the server has forgotten it: one question at a time, with what
   * was wrong with the one before, if anything. If it throws, or the server takes none of three, `turted:signed-out` is told and the connection
   * ends for good; an error with the code `unavailable` is no sign-out: it is asked again a little later. */
  ident(data: TURTED.Identity | ((refused?: TURTED.TurtedError) => TURTED.Identity | Promise<TURTED.Identity>)): Promise<TURTED.Identified>;
  /** A channel that is denied is not asked for again until ident() says something else; then it is. */
  join(channel: string): Promise<{ channel: string }>;
  leave(channel: string): Promise<{ channel: string }>;
  /**
   * Says something to everybody in a channel, where the server lets this client; to itself as well if it is in the channel, unless `echo` is false.
   * What was under way when the connection broke is rejected with code `disconnected`: it may have been said, or not.
   */
  publish(channel: string, event: string, payload?: unknown, options?: { echo?: boolean }): Promise<{ id: string; recipients: number }>;
  echo<Data>(data?: Data): Promise<Data>;
  /** While the state is `waiting`: makes the next attempt now. */
  reconnect(): void;
  /** Ends the connection for good and rejects what is pending with code `disconnected`. */
  close(): void;
}

declare namespace TURTED {
  /** `waiting` is the pause before the next attempt, `closed` is for good. */
  type State = 'connecting' | 'open' | 'waiting' | 'closed';

  /** WebSocket, server-sent events with commands by POST, long-polling. */
  type Transport = 'websocket' | 'events' | 'poll';

  interface Options {
    /** Shortest pause before a new attempt, in milliseconds. Default 500. */
    minDelay?: number;
    /** Longest pause before a new attempt, in milliseconds. Default 30000. */
    maxDelay?: number;
    /**
     * Which transports to try, best first. Default `['websocket', 'events', 'poll']`. In a page one that is not the first is remembered
     * (localStorage, `turted:transport`), so that the next page begins with it.
     */
    transports?: Transport[];
    /** How long a transport may take to open until the next one is tried, in milliseconds; the last one has twice as long. Default 5000. */
    openTimeout?: number;
    /** After how long a better transport is tried again beside the one in use, in milliseconds. Default 600000. */
    upgradeAfter?: number;
    /** The path of the WebSocket where the url names none. Default `/ws`. */
    path?: string;
    /** Where server-sent events and long-polling are, relative to the WebSocket. Defaults `events` and `poll`: beside it. */
    eventsPath?: string;
    pollPath?: string;
    /**
     * Reads the server's messages. Default `JSON.parse`, which bends numbers beyond 2^53; with a reviver that is told their `source` they can be
     * kept as they came.
     */
    parse?: (text: string) => any;
    /** The WebSocket class to use, where there is no global one. */
    WebSocket?: new (url: string) => any;
  }

  interface Identity {
    username?: string;
    user?: string;
    token?: string;
    [more: string]: unknown;
  }

  interface Identified {
    username: string;
    /** Channels that the identity brought along, if any. */
    channels?: string[];
  }

  type Callback<Payload> = (payload: Payload, meta: Meta) => void;

  interface Meta {
    event: string;
    /** `<epoch>-<sequence>`, the same for every receiver; absent on `ECHO` and `turted:…`. */
    id?: string;
    /** Which target reached this connection; absent on `ECHO` and `turted:…`. */
    via?: { user: string } | { channel: string } | { broadcast: true };
    /** The client that said it, if one did and the server tells. */
    from?: { user?: string; connection: string };
    /** On a `turted:error` after a reconnect: the command that the server did not accept again, and its data. */
    command?: 'IDENT' | 'JOIN';
    data?: any;
  }

  interface Open {
    connection: string;
    /** True if this wire continues an earlier one without a gap. */
    recovered: boolean;
  }

  interface Close {
    code: number;
    reason?: string;
    reconnect: boolean;
    /** Milliseconds until the next attempt, if there is one. */
    delay?: number;
    /** After an end for good: what to do about it, in a sentence. */
    advice?: string;
  }

  /** This client may not hear that channel. */
  interface Denied {
    channel: string;
    code: string;
    message: string;
  }

  /** The server has taken this client out of that channel: `denied` when it may not hear it any more. */
  interface Left {
    channel: string;
    reason: string;
  }

  /** The identity ends in so many seconds. A function given to ident() is asked for a new one by itself. */
  interface Expiring {
    in: number;
  }

  /** Events may be missing since that id; memberships are already back, so fetch what you need now. */
  interface Gap {
    since?: string;
  }

  /**
   * The server's codes (`ident_denied`, `join_denied`, `not_joined`, `bad_name` …), and the client's own:
   * `disconnected` (closed before the answer came), `too_big`, `bad_message`, `signed_out` (a function for ident() gave nothing).
   */
  interface TurtedError extends Error {
    code: string;
    /** What to do about it, in a sentence; absent for codes that are newer than this file. */
    advice?: string;
  }
}
