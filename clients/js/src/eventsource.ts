import type { PushStreamOptions } from './options.js';
import { PushStream } from './stream.js';

/** Options of a {@link PushStreamEventSource}: those of a `PushStream`, without what the constructor is told otherwise. */
export type PushStreamEventSourceInit = Omit<PushStreamOptions, 'url' | 'autoConnect'>;

type Handler<T extends Event> = ((this: PushStreamEventSource, event: T) => unknown) | null;

/**
 * An `EventSource` for code that takes one, made of a `PushStream`: it comes back after everything that may pass, with
 * backoff, over the page's life, and where the page was before it was loaded again.
 *
 * It dispatches what a browser's would for the same URL. Events go to the listeners of their type, and `pushstream.gap` and
 * `pushstream.live` too. If the URL has `envelope=1`, events go to `onmessage` instead, each as one JSON object. `data` is
 * JSON text, written anew: of the same value, but not always of the same spelling.
 *
 * `onerror` is called for every interruption: with `readyState` `CONNECTING` if it comes back by itself, else `CLOSED`.
 */
export class PushStreamEventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;

  /** Called when a connection is open. */
  declare onopen: Handler<Event>;
  /** Called for messages without a type of their own. */
  declare onmessage: Handler<MessageEvent>;
  /** Called when a connection is interrupted, or the end. */
  declare onerror: Handler<Event>;

  /** The address, as an absolute one where there is a page. */
  readonly url: string;
  /** Whether cookies are sent to another origin. */
  readonly withCredentials: boolean;

  readonly #stream: PushStream;

  constructor(url: string | URL, init: PushStreamEventSourceInit = {}) {
    super();
    const address = new URL(url, globalThis.location?.href);
    this.url = address.href;
    this.withCredentials = init.withCredentials ?? false;
    for (const type of ['open', 'message', 'error'] as const) this.#property(type);

    const envelope = address.searchParams.get('envelope') === '1';
    const stream = new PushStream({ ...init, url: address });
    this.#stream = stream;
    const dispatch = (type: string, data: unknown, id = stream.cursor) => {
      const { origin } = address;
      this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), origin, lastEventId: id ?? '' }));
    };
    const control = (type: string, data: unknown) => {
      if (envelope) dispatch('message', { type, data });
      else dispatch(type, data);
    };
    stream.on('*', (event) => {
      if (envelope) dispatch('message', event, event.id);
      else dispatch(event.type, event.data, event.id);
    });
    stream.onGap((gap) => control('pushstream.gap', gap));
    stream.onLive(() => control('pushstream.live', {}));
    stream.onStatus((status) => {
      if (status === 'catching-up') this.dispatchEvent(new Event('open'));
      if (status === 'waiting' || status === 'paused') this.dispatchEvent(new Event('error'));
    });
    stream.onError(() => {
      if (this.readyState === this.CLOSED) this.dispatchEvent(new Event('error'));
    });
    stream.connect();
  }

  /** `CONNECTING`, `OPEN` or `CLOSED`. */
  get readyState(): 0 | 1 | 2 {
    const { status } = this.#stream;
    if (status === 'closed') return 2;
    return status === 'live' || status === 'catching-up' ? 1 : 0;
  }

  /** Closes it for good. */
  close(): void {
    this.#stream.close();
  }

  /** Makes `on...` a property as the platform has them: whoever is set last is called, in the place of the first. */
  #property(type: 'open' | 'message' | 'error'): void {
    let handler: Handler<Event> = null;
    const call = (event: Event) => handler?.call(this, event);
    Object.defineProperty(this, `on${type}`, {
      get: () => handler,
      set: (value: unknown) => {
        if (!handler) this.addEventListener(type, call);
        handler = typeof value === 'function' ? (value as Handler<Event>) : null;
        if (!handler) this.removeEventListener(type, call);
      },
    });
  }
}
