import type { Ending } from './access.js';
import { backoff } from './backoff.js';
import { type Block, Connection, type Hello } from './connection.js';
import { Cursor } from './cursor.js';
import { PushStreamError } from './errors.js';
import { Hub } from './hub.js';
import { watchPage } from './lifecycle.js';
import type { PushStreamOptions } from './options.js';
import { Recent } from './recent.js';
import type { Gap, Live, StreamEvent } from './types.js';

/** A connection that was open for so long, in milliseconds, was a good one. */
const goodAfter = 10_000;
/** The most to wait when the network is back, in milliseconds, so that an office does not come back at once. */
const wakeJitter = 500;

/**
 * A stream of events from a PushStream server. It goes on, where it was, after every interruption that may pass, and says
 * so where it cannot: a gap. Nothing happens until the first handler, or `connect()`.
 *
 * ```ts
 * const stream = new PushStream<{ 'order.created': { order: number } }>({ url: '/events', topics: ['shop'] });
 * stream.on('order.created', (event) => console.log(event.data.order));
 * ```
 */
export class PushStream<Events extends object = Record<string, unknown>> extends Hub<Events> {
  readonly #options: PushStreamOptions;
  readonly #cursor: Cursor;
  readonly #recent = new Recent();
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unwatch = () => {};
  #running = false;
  #paused = false;
  /** The server said when to come back: that is not made shorter. */
  #told = false;
  #failures = 0;
  #openSince = 0;
  /** The last token was refused, or has expired. */
  #rejected = false;
  /** A new token was asked for, and nothing was opened with it yet. */
  #renewed = false;
  /** What the next `onLive` is told. It stays until it is. */
  #resumed: Live['resumed'] = false;
  /** Somebody else is logged in, which is told once their stream is open: what is fetched before that may be too old. */
  #replaced = false;

  constructor(options: PushStreamOptions) {
    super(options.topics);
    this.#options = options;
    this.#cursor = new Cursor(options.storage ?? 'session');
  }

  /** Where the stream would go on: the last id whose block was handled. Opaque; null for none. */
  get cursor(): string | null {
    return this.#cursor.value;
  }

  /** An opaque digest of who the reader is, as the server said; null before that. */
  get identity(): string | null {
    return this.#cursor.identity;
  }

  connect(): void {
    if (this.#running || !this.#EventSource) return;
    this.#running = true;
    this.#paused = this.#rejected = this.#renewed = false;
    this.#failures = 0;
    this.#unwatch = watchPage(
      {
        pause: () => this.#pause(),
        resume: () => this.#resume(),
        offline: () => this.#offline(),
        wake: () => this.#wake(),
      },
      this.#options.pauseWhenHidden ?? false,
    );
    this.plan(0);
  }

  close(): void {
    this.#halt();
    this.tellStatus('closed');
  }

  setTopics(topics: readonly string[]): void {
    // While the stream waits, it keeps on waiting: the next connection has the topics that there are then.
    if (this.changeTopics(topics) && this.#running && !this.#paused && this.status !== 'waiting') this.plan(0);
  }

  protected wanted(): void {
    if (this.status === 'idle' && this.#options.autoConnect !== false) this.connect();
  }

  protected override drained(): void {
    if (!this.behind) this.#cursor.save();
  }

  get #EventSource() {
    return this.#options.EventSource ?? globalThis.EventSource;
  }

  /** Opens a connection after a while, in place of the one that there may be. */
  protected plan(delay: number, status: 'connecting' | 'waiting' = 'connecting', error?: PushStreamError | null): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), delay);
    this.tellStatus(status, error ?? undefined);
  }

  #open(): void {
    this.#drop();
    const { url: address, storageKey = 'pushstream' } = this.#options;
    let url: URL;
    try {
      if (!address) throw new TypeError('there is none'); // it would be a page beside this one, called undefined
      url = new URL(address, globalThis.location?.href);
    } catch (cause) {
      return this.#stop(new PushStreamError('invalid_url', `url ${address}: ${cause}`, false, null, cause));
    }
    if (this.#cursor.use(`${storageKey}:${url.href} ${[...this.topics].sort().join(' ')}`)) this.#resumed = 'storage';
    this.#connection = this.link(url);
    this.tellStatus('connecting');
    this.#connection?.start(this.#rejected); // there is none if somebody who was told closed the stream
  }

  /** Returns a connection that is to be started, if the stream is to have one. */
  protected link(url: URL, topics: Iterable<string> = this.topics): Connection | undefined {
    const query = url.searchParams;
    query.set('envelope', '1');
    for (const topic of topics) query.append('topic', topic);
    if (this.#cursor.value !== null) query.set('lastEventId', this.#cursor.value);
    return new Connection(this.#options, this.#EventSource, url, {
      take: (block, cursor) => this.take(block, cursor),
      ended: (ending) => this.#ended(ending),
    });
  }

  /** Takes what the connection brought. `cursor` is where to come back after it; without one: where it was. */
  protected take(block: Block, cursor?: string | null): void {
    switch (block.type) {
      case 'pushstream.hello':
        if (!this.#hello(block.data as Hello)) return;
        break;
      case 'pushstream.live':
        this.tellStatus('live');
        this.tellLive({ resumed: this.#resumed });
        this.#resumed = 'memory';
        break;
      case 'pushstream.gap':
        this.tellGap(block.data as Gap);
        break;
      default:
        if (!block.type.startsWith('pushstream.') && this.#recent.isNew(block.id)) this.tellEvent(block as StreamEvent);
    }
    if (!cursor) return;
    this.#cursor.value = cursor;
    this.drained();
  }

  /** Returns whether the connection goes on. */
  #hello({ identity }: Hello): boolean {
    if (this.#cursor.value !== null && this.#cursor.identity !== identity) {
      this.#replaced = this.#resumed === 'memory';
      this.#resumed = false;
      this.#cursor.drop();
      this.#recent.clear();
      this.#drop();
      this.plan(0);
      return false;
    }
    this.#cursor.identity = identity;
    this.#rejected = this.#renewed = false;
    this.#openSince = Date.now();
    this.tellStatus('catching-up');
    if (this.#replaced) {
      this.#replaced = false;
      this.tellGap({ targets: [], reason: 'identity' });
    }
    return true;
  }

  #ended({ error, wait, expired }: Ending): void {
    if (error) this.#drop();
    else this.#settle(); // the server ends the connection
    const unauthorized = error?.status === 401;
    if (unauthorized || expired) this.#rejected = true;
    if (unauthorized && this.#options.getToken && !this.#renewed) {
      this.#renewed = true;
      return this.plan(0);
    }
    if (error && !error.retryable) return this.#stop(error);

    const { base = 1000, cap = 30_000 } = this.#options.backoff ?? {};
    const failures = this.#failures++;
    const jitter = backoff({ base, cap }, failures);
    // In a goodbye each reader is told a time of its own; others that are told one, are told the same.
    let delay = error ? wait + jitter : failures ? Math.max(wait, jitter) : wait;
    // Being offline is no proof, since this machine's own servers can be reached: so it is tried, but seldom.
    if (globalThis.navigator?.onLine === false) delay = Math.max(delay, cap / 2);
    this.#told = wait > 0;
    this.plan(delay, 'waiting', error);
  }

  #stop(error: PushStreamError): void {
    this.#halt();
    this.tellStatus('closed', error);
  }

  #halt(): void {
    this.#running = this.#paused = false;
    clearTimeout(this.#timer);
    this.#drop();
    this.#unwatch();
  }

  #drop(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#told = false;
    this.#settle();
  }

  /** Forgets the failures before a connection that was good. */
  #settle(): void {
    if (this.#openSince && Date.now() - this.#openSince >= goodAfter) this.#failures = 0;
    this.#openSince = 0;
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.tellStatus('paused');
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.plan(0);
  }

  #offline(): void {
    if (!this.#told) this.#connection?.offline();
  }

  #wake(): void {
    if (this.#paused || this.#told) return;
    if (this.status === 'waiting' || this.#connection?.dead) this.plan(Math.random() * wakeJitter, 'waiting');
  }
}
