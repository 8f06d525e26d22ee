import { afterEach, beforeEach, vi } from 'vitest';
import { PushStream, type PushStreamError, type PushStreamOptions } from '../../src/index.js';

export interface Orders {
  'order.created': { order: number };
  'order.paid': { order: number; by: string };
}

type Listener = (event: { data?: string; lastEventId?: string; code?: number }) => void;

/** An EventSource whose server is the test. */
export class FakeEventSource {
  static all: FakeEventSource[] = [];
  static get last(): FakeEventSource {
    const last = FakeEventSource.all.at(-1);
    if (!last) throw new Error('there is no connection');
    return last;
  }

  readonly url: URL;
  readyState = 0;
  closed = false;
  readonly #listeners = new Map<string, Listener>();

  constructor(
    url: string,
    readonly init?: { withCredentials?: boolean },
  ) {
    this.url = new URL(url);
    FakeEventSource.all.push(this);
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.closed = true;
    this.readyState = 2;
  }

  get cursor(): string | null {
    return this.url.searchParams.get('lastEventId');
  }

  raw(data: string, lastEventId = ''): this {
    this.readyState = 1;
    this.#listeners.get('message')?.({ data, lastEventId });
    return this;
  }

  block(type: string, data: unknown, cursor = '', more: object = {}): this {
    return this.raw(JSON.stringify({ ...(cursor && { id: cursor }), type, data, ...more }), cursor);
  }

  hello(cursor = this.cursor ?? 'h', data: object = {}): this {
    return this.block('pushstream.hello', { protocol: 1, identity: 'alice', heartbeat_ms: 15_000, resumed: 'none', ...data }, cursor);
  }

  live(cursor = 'l'): this {
    return this.block('pushstream.live', {}, cursor);
  }

  event(id: string, type = 'order.created', data: unknown = { order: 1 }, target = 'user:alice'): this {
    return this.block(type, data, id, { target });
  }

  bye(data: object): this {
    return this.block('pushstream.bye', data);
  }

  /** The connection broke: a native EventSource would come back. */
  break(): this {
    return this.#error(0);
  }

  /** It was answered something else than a stream. Only the package `eventsource` tells the status. */
  refuse(code?: number): this {
    return this.#error(2, code);
  }

  #error(readyState: number, code?: number): this {
    this.readyState = readyState;
    this.#listeners.get('error')?.(code === undefined ? {} : { code });
    return this;
  }
}

/** What a server answers to requests that are no stream: by `METHOD path`. A function is asked each time. */
export type Answers = Record<string, number | Response | (() => number | Response | Promise<Response>)>;

export interface Request {
  what: string;
  url: URL;
  headers: Headers;
  credentials: RequestCredentials | undefined;
}

export function fakeFetch(answers: Answers): { fetch: typeof fetch; requests: Request[] } {
  const requests: Request[] = [];
  const answer = async (input: string | URL | globalThis.Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input));
    const what = `${init.method} ${url.pathname}`;
    requests.push({ what, url, headers: new Headers(init.headers), credentials: init.credentials });
    let reply = answers[what];
    if (reply === undefined) throw new TypeError('network');
    if (typeof reply === 'function') reply = await reply();
    return typeof reply === 'number' ? new Response(null, { status: reply }) : reply;
  };
  return { fetch: answer as typeof fetch, requests };
}

export const ticket = (name: string) => () => Response.json({ ticket: name, expires_in: 30 }, { status: 201 });

export const eventStream = () => new Response(null, { headers: { 'Content-Type': 'text/event-stream' } });

/** Lets everything happen that is due: promises, and timers of no time. */
export const settle = () => vi.advanceTimersByTimeAsync(0);

const open: PushStream<Orders>[] = [];

export function newStream(options: Partial<PushStreamOptions> = {}): PushStream<Orders> {
  const stream = new PushStream<Orders>({
    url: 'https://events.example/events',
    EventSource: FakeEventSource,
    fetch: fakeFetch({}).fetch,
    storage: false,
    ...options,
  });
  open.push(stream);
  return stream;
}

/** A stream that is connected, and what it reports. */
export async function connected(options: Partial<PushStreamOptions> = {}) {
  const stream = newStream(options);
  const errors: PushStreamError[] = [];
  stream.onError((error) => errors.push(error));
  stream.connect();
  await settle();
  return { stream, errors };
}

export class MemoryStorage {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** Time stands still, and chance is fixed: half of what is possible. */
export function useFakes(): void {
  beforeEach(() => {
    FakeEventSource.all = [];
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
  });
  afterEach(() => {
    for (const stream of open.splice(0)) stream.close();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}
