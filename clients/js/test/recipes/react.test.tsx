// @vitest-environment happy-dom
import { notifyManager, QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { act, render, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import useSWR, { SWRConfig } from 'swr';
import { describe, expect, it, vi } from 'vitest';
import { PushStreamProvider } from '../../src/react/index.js';
import { createTestStream } from '../../src/testing.js';
import { play, useReact } from '../react/setup.js';
import { FakeEventSource, useFakes } from '../unit/fake.js';
import { App } from './react/first.js';
import { Orders } from './react/state.js';
import * as swr from './react/swr.js';
import * as tanstack from './react/tanstack.js';

type Order = { order: number; paid: boolean };
type Events = { 'order.created': Order; 'order.paid': Order; 'order.changed': Order };
const open = (order: number): Order => ({ order, paid: false });
const paid = (order: number): Order => ({ order, paid: true });

useReact();
notifyManager.setScheduler(queueMicrotask);

describe('the first event', () => {
  useFakes();

  it('is shown', async () => {
    vi.stubGlobal('EventSource', FakeEventSource);
    const { container } = render(<App />);
    await act(() => vi.advanceTimersByTimeAsync(0));
    act(() => void FakeEventSource.last.hello().live().event('e1', 'order.created', { order: 7 }));
    expect(FakeEventSource.last.url.searchParams.getAll('topic')).toEqual(['shop']);
    expect(container.textContent).toBe('Last order: 7');
  });
});

/** An API that has orders, and answers when the test says so, with what it had when it was asked. */
function api(...orders: Order[]) {
  const served = { orders, requests: [] as string[] };
  const waiting: (() => void)[] = [];
  const fetch = async (url: string) => {
    served.requests.push(url);
    const body = [...served.orders];
    await new Promise<void>((resolve) => waiting.push(resolve));
    return Response.json(body);
  };
  vi.stubGlobal('fetch', fetch);
  const answer = async () => {
    await waitFor(() => expect(waiting).not.toHaveLength(0));
    await play(() => waiting.shift()?.());
  };
  return Object.assign(served, { answer });
}

const text = (orders: Order[] | undefined) => orders?.map(({ order, paid }) => `${order} ${paid ? 'paid' : 'open'}`).join(', ');
const getOrders = async (): Promise<Order[]> => (await fetch('/api/orders')).json();

function show(app: ReactNode) {
  const stream = createTestStream<Events>();
  const { container } = render(<PushStreamProvider stream={stream}>{app}</PushStreamProvider>);
  return { stream, shows: (text: string) => waitFor(() => expect(container.textContent).toBe(text)) };
}

it('a state is fetched, follows events, and is fetched after a gap', async () => {
  const server = api(open(1), open(2));
  const { stream, shows } = show(<Orders shop="berlin" />);
  await play(() => stream.emit('order.changed', paid(2), { target: 'topic:berlin' }));
  await play(() => stream.emit('order.changed', paid(9), { target: 'topic:paris' }));
  await server.answer();
  await shows('1 open2 paid');
  server.orders = [paid(1), open(3)];
  await play(() => stream.emitGap({ targets: ['topic:berlin'], reason: 'trimmed' }));
  await server.answer();
  await shows('1 paid3 open');
  expect(server.requests).toEqual(['/api/berlin/orders', '/api/berlin/orders']);
});

function QueryPage() {
  return text(useQuery({ queryKey: ['orders'], queryFn: getOrders }).data) ?? 'loading';
}

function SwrPage() {
  return text(useSWR('/api/orders', getOrders).data) ?? 'loading';
}

describe.each([
  [
    'TanStack Query',
    () => (
      <QueryClientProvider client={new QueryClient()}>
        <tanstack.LiveOrders />
        <QueryPage />
      </QueryClientProvider>
    ),
  ],
  [
    'SWR',
    () => (
      <SWRConfig value={{ provider: () => new Map() }}>
        <swr.LiveOrders />
        <SwrPage />
      </SWRConfig>
    ),
  ],
])('the cache of %s', (_, app) => {
  async function loaded() {
    const server = api(open(1));
    const page = show(app());
    await page.shows('loading');
    await server.answer();
    await page.shows('1 open');
    return { server, ...page };
  }

  it('is fetched again for an event', async () => {
    const { server, stream, shows } = await loaded();
    server.orders.push(open(2));
    await play(() => stream.emit('order.created', open(2)));
    await server.answer();
    await shows('1 open, 2 open');
    expect(server.requests).toHaveLength(2);
  });

  it('shows what an event says at once, and fetches again', async () => {
    const { server, stream, shows } = await loaded();
    server.orders = [paid(1), open(2)];
    await play(() => stream.emit('order.paid', paid(1)));
    await shows('1 paid');
    await server.answer();
    await shows('1 paid, 2 open');
  });

  it('is fetched again after a gap, and where the stream began anew', async () => {
    const { server, stream, shows } = await loaded();
    server.orders = [open(2)];
    await play(() => stream.emitGap());
    await server.answer();
    await shows('2 open');
    server.orders = [open(3)];
    await play(() => stream.emitLive());
    await server.answer();
    await shows('3 open');
    await play(() => stream.emitLive({ resumed: 'memory' }));
    expect(server.requests).toHaveLength(3);
  });

  it('does not keep an answer that is older than an event, or than the stream', async () => {
    const server = api(open(1));
    const { stream, shows } = show(app());
    server.orders = [open(1), open(2)];
    await play(() => stream.emitLive());
    await server.answer();
    server.orders = [paid(1), open(2)];
    await play(() => stream.emit('order.paid', paid(1)));
    await server.answer();
    await server.answer();
    await shows('1 paid, 2 open');
  });
});
