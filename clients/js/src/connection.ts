import { Access, broken, type Ending } from './access.js';
import { bounded } from './backoff.js';
import { PushStreamError, statusError } from './errors.js';
import type { EventSourceConstructor, EventSourceLike, PushStreamOptions } from './options.js';

/** A block in the envelope form: an event, or what the server itself says, which has a type that begins with `pushstream.`. */
export interface Block {
  readonly type: string;
  readonly id?: string;
  readonly data: unknown;
}

/** What the server says first. */
export interface Hello {
  readonly protocol: number;
  readonly identity: string;
  readonly heartbeat_ms: number;
}

/** Who a connection works for. */
export interface Owner {
  /** Takes a block, the server's hello first. `cursor` is where to come back after it; empty: where it was. */
  take(block: Block, cursor: string): void;
  /** Hears of the end, once; not after `close()`. */
  ended(ending: Ending): void;
}

/** The version of the wire that is spoken here. */
const protocol = 1;

/**
 * One connection: from its token to its end. It never comes back by itself, and neither does its EventSource, which is
 * closed at its first error.
 */
export class Connection {
  readonly #abort = new AbortController();
  readonly #access: Access;
  #source: EventSourceLike | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #patience: number;
  #heard = 0;
  #greeted = false;
  #over = false;

  /** @param url Where to connect, without a ticket. */
  constructor(
    private readonly options: PushStreamOptions,
    private readonly EventSource: EventSourceConstructor,
    private readonly url: URL,
    private readonly owner: Owner,
  ) {
    this.#access = new Access(options, url, this.#abort.signal);
    this.#patience = options.connectTimeout ?? 30_000;
  }

  /** @param rejected Whether the last token was. */
  async start(rejected: boolean): Promise<void> {
    this.#listen();
    const url = new URL(this.url);
    if (this.options.getToken) {
      const ticket = await this.#access.ticket(rejected);
      if (typeof ticket !== 'string') return this.#end(ticket);
      url.searchParams.set('ticket', ticket);
    }
    if (this.#over) return;
    try {
      this.#source = new this.EventSource(url.href, { withCredentials: this.options.withCredentials ?? false });
    } catch (cause) {
      return this.#end({ error: new PushStreamError('invalid_url', `${cause}`, false, null, cause), wait: 0 });
    }
    this.#source.addEventListener('message', ({ data, lastEventId }) => this.#message(data, lastEventId));
    this.#source.addEventListener('error', ({ code }) => this.#failed(code));
  }

  /** Whether nothing has come for too long, by the clock: timers stand still while a machine sleeps. */
  get dead(): boolean {
    return Date.now() - this.#heard > this.#patience;
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#source?.close();
  }

  /** Ends it, because the machine has no network any more. */
  offline(): void {
    this.#end(broken('network', 'the machine is offline'));
  }

  #listen(): void {
    clearTimeout(this.#timer);
    this.#heard = Date.now();
    this.#timer = setTimeout(() => this.#end(broken('timeout', `nothing came for ${this.#patience} ms`)), this.#patience);
  }

  #message(text: string, cursor: string): void {
    if (this.#over) return;
    this.#listen();
    let block: Block;
    try {
      block = JSON.parse(text);
      if (block.type === 'pushstream.hello') this.#hello(block.data as Hello);
      else if (block.type === 'pushstream.bye') return this.#bye(block.data as { reason: string; reconnect_ms?: number });
      else if (!this.#greeted) throw new Error('something came before the hello');
    } catch (cause) {
      return this.#end({ error: new PushStreamError('protocol', `not PushStream: ${cause}`, false, null, cause), wait: 0 });
    }
    this.owner.take(block, cursor);
  }

  #hello(hello: Hello): void {
    if (hello.protocol > protocol) throw new Error(`its protocol has version ${hello.protocol}`);
    this.#greeted = true;
    // Two heartbeats: one that is late is no reason to come back.
    this.#patience = 2 * bounded(hello.heartbeat_ms) || this.#patience;
    this.#listen();
  }

  /**
   * One who is to come back leaves the connection to the server, which may hold it for a while: where a balancer counts
   * connections, an instant end would draw every new one to a node that turns readers away.
   */
  #bye({ reason, reconnect_ms: wait }: { reason: string; reconnect_ms?: number }): void {
    if (wait === undefined) {
      return this.#end({ error: new PushStreamError('ended', `the server ended the stream: ${reason}`, false), wait: 0 });
    }
    this.#over = true;
    clearTimeout(this.#timer);
    this.owner.ended({ error: null, wait: bounded(wait), expired: reason === 'expired' });
  }

  /** @param code The status, which the package `eventsource` tells, and browsers do not. */
  async #failed(code: unknown): Promise<void> {
    const final = this.#source?.readyState === 2; // CLOSED: it was answered something else than a stream
    this.#source?.close();
    if (this.#over) return;
    if (!final) return this.#end(broken('network', 'the connection broke'));
    const error = typeof code === 'number' ? statusError(code) : null;
    if (error && error.code !== 'rate_limited' && error.code !== 'unavailable') return this.#end({ error, wait: 0 });
    this.#listen();
    this.#end(await this.#access.why());
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.close();
    this.owner.ended(ending);
  }
}
