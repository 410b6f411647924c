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

  on(event: 'turted:state', fn: TURTED.Callback<TURTED.State>): this;
  on(event: 'turted:open', fn: TURTED.Callback<TURTED.Open>): this;
  on(event: 'turted:close', fn: TURTED.Callback<TURTED.Close>): this;
  on(event: 'turted:gap', fn: TURTED.Callback<TURTED.Gap>): this;
  on(event: 'turted:error', fn: TURTED.Callback<TURTED.TurtedError>): this;
  /** `'*'` hears every event of the server, `'ECHO'` every echo. */
  on<Payload = any>(event: string, fn: TURTED.Callback<Payload>): this;
  /** Forgets one callback, or all of that event. */
  off(event: string, fn?: TURTED.Callback<any>): this;

  /**
   * Everything that is said waits for the connection, survives its loss, and is said again when the server answers `too_fast`: at most 100 at once
   * and 80 per second. A refusal that nobody waits for is told on the console.
   *
   * The data goes to the server's authenticator as it is; the name comes from `username`, else from `user`. */
  ident(data: { username?: string; user?: string; token?: string; [more: string]: unknown }): Promise<{ username: string }>;
  join(channel: string): Promise<{ channel: string }>;
  leave(channel: string): Promise<{ channel: string }>;
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

  type Callback<Payload> = (payload: Payload, meta: Meta) => void;

  interface Meta {
    event: string;
    /** `<epoch>-<sequence>`, the same for every receiver; absent on `ECHO` and `turted:…`. */
    id?: string;
    /** Which target reached this connection; absent on `ECHO` and `turted:…`. */
    via?: { user: string } | { channel: string } | { broadcast: true };
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

  /** Events may be missing since that id; memberships are already back, so fetch what you need now. */
  interface Gap {
    since?: string;
  }

  /**
   * The server's codes (`ident_denied`, `join_denied`, `not_joined`, `bad_name` …), and the client's own:
   * `disconnected` (closed before the answer came), `too_big`, `bad_message`.
   */
  interface TurtedError extends Error {
    code: string;
    /** What to do about it, in a sentence; absent for codes that are newer than this file. */
    advice?: string;
  }
}
