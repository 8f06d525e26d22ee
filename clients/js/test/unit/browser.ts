import { vi } from 'vitest';
import { createSharedStream, type SharedStreamOptions } from '../../src/share.js';
import type { EventStream } from '../../src/types.js';
import { FakeEventSource, fakeFetch, MemoryStorage, type Orders } from './fake.js';

interface Waiting {
  readonly tab: Tab;
  readonly signal: AbortSignal | undefined;
  readonly grant: (lock: object) => unknown;
  readonly settle: (value: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** Tabs of one browser, in one process: what they share is locks and channels. Everything takes a task of its own. */
export class Browser {
  readonly #locks = new Map<string, Waiting[]>();
  readonly #channels: { readonly tab: Tab; readonly channel: FakeChannel }[] = [];

  tab(): Tab {
    return new Tab(this);
  }

  request(name: string, waiting: Waiting): void {
    const queue = this.#locks.get(name) ?? [];
    this.#locks.set(name, queue);
    waiting.signal?.addEventListener('abort', () => {
      const index = queue.indexOf(waiting);
      if (index > 0) queue.splice(index, 1);
      waiting.fail(new DOMException('aborted', 'AbortError')); // of one that is granted nobody hears this
    });
    if (queue.push(waiting) === 1) this.#grant(queue);
  }

  open(tab: Tab, channel: FakeChannel): void {
    this.#channels.push({ tab, channel });
  }

  post(from: FakeChannel, data: unknown): void {
    for (const { tab, channel } of this.#channels) {
      if (channel === from || channel.name !== from.name || channel.closed) continue;
      const copy = structuredClone(data);
      setTimeout(() => !tab.dead && !channel.closed && channel.onmessage?.({ data: copy }));
    }
  }

  /** A tab is gone without a word. */
  crash(tab: Tab): void {
    tab.dead = true;
    for (const queue of this.#locks.values()) {
      const first = queue[0];
      const alive = queue.filter((waiting) => waiting.tab !== tab);
      queue.splice(0, queue.length, ...alive);
      if (first !== queue[0]) this.#grant(queue);
    }
  }

  #grant(queue: Waiting[]): void {
    const waiting = queue[0];
    if (!waiting) return;
    setTimeout(async () => {
      if (queue[0] !== waiting) return;
      if (!waiting.signal?.aborted) waiting.settle(await waiting.grant({}));
      if (queue[0] !== waiting) return; // its tab has crashed
      queue.shift();
      this.#grant(queue);
    });
  }
}

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  closed = false;

  constructor(
    private readonly tab: Tab,
    readonly name: string,
  ) {
    tab.browser.open(tab, this);
  }

  postMessage(data: unknown): void {
    if (this.closed) throw new DOMException('closed', 'InvalidStateError');
    if (!this.tab.dead) this.tab.browser.post(this, data);
  }

  close(): void {
    this.closed = true;
  }
}

/** A page. Loaded again, it has the same storage. */
export class Tab {
  dead = false;
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  readonly told: string[] = [];

  constructor(
    readonly browser: Browser,
    readonly storage = new MemoryStorage(),
  ) {}

  /** Runs code with the globals of this page. */
  run<T>(code: () => T): T {
    const tab = this;
    const locks = {
      request: (name: string, { signal }: { signal?: AbortSignal }, grant: Waiting['grant']) =>
        new Promise((settle, fail) => tab.browser.request(name, { tab, signal, grant, settle, fail })),
    };
    const globals = {
      navigator: { locks },
      BroadcastChannel: class extends FakeChannel {
        constructor(name: string) {
          super(tab, name);
        }
      },
      window: this.window,
      document: this.document,
    };
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
    try {
      return code();
    } finally {
      vi.unstubAllGlobals();
    }
  }

  /** Opens a shared stream, with a record of what it tells. */
  open(topics: string[] = [], options: Partial<SharedStreamOptions> = {}): EventStream<Orders> {
    const stream = this.run(() =>
      createSharedStream<Orders>({
        key: 'alice',
        url: 'https://events.example/events',
        EventSource: FakeEventSource,
        fetch: fakeFetch({}).fetch,
        storage: this.storage,
        topics,
        ...options,
      }),
    );
    stream.onGap(({ targets, reason }) => this.told.push(`gap ${reason} ${targets.join()}`));
    stream.onLive(({ resumed }) => this.told.push(`live ${resumed}`));
    stream.onError(({ code, message }) => this.told.push(`error ${code} ${message}`));
    this.run(() => stream.on('*', (event) => this.told.push(event.id ?? 'live only')));
    return stream;
  }

  /** What was told since this was asked last. */
  get news(): string[] {
    return this.told.splice(0);
  }

  crash(): void {
    this.browser.crash(this);
  }

  /** The same tab after it was loaded again: the old page is gone without a word. */
  reload(): Tab {
    this.crash();
    return new Tab(this.browser, this.storage);
  }
}
