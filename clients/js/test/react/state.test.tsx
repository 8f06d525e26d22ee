// @vitest-environment happy-dom
import { renderHook } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/index.js';
import { count, loader } from '../ui.js';
import { play, provided, reported, usePushStreamLatest, usePushStreamReducer, useReact } from './setup.js';

useReact();

const add = (orders: readonly number[], { data }: { data: { order: number } }) => [...orders, data.order];
const none: readonly number[] = [];

describe('usePushStreamLatest', () => {
  it('is what came last of the type and target', async () => {
    const { stream, wrapper } = provided();
    const { result } = renderHook(
      () => [
        usePushStreamLatest('order.created'),
        usePushStreamLatest('order.created', { initial: null }),
        usePushStreamLatest('order.created', { initial: { order: 0 }, target: 'topic:shop' }),
      ],
      { wrapper },
    );
    expect(result.current).toEqual([undefined, null, { order: 0 }]);
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emit('order.paid', { order: 2, by: 'card' }));
    expect(result.current).toEqual([{ order: 1 }, { order: 1 }, { order: 0 }]);
    await play(() => stream.emit('order.created', { order: 3 }, { target: 'topic:shop' }));
    expect(result.current).toEqual([{ order: 3 }, { order: 3 }, { order: 3 }]);
  });

  it('of another type or target begins anew, without showing the old one', async () => {
    const { stream, wrapper } = provided();
    const seen: unknown[] = [];
    const initialProps: { target: Target } = { target: 'topic:a' };
    const { result, rerender } = renderHook(
      ({ target }) => {
        const order = usePushStreamLatest('order.created', { target, initial: target });
        seen.push([target, order]);
        return order;
      },
      { wrapper, initialProps },
    );
    await play(() => stream.emit('order.created', { order: 1 }, { target: 'topic:a' }));
    rerender({ target: 'topic:b' });
    expect(result.current).toBe('topic:b');
    expect(seen).not.toContainEqual(['topic:b', { order: 1 }]);
    await play(() => stream.emit('order.created', { order: 2 }, { target: 'topic:a' }));
    expect(result.current).toBe('topic:b');
    await play(() => stream.emit('order.created', { order: 3 }, { target: 'topic:b' }));
    expect(result.current).toEqual({ order: 3 });
  });

  it('is fetched, and after a gap fetched again', async () => {
    const { stream, wrapper } = provided();
    const { load, calls } = loader<{ order: number }>();
    const { result } = renderHook(() => usePushStreamLatest('order.created', { load }), { wrapper });
    await play(() => {});
    await play(() => calls[0]?.answer({ order: 1 }));
    expect(result.current).toEqual({ order: 1 });
    await play(() => stream.emitGap());
    expect(result.current).toEqual({ order: 1 });
    await play(() => calls[1]?.answer({ order: 5 }));
    expect(result.current).toEqual({ order: 5 });
  });
});

describe('usePushStreamReducer', () => {
  it('follows one type, several, or all', async () => {
    const { stream, wrapper } = provided();
    const { result } = renderHook(
      () => [
        usePushStreamReducer('order.created', add, none),
        usePushStreamReducer(['order.created', 'order.paid'], add, none),
        usePushStreamReducer('*', add, none),
        usePushStreamReducer('*', add, none, { target: 'topic:shop' }),
      ],
      { wrapper },
    );
    await play(() => {
      stream.emit('order.created', { order: 1 });
      stream.emit('order.paid', { order: 2, by: 'card' });
    });
    expect(result.current).toEqual([[1], [1, 2], [1, 2], []]);
  });

  it('keeps its state and subscription when types, reducer and options are written anew', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const { result, rerender } = renderHook(
      ({ factor }) => usePushStreamReducer(['order.created'], (sum, { data }) => sum + factor * data.order, 0, { target: 'all' }),
      { wrapper, initialProps: { factor: 1 } },
    );
    const { added } = counted;
    await play(() => stream.emit('order.created', { order: 1 }));
    rerender({ factor: 10 });
    expect(result.current).toBe(1);
    await play(() => stream.emit('order.created', { order: 1 }));
    expect(result.current).toBe(11);
    expect(counted.added).toBe(added);
  });

  it('reports a reducer that throws, and keeps the state', async () => {
    const { stream, wrapper } = provided();
    const { result } = renderHook(
      () =>
        usePushStreamReducer(
          'order.created',
          (orders, event) => {
            if (event.data.order === 2) throw new Error('mine');
            return add(orders, event);
          },
          none,
        ),
      { wrapper },
    );
    for (const order of [1, 2, 3]) await play(() => stream.emit('order.created', { order }));
    expect(result.current).toEqual([1, 3]);
    expect(reported.splice(0)).toEqual([new Error('mine')]);
  });

  it('reduces each event once in StrictMode, and loads once', async () => {
    const { stream, wrapper } = provided();
    const counted = count(stream);
    const { load, calls } = loader<readonly number[]>();
    const { result } = renderHook(() => usePushStreamReducer('order.created', add, none, { load }), { wrapper, reactStrictMode: true });
    expect(counted.added).toBe(2 * counted.open);
    await play(() => stream.emit('order.created', { order: 1 }));
    expect(result.current).toEqual([1]);
    expect(calls).toHaveLength(1);
  });

  it('without load drops the state of another reader, and of nobody else', async () => {
    const { stream, wrapper } = provided();
    const { result } = renderHook(() => usePushStreamReducer('order.created', add, none), { wrapper });
    await play(() => stream.emit('order.created', { order: 1 }));
    await play(() => stream.emitGap({ reason: 'trimmed' }));
    await play(() => stream.emitLive());
    expect(result.current).toEqual([1]);
    await play(() => stream.emitGap({ reason: 'identity' }));
    expect(result.current).toEqual([]);
  });
});

it('a component that is unmounted leaves nothing behind, and what it loads is aborted', async () => {
  const { stream, wrapper } = provided();
  const counted = count(stream);
  const { load, calls } = loader<readonly number[]>();
  const { unmount } = renderHook(
    () => {
      usePushStreamLatest('order.created');
      usePushStreamReducer('*', add, none, { load });
    },
    { wrapper },
  );
  await play(() => {});
  expect(counted.open).toBe(8);
  unmount();
  expect(counted.open).toBe(0);
  expect(calls.map(({ signal }) => signal.aborted)).toEqual([true]);
  await play(() => calls[0]?.fail(new Error('aborted'))); // which is nobody's concern
});
