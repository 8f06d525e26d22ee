import type { Block } from '../connection.js';
import type { CursorStorage } from '../cursor.js';
import type { PushStreamError } from '../errors.js';
import type { PushStreamOptions } from '../options.js';
import { PushStream } from '../stream.js';
import type { Gap, Status, StreamEvent } from '../types.js';
import { control, History } from './history.js';
import type { Ask, Brought, Told } from './messages.js';

/** How long to wait for others that want more topics, in milliseconds: a browser opens its tabs all at once. */
const gathering = 50;
/** How long a topic is read that nobody wants any more, in milliseconds: a page that is loaded again wants it again. */
const linger = 30_000;

/**
 * The one connection: a stream that has tabs in place of handlers. Whatever it tells is in the history before it is sent; an
 * answer is what the history has, and what is sent after it is what follows. It connects when it was asked.
 */
export class Leader extends PushStream {
  readonly #tabs = new Map<string, readonly string[]>();
  readonly #history = new History();
  #asked: Ask[] = [];
  #lingering: ReturnType<typeof setTimeout> | undefined;
  /** An event whose cursor comes when it was handled. */
  #block: Block | undefined;
  #whose: string | null;
  #quiet = false;

  /**
   * @param tab The tab that this is in. The connection goes on where that is.
   * @param watch Waits until another tab is gone, by its lock.
   */
  constructor(
    options: PushStreamOptions,
    { identity, cursor }: Pick<PushStream, 'identity' | 'cursor'>,
    private readonly watch: (tab: string, gone: () => void) => void,
    private readonly send: (message: Told | Brought) => void,
  ) {
    // Only read: what it is told to keep, it would keep for no one, and a storage may fail.
    const storage = { getItem: () => JSON.stringify([identity, cursor]) } as unknown as CursorStorage;
    super({ ...options, topics: [], storage });
    this.#whose = identity;
    if (cursor) this.#history.add({ block: control('ping'), cursor }, []);
  }

  /** Answers a tab as soon as the connection reads what it wants. */
  ask(ask: Ask): void {
    const { tab, topics } = ask;
    if (!this.#tabs.has(tab)) {
      this.watch(tab, () => {
        this.#tabs.delete(tab);
        this.#linger();
      });
    }
    this.#tabs.set(tab, topics);
    this.#linger();
    this.#asked.push(ask);
    this.#answer();
    setTimeout(() => this.#read(this.topics), gathering);
  }

  /** Closes it, and tells nobody. */
  end(): void {
    clearTimeout(this.#lingering);
    this.#tabs.clear();
    this.#quiet = true;
    this.close();
  }

  protected override tellStatus(status: Status, error?: PushStreamError): void {
    super.tellStatus(status, error);
    if (this.#quiet) return;
    if (status === 'live') this.#say(control('live'));
    if (status === 'catching-up') {
      if (this.identity !== this.#whose) this.#history.clear();
      this.#whose = this.identity;
      this.#say(this.#hello);
    }
    this.#answer();
  }

  protected override tellEvent(block: StreamEvent): void {
    if (block.id) this.#block = block;
    else this.#say(block);
  }

  protected override tellGap(data: Gap): void {
    // That the reader is somebody else, every tab finds out by itself. Another gap may come without a cursor, where the server
    // could not read the last one: who stands there later has it too.
    if (data.reason !== 'identity') this.#say(control('gap', data), this.#history.cursor);
  }

  protected override drained(): void {
    const { cursor } = this;
    if (cursor && (this.#block || cursor !== this.#history.cursor)) this.#say(this.#block ?? control('ping'), cursor);
    this.#block = undefined;
  }

  get #hello(): Block {
    return control('hello', { identity: this.identity });
  }

  #say(block: Block, cursor?: string): void {
    const frame = { block, cursor };
    this.#history.add(frame, this.topics);
    this.send({ frames: [frame] });
  }

  #answer(): void {
    const { status, error, topics } = this;
    const live = status === 'live';
    if (status === 'idle') return;
    if (!live && status !== 'catching-up') {
      const why = status !== 'connecting' && error; // then it is the one before
      return this.send({ status, error: why ? [why.code, why.message, why.retryable, why.status] : null });
    }
    this.#asked = this.#asked.filter(({ ask, cursor, topics: wanted }) => {
      if (wanted.some((topic) => !topics.includes(topic))) return true;
      const now = { block: control(live ? 'live' : 'ping'), cursor: this.#history.cursor };
      this.send({ to: ask, frames: [{ block: this.#hello }, ...this.#history.since(cursor, wanted), now] });
      return false;
    });
  }

  #linger(): void {
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => this.#read([]), linger);
  }

  /**
   * Reads what the tabs want, and what else is given. A connection that reads other topics ends before this returns: what
   * comes after it was read of all the new ones. One that is waited for stays due when it was.
   */
  #read(topics: readonly string[]): void {
    if (this.#quiet) return;
    const changed = this.changeTopics([topics, ...this.#tabs.values()].flat());
    if (this.status !== 'idle' && (!changed || this.status === 'waiting')) return;
    this.#quiet = true;
    this.close();
    this.#quiet = false;
    this.connect();
  }
}
