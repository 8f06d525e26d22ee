import type { Hello } from '../connection.js';
import { PushStreamError } from '../errors.js';
import type { EventSourceConstructor, EventSourceLike, PushStreamOptions } from '../options.js';
import { PushStream } from '../stream.js';
import type { Gap, Status, StreamEvent, Target } from '../types.js';
import { Leader } from './leader.js';
import type { Frame, Message, Told } from './messages.js';

/** Options of `createSharedStream`: those of a `PushStream`, and whose connection it is. */
export interface SharedStreamOptions extends PushStreamOptions {
  /**
   * Names the person who is signed in: their id, for example. Tabs with the same url and key share a connection, which is
   * made with the credentials of any of them.
   */
  readonly key: string;
  /**
   * Take the events of all topics that any tab reads. Needed where tabs read different topics, and one event is published
   * for several of them. Default false: only of this stream's own topics.
   */
  readonly allTopics?: boolean | undefined;
}

type Listener = (message: { readonly data: string; readonly lastEventId: string }) => void;

/**
 * A tab among those that share a connection: a stream whose EventSource is the leader. The leader waits, comes back, and gets
 * tokens. The tab holds a lock of its own, by which the leader knows that it is there, and waits for the one that makes it
 * the leader.
 *
 * Tabs hear each other over a channel, in the order in which things are said, and the leader's own tab hears the leader like
 * the others. So who hears of a new leader has heard all that the one before said, as the new one has: they all stand at the
 * same cursor.
 */
export class SharedStream<Events extends object> extends PushStream<Events> {
  /** Gives up the connection, and what was shared; undefined where nothing is. */
  #leave: (() => void) | undefined;
  #say: (message: Message) => void = () => {};
  /** Waits until another tab is gone. */
  #watch: (tab: string, gone: () => void) => void = () => {};
  #id = '';
  #leader: Leader | undefined;
  /** The question that is open. Until the answer, what is for all is not for this tab. */
  #asked: string | undefined;
  #listener: Listener | undefined;
  #final: PushStreamError | undefined;

  /** @param name What tabs that share a connection have in common. */
  constructor(
    private readonly given: SharedStreamOptions,
    private readonly name: string,
    private readonly locks: LockManager,
    private readonly Channel: typeof BroadcastChannel,
  ) {
    super({
      ...given,
      storageKey: `${given.storageKey ?? 'pushstream'} ${given.key}`,
      EventSource: Source as unknown as EventSourceConstructor,
      getToken: undefined,
      backoff: { base: 0, cap: 0 }, // it is no network that fails here
      connectTimeout: 2 ** 31 - 1, // the most that a timer can wait
    });
    const stream = this;
    function Source(): EventSourceLike {
      if (stream.#leave) stream.#ask();
      else stream.#enter();
      return {
        readyState: 1,
        addEventListener(type, listener) {
          if (type === 'message') stream.#listener = listener;
        },
        close() {
          stream.#listener = undefined; // and what is shared stays: the next one may come for other topics
        },
      };
    }
  }

  protected override tellStatus(status: Status, error = this.#final): void {
    if (status === 'paused' || status === 'closed') this.#leave?.();
    super.tellStatus(status, error);
  }

  protected override tellEvent(event: StreamEvent): void {
    if (this.#isMine(event.target)) super.tellEvent(event);
  }

  protected override tellGap({ targets, reason }: Gap): void {
    const mine = targets.filter((target) => this.#isMine(target));
    if (mine.length || !targets.length) super.tellGap({ targets: mine, reason });
  }

  #isMine(target: Target): boolean {
    return this.given.allTopics || !target.startsWith('topic:') || this.topics.includes(target.slice(6));
  }

  /** @param alone Share with nobody, and do without locks. */
  #enter(alone = false): void {
    this.#leave?.();
    const id = crypto.randomUUID();
    const abort = new AbortController();
    const { signal } = abort;
    // What is said with one is heard by all others, and so by the ear of this very tab.
    const mouth = new this.Channel(alone ? id : this.name);
    const ear = new this.Channel(mouth.name);
    ear.onmessage = ({ data }) => signal.aborted || this.#hear(data);
    this.#id = this.#asked = id;
    this.#say = (message) => signal.aborted || mouth.postMessage(message);
    this.#leave = () => {
      this.#leave = undefined;
      abort.abort();
      this.#leader?.end();
      this.#leader = undefined;
      mouth.close();
      ear.close();
    };
    /** Waits for a lock, and holds it until this tab leaves; without `refused`, not at all. */
    const hold = (lock: string, then: () => void, refused?: () => void) => {
      const held = () => {
        if (signal.aborted) return;
        then();
        if (refused) return new Promise((release) => signal.addEventListener('abort', release));
      };
      this.locks.request(lock, { signal }, held).catch(() => signal.aborted || refused?.());
    };
    // It begins when it hears that itself, and so all that the leader before it has said.
    const claim = () => this.#say({ claim: id });
    this.#watch = (tab, gone) => tab === id || hold(tab, gone);
    if (alone) return claim();
    const refused = () => this.#enter(true); // where there can be no locks, nothing can be shared
    hold(
      id,
      () => {
        this.#ask();
        hold(this.name, claim, refused);
      },
      refused,
    );
  }

  #ask(): void {
    const { topics, cursor } = this;
    this.#asked = crypto.randomUUID();
    this.#say({ ask: this.#asked, tab: this.#id, topics, cursor });
  }

  #hear(message: Message): void {
    if ('ask' in message) this.#leader?.ask(message);
    else if ('claim' in message) {
      if (message.claim === this.#id) this.#leader = new Leader(this.given, this, this.#watch, this.#say);
      this.#ask();
    } else if ('status' in message) this.#told(message);
    else if (message.to === this.#asked) this.#take(message.frames);
  }

  #told({ status, error }: Told): void {
    const closed = status === 'closed';
    // What was refused may be what another tab asked for, or who that is. So each finds out for itself.
    if (closed && this.#leader?.topics.length !== this.topics.length) return this.#enter(true);
    this.#final = error ? new PushStreamError(...error) : undefined;
    if (closed) this.close();
    else if (status !== this.status) this.tellStatus(status);
    this.#final = undefined;
  }

  #take(frames: readonly Frame[]): void {
    this.#asked = undefined;
    for (const { block, cursor = '' } of frames) {
      const other = block.type === 'pushstream.hello' && this.identity && this.identity !== (block.data as Hello).identity;
      if (other && !this.#leader) return this.#enter(true);
      this.#listener?.({ data: JSON.stringify(block), lastEventId: cursor });
    }
  }
}
