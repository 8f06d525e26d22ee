import type { Backoff } from './backoff.js';
import type { StorageOption } from './cursor.js';

/** What a stream needs of an `EventSource`. That of browsers has it, and the one of the package `eventsource`, 4 or 5. */
export interface EventSourceLike {
  readonly readyState: number;
  // biome-ignore lint/suspicious/noExplicitAny: every implementation has event types of its own
  addEventListener(type: 'message' | 'error', listener: (event: any) => void): void;
  close(): void;
}

/** The class of an {@link EventSourceLike}. */
export type EventSourceConstructor = new (url: string, init?: { withCredentials?: boolean }) => EventSourceLike;

/** What `getToken` is told. */
export interface TokenRequest {
  /** The last token was refused, or has expired: a cached one will not do. */
  readonly rejected: boolean;
}

/** Options of a `PushStream`. Times are in milliseconds. */
export interface PushStreamOptions {
  /** The address of `GET /events`. Relative to the page, where there is one. */
  readonly url: string | URL;
  /** Topics to read, without `topic:`. Default none. What is for `all`, the user and the session is read in any case. */
  readonly topics?: readonly string[] | undefined;
  /**
   * Returns the token of the reader. It is asked before every connection, and its token is exchanged for a ticket that is
   * good once. Throw an `UnauthorizedError` if there is none to be had. Without `getToken`: cookies, or nothing.
   */
  readonly getToken?: ((request: TokenRequest) => string | Promise<string>) | undefined;
  /** The address of `POST /tickets`. Default: `tickets` beside `url`. */
  readonly ticketUrl?: string | URL | undefined;
  /** Send cookies to another origin. Default false. */
  readonly withCredentials?: boolean | undefined;
  /** The class that makes connections. Default: the global one. Without any, as on servers, the stream stays idle. */
  readonly EventSource?: EventSourceConstructor | undefined;
  /** Gets tickets, and asks why a connection was refused. Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
  /** Where the cursor outlives the page. Default `session`: in this tab. `local`: in this browser. `false`: nowhere. */
  readonly storage?: StorageOption | undefined;
  /** Begins the key in the storage. Two streams of a page with the same url and topics need different ones. Default `pushstream`. */
  readonly storageKey?: string | undefined;
  /** How long the page may be hidden before the connection is closed until it is shown. Default `false`: for ever. */
  readonly pauseWhenHidden?: number | false | undefined;
  /** Whether the first handler of events opens the stream. Default true; otherwise only `connect()` does. */
  readonly autoConnect?: boolean | undefined;
  /** How long to wait after a failure: a random time up to `base` (1000), doubled each time, at most `cap` (30000). */
  readonly backoff?: Partial<Backoff> | undefined;
  /** How long getting a token, a ticket, and the server's hello may take, all together. Default 30000. */
  readonly connectTimeout?: number | undefined;
}
