import type { PushStreamError } from './errors.js';

/** Whom an event is for. */
export type Target = 'all' | `user:${string}` | `session:${string}` | `topic:${string}`;

/** An event, as the wire carries it. */
export interface StreamEvent<Type extends string = string, Data = unknown> {
  /** Its own name, opaque: compare it for equality only. Absent for an event that is live only. */
  readonly id?: string;
  /** What happened, like `order.created`. */
  readonly type: Type;
  /** Whom it is for. Of an event for several targets: one that this stream reads. */
  readonly target: Target;
  /** The JSON value that was published. Nothing checks that it is what your `Events` say. */
  readonly data: Data;
  /** When it was stored: UTC, RFC 3339, milliseconds. */
  readonly time?: string;
  /** The publisher's own object. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** The types of events in an `Events` map. */
export type EventType<Events extends object> = keyof Events & string;

/** The event, or the union of events, that an `Events` map describes: type to data. */
export type EventOf<Events extends object, Type extends EventType<Events> = EventType<Events>> = {
  [T in Type]: StreamEvent<T, Events[T]>;
}[Type];

/**
 * What a stream is doing.
 *
 * - `idle`: nothing has been asked of it yet. On a server, where there is no `EventSource`, it stays so.
 * - `connecting`: it gets a ticket, and waits for the server's hello.
 * - `catching-up`: the server sends what was missed.
 * - `live`: everything up to now was handed over; what follows is new.
 * - `waiting`: the connection ended; the next one is due after a while.
 * - `paused`: the page is hidden, or kept for "back"; it goes on when the page is shown.
 * - `closed`: by `close()`, or for good by an error, which is in `error`. Only `connect()` opens it again.
 */
export type Status = 'idle' | 'connecting' | 'catching-up' | 'live' | 'waiting' | 'paused' | 'closed';

/** What `onLive` is told. */
export interface Live {
  /**
   * Where the stream went on. `false`: it began anew, so fetch your state. `memory`: where this stream object had been, so
   * nothing has to be fetched. `storage`: where the page had been before it was loaded again; fetch what the page forgot.
   */
  readonly resumed: false | 'memory' | 'storage';
}

/** What `onGap` is told: what you have of these targets may be out of date. Fetch it again, then follow. */
export interface Gap {
  /** Which. Empty means: whichever. */
  readonly targets: readonly Target[];
  /**
   * Why. `trimmed`: there were more events than the log keeps. `expired`: the log was gone. `lost`: the store lost history,
   * or the cursor could not be read. `identity`: somebody else is logged in, so the stream began anew. More may be added.
   */
  readonly reason: 'trimmed' | 'expired' | 'lost' | 'identity' | (string & {});
}

/** Narrows the events that a handler, or an iterator, gets. */
export interface Filter {
  /** Only events that name this target. See {@link StreamEvent.target} for events that have several. */
  readonly target?: Target | undefined;
}

/** Options of {@link EventStream.events}. */
export interface IterateOptions extends Filter {
  /** How many events may wait to be read, at least 1. Default 256. */
  readonly buffer?: number | undefined;
  /** Ends the iterator. */
  readonly signal?: AbortSignal | undefined;
}

/** Ends what it was returned for. Calling it again does nothing. */
export type Unsubscribe = () => void;

/**
 * A stream of events, as handlers see it. `PushStream` is one, and so is what `createTestStream` makes; take this type
 * wherever you only need a stream.
 *
 * Handlers are called in the order in which they were added, events in the order of the stream. A handler that throws
 * stops neither; what it throws goes to `reportError`, or to the console where there is none. Promises that handlers
 * return are not waited for.
 */
export interface EventStream<Events extends object = Record<string, unknown>> {
  /** What the stream is doing. A string, so it can be a snapshot. */
  readonly status: Status;
  /** Why the stream is waiting or closed; null once it is open, and after `close()`. */
  readonly error: PushStreamError | null;
  /** The topics that it reads, without `topic:`. The same array until `setTopics` changes them. */
  readonly topics: readonly string[];

  /** Calls a handler for every event, of all types. The first handler opens a stream that is idle. */
  on(type: '*', handler: (event: EventOf<Events>) => void, filter?: Filter): Unsubscribe;
  /** Calls a handler for every event of a type. The first handler opens a stream that is idle. */
  on<Type extends EventType<Events>>(type: Type, handler: (event: EventOf<Events, Type>) => void, filter?: Filter): Unsubscribe;

  /** Like `on`, for one event. */
  once(type: '*', handler: (event: EventOf<Events>) => void, filter?: Filter): Unsubscribe;
  /** Like `on`, for one event. */
  once<Type extends EventType<Events>>(type: Type, handler: (event: EventOf<Events, Type>) => void, filter?: Filter): Unsubscribe;

  /**
   * Iterates over events from now on. They wait in a buffer; when that is full, the iterator gives what is in it, throws a
   * `PushStreamError` with the code `overflow`, and ends. The stream goes on without it. It ends too when the stream is
   * closed, and throws where that has an error. While events wait, the stored cursor stays before them. Gaps are told to
   * `onGap` only.
   */
  events(type?: '*', options?: IterateOptions): AsyncIterableIterator<EventOf<Events>>;
  /** Iterates over the events of a type. */
  events<Type extends EventType<Events>>(type: Type, options?: IterateOptions): AsyncIterableIterator<EventOf<Events, Type>>;

  /** Calls a listener whenever `status` changes. */
  onStatus(listener: (status: Status) => void): Unsubscribe;
  /** Calls a listener once for every connection, when everything up to now was handed over. */
  onLive(listener: (live: Live) => void): Unsubscribe;
  /** Calls a listener for every gap, before any newer event of its targets. */
  onGap(listener: (gap: Gap) => void): Unsubscribe;
  /** Calls a listener for every interruption (`retryable`: the stream comes back by itself), and for the end. */
  onError(listener: (error: PushStreamError) => void): Unsubscribe;

  /**
   * Opens the stream if it is idle or closed, where its cursor is. The connection is made after the present task, so that
   * `connect()`, `close()` and `connect()` in a row make one.
   */
  connect(): void;
  /** Closes the stream. Handlers stay, and iterators end. Nothing is called after it but `onStatus`. */
  close(): void;
  /**
   * Reads other topics from now on, from the same cursor, on a new connection. Nothing is missed of those that stay. Of one
   * that is new, what came after the cursor is sent too; fetch its state on the `onLive` that follows.
   */
  setTopics(topics: readonly string[]): void;
}
