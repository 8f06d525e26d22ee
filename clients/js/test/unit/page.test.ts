// @vitest-environment happy-dom
import type { DetachedWindowAPI } from 'happy-dom';
import { describe, expect, it, vi } from 'vitest';
import { connected, FakeEventSource, newStream, settle, useFakes } from './fake.js';

useFakes();

let visible = true;
Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (visible ? 'visible' : 'hidden') });

function show(now: boolean): void {
  visible = now;
  document.dispatchEvent(new Event('visibilitychange'));
}

function network(now: boolean): void {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(now);
  window.dispatchEvent(new Event(now ? 'online' : 'offline'));
}

const at = (type: string) => window.dispatchEvent(new Event(type));

describe('a URL', () => {
  it('can be relative to the page', async () => {
    (window as unknown as { happyDOM: DetachedWindowAPI }).happyDOM.setURL('https://app.example/shop/index.html');
    await connected({ url: '/events' });
    expect(FakeEventSource.last.url.href).toBe('https://app.example/events?envelope=1');
    await connected({ url: 'events' });
    expect(FakeEventSource.last.url.href).toBe('https://app.example/shop/events?envelope=1');
  });
});

describe('a page kept for "back"', () => {
  it('has no connection, and goes on where it was when it is shown', async () => {
    const { stream, errors } = await connected();
    FakeEventSource.last.hello().live().event('e1');
    at('pagehide');
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream.status).toBe('paused');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(FakeEventSource.all).toHaveLength(1);
    at('pageshow');
    expect(stream.status).toBe('connecting');
    await settle();
    expect(FakeEventSource.last.cursor).toBe('e1');
    at('pageshow'); // also comes with a page that is new
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
    expect(errors).toEqual([]);
  });

  it('does not open what waits, and opens nothing that was closed', async () => {
    const { stream } = await connected();
    FakeEventSource.last.break();
    at('pagehide');
    network(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeEventSource.all).toHaveLength(1);
    stream.close();
    at('pageshow');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeEventSource.all).toHaveLength(1);
    expect(stream.status).toBe('closed');
  });
});

describe('a hidden page', () => {
  it('keeps its connection, unless it is told otherwise', async () => {
    const { stream } = await connected();
    FakeEventSource.last.hello('h', { heartbeat_ms: 600_000 }).live();
    show(false);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(stream.status).toBe('live');
    show(true);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('is paused after a while, and goes on when somebody looks', async () => {
    const { stream } = await connected({ pauseWhenHidden: 5000 });
    FakeEventSource.last.hello().live('c1');
    show(false);
    await vi.advanceTimersByTimeAsync(4999);
    show(true);
    show(false);
    await vi.advanceTimersByTimeAsync(4999);
    expect(stream.status).toBe('live');
    await vi.advanceTimersByTimeAsync(1);
    expect(stream.status).toBe('paused');
    expect(FakeEventSource.last.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(FakeEventSource.all).toHaveLength(1);
    show(true);
    await settle();
    expect(FakeEventSource.last.cursor).toBe('c1');
  });

  it('is paused too where it was never shown', async () => {
    show(false);
    const { stream } = await connected({ pauseWhenHidden: 5000 });
    FakeEventSource.last.hello();
    await vi.advanceTimersByTimeAsync(5000);
    expect(stream.status).toBe('paused');
    show(true);
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
  });

  it('that slept finds its dead connection when somebody looks', async () => {
    const { stream } = await connected();
    FakeEventSource.last.hello().live();
    show(true);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    vi.setSystemTime(Date.now() + 30_001); // no timer has seen that
    show(true);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeEventSource.all).toHaveLength(2);
    expect(FakeEventSource.all[0]?.closed).toBe(true);
    expect(stream.status).toBe('connecting');
  });

  it('that waits comes back soon when somebody looks, except where the server said when', async () => {
    await connected({ backoff: { base: 30_000 } });
    FakeEventSource.last.break();
    show(true);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeEventSource.all).toHaveLength(2);
    FakeEventSource.last.hello();
    await vi.advanceTimersByTimeAsync(10_000);
    FakeEventSource.last.bye({ reason: 'draining', reconnect_ms: 4000 });
    show(true);
    network(true);
    await vi.advanceTimersByTimeAsync(3999);
    expect(FakeEventSource.all).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeEventSource.all).toHaveLength(3);
  });
});

describe('a machine without a network', () => {
  it('gives up its connection at once, and comes back within half a second of the network', async () => {
    const { stream, errors } = await connected();
    FakeEventSource.last.hello().live('c1');
    network(false);
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream.status).toBe('waiting');
    expect(errors.map((e) => e.code)).toEqual(['network']);
    network(true);
    expect(FakeEventSource.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(FakeEventSource.last.cursor).toBe('c1');
  });

  it('is tried all the same, but seldom: a server may be on it', async () => {
    await connected();
    network(false);
    await vi.advanceTimersByTimeAsync(14_999);
    expect(FakeEventSource.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeEventSource.all).toHaveLength(2);
    FakeEventSource.last.hello().live();
  });
});

describe('close()', () => {
  it('stops following the page', async () => {
    const page = [vi.spyOn(document, 'addEventListener'), vi.spyOn(window, 'addEventListener')];
    const gone = [vi.spyOn(document, 'removeEventListener'), vi.spyOn(window, 'removeEventListener')];
    const stream = newStream();
    stream.connect();
    stream.close();
    const names = (spies: typeof page | typeof gone) => spies.flatMap((spy) => spy.mock.calls.map(([type]) => type)).sort();
    expect(names(page)).toHaveLength(5);
    expect(names(gone)).toEqual(names(page));
    expect(vi.getTimerCount()).toBe(0);
  });
});
