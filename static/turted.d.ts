/*
 * The types of turted.js, for require() and the global TURTED; turted.d.mts passes them on to import.
 * It describes the client only: what a payload holds is between a backend and its pages.
 */
export = TURTED;
export as namespace TURTED;

declare class TURTED {
  /**
   * Connects at once.
   * @param url ws:, wss:, http:, https: or relative to the page. A bare origin gets `/ws`. Default: `/ws` of the page's host.
   */
  constructor(url?: string | URL, options?: TURTED.Options);

  readonly state: TURTED.State;
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

  /** The data goes to the server's authenticator as it is; the name comes from `username`, else from `user`. */
  ident(data: { username?: string; user?: string; token?: string; [more: string]: unknown }): Promise<{ username: string }>;
  join(channel: string): Promise<{ channel: string }>;
  leave(channel: string): Promise<{ channel: string }>;
  echo<Data>(data?: Data): Promise<Data>;
  /** Ends the connection for good and rejects what is pending with code `disconnected`. */
  close(): void;
}

declare namespace TURTED {
  /** `waiting` is the pause before the next attempt, `closed` is for good. */
  type State = 'connecting' | 'open' | 'waiting' | 'closed';

  interface Options {
    /** Shortest pause before a new attempt, in milliseconds. Default 500. */
    minDelay?: number;
    /** Longest pause before a new attempt, in milliseconds. Default 30000. */
    maxDelay?: number;
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
  }

  /** Events may be missing since that id; memberships are already back, so fetch what you need now. */
  interface Gap {
    since?: string;
  }

  /**
   * The server's codes (`ident_denied`, `join_denied`, `not_joined`, `bad_name`, `too_fast` …), and the client's own:
   * `disconnected` (closed before the answer came), `too_big`, `bad_message`.
   */
  interface TurtedError extends Error {
    code: string;
  }
}
