// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import { createApp, effectScope, isReadonly, nextTick, ref, shallowRef, watch } from 'vue';
import { PushStreamError, type Target } from '../../src/index.js';
import { count, loader } from '../ui.js';
import { provided, reported, run, usePushStream, usePushStreamGap, usePushStreamLatest, usePushStreamReducer, useVue } from './setup.js';

useVue();

const add = (orders: readonly number[], { data }: { data: { order: number } }) => [...orders, data.order];
const none: readonly number[] = [];
/** Lets promises go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('usePushStream()', () => {
  it('gives the stream, its status, and why it is so', () => {
    const { stream, run } = provided();
    const { result } = run(usePushStream);
    expect(result.stream).toBe(stream);
    const now = () => [result.status.value, result.error.value];
    expect(now()).toEqual(['idle', null]);
    stream.connect();
    expect(now()).toEqual(['connecting', null]);
    const [gone, again] = [new PushStreamError('network', 'gone', true), new PushStreamError('network', 'again', true)];
    stream.emitError(gone);
    expect(now()).toEqual(['waiting', gone]);
    stream.emitError(again); // with the same status
    expect(result.error.value).toBe(again);
    stream.emitLive();
    expect(now()).toEqual(['live', null]);
    expect([isReadonly(result.status), isReadonly(result.error)]).toEqual([true, true]);
  });

  it('takes the status of a stream that is there already', () => {
    const { stream, run } = provided();
    stream.emitLive();
    expect(run(usePushStream).result.status.value).toBe('live');
  });

  it('says so where there is no plugin', () => {
    expect(() => run(usePushStream)).toThrow('there is no stream: use createPushStream()');
    vi.mocked(console.warn).mockClear(); // of a setup that threw
  });
});

describe('usePushStream(type, handler)', () => {
  it('calls the handler for events of the type, of a target', () => {
    const { stream, run } = provided();
    const [one, all, target] = [vi.fn(), vi.fn(), vi.fn()];
    run(() => {
      usePushStream('order.created', one);
      usePushStream('*', all);
      usePushStream('order.created', target, { target: 'topic:shop' });
    });
    stream.emit('order.created', { order: 1 });
    stream.emit('order.paid', { order: 2, by: 'card' });
    stream.emit('order.created', { order: 3 }, { target: 'topic:shop' });
    const orders = (handler: typeof one) => handler.mock.calls.map(([event]) => event.data.order);
    expect([one, all, target].map(orders)).toEqual([[1, 3], [1, 2, 3], [3]]);
  });

  it('follows a type and target that change, and subscribes for nothing else', async () => {
    const { stream, run } = provided();
    const counted = count(stream);
    const type = ref<'order.created' | 'order.paid'>('order.created');
    const topic = ref<string>();
    const other = ref(0);
    const seen: number[] = [];
    run(() =>
      usePushStream(type, ({ data }) => seen.push(data.order + other.value), {
        target: () => (topic.value ? `topic:${topic.value}` : undefined),
      }),
    );
    stream.emit('order.created', { order: 1 });
    other.value = 10;
    await nextTick();
    expect(counted.added).toBe(1);
    type.value = 'order.paid';
    await nextTick();
    stream.emit('order.created', { order: 2 });
    stream.emit('order.paid', { order: 3, by: 'card' });
    topic.value = 'shop';
    await nextTick();
    stream.emit('order.paid', { order: 4, by: 'card' });
    stream.emit('order.paid', { order: 5, by: 'card' }, { target: 'topic:shop' });
    expect(seen).toEqual([1, 13, 15]);
    expect(counted).toEqual({ added: 3, open: 1 });
  });

  it('reports what a handler throws, and goes on', () => {
    const { stream, run } = provided();
    const after = vi.fn();
    run(() => {
      usePushStream('order.created', () => {
        throw new Error('mine');
      });
      usePushStream('order.created', after);
    });
    stream.emit('order.created', { order: 1 });
    stream.emit('order.created', { order: 2 });
    expect(after).toHaveBeenCalledTimes(2);
    expect(reported.splice(0)).toEqual([new Error('mine'), new Error('mine')]);
  });

  it('can be ended early', () => {
    const { stream, run } = provided();
    const handler = vi.fn();
    const { result: off } = run(() => usePushStream('order.created', handler));
    off();
    stream.emit('order.created', { order: 1 });
    expect(handler).not.toHaveBeenCalled();
  });
});

describe('usePushStreamGap', () => {
  it('tells of gaps, and of a stream that began anew, but of nothing else', () => {
    const { stream, run } = provided();
    const [handler, shop] = [vi.fn(), vi.fn()];
    run(() => {
      usePushStreamGap((gap) => handler(gap.reason));
      usePushStreamGap((gap) => shop(gap.reason), { target: () => 'topic:shop' });
    });
    stream.emitLive();
    stream.emitLive({ resumed: 'memory' });
    stream.emitLive({ resumed: 'storage' });
    stream.emitGap({ targets: ['topic:news'], reason: 'trimmed' });
    stream.emitGap({ targets: ['topic:shop'], reason: 'expired' });
    stream.emitGap();
    expect(handler.mock.calls.flat()).toEqual(['began', 'trimmed', 'expired', 'lost']);
    expect(shop.mock.calls.flat()).toEqual(['began', 'expired', 'lost']);
  });
});

describe('usePushStreamLatest', () => {
  it('is what came last of the type and target', () => {
    const { stream, run } = provided();
    const { result } = run(() => [
      usePushStreamLatest('order.created'),
      usePushStreamLatest('order.created', { initial: null }),
      usePushStreamLatest('order.created', { initial: { order: 0 }, target: 'topic:shop' }),
    ]);
    const now = () => result.map((ref) => ref.value);
    expect(now()).toEqual([undefined, null, { order: 0 }]);
    stream.emit('order.created', { order: 1 });
    stream.emit('order.paid', { order: 2, by: 'card' });
    expect(now()).toEqual([{ order: 1 }, { order: 1 }, { order: 0 }]);
    stream.emit('order.created', { order: 3 }, { target: 'topic:shop' });
    expect(now()).toEqual([{ order: 3 }, { order: 3 }, { order: 3 }]);
  });

  it('of another target begins anew, and is fetched', async () => {
    const { stream, run } = provided();
    const target = ref<Target>('topic:a');
    const { load, calls } = loader<{ order: number }>();
    const { result } = run(() => usePushStreamLatest('order.created', { target, initial: null, load }));
    await settle();
    stream.emit('order.created', { order: 1 }, { target: 'topic:a' });
    expect(result.value).toEqual({ order: 1 });
    target.value = 'topic:b';
    await nextTick();
    expect(result.value).toBeNull();
    await settle();
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    calls[0]?.answer({ order: 1 });
    calls[1]?.answer({ order: 2 });
    await settle();
    expect(result.value).toEqual({ order: 2 });
  });

  it('hands out what came, not a proxy of it, and lets nobody change it', () => {
    const { stream, run } = provided();
    const { result } = run(() => usePushStreamLatest('order.created'));
    const data = { order: 1 };
    stream.emit('order.created', data);
    expect(result.value).toBe(data);
    (result as { value: unknown }).value = { order: 2 };
    expect(result.value).toBe(data);
    expect(vi.mocked(console.warn).mock.calls.splice(0)).toHaveLength(1);
  });
});

describe('usePushStreamReducer', () => {
  it('follows one type, several, or all', () => {
    const { stream, run } = provided();
    const { result } = run(() => [
      usePushStreamReducer('order.created', add, none),
      usePushStreamReducer(['order.created', 'order.paid'], add, none),
      usePushStreamReducer('*', add, none),
      usePushStreamReducer('*', add, none, { target: 'topic:shop' }),
    ]);
    stream.emit('order.created', { order: 1 });
    stream.emit('order.paid', { order: 2, by: 'card' });
    expect(result.map((ref) => ref.value)).toEqual([[1], [1, 2], [1, 2], []]);
  });

  it('keeps its state for types that are the same, and begins anew for others', async () => {
    const { stream, run } = provided();
    const types = shallowRef<('order.created' | 'order.paid')[]>(['order.created']);
    const { result } = run(() => usePushStreamReducer(types, add, none));
    stream.emit('order.created', { order: 1 });
    types.value = ['order.created'];
    await nextTick();
    stream.emit('order.created', { order: 2 });
    expect(result.value).toEqual([1, 2]);
    types.value = ['order.created', 'order.paid'];
    await nextTick();
    stream.emit('order.paid', { order: 3, by: 'card' });
    expect(result.value).toEqual([3]);
  });

  it('is fetched, and after a gap fetched again; what that reads changes nothing', async () => {
    const { stream, run } = provided();
    const { load, calls } = loader<readonly number[]>();
    const filter = ref('');
    const { result } = run(() =>
      usePushStreamReducer('order.created', add, none, {
        load: (signal) => {
          void filter.value;
          return load(signal);
        },
      }),
    );
    await settle();
    stream.emit('order.created', { order: 7 });
    calls[0]?.answer([1, 2]);
    await settle();
    expect(result.value).toEqual([1, 2, 7]);
    filter.value = 'other';
    await settle();
    expect(calls).toHaveLength(1);
    stream.emitGap();
    await settle();
    calls[1]?.answer([3]);
    await settle();
    expect(result.value).toEqual([3]);
  });

  it('reports a reducer that throws, keeps the state, and drops that of another reader', () => {
    const { stream, run } = provided();
    const { result } = run(() =>
      usePushStreamReducer(
        'order.created',
        (orders, event) => {
          if (event.data.order === 2) throw new Error('mine');
          return add(orders, event);
        },
        none,
      ),
    );
    for (const order of [1, 2, 3]) stream.emit('order.created', { order });
    expect(result.value).toEqual([1, 3]);
    expect(reported.splice(0)).toEqual([new Error('mine')]);
    stream.emitGap({ reason: 'identity' });
    expect(result.value).toEqual([]);
  });

  it('can be watched', async () => {
    const { stream, run } = provided();
    const seen: unknown[] = [];
    run(() => watch(usePushStreamReducer('*', add, none), (orders) => seen.push(orders)));
    stream.emit('order.created', { order: 1 });
    await nextTick();
    expect(seen).toEqual([[1]]);
  });
});

describe('the end of', () => {
  const all = () => {
    const { load } = loader<readonly number[]>();
    usePushStream();
    usePushStream('*', () => {});
    usePushStreamGap(() => {});
    usePushStreamLatest('order.created');
    return usePushStreamReducer('*', add, none, { load });
  };

  it('a component leaves nothing behind', () => {
    const { stream, run } = provided();
    const counted = count(stream);
    const { unmount, result } = run(all);
    expect(counted.open).toBe(13);
    unmount();
    expect(counted.open).toBe(0);
    stream.emit('order.created', { order: 1 });
    expect(result.value).toEqual([]);
    expect(stream.status).toBe('connecting'); // it is not the plugin's to close
  });

  it('a scope without a component neither', async () => {
    const { stream, plugin } = provided();
    const counted = count(stream);
    const app = createApp({}).use(plugin);
    const scope = effectScope();
    const orders = app.runWithContext(() => scope.run(all));
    await nextTick();
    stream.emit('order.created', { order: 1 });
    expect(orders?.value).toEqual([1]);
    expect(counted.open).toBe(13);
    scope.stop();
    expect(counted.open).toBe(0);
  });
});
