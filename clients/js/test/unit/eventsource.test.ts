import { describe, expect, it, vi } from 'vitest';
import { PushStreamEventSource, type PushStreamEventSourceInit } from '../../src/eventsource.js';
import { FakeEventSource, fakeFetch, settle, useFakes } from './fake.js';

useFakes();

async function open(url = 'https://events.example/events?topic=news', init: PushStreamEventSourceInit = {}) {
  const source = new PushStreamEventSource(url, { EventSource: FakeEventSource, storage: false, fetch: fakeFetch({}).fetch, ...init });
  await settle();
  return source;
}

describe('PushStreamEventSource', () => {
  it('has the interface of an EventSource', async () => {
    const source = await open('https://events.example/events', { withCredentials: true });
    // What code that takes an EventSource relies on; its own overloads of addEventListener aside.
    const native: Pick<
      EventSource,
      'url' | 'withCredentials' | 'readyState' | 'close' | 'dispatchEvent' | 'CONNECTING' | 'OPEN' | 'CLOSED'
    > = source;
    expect(native.url).toBe('https://events.example/events');
    expect(native.withCredentials).toBe(true);
    expect(source).toBeInstanceOf(EventTarget);
    expect([PushStreamEventSource.CONNECTING, PushStreamEventSource.OPEN, PushStreamEventSource.CLOSED]).toEqual([0, 1, 2]);
    expect([source.CONNECTING, source.OPEN, source.CLOSED]).toEqual([0, 1, 2]);
    expect([source.onopen, source.onmessage, source.onerror]).toEqual([null, null, null]);
    source.close();
  });

  it('opens, is interrupted, comes back, and closes', async () => {
    const source = await open();
    const log: string[] = [];
    source.onopen = () => log.push(`open ${source.readyState}`);
    source.onerror = () => log.push(`error ${source.readyState}`);
    expect(source.readyState).toBe(0);
    FakeEventSource.last.hello().live();
    FakeEventSource.last.break();
    await vi.advanceTimersByTimeAsync(600);
    FakeEventSource.last.hello().bye({ reason: 'max_age', reconnect_ms: 5 });
    await vi.advanceTimersByTimeAsync(1000);
    FakeEventSource.last.refuse(403);
    expect(log).toEqual(['open 1', 'error 0', 'open 1', 'error 0', 'error 2']);
    source.close();
    expect(source.readyState).toBe(2);
  });

  it('says nothing of close()', async () => {
    const source = await open();
    const error = vi.fn();
    source.onerror = error;
    FakeEventSource.last.hello();
    source.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(error).not.toHaveBeenCalled();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('dispatches by type, as the plain form does', async () => {
    const source = await open();
    const log: unknown[] = [];
    const listen = (type: string) =>
      source.addEventListener(type, (e) => {
        const { data, lastEventId, origin } = e as MessageEvent<string>;
        log.push([type, JSON.parse(data), lastEventId, origin]);
      });
    for (const type of ['order.created', 'pushstream.gap', 'pushstream.live', 'message']) listen(type);
    const gap = { targets: ['all'], reason: 'trimmed' };
    FakeEventSource.last.hello('c1').block('pushstream.gap', gap, 'c1').event('e1').event('', 'order.created', null).live('c2');
    const origin = 'https://events.example';
    expect(log).toEqual([
      ['pushstream.gap', gap, 'c1', origin],
      ['order.created', { order: 1 }, 'e1', origin],
      ['order.created', null, 'e1', origin],
      ['pushstream.live', {}, 'e1', origin],
    ]);
    source.close();
  });

  it('dispatches envelopes to onmessage, if the URL asks for them', async () => {
    const source = await open('https://events.example/events?envelope=1');
    const log: unknown[] = [];
    source.onmessage = (e) => log.push(JSON.parse(e.data));
    FakeEventSource.last.hello().event('e1').live();
    expect(log).toEqual([
      { id: 'e1', type: 'order.created', target: 'user:alice', data: { order: 1 } },
      { type: 'pushstream.live', data: {} },
    ]);
    source.close();
  });

  it('calls the last on... handler only, and none after null', async () => {
    const source = await open();
    const [one, two] = [vi.fn(), vi.fn()];
    source.onopen = one;
    source.onopen = two;
    expect(source.onopen).toBe(two);
    FakeEventSource.last.hello();
    source.onopen = null;
    FakeEventSource.last.hello();
    expect(one).not.toHaveBeenCalled();
    expect(two).toHaveBeenCalledTimes(1);
    source.close();
  });
});
