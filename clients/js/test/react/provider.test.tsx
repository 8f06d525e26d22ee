// @vitest-environment happy-dom
import { act, render } from '@testing-library/react';
import { Activity, type ReactNode, StrictMode, useState } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { describe, expect, it, vi } from 'vitest';
import { type EventStream, PushStream, type PushStreamOptions } from '../../src/index.js';
import { PushStreamProvider } from '../../src/react/index.js';
import { FakeEventSource, fakeFetch, MemoryStorage, ticket, useFakes } from '../unit/fake.js';
import { complaints, provided, usePushStream, usePushStreamLatest, usePushStreamReducer, useReact } from './setup.js';

useFakes();
useReact();

const base: PushStreamOptions = {
  url: 'https://events.example/events',
  EventSource: FakeEventSource,
  fetch: fakeFetch({}).fetch,
  storage: false,
};
const settle = () => act(() => vi.advanceTimersByTimeAsync(0));
const topics = () => FakeEventSource.last.url.searchParams.getAll('topic');

let stream: EventStream | undefined;
function Status() {
  const state = usePushStream();
  const order = usePushStreamLatest('order.created', { initial: null });
  stream = state.stream as unknown as EventStream;
  return <p>{`${state.status} ${state.error?.code ?? 'fine'} ${order?.order ?? 'none'}`}</p>;
}

const page = (options: Partial<PushStreamOptions> = {}, children: ReactNode = <Status />) => (
  <PushStreamProvider options={{ ...base, ...options }}>{children}</PushStreamProvider>
);

describe('a provider with options', () => {
  it('opens its stream when it is mounted, and closes it when it is unmounted', async () => {
    const { container, unmount } = render(page());
    expect(FakeEventSource.all).toHaveLength(0);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    act(() => void FakeEventSource.last.hello().event('e1').live());
    expect(container.textContent).toBe('live fine 1');
    unmount();
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream?.status).toBe('closed');
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('opens it also where nobody handles events', async () => {
    render(page({}, 'nothing'));
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('makes one connection in StrictMode', async () => {
    const connect = vi.spyOn(PushStream.prototype, 'connect');
    const close = vi.spyOn(PushStream.prototype, 'close');
    const { container } = render(<StrictMode>{page()}</StrictMode>);
    expect(close).toHaveBeenCalledTimes(1); // React has taken it down and up again
    expect(connect.mock.contexts.at(-1)).toBe(close.mock.contexts[0]);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    act(() => void FakeEventSource.last.hello().live().event('e1'));
    expect(container.textContent).toBe('live fine 1');
  });

  it('leaves it to connect() where autoConnect is false', async () => {
    const { container } = render(page({ autoConnect: false }));
    await settle();
    expect(FakeEventSource.all).toHaveLength(0);
    expect(container.textContent).toBe('idle fine none');
    act(() => stream?.connect());
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('keeps its connection while all is written anew, and takes what is new for the next one', async () => {
    const { requests, fetch } = fakeFetch({ 'POST /tickets': ticket('t') });
    const user = (name: string) => page({ fetch, getToken: () => name, topics: ['a'], backoff: { base: 1000 } });
    const { rerender } = render(user('alice'));
    await settle();
    const before = stream;
    rerender(user('bob'));
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    expect(stream).toBe(before);
    act(() => void FakeEventSource.last.hello().break());
    await act(() => vi.advanceTimersByTimeAsync(1000));
    expect(FakeEventSource.all).toHaveLength(2);
    expect(requests.map(({ headers }) => headers.get('Authorization'))).toEqual(['Bearer alice', 'Bearer bob']);
  });

  it('reads other topics with the same stream, from where it is', async () => {
    const { rerender } = render(page({ topics: ['a'] }));
    await settle();
    expect(topics()).toEqual(['a']);
    act(() => void FakeEventSource.last.hello().live('c1'));
    const before = stream;
    rerender(page({ topics: ['b', 'a'] }));
    await settle();
    expect(stream).toBe(before);
    expect(FakeEventSource.all).toHaveLength(2);
    expect(topics()).toEqual(['b', 'a']);
    expect(FakeEventSource.last.cursor).toBe('c1');
    rerender(page({ topics: ['a', 'b'] }));
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
    rerender(page());
    await settle();
    expect(topics()).toEqual([]);
  });

  it.each<[string, Partial<PushStreamOptions>, Partial<PushStreamOptions>]>([
    ['url', {}, { url: 'https://other.example/events' }],
    ['ticketUrl', { ticketUrl: 'a' }, { ticketUrl: 'b' }],
    ['withCredentials', {}, { withCredentials: true }],
    ['storage', {}, { storage: new MemoryStorage() }],
    ['storageKey', {}, { storageKey: 'other' }],
    ['getToken, where there was none', {}, { getToken: () => 'secret' }],
  ])('makes another stream for another %s, and closes the old one', async (_, first, second) => {
    const { fetch } = fakeFetch({ 'POST /tickets': ticket('t'), 'POST /a': ticket('t'), 'POST /b': ticket('t') });
    const { rerender, container } = render(page({ fetch, topics: ['a'], ...first }));
    await settle();
    act(() => void FakeEventSource.last.hello().live().event('e1'));
    const [before, connection] = [stream, FakeEventSource.last];
    rerender(page({ fetch, topics: ['b'], ...second }));
    expect(container.textContent).toBe('connecting fine none');
    await settle();
    expect(stream).not.toBe(before);
    expect(before?.status).toBe('closed');
    expect(connection.closed).toBe(true);
    expect(FakeEventSource.all).toHaveLength(2);
    expect(topics()).toEqual(['b']);
    expect(FakeEventSource.last.cursor).toBeNull();
  });

  it('keeps it for the same url and storage, written in another way', async () => {
    const { rerender } = render(page({ withCredentials: false, storage: new MemoryStorage() }));
    const before = stream;
    rerender(page({ url: new URL(`${base.url}`), storage: new MemoryStorage() }));
    expect(stream).toBe(before);
  });

  it('takes frozen options', async () => {
    const { requests, fetch } = fakeFetch({ 'POST /tickets': ticket('t') });
    const frozen = (token: string) => Object.freeze({ ...base, fetch, getToken: () => token });
    const { rerender } = render(<PushStreamProvider options={frozen('old')}>-</PushStreamProvider>);
    rerender(<PushStreamProvider options={frozen('new')}>-</PushStreamProvider>);
    await settle();
    expect(requests.map(({ headers }) => headers.get('Authorization'))).toEqual(['Bearer new']);
  });

  it('closes its stream while React hides it, and goes on where it was', async () => {
    const Sum = () => <i>{usePushStreamReducer('order.created', (sum, { data }) => sum + data.order, 0)}</i>;
    const hidden = (mode: 'hidden' | 'visible') => <Activity mode={mode}>{page({}, <Sum />)}</Activity>;
    const { container, rerender } = render(hidden('visible'));
    await settle();
    act(() => void FakeEventSource.last.hello().live().event('e1'));
    rerender(hidden('hidden'));
    await settle();
    expect(FakeEventSource.last.closed).toBe(true);
    rerender(hidden('visible'));
    await settle();
    expect(FakeEventSource.last.cursor).toBe('e1');
    act(() => void FakeEventSource.last.hello().event('e2').live());
    expect(container.textContent).toBe('2');
  });
});

describe('a provider with a stream', () => {
  it('neither opens nor closes it', () => {
    const { stream, wrapper: Wrapper } = provided();
    const { unmount } = render(<Wrapper>nothing</Wrapper>);
    expect(stream.status).toBe('idle');
    stream.connect();
    unmount();
    expect(stream.status).toBe('connecting');
  });

  it('can be given another one, and be inside another provider', async () => {
    const { stream: outer, wrapper: Outer } = provided();
    const [{ stream: first }, { stream: second }] = [provided(), provided()];
    let choose: (stream: typeof first) => void = () => {};
    function Inner() {
      const [stream, set] = useState(first);
      choose = set;
      return (
        <PushStreamProvider stream={stream}>
          <Status />
        </PushStreamProvider>
      );
    }
    const { container } = render(
      <Outer>
        <Inner />
      </Outer>,
    );
    act(() => {
      outer.emit('order.created', { order: 1 });
      first.emit('order.created', { order: 2 });
    });
    expect(container.textContent).toBe('connecting fine 2');
    act(() => choose(second));
    expect(container.textContent).toBe('connecting fine none');
    act(() => {
      first.emit('order.created', { order: 3 });
      second.emitLive();
    });
    expect(container.textContent).toBe('live fine none');
  });
});

describe('on a server', () => {
  it('nothing is opened, also where there is an EventSource', async () => {
    vi.stubGlobal('EventSource', FakeEventSource);
    const { EventSource: _, ...options } = base;
    expect(renderToString(<PushStreamProvider options={options}>{<Status />}</PushStreamProvider>)).toBe('<p>idle fine none</p>');
    await settle();
    expect(FakeEventSource.all).toHaveLength(0);
    expect(stream?.status).toBe('idle');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('what it rendered is hydrated without a complaint, and then opened', async () => {
    const container = document.createElement('div');
    container.innerHTML = renderToString(page());
    const root = await act(async () => hydrateRoot(container, page(), { onRecoverableError: complaints }));
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    act(() => void FakeEventSource.last.hello().live());
    expect(container.textContent).toBe('live fine none');
    act(() => root.unmount());
  });

  it('it is hydrated without a complaint also with a stream that is live already', async () => {
    const { stream, wrapper: Wrapper } = provided();
    const app = (
      <Wrapper>
        <Status />
      </Wrapper>
    );
    const container = document.createElement('div');
    container.innerHTML = renderToString(app);
    expect(container.textContent).toBe('idle fine none');
    stream.emitLive();
    const root = await act(async () => hydrateRoot(container, app, { onRecoverableError: complaints }));
    expect(container.textContent).toBe('live fine none');
    act(() => root.unmount());
  });
});
