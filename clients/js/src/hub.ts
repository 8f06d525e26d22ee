import type { PushStreamError } from './errors.js';
import { Queue } from './queue.js';
import type { EventOf, EventStream, EventType, Filter, Gap, IterateOptions, Live, Status, StreamEvent, Unsubscribe } from './types.js';

type Listener<T> = (value: T) => void;

/** Listeners of one kind. Each is called whatever the others do. */
class Listeners<T> {
  readonly #entries = new Set<{ listener: Listener<T> }>();

  add(listener: Listener<T>): Unsubscribe {
    const entry = { listener }; // the same function can be there twice
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  call(value: T): void {
    for (const entry of [...this.#entries]) {
      if (!this.#entries.has(entry)) continue; // removed by one before it
      try {
        entry.listener(value);
      } catch (error) {
        report(error);
      }
    }
  }
}

/** Says what a handler threw, and goes on. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error);
  else console.error(error);
}

/**
 * Who is told what: the half of a stream that knows no network. Everything in it that does not belong to
 * {@link EventStream} is for those who extend it.
 */
export abstract class Hub<Events extends object> implements EventStream<Events> {
  readonly #events = new Listeners<StreamEvent>();
  readonly #status = new Listeners<Status>();
  readonly #live = new Listeners<Live>();
  readonly #gap = new Listeners<Gap>();
  readonly #error = new Listeners<PushStreamError>();
  readonly #queues = new Set<Queue<StreamEvent>>();

  #now: Status = 'idle';
  #failure: PushStreamError | null = null;
  #topics: readonly string[];

  constructor(topics: readonly string[] = []) {
    this.#topics = [...new Set(topics)];
  }

  get status(): Status {
    return this.#now;
  }

  get error(): PushStreamError | null {
    return this.#failure;
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  abstract connect(): void;
  abstract close(): void;
  abstract setTopics(topics: readonly string[]): void;

  /** Called when somebody begins to listen to events. */
  protected abstract wanted(): void;
  /** Called when an iterator has taken all that waited for it. */
  protected drained(): void {}

  on(type: '*', handler: (event: EventOf<Events>) => void, filter?: Filter): Unsubscribe;
  on<Type extends EventType<Events>>(type: Type, handler: (event: EventOf<Events, Type>) => void, filter?: Filter): Unsubscribe;
  on(type: string, handler: (event: never) => void, filter: Filter = {}): Unsubscribe {
    const off = this.#listen(type, filter, handler as Listener<StreamEvent>);
    this.wanted();
    return off;
  }

  once(type: '*', handler: (event: EventOf<Events>) => void, filter?: Filter): Unsubscribe;
  once<Type extends EventType<Events>>(type: Type, handler: (event: EventOf<Events, Type>) => void, filter?: Filter): Unsubscribe;
  once(type: string, handler: (event: never) => void, filter: Filter = {}): Unsubscribe {
    const off = this.#listen(type, filter, (event) => {
      off();
      (handler as Listener<StreamEvent>)(event);
    });
    this.wanted();
    return off;
  }

  events(type?: '*', options?: IterateOptions): AsyncIterableIterator<EventOf<Events>>;
  events<Type extends EventType<Events>>(type: Type, options?: IterateOptions): AsyncIterableIterator<EventOf<Events, Type>>;
  events(type = '*', { target, buffer = 256, signal }: IterateOptions = {}): AsyncIterableIterator<StreamEvent> {
    const queue: Queue<StreamEvent> = new Queue(
      Math.max(1, buffer),
      () => this.drained(),
      () => {
        off();
        this.#queues.delete(queue);
        signal?.removeEventListener('abort', end);
      },
    );
    const end = () => queue.end();
    const off = this.#listen(type, { target }, (event) => queue.push(event));
    this.#queues.add(queue);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    else this.wanted();
    return queue;
  }

  onStatus(listener: Listener<Status>): Unsubscribe {
    return this.#status.add(listener);
  }

  onLive(listener: Listener<Live>): Unsubscribe {
    return this.#live.add(listener);
  }

  onGap(listener: Listener<Gap>): Unsubscribe {
    return this.#gap.add(listener);
  }

  onError(listener: Listener<PushStreamError>): Unsubscribe {
    return this.#error.add(listener);
  }

  /** Whether events are not handled yet, because the reader of an iterator did not come to them. */
  protected get behind(): boolean {
    for (const queue of this.#queues) if (queue.busy) return true;
    return false;
  }

  protected tellEvent(event: StreamEvent): void {
    this.#events.call(event);
  }

  protected tellLive(live: Live): void {
    this.#live.call(live);
  }

  protected tellGap(gap: Gap): void {
    this.#gap.call(gap);
  }

  /** Tells what the stream is doing now, and the error that made it so. */
  protected tellStatus(status: Status, error?: PushStreamError): void {
    if (error || status === 'closed' || status === 'catching-up' || status === 'live') this.#failure = error ?? null;
    if (status === 'closed') for (const queue of this.#queues) queue.end(error);
    const changed = status !== this.#now;
    this.#now = status;
    if (changed) this.#status.call(status);
    if (error && error === this.#failure) this.#error.call(error);
  }

  /** Returns whether these are other topics than before. */
  protected changeTopics(topics: readonly string[]): boolean {
    const wanted = new Set(topics);
    if (wanted.size === this.#topics.length && this.#topics.every((topic) => wanted.has(topic))) return false;
    this.#topics = [...wanted];
    return true;
  }

  #listen(type: string, { target }: Filter, listener: Listener<StreamEvent>): Unsubscribe {
    return this.#events.add((event) => {
      if ((type === '*' || type === event.type) && (!target || target === event.target)) listener(event);
    });
  }
}
