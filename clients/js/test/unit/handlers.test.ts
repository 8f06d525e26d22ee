import { describe, expect, it, vi } from 'vitest';
import { PushStreamError, type StreamEvent } from '../../src/index.js';
import { connected, FakeEventSource, MemoryStorage, useFakes } from './fake.js';

useFakes();

describe('handlers', () => {
  it('get events of their type, or all, of any target, or one', async () => {
    const { stream } = await connected();
    const log: string[] = [];
    stream.on('order.created', (e) => log.push(`created ${e.data.order}`));
    stream.on('*', (e) => log.push(`any ${e.type}`));
    stream.on('*', (e) => log.push(`news ${e.type}`), { target: 'topic:news' });
    stream.once('order.paid', (e) => log.push(`once ${e.data.by}`));
    stream.once('*', (e) => log.push(`first of news ${e.target}`), { target: 'topic:news' });
    const source = FakeEventSource.last.hello();
    source.event('e1', 'order.created', { order: 7 });
    source.event('e2', 'order.paid', { order: 7, by: 'card' }, 'topic:news');
    source.event('e3', 'order.paid', { order: 7, by: 'cash' }, 'topic:news');
    expect(log).toEqual([
      'created 7',
      'any order.created',
      'any order.paid',
      'news order.paid',
      'once card',
      'first of news topic:news',
      'any order.paid',
      'news order.paid',
    ]);
  });

  it('get the whole event', async () => {
    const { stream } = await connected();
    let got: StreamEvent | undefined;
    stream.on('*', (event) => (got = event));
    const time = '2026-11-23T13:45:11.651Z';
    FakeEventSource.last.hello().block('order.created', { order: 1 }, 'e1', { target: 'all', time, meta: { shop: 'east' } });
    expect(got).toEqual({ id: 'e1', type: 'order.created', target: 'all', data: { order: 1 }, time, meta: { shop: 'east' } });
  });

  it('can be removed, each by itself, also by one another', async () => {
    const { stream } = await connected();
    const handler = vi.fn();
    const off = stream.on('*', handler);
    stream.on('*', handler);
    const source = FakeEventSource.last.hello().event('e1');
    expect(handler).toHaveBeenCalledTimes(2);
    off();
    off();
    source.event('e2');
    expect(handler).toHaveBeenCalledTimes(3);
    stream.on('*', () => offLater());
    const later = vi.fn();
    const offLater = stream.on('*', later);
    source.event('e3');
    expect(later).not.toHaveBeenCalled();
  });

  it('that throw break nothing, and are reported', async () => {
    const reported = vi.fn();
    vi.stubGlobal('reportError', reported);
    const { stream } = await connected();
    const failing = (name: string) => () => {
      throw new Error(name);
    };
    const after = vi.fn();
    stream.on('*', failing('event'));
    stream.on('*', after);
    stream.onStatus(failing('status'));
    stream.onLive(failing('live'));
    stream.onGap(failing('gap'));
    stream.onError(failing('error'));
    FakeEventSource.last.hello().live().event('e1').block('pushstream.gap', { targets: [], reason: 'lost' }, 'g').break();
    expect(reported.mock.calls.map(([e]) => e.message)).toEqual(['status', 'status', 'live', 'event', 'gap', 'status', 'error']);
    expect(after).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeEventSource.all).toHaveLength(2);

    vi.stubGlobal('reportError', undefined);
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    FakeEventSource.last.hello().event('e2');
    expect(log).toHaveBeenCalled();
    expect(after).toHaveBeenCalledTimes(2);
  });

  it('that close the stream are the last to hear of it', async () => {
    const { stream } = await connected();
    const seen: (string | undefined)[] = [];
    stream.on('*', (e) => {
      seen.push(e.id);
      stream.close();
    });
    FakeEventSource.last.hello().event('e1').event('e2');
    expect(seen).toEqual(['e1']);
    expect(stream.cursor).toBe('e1');
    expect(stream.status).toBe('closed');
  });
});

describe('an iterator', () => {
  it('gives events in order, those before and those after they are asked for', async () => {
    const { stream } = await connected();
    const events = stream.events('order.created');
    const source = FakeEventSource.last.hello().event('e1').event('e2').event('x', 'order.paid');
    expect((await events.next()).value?.id).toBe('e1');
    expect((await events.next()).value?.id).toBe('e2');
    const later = Promise.all([events.next(), events.next()]);
    source.event('e3').event('e4');
    expect((await later).map((r) => r.value?.id)).toEqual(['e3', 'e4']);
  });

  it('that is full gives what it has, throws, and ends; the stream goes on', async () => {
    const { stream } = await connected();
    const handler = vi.fn();
    stream.on('*', handler);
    const events = stream.events('*', { buffer: 2 });
    FakeEventSource.last.hello().event('e1').event('e2').event('e3').event('e4');
    const seen: (string | undefined)[] = [];
    const read = async () => {
      for await (const event of events) seen.push(event.id);
    };
    await expect(read()).rejects.toMatchObject({ code: 'overflow', retryable: true });
    expect(seen).toEqual(['e1', 'e2']);
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(handler).toHaveBeenCalledTimes(4);
    expect(stream.status).toBe('catching-up');
  });

  it('ends with break, with its signal, and with close()', async () => {
    const { stream } = await connected();
    FakeEventSource.last.hello();
    const broken = stream.events();
    FakeEventSource.last.event('e1').event('e2');
    for await (const _ of broken) break;
    expect((await broken.next()).done).toBe(true);

    const stop = new AbortController();
    const aborted = stream.events('*', { signal: stop.signal }).next();
    stop.abort();
    expect((await aborted).done).toBe(true);
    expect((await stream.events('*', { signal: stop.signal }).next()).done).toBe(true);

    const open = stream.events();
    const waiting = open.next();
    stream.close();
    expect((await waiting).done).toBe(true);
    expect((await open.next()).done).toBe(true);
  });

  it('throws what ended the stream, once', async () => {
    const { stream } = await connected();
    const early = stream.events();
    const waiting = stream.events().next();
    FakeEventSource.last.hello().event('e1').bye({ reason: 'revoked' });
    await waiting;
    await early.next();
    await expect(early.next()).rejects.toBeInstanceOf(PushStreamError);
    expect((await early.next()).done).toBe(true);
  });

  it('keeps the stored cursor before what was not handled yet', async () => {
    const storage = new MemoryStorage();
    const { stream } = await connected({ storage });
    const kept = () => [...storage.items.values()].join();
    const events = stream.events();
    FakeEventSource.last.hello('c1').event('e1').event('e2');
    expect(kept()).toBe('["alice","c1"]');
    expect(stream.cursor).toBe('e2');
    await events.next();
    await events.next();
    FakeEventSource.last.block('pushstream.ping', {}, 'p'); // e2 is being worked on
    expect(kept()).toBe('["alice","c1"]');
    const more = events.next();
    expect(kept()).toBe('["alice","p"]');
    FakeEventSource.last.event('e3');
    await more;
    expect(kept()).toBe('["alice","p"]');
    await events.return?.();
    expect(kept()).toBe('["alice","e3"]');
  });
});
