import type { Block, Connection, Hello } from '../connection.js';
import { PushStreamError } from '../errors.js';
import type { PushStreamOptions } from '../options.js';
import { PushStream } from '../stream.js';
import type { Gap, Status, StreamEvent, Target } from '../types.js';
import type { Frame, Message, Question } from './messages.js';

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

/** How many blocks are kept for tabs that come back. */
const most = 512;
/** How long to wait for others that want more topics, in milliseconds: a browser opens its tabs all at once. */
const gathering = 50;

const hello = 'pushstream.hello';
const live = 'pushstream.live';
const gap = 'pushstream.gap';

/**
 * A tab among those that share a connection. The leader is the one that has a lock; it is a stream with a connection, which
 * reads the topics of all, and hands on what that brings. The others are linked to the leader: they ask it for what follows
 * their cursor, and then take what it says to all.
 *
 * Tabs hear each other in the order in which things are said. Who hears of a new leader has heard all that the one before
 * said, as the new one has: they all stand at the same cursor.
 */
export class SharedStream<Events extends object> extends PushStream<Events> {
  readonly #allTopics: boolean | undefined;
  readonly #open: () => BroadcastChannel;
  readonly #locks = navigator.locks;
  /** Asks the leader, or comes to the others first. */
  #ask: () => void = this.#enter;
  /** The question that is open. Until it is answered, nothing that is said to all is for this tab. */
  #asked: string | undefined;
  /** Gives up what is shared. */
  #leave = () => {};
  /** Shares nothing until the stream is closed. */
  #alone = false;

  /** Says something to the others. Only the leader has it, and the rest of this. */
  #tell: ((message: Message) => void) | undefined;
  /** What the others want, by their ids. */
  readonly #tabs = new Map<string, Question>();
  /** What the connection reads; it was opened with that. */
  #reads: readonly string[] = [];
  /** What the connection brought last. Whatever is said is in it; an answer is what it has, and what is said next follows. */
  #history: Frame[] = [];

  /** @param open Opens the channel of all tabs that share a connection. A lock has its name. */
  constructor(options: SharedStreamOptions, open: () => BroadcastChannel) {
    super({ ...options, storageKey: `${options.storageKey ?? 'pushstream'} ${options.key}` });
    this.#allTopics = options.allTopics;
    this.#open = open;
  }

  protected override link(url: URL): Connection | undefined {
    if (this.#tell || this.#alone) {
      this.#reads = [...new Set([this, ...this.#tabs.values()].flatMap(({ topics }) => topics))];
      return super.link(url, this.#reads);
    }
    this.#ask();
    return undefined;
  }

  protected override take(block: Block, cursor?: string | null): void {
    const other = block.type === hello && (block.data as Hello).identity !== this.identity;
    if (this.#tell) {
      // A gap may have no cursor, where the server could not read the last one: who stands there later has it too. All else
      // without one is live only, and never said again.
      const position = cursor || (block.type === gap && this.cursor);
      if (other) this.#history = [];
      else if (position && this.#history.push([block, position, this.#reads]) > most) this.#history.shift();
      this.#tell({ frames: [[block, cursor]] });
    } else if (other && this.identity && !this.#alone) {
      return this.#part(); // the leader's reader is somebody else
    }
    super.take(block, cursor);
  }

  protected override tellStatus(status: Status, error?: PushStreamError): void {
    if (/closed|paused/.test(status)) {
      this.#leave();
      // What was refused may be what another tab asked for.
      this.#alone = !!error && this.#reads.length > this.topics.length;
      if (this.#alone) return this.connect();
    }
    super.tellStatus(status, error);
    this.#answer();
  }

  protected override tellEvent(event: StreamEvent): void {
    if (this.#isMine(event.target)) super.tellEvent(event);
  }

  protected override tellGap({ targets, reason }: Gap): void {
    const mine = targets.filter(this.#isMine, this);
    if (mine.length || !targets.length) super.tellGap({ targets: mine, reason });
  }

  #isMine(target: Target): boolean {
    return this.#allTopics || !/^topic:/.test(target) || this.topics.includes(target.slice(6));
  }

  /** Leaves the others, for a connection of its own. */
  #part(): void {
    this.#leave();
    this.#alone = true;
    this.plan(0);
  }

  #enter(): void {
    const id = crypto.randomUUID();
    const abort = new AbortController();
    const { signal } = abort;
    const channel = this.#open();
    const say = (message: Message) => channel.postMessage(message);
    const left = new Promise<void>((release) => {
      this.#leave = () => {
        this.#ask = this.#enter;
        this.#tell = undefined;
        this.#tabs.clear();
        release();
        abort.abort();
        channel.close();
      };
    });
    const ask = () => {
      this.#asked = crypto.randomUUID();
      say({ ask: { id: this.#asked, tab: id, topics: this.topics, cursor: this.cursor } });
    };
    /** Waits for a lock. Where there can be none, nothing can be shared. */
    const lock = (name: string, then: () => unknown) => {
      this.#locks.request(name, { signal }, then).catch(() => signal.aborted || this.#part());
    };
    this.#ask = ask;
    lock(id, () => {
      channel.onmessage = ({ data: { claim, ask: question, status, error, to, frames } }: MessageEvent<Message>) => {
        if (claim) {
          if (claim !== id) return ask();
          this.#tell = say;
          this.#history = [[{} as Block, this.cursor]];
          this.plan(gathering);
        } else if (question) {
          const { tab } = question;
          if (this.#tell) {
            if (!this.#tabs.has(tab)) lock(tab, () => this.#tabs.delete(tab));
            this.#tabs.set(tab, question);
            this.#answer();
          }
        } else if (status) {
          if (status !== this.status) this.tellStatus(status, error && new PushStreamError(...error));
        } else if (frames && to === this.#asked) {
          this.#asked = undefined;
          for (const [block, cursor] of frames) if (!signal.aborted) this.take(block, cursor);
        }
      };
      ask();
      lock(channel.name, () => {
        // This tab leads when it hears that itself, and so all that the leader before it has said.
        const voice = this.#open();
        voice.postMessage({ claim: id });
        voice.close();
        return left;
      });
      return left;
    });
  }

  /**
   * Answers the others, if the connection is open. If it does not read what they want, it is opened again, on what all want
   * by then. While it is not open it says so; one that is waited for stays due when it was.
   */
  #answer(): void {
    const { status, error } = this;
    if (!/live|up/.test(status)) {
      return this.#tell?.({ status, error: status === 'waiting' && error ? [error.code, error.message, true, error.status] : undefined });
    }
    for (const asked of this.#tabs.values()) {
      const { id, topics, cursor } = asked;
      if (!id) continue;
      if (!topics.every((topic) => this.#reads.includes(topic))) return this.plan(gathering);
      asked.id = '';
      // A cursor can be here several times: the first tells most, and telling twice is harmless. Without one, it begins now.
      const index = cursor ? this.#history.findIndex((frame) => frame[1] === cursor) : most;
      const missed = index < 0 ? [] : this.#history.slice(index + 1);
      const holes = topics.filter((topic) => !missed.every((frame) => frame[2]?.includes(topic)));
      const frames: Frame[] = [[{ type: hello, data: { identity: this.identity } }]];
      if (index < 0 || holes.length)
        frames.push([{ type: gap, data: { targets: holes.map((topic) => `topic:${topic}`), reason: 'lost' } }]);
      frames.push(...missed.filter(([{ type }]) => type !== live), [{ type: `pushstream.${status}`, data: 0 }, this.#history.at(-1)?.[1]]);
      this.#tell?.({ to: id, frames });
    }
  }
}
