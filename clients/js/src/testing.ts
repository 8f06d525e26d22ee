import type { PushStreamError } from './errors.js';
import { Hub } from './hub.js';
import type { EventOf, EventStream, EventType, Gap, Live, Status, StreamEvent } from './types.js';

/** What of an event `emit` can be told besides type and data. */
export type EventDetails = Partial<Pick<StreamEvent, 'id' | 'target' | 'time' | 'meta'>>;

/** A stream without a network, which tests play the server for. */
export interface TestStream<Events extends object = Record<string, unknown>> extends EventStream<Events> {
  /**
   * Hands an event to the handlers, whatever `status` is, before it returns. Its id is a new one, and its target `all`, if
   * nothing else is said. Ids that come twice are not suppressed. Returns the event.
   */
  emit<Type extends EventType<Events>>(type: Type, data: Events[Type], details?: EventDetails): EventOf<Events, Type>;
  /** Sets `status`, and tells `onStatus` if that is another one. */
  setStatus(status: Status): void;
  /** Sets `status` to `live`, and tells `onLive`. `resumed` is false by default. */
  emitLive(live?: Partial<Live>): void;
  /** Tells `onGap`. By default no targets, which means whichever, and the reason `lost`. */
  emitGap(gap?: Partial<Gap>): void;
  /** Tells `onError`, and keeps it in `error`. `status` becomes `waiting` if it is retryable, else `closed`. */
  emitError(error: PushStreamError): void;
}

/** Options of {@link createTestStream}. */
export interface TestStreamOptions {
  /** The first `topics`. Default none. */
  readonly topics?: readonly string[];
}

/**
 * Makes a stream for tests. It behaves like a `PushStream` that nobody answers: the first handler, or `connect()`, sets its
 * status to `connecting`, at once; `close()` sets it to `closed`. All else is done by the test.
 */
export function createTestStream<Events extends object = Record<string, unknown>>(options: TestStreamOptions = {}): TestStream<Events> {
  return new Player<Events>(options.topics);
}

class Player<Events extends object> extends Hub<Events> implements TestStream<Events> {
  #events = 0;

  connect(): void {
    if (this.status === 'idle' || this.status === 'closed') this.tellStatus('connecting');
  }

  close(): void {
    this.tellStatus('closed');
  }

  setTopics(topics: readonly string[]): void {
    this.changeTopics(topics);
  }

  emit<Type extends EventType<Events>>(type: Type, data: Events[Type], details: EventDetails = {}): EventOf<Events, Type> {
    const event = { id: `test.${++this.#events}-0`, target: 'all', ...details, type, data } as EventOf<Events, Type>;
    this.tellEvent(event);
    return event;
  }

  setStatus(status: Status): void {
    this.tellStatus(status);
  }

  emitLive({ resumed = false }: Partial<Live> = {}): void {
    this.tellStatus('live');
    this.tellLive({ resumed });
  }

  emitGap({ targets = [], reason = 'lost' }: Partial<Gap> = {}): void {
    this.tellGap({ targets, reason });
  }

  emitError(error: PushStreamError): void {
    this.tellStatus(error.retryable ? 'waiting' : 'closed', error);
  }

  protected wanted(): void {
    if (this.status === 'idle') this.connect();
  }
}
