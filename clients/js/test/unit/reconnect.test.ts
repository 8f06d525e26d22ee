import { describe, expect, it, vi } from 'vitest';
import { connected, eventStream, FakeEventSource, fakeFetch, newStream, settle, useFakes } from './fake.js';

useFakes();

/** Milliseconds until the next connection; -1 if there is none within a quarter of an hour. */
async function untilNext(): Promise<number> {
  const before = FakeEventSource.all.length;
  const start = Date.now();
  while (FakeEventSource.all.length === before) {
    if (Date.now() - start > 900_000 || vi.getTimerCount() === 0) return -1;
    await vi.advanceTimersToNextTimerAsync();
  }
  return Date.now() - start;
}

describe('connecting', () => {
  it('asks for the envelope form and the topics, and goes from connecting to live', async () => {
    const stream = newStream({ url: 'https://events.example/events?user=alice', topics: ['news', 'sport', 'news'], withCredentials: true });
    const seen: string[] = [];
    stream.onStatus((status) => seen.push(status));
    expect(stream.status).toBe('idle');
    stream.connect();
    await settle();
    const source = FakeEventSource.last;
    expect(source.url.href).toBe('https://events.example/events?user=alice&envelope=1&topic=news&topic=sport');
    expect(source.init).toEqual({ withCredentials: true });
    source.hello().live();
    expect(seen).toEqual(['connecting', 'catching-up', 'live']);
    expect(stream.identity).toBe('alice');
  });

  it('makes one connection of connect, close and connect in a row', async () => {
    const stream = newStream();
    stream.connect();
    stream.close();
    stream.connect();
    stream.connect();
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('begins with the first handler, unless that is not wanted', async () => {
    newStream().on('*', () => {});
    newStream().once('order.paid', () => {});
    newStream().events();
    await settle();
    expect(FakeEventSource.all).toHaveLength(3);
    newStream({ autoConnect: false }).on('*', () => {});
    newStream().onStatus(() => {});
    const closed = newStream();
    closed.close();
    closed.on('*', () => {});
    await settle();
    expect(FakeEventSource.all).toHaveLength(3);
  });

  it.each(['http://[', '', undefined as unknown as string])('says so where the URL is none: %s', async (url) => {
    const { stream, errors } = await connected({ url });
    expect(stream.status).toBe('closed');
    expect(errors.map((e) => e.code)).toEqual(['invalid_url']);
    expect(errors[0]?.message).toContain(`url ${url}: TypeError`);
    expect(FakeEventSource.all).toHaveLength(0);
  });
});

describe('a connection that breaks', () => {
  it('is closed, and replaced after a random time that doubles, by one with the cursor', async () => {
    const { stream, errors } = await connected();
    FakeEventSource.last.hello().live().event('e1').break();
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream.status).toBe('waiting');
    expect(errors.map((e) => [e.code, e.retryable])).toEqual([['network', true]]);
    expect(stream.error).toBe(errors[0]);
    const waits = [];
    for (let n = 0; n < 7; n++) {
      waits.push(await untilNext());
      expect(FakeEventSource.last.cursor).toBe('e1');
      FakeEventSource.last.break();
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });

  it.each([
    [9_999, 2000],
    [10_000, 500],
  ])('after %i ms of being open waits at most %i', async (open, wait) => {
    await connected();
    FakeEventSource.last.break();
    await untilNext();
    FakeEventSource.last.break();
    await untilNext();
    FakeEventSource.last.hello();
    await vi.advanceTimersByTimeAsync(open);
    FakeEventSource.last.break();
    expect(await untilNext()).toBe(wait);
  });

  it('takes the settings of its own', async () => {
    await connected({ backoff: { base: 100, cap: 150 } });
    FakeEventSource.last.break();
    expect(await untilNext()).toBe(50);
    FakeEventSource.last.break();
    expect(await untilNext()).toBe(75);
  });

  it('forgets the error once it is open again', async () => {
    const { stream } = await connected();
    FakeEventSource.last.break();
    await untilNext();
    expect(stream.error?.code).toBe('network');
    FakeEventSource.last.hello();
    expect(stream.error).toBeNull();
  });

  it('brings nothing more, even if its EventSource does', async () => {
    const { stream } = await connected();
    const handler = vi.fn();
    stream.on('*', handler);
    const source = FakeEventSource.last.hello().break().event('late');
    expect(handler).not.toHaveBeenCalled();
    source.break();
    await untilNext();
    expect(FakeEventSource.all).toHaveLength(2);
  });

  it('does not come back once the stream is closed', async () => {
    const { stream } = await connected();
    FakeEventSource.last.hello().break();
    stream.close();
    expect(await untilNext()).toBe(-1);
    expect(stream.status).toBe('closed');
    expect(stream.error).toBeNull();
  });

  it('is not replaced if a listener closes the stream', async () => {
    const { stream } = await connected();
    stream.onStatus((status) => status === 'waiting' && stream.close());
    FakeEventSource.last.hello().break();
    expect(await untilNext()).toBe(-1);
  });
});

describe('a goodbye', () => {
  it('says when to come back, and leaves the end to the server', async () => {
    const { stream, errors } = await connected();
    const source = FakeEventSource.last.hello().live().bye({ reason: 'draining', reconnect_ms: 763 });
    expect(stream.status).toBe('waiting');
    expect(source.closed).toBe(false);
    source.break();
    expect(source.closed).toBe(true);
    expect(await untilNext()).toBe(763);
    expect(errors).toEqual([]);
  });

  it('ends the connection when the time is up, if the server did not', async () => {
    await connected();
    const source = FakeEventSource.last.bye({ reason: 'overloaded', reconnect_ms: 5000 });
    expect(await untilNext()).toBe(5000);
    expect(source.closed).toBe(true);
  });

  it('of the same kind again and again makes the waits longer', async () => {
    await connected();
    const waits = [];
    for (let n = 0; n < 5; n++) {
      FakeEventSource.last.bye({ reason: 'unavailable', reconnect_ms: 1500 });
      waits.push(await untilNext());
    }
    expect(waits).toEqual([1500, 1500, 2000, 4000, 8000]);
  });

  it('without a time is for good', async () => {
    const { stream, errors } = await connected();
    FakeEventSource.last.hello().live().bye({ reason: 'revoked' });
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream.status).toBe('closed');
    expect(stream.error).toBe(errors[0]);
    expect(errors[0]).toMatchObject({ code: 'ended', retryable: false, status: null });
    expect(errors[0]?.message).toContain('revoked');
    expect(await untilNext()).toBe(-1);
    stream.connect();
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
  });

  it('cannot silence a client for a day', async () => {
    await connected();
    FakeEventSource.last.hello().bye({ reason: 'draining', reconnect_ms: 1e11 });
    expect(await untilNext()).toBe(600_000);
  });
});

describe('silence', () => {
  it('of two heartbeats is a dead connection', async () => {
    const { errors } = await connected();
    const source = FakeEventSource.last.hello('h', { heartbeat_ms: 1000 }).live();
    await vi.advanceTimersByTimeAsync(1900);
    source.block('pushstream.ping', {}, 'p');
    await vi.advanceTimersByTimeAsync(1999);
    expect(source.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(source.closed).toBe(true);
    expect(errors.map((e) => e.code)).toEqual(['timeout']);
    await untilNext();
    expect(FakeEventSource.last.cursor).toBe('p');
  });

  it('before the hello lasts 30 s, or what is set', async () => {
    const { errors } = await connected();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(errors).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(errors.map((e) => e.code)).toEqual(['timeout']);
    const impatient = await connected({ connectTimeout: 100, getToken: () => new Promise<string>(() => {}) });
    await vi.advanceTimersByTimeAsync(100);
    expect(impatient.errors.map((e) => e.code)).toEqual(['timeout']);
  });
});

describe('a refusal', () => {
  const answers: [number, string, 'stops' | 'comes back'][] = [
    [204, 'no_content', 'stops'],
    [400, 'rejected', 'stops'],
    [401, 'unauthorized', 'stops'], // there is no getToken
    [403, 'forbidden', 'stops'],
    [404, 'not_found', 'stops'],
    [405, 'rejected', 'stops'],
    [408, 'unavailable', 'comes back'],
    [422, 'rejected', 'stops'],
    [425, 'unavailable', 'comes back'],
    [429, 'rate_limited', 'comes back'],
    [500, 'unavailable', 'comes back'],
    [502, 'unavailable', 'comes back'],
    [503, 'unavailable', 'comes back'],
    [504, 'unavailable', 'comes back'],
    [200, 'not_a_stream', 'comes back'],
  ];

  it.each(answers)('that HEAD says is a %i is coded %s, and %s', async (status, code, then) => {
    const { fetch, requests } = fakeFetch({ 'HEAD /events': status });
    const { stream, errors } = await connected({ fetch, topics: ['news'] });
    FakeEventSource.last.refuse();
    await settle();
    expect(requests).toHaveLength(1);
    expect(requests[0]?.url.href).toBe(FakeEventSource.last.url.href);
    expect(requests[0]?.headers.get('Accept')).toBe('text/event-stream');
    expect(requests[0]?.credentials).toBe('same-origin');
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code, status, retryable: then === 'comes back' });
    expect(stream.status).toBe(then === 'stops' ? 'closed' : 'waiting');
    expect(await untilNext()).toBe(then === 'stops' ? -1 : 500);
  });

  it.each(answers)('whose status, %i, the EventSource tells is the same: %s, and it %s', async (status, code, then) => {
    const { fetch, requests } = fakeFetch({ 'HEAD /events': status });
    const { errors } = await connected({ fetch });
    FakeEventSource.last.refuse(status);
    await settle();
    expect(errors[0]).toMatchObject({ code, status, retryable: then === 'comes back' });
    const mayHaveRetryAfter = code === 'rate_limited' || code === 'unavailable';
    expect(requests).toHaveLength(mayHaveRetryAfter ? 1 : 0);
  });

  it('is asked about with cookies where the stream has them', async () => {
    const { fetch, requests } = fakeFetch({ 'HEAD /events': 403 });
    await connected({ fetch, withCredentials: true });
    FakeEventSource.last.refuse();
    await settle();
    expect(requests[0]?.credentials).toBe('include');
  });

  it.each([429, 503])('with %i and Retry-After is heeded, and spread', async (status) => {
    const { fetch } = fakeFetch({ 'HEAD /events': () => new Response(null, { status, headers: { 'Retry-After': '7' } }) });
    await connected({ fetch });
    FakeEventSource.last.refuse();
    await settle();
    expect(await untilNext()).toBe(7500);
  });

  it('passes if HEAD finds a stream, or nobody', async () => {
    for (const answers of [{ 'HEAD /events': eventStream }, {}]) {
      const { errors } = await connected({ fetch: fakeFetch(answers).fetch });
      FakeEventSource.last.refuse();
      await settle();
      expect(errors[0]).toMatchObject({ code: 'network', retryable: true });
      expect(await untilNext()).toBe(500);
    }
  });

  it('is not asked about for longer than a connection may take', async () => {
    const { fetch } = fakeFetch({ 'HEAD /events': () => new Promise<Response>(() => {}) });
    const { errors } = await connected({ fetch });
    await vi.advanceTimersByTimeAsync(20_000);
    FakeEventSource.last.refuse();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(errors).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(errors.map((e) => e.code)).toEqual(['timeout']);
  });
});

describe('something that is not PushStream', () => {
  it.each([
    ['no JSON', (s: FakeEventSource) => s.raw('hello')],
    ['an event before the hello', (s: FakeEventSource) => s.event('e1')],
    ['a protocol of the future', (s: FakeEventSource) => s.hello('h', { protocol: 2 })],
    ['null', (s: FakeEventSource) => s.raw('null')],
  ])('%s closes the stream', async (_, send) => {
    const { stream, errors } = await connected();
    const handler = vi.fn();
    stream.on('*', handler);
    send(FakeEventSource.last);
    expect(errors).toMatchObject([{ code: 'protocol', retryable: false }]);
    expect(stream.status).toBe('closed');
    expect(handler).not.toHaveBeenCalled();
  });
});
