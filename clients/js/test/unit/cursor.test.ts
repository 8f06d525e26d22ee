import { describe, expect, it, vi } from 'vitest';
import type { Gap, Live, PushStreamOptions } from '../../src/index.js';
import { connected, FakeEventSource, MemoryStorage, newStream, settle, useFakes } from './fake.js';

useFakes();

const next = () => vi.advanceTimersByTimeAsync(600);

/** A stream with a record of what it tells, in order. */
async function recorded(options: Partial<PushStreamOptions> = {}) {
  const { stream } = await connected(options);
  const log: unknown[] = [];
  stream.on('*', (event) => log.push(event.id ?? 'live only'));
  stream.onGap((gap: Gap) => log.push(gap));
  stream.onLive((live: Live) => log.push(live));
  return { stream, log };
}

describe('the cursor', () => {
  it('is that of every block that has one', async () => {
    const { stream } = await recorded();
    const seen: (string | null)[] = [];
    const at = (send: (s: FakeEventSource) => unknown) => {
      send(FakeEventSource.last);
      seen.push(stream.cursor);
    };
    at((s) => s.hello('c1'));
    at((s) => s.block('pushstream.gap', { targets: ['all'], reason: 'trimmed' }, 'c2'));
    at((s) => s.event('c3'));
    at((s) => s.live('c4'));
    at((s) => s.block('pushstream.ping', {}, 'c5'));
    at((s) => s.event(''));
    at((s) => s.block('pushstream.unheard_of', {}, 'c6'));
    at((s) => s.raw(JSON.stringify({ id: 'old', type: 'a.b', target: 'all', data: 1 }), 'c7')); // read again
    expect(seen).toEqual(['c1', 'c2', 'c3', 'c4', 'c5', 'c5', 'c6', 'c7']);
    FakeEventSource.last.break();
    await next();
    expect(FakeEventSource.last.cursor).toBe('c7');
  });

  it('stands still while a hello has none', async () => {
    const { stream } = await recorded();
    FakeEventSource.last.hello('c1').break();
    await next();
    FakeEventSource.last.hello('');
    expect(stream.cursor).toBe('c1');
  });

  it('is written after the handlers, also of what they threw at', async () => {
    const storage = new MemoryStorage();
    const { stream } = await connected({ storage });
    const kept = () => [...storage.items.values()].join();
    const before: string[] = [];
    vi.spyOn(console, 'error').mockImplementation(() => {});
    stream.on('*', () => {
      before.push(kept());
      throw new Error('mine');
    });
    FakeEventSource.last.hello('c1').event('c2');
    expect(before).toEqual(['["alice","c1"]']);
    expect(kept()).toBe('["alice","c2"]');
  });

  it('outlives the page, for the same url and topics', async () => {
    const storage = new MemoryStorage();
    const page = async (more: Partial<PushStreamOptions> = {}) => {
      const { stream, log } = await recorded({ storage, topics: ['a', 'b'], ...more });
      return { stream, log, source: FakeEventSource.last };
    };
    const first = await page();
    first.source.hello('c1').live('c2');
    first.stream.close();
    expect((await page({ topics: ['b', 'a'] })).source.cursor).toBe('c2');
    expect((await page({ topics: ['a'] })).source.cursor).toBeNull();
    expect((await page({ url: 'https://other.example/events' })).source.cursor).toBeNull();
    expect((await page({ storageKey: 'another' })).source.cursor).toBeNull();
    expect((await page({ storage: false })).source.cursor).toBeNull();
  });

  it('can be in sessionStorage, or in localStorage', async () => {
    for (const kind of ['session', 'local'] as const) {
      const storage = new MemoryStorage();
      vi.stubGlobal(`${kind}Storage`, storage);
      await connected({ storage: kind });
      FakeEventSource.last.hello('c1');
      expect([...storage.items]).toEqual([['pushstream:https://events.example/events ', '["alice","c1"]']]);
    }
  });

  it('of a storage that fails is only lost to the next page', async () => {
    const fail = () => {
      throw new DOMException('no', 'QuotaExceededError');
    };
    const { log } = await recorded({ storage: { getItem: fail, setItem: fail, removeItem: fail } });
    FakeEventSource.last.hello('c1').event('e1').break();
    await next();
    expect(FakeEventSource.last.cursor).toBe('e1');
    FakeEventSource.last.hello('e1', { identity: 'bob' });
    expect(log).toEqual(['e1']);
  });

  it('is not asked of a storage that must not be touched', async () => {
    Object.defineProperty(globalThis, 'sessionStorage', {
      configurable: true,
      get: () => {
        throw new DOMException('no', 'SecurityError');
      },
    });
    const { stream } = await connected({ storage: 'session' });
    FakeEventSource.last.hello('c1');
    expect(stream.cursor).toBe('c1');
    Reflect.deleteProperty(globalThis, 'sessionStorage');
  });

  it.each(['', 'x', 'null', '{}', '["alice"]', '["alice",7]', '["alice",""]', '[null,"c1"]'])('is not made of %j', async (text) => {
    await connected({ storage: { ...new MemoryStorage(), getItem: () => text } as never });
    expect(FakeEventSource.last.cursor).toBeNull();
  });
});

describe('what onLive is told', () => {
  it('is where the stream went on, and stays that until it is told', async () => {
    const storage = new MemoryStorage();
    const { stream, log } = await recorded({ storage });
    FakeEventSource.last.hello('c1').break();
    await next();
    FakeEventSource.last.hello().live('c2').break();
    await vi.advanceTimersByTimeAsync(1000);
    FakeEventSource.last.hello().live('c3');
    expect(log).toEqual([{ resumed: false }, { resumed: 'memory' }]);
    stream.close();

    const { log: reloaded } = await recorded({ storage });
    FakeEventSource.last.hello().event('e4').break();
    await vi.advanceTimersByTimeAsync(2000);
    FakeEventSource.last.hello().live('c5').break();
    await vi.advanceTimersByTimeAsync(3000);
    FakeEventSource.last.hello().live('c6');
    expect(reloaded).toEqual(['e4', { resumed: 'storage' }, { resumed: 'memory' }]);
  });
});

describe('somebody else', () => {
  it('never goes on where another one was: the stored cursor is dropped before anything is handed over', async () => {
    const storage = new MemoryStorage();
    const first = await recorded({ storage });
    FakeEventSource.last.hello('c1').live('c2');
    first.stream.close();

    const { stream, log } = await recorded({ storage });
    expect(FakeEventSource.last.cursor).toBe('c2');
    const wrong = FakeEventSource.last.hello('c2', { identity: 'bob' });
    wrong.event('not for me');
    expect(wrong.closed).toBe(true);
    expect(storage.items.size).toBe(0);
    expect(stream.cursor).toBeNull();
    await settle();
    expect(FakeEventSource.last.cursor).toBeNull();
    FakeEventSource.last.hello('c9', { identity: 'bob' }).live('c10');
    expect(log).toEqual([{ resumed: false }]); // a page that shows nothing yet has no gap
    expect([...storage.items.values()]).toEqual(['["bob","c10"]']);
    expect(stream.identity).toBe('bob');
  });

  it('in a page that shows something is a gap, told once their stream is open', async () => {
    const { log } = await recorded();
    FakeEventSource.last.hello('c1').live('c2').event('e1').break();
    await next();
    FakeEventSource.last.hello('e1', { identity: 'bob' });
    expect(log).toEqual([{ resumed: false }, 'e1']);
    await settle();
    FakeEventSource.last.hello('c3', { identity: 'bob' }).event('e1').live('c4');
    expect(log.slice(2)).toEqual([{ targets: [], reason: 'identity' }, 'e1', { resumed: false }]);
    FakeEventSource.last.break();
    await vi.advanceTimersByTimeAsync(3000);
    FakeEventSource.last.hello('c4', { identity: 'bob' }).live('c5');
    expect(log.slice(5)).toEqual([{ resumed: 'memory' }]);
  });
});

describe('events that come twice', () => {
  it('are told once: by their own id, whatever target they name and whatever cursor they come under', async () => {
    const { log } = await recorded();
    const again = (cursor: string, target: string) =>
      FakeEventSource.last.raw(JSON.stringify({ id: 'e1', type: 'a.b', target, data: 1 }), cursor);
    FakeEventSource.last.hello().event('e1');
    again('e1', 'user:alice');
    again('e5', 'topic:news');
    FakeEventSource.last.break();
    await next();
    FakeEventSource.last
      .hello()
      .event('e1')
      .block('pushstream.gap', { targets: ['all'], reason: 'lost' }, 'g')
      .event('e1')
      .event('e2');
    expect(log).toEqual(['e1', { targets: ['all'], reason: 'lost' }, 'e2']);
  });

  it('are all told if they have no id', async () => {
    const { log } = await recorded();
    FakeEventSource.last.hello().event('').event('').event('');
    expect(log).toEqual(['live only', 'live only', 'live only']);
  });

  it('are known by the last 512 ids', async () => {
    const { log } = await recorded();
    FakeEventSource.last.hello();
    for (let n = 0; n <= 512; n++) FakeEventSource.last.event(`e${n}`);
    log.length = 0;
    FakeEventSource.last.event('e1').event('e0');
    expect(log).toEqual(['e0']);
  });
});

describe('gaps', () => {
  it('reach onGap with targets and reason, in order with events', async () => {
    const { log } = await recorded();
    const gap = { targets: ['topic:news', 'user:alice'], reason: 'trimmed' };
    FakeEventSource.last.hello().event('e1').block('pushstream.gap', gap, 'e1').event('e2');
    expect(log).toEqual(['e1', gap, 'e2']);
  });
});

describe('other topics', () => {
  it('are read from the same cursor, on one new connection', async () => {
    const storage = new MemoryStorage();
    const { stream } = await connected({ topics: ['a'], storage });
    const before = FakeEventSource.last.hello('c1').live('c2');
    stream.setTopics(['b', 'a']);
    stream.setTopics(['a', 'c']);
    expect(stream.topics).toEqual(['a', 'c']);
    before.event('c3'); // the connection is there until the next one is made
    await settle();
    expect(before.closed).toBe(true);
    expect(FakeEventSource.all).toHaveLength(2);
    expect(FakeEventSource.last.url.searchParams.getAll('topic')).toEqual(['a', 'c']);
    expect(FakeEventSource.last.cursor).toBe('c3');
    expect([...storage.items]).toEqual([['pushstream:https://events.example/events a c', '["alice","c3"]']]);
  });

  it('are the same ones in another order', async () => {
    const { stream } = await connected({ topics: ['a', 'b'] });
    const topics = stream.topics;
    stream.setTopics(['b', 'a', 'b']);
    expect(stream.topics).toBe(topics);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('do not make waits shorter, and open nothing', async () => {
    const idle = newStream({ topics: ['a'] });
    idle.setTopics(['b']);
    const { stream } = await connected({ topics: ['a'] });
    FakeEventSource.last.hello().bye({ reason: 'draining', reconnect_ms: 5000 });
    stream.setTopics(['b']);
    await vi.advanceTimersByTimeAsync(4999);
    expect(FakeEventSource.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeEventSource.last.url.searchParams.getAll('topic')).toEqual(['b']);
    FakeEventSource.last.break();
    stream.setTopics(['c']);
    await vi.advanceTimersByTimeAsync(999);
    expect(FakeEventSource.all).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(FakeEventSource.last.url.searchParams.getAll('topic')).toEqual(['c']);
    expect(idle.status).toBe('idle');
  });
});
