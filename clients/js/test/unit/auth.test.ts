import { describe, expect, it, vi } from 'vitest';
import { type TokenRequest, UnauthorizedError } from '../../src/index.js';
import { connected, FakeEventSource, fakeFetch, settle, ticket, useFakes } from './fake.js';

useFakes();

const next = () => vi.advanceTimersByTimeAsync(600);

describe('with getToken', () => {
  it('gets a new ticket with the token for every connection', async () => {
    let n = 0;
    const { fetch, requests } = fakeFetch({ 'POST /tickets': () => ticket(`t${++n}`)() });
    const getToken = vi.fn(() => 'secret');
    await connected({ getToken, fetch });
    expect(requests[0]).toMatchObject({ what: 'POST /tickets', credentials: 'same-origin' });
    expect(requests[0]?.url.href).toBe('https://events.example/tickets');
    expect(requests[0]?.headers.get('Authorization')).toBe('Bearer secret');
    expect(FakeEventSource.last.url.searchParams.get('ticket')).toBe('t1');
    expect(FakeEventSource.last.url.href).not.toContain('secret');
    FakeEventSource.last.hello().break();
    await next();
    expect(FakeEventSource.last.url.searchParams.get('ticket')).toBe('t2');
    expect(getToken.mock.calls).toEqual([[{ rejected: false }], [{ rejected: false }]]);
  });

  it('takes tickets from where it is told', async () => {
    const { fetch, requests } = fakeFetch({ 'POST /login/ticket': ticket('t') });
    await connected({ getToken: () => 'secret', ticketUrl: 'https://app.example/login/ticket', fetch });
    expect(requests[0]?.url.host).toBe('app.example');
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('asks why it was refused with the token, since the ticket may be used up', async () => {
    const { fetch, requests } = fakeFetch({ 'POST /tickets': ticket('t'), 'HEAD /events': 403 });
    const { errors } = await connected({ getToken: async () => 'secret', fetch });
    FakeEventSource.last.refuse();
    await settle();
    expect(requests[1]?.url.searchParams.has('ticket')).toBe(false);
    expect(requests[1]?.headers.get('Authorization')).toBe('Bearer secret');
    expect(errors).toMatchObject([{ code: 'forbidden', status: 403 }]);
  });

  it('stops when getToken says that there is none', async () => {
    const cause = new UnauthorizedError('logged out');
    const { stream, errors } = await connected({
      getToken: () => {
        throw cause;
      },
    });
    expect(errors).toMatchObject([{ code: 'unauthorized', retryable: false, status: null, cause }]);
    expect(stream.status).toBe('closed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tries again when getToken fails otherwise', async () => {
    const getToken = vi.fn<(r: TokenRequest) => Promise<string>>().mockRejectedValueOnce(new Error('down')).mockResolvedValue('secret');
    const { stream, errors } = await connected({ getToken, fetch: fakeFetch({ 'POST /tickets': ticket('t') }).fetch });
    expect(errors).toMatchObject([{ code: 'token', retryable: true }]);
    expect(stream.status).toBe('waiting');
    await next();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it.each([
    ['network', undefined, 'network', 'waiting'],
    ['500', 500, 'unavailable', 'waiting'],
    ['403', 403, 'forbidden', 'closed'],
    ['404', 404, 'not_found', 'closed'],
    ['no ticket', () => Response.json({}), 'protocol', 'closed'],
    ['no JSON', () => new Response('<html>'), 'network', 'waiting'],
  ])('treats %s instead of a ticket like that of a stream', async (_, answer, code, status) => {
    const { fetch } = fakeFetch(answer === undefined ? {} : { 'POST /tickets': answer });
    const { stream, errors } = await connected({ getToken: () => 'secret', fetch });
    expect(errors).toMatchObject([{ code }]);
    expect(stream.status).toBe(status);
    expect(FakeEventSource.all).toHaveLength(0);
  });

  it('waits as long as the desk for tickets says', async () => {
    const { fetch } = fakeFetch({ 'POST /tickets': () => new Response(null, { status: 429, headers: { 'Retry-After': '20' } }) });
    const getToken = vi.fn(() => 'secret');
    await connected({ getToken, fetch });
    await vi.advanceTimersByTimeAsync(20_499);
    expect(getToken).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(getToken).toHaveBeenCalledTimes(2);
  });

  it.each(['POST /tickets', 'HEAD /events'])('asks for another token once when %s says 401, then stops', async (where) => {
    const { fetch } = fakeFetch({ 'POST /tickets': ticket('t'), [where]: 401 });
    const getToken = vi.fn((_: TokenRequest) => 'secret');
    const { stream, errors } = await connected({ getToken, fetch });
    for (const source of FakeEventSource.all) source.refuse();
    await next();
    expect(getToken.mock.calls).toEqual([[{ rejected: false }], [{ rejected: true }]]);
    FakeEventSource.all.at(-1)?.refuse();
    await settle();
    expect(errors).toMatchObject([{ code: 'unauthorized', status: 401, retryable: false }]);
    expect(stream.status).toBe('closed');
    expect(getToken).toHaveBeenCalledTimes(2);
  });

  it('asks once again after a stream that was open', async () => {
    const { fetch } = fakeFetch({ 'POST /tickets': ticket('t') });
    const getToken = vi.fn((_: TokenRequest) => 'secret');
    const { errors } = await connected({ getToken, fetch });
    for (let n = 0; n < 3; n++) {
      FakeEventSource.last.refuse(401);
      await settle();
      FakeEventSource.last.hello();
      FakeEventSource.last.break();
      await vi.advanceTimersByTimeAsync(30_000);
    }
    expect(errors.map((e) => e.code)).toEqual(['network', 'network', 'network']);
    expect(getToken.mock.calls.map(([r]) => r.rejected)).toEqual([false, true, false, true, false, true, false]);
  });

  it('asks for another token when it has expired, until there is one', async () => {
    const { fetch } = fakeFetch({ 'POST /tickets': ticket('t') });
    const getToken = vi
      .fn<(r: TokenRequest) => Promise<string>>()
      .mockResolvedValueOnce('one')
      .mockRejectedValueOnce(new Error('down'))
      .mockResolvedValue('two');
    const { stream } = await connected({ getToken, fetch });
    FakeEventSource.last.hello().bye({ reason: 'expired', reconnect_ms: 100 });
    await vi.advanceTimersByTimeAsync(100);
    expect(stream.error?.code).toBe('token');
    await vi.advanceTimersByTimeAsync(2000);
    FakeEventSource.last.hello();
    expect(getToken.mock.calls).toEqual([[{ rejected: false }], [{ rejected: true }], [{ rejected: true }]]);
  });

  it('makes no connection if the stream was closed meanwhile', async () => {
    let give = (_: string) => {};
    const { fetch, requests } = fakeFetch({ 'POST /tickets': ticket('t') });
    const { stream } = await connected({ getToken: () => new Promise<string>((resolve) => (give = resolve)), fetch });
    stream.close();
    give('secret');
    await settle();
    expect(FakeEventSource.all).toHaveLength(0);
    expect(requests.length).toBeLessThanOrEqual(1);
    expect(stream.error).toBeNull();
  });
});

describe('without getToken', () => {
  it('a 401 is the end, until connect()', async () => {
    const { stream, errors } = await connected();
    FakeEventSource.last.refuse(401);
    expect(errors).toMatchObject([{ code: 'unauthorized', status: 401 }]);
    expect(stream.status).toBe('closed');
    stream.connect();
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
  });
});
