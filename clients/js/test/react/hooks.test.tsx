// @vitest-environment happy-dom
import { renderHook } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { PushStreamError, type Target } from '../../src/index.js';
import { count } from '../ui.js';
import { complaints, play, provided, reported, usePushStream, usePushStreamGap, useReact } from './setup.js';

useReact();

describe('usePushStream()', () => {
  it('gives the stream, its status, and why it is so', async () => {
    const { stream, wrapper } = provided();
    const { result } = renderHook(() => usePushStream(), { wrapper });
    expect(result.current).toEqual({ stream, status: 'idle', error: null });
    await play(() => stream.connect());
    expect(result.current.status).toBe('connecting');
    const gone = new PushStreamError('network', 'gone', true);
    await play(() => stream.emitError(gone));
    expect(result.current).toEqual({ stream, status: 'waiting', error: gone });
    const again = new PushStreamError('network', 'again', true);
    await play(() => stream.emitError(again)); // with the same status
    expect(result.current.error).toBe(again);
    await play(() => stream.emitLive());
    expect(result.current).toEqual({ stream, status: 'live', error: null });
  });

  it('opens nothing', () => {
    const { stream, wrapper } = provided();
    renderHook(() => usePushStream(), { wrapper });
    expect(stream.status).toBe('idle');
  });

  it('renders only for what changes', async () => {
    const { stream, wrapper } = provided();
    const rendered = vi.fn();
    renderHook(() => rendered(usePushStream()), { wrapper });
    await play(() => stream.emitLive());
    const times = rendered.mock.calls.length;
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emitLive({ resumed: 'memory' }));
    expect(rendered).toHaveBeenCalledTimes(times);
  });

  it('says so where there is no provider', () => {
    expect(() => renderHook(() => usePushStream())).toThrow('there is no PushStreamProvider');
    complaints.mockClear();
  });
});

describe('usePushStream(type, handler)', () => {
  it('calls the handler for events of the type, of a target', async () => {
    const { stream, wrapper } = provided();
    const [one, all, target] = [vi.fn(), vi.fn(), vi.fn()];
    renderHook(
      () => {
        usePushStream('order.created', one);
        usePushStream('*', all);
        usePushStream('order.created', target, { target: 'topic:shop' });
      },
      { wrapper },
    );
    await play(() => {
      stream.emit('order.created', { order: 1 });
      stream.emit('order.paid', { order: 2, by: 'card' });
      stream.emit('order.created', { order: 3 }, { target: 'topic:shop' });
    });
    const orders = (handler: typeof one) => handler.mock.calls.map(([event]) => event.data.order);
    expect([one, all, target].map(orders)).toEqual([[1, 3], [1, 2, 3], [3]]);
  });

  it('calls the newest handler, and subscribes once', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const seen: string[] = [];
    const { rerender } = renderHook(
      ({ name }) => usePushStream('order.created', ({ data }) => seen.push(`${name} ${data.order}`), { target: 'all' }),
      { wrapper, initialProps: { name: 'first' } },
    );
    await play(() => stream.emit('order.created', { order: 1 }));
    rerender({ name: 'second' });
    await play(() => stream.emit('order.created', { order: 2 }));
    expect(seen).toEqual(['first 1', 'second 2']);
    expect(counted).toEqual({ added: 1, open: 1 });
  });

  it('follows another type and target', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const seen: number[] = [];
    const initialProps: { type: 'order.created' | 'order.paid'; target: Target | undefined } = { type: 'order.created', target: 'all' };
    const { rerender } = renderHook(({ type, target }) => usePushStream(type, ({ data }) => seen.push(data.order), { target }), {
      wrapper,
      initialProps,
    });
    rerender({ type: 'order.paid', target: 'all' });
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emit('order.paid', { order: 2, by: 'card' }));
    rerender({ type: 'order.paid', target: 'topic:shop' });
    await play(() => stream.emit('order.paid', { order: 3, by: 'card' }));
    rerender({ type: 'order.paid', target: undefined });
    await play(() => stream.emit('order.paid', { order: 4, by: 'card' }));
    expect(seen).toEqual([2, 4]);
    expect(counted).toEqual({ added: 4, open: 1 });
  });

  it('does not render for events, nor for the status', async () => {
    const { stream, wrapper } = provided();
    let rendered = 0;
    renderHook(
      () => {
        rendered++;
        usePushStream('order.created', () => {});
      },
      { wrapper },
    );
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emitLive());
    await play(() => stream.emitError(new PushStreamError('network', 'gone', true)));
    expect(rendered).toBe(1);
  });

  it('reports what a handler throws, and goes on', async () => {
    const { stream, wrapper } = provided();
    const after = vi.fn();
    renderHook(
      () => {
        usePushStream('order.created', () => {
          throw new Error('mine');
        });
        usePushStream('order.created', after);
      },
      { wrapper },
    );
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emit('order.created', { order: 2 }));
    expect(after).toHaveBeenCalledTimes(2);
    expect(reported.splice(0)).toEqual([new Error('mine'), new Error('mine')]);
  });

  it('is called once for an event in StrictMode', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const handler = vi.fn();
    renderHook(() => usePushStream('order.created', handler), { wrapper, reactStrictMode: true });
    expect(counted).toEqual({ added: 2, open: 1 });
    await play(() => stream.emit('order.created', { order: 1 }));
    expect(handler).toHaveBeenCalledTimes(1);
  });
});

describe('usePushStreamGap', () => {
  it('tells of gaps, and of a stream that began anew, but of nothing else', async () => {
    const { stream, wrapper } = provided();
    const handler = vi.fn();
    renderHook(() => usePushStreamGap((gap) => handler(gap.reason)), { wrapper });
    await play(() => stream.emitLive());
    await play(() => stream.emitLive({ resumed: 'memory' }));
    await play(() => stream.emitLive({ resumed: 'storage' }));
    await play(() => stream.emitGap({ targets: ['topic:shop'], reason: 'trimmed' }));
    expect(handler.mock.calls).toEqual([['began'], ['trimmed']]);
  });

  it('of a target tells of what concerns it', async () => {
    const { stream, wrapper } = provided();
    const handler = vi.fn();
    renderHook(() => usePushStreamGap((gap) => handler(gap.reason), { target: 'topic:shop' }), { wrapper });
    await play(() => stream.emitGap({ targets: ['topic:news'], reason: 'trimmed' }));
    await play(() => stream.emitGap({ targets: ['topic:news', 'topic:shop'], reason: 'expired' }));
    await play(() => stream.emitGap()); // whichever
    await play(() => stream.emitLive());
    expect(handler.mock.calls).toEqual([['expired'], ['lost'], ['began']]);
  });

  it('calls the newest handler, and subscribes once', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const seen: string[] = [];
    const { rerender } = renderHook(({ name }) => usePushStreamGap(() => seen.push(name)), { wrapper, initialProps: { name: 'first' } });
    rerender({ name: 'second' });
    await play(() => stream.emitGap());
    expect(seen).toEqual(['second']);
    expect(counted).toEqual({ added: 2, open: 2 });
  });
});

it('a component that is unmounted leaves nothing behind', async () => {
  const { stream, wrapper } = provided();
  const counted = count(stream);
  const handler = vi.fn();
  const { unmount } = renderHook(
    () => {
      usePushStream();
      usePushStream('*', handler);
      usePushStreamGap(handler);
    },
    { wrapper },
  );
  expect(counted.open).toBe(7);
  unmount();
  expect(counted.open).toBe(0);
  stream.emit('order.created', { order: 1 });
  stream.emitGap();
  expect(handler).not.toHaveBeenCalled();
  expect(stream.status).toBe('connecting'); // it is not the provider's to close
});
