import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Followed, follow } from '../../src/follow.js';
import { createTestStream } from '../../src/testing.js';
import type { Orders } from './fake.js';

const reported: unknown[] = [];
beforeEach(() => {
  reported.length = 0;
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error));
});
afterEach(() => vi.unstubAllGlobals());

interface Call {
  signal: AbortSignal;
  answer(state: number[]): void;
  fail(error: unknown): void;
}

/** Lets promises go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function following() {
  const stream = createTestStream<Orders>();
  const calls: Call[] = [];
  const followed: Followed<number[]> = {
    initial: [],
    state: [],
    reducer: (orders, { data }) => {
      const { order } = data as { order: number };
      if (order < 0) throw new Error(`order ${order}`);
      return [...orders, order];
    },
    load: (signal) => new Promise((answer, fail) => calls.push({ signal, answer, fail })),
  };
  const off = follow(stream, 'order.created', 'topic:shop', followed);
  await settle();
  const order = (order: number) => void stream.emit('order.created', { order }, { target: 'topic:shop' });
  const last = () => calls.at(-1) as Call;
  const answer = async (...state: number[]) => {
    last().answer(state);
    await settle();
  };
  return { stream, calls, followed, off, order, last, answer };
}

describe('a state that follows a stream, and is fetched', () => {
  it('shows events that come meanwhile, and puts them on top of what was fetched', async () => {
    const { calls, followed, order, answer } = await following();
    order(7);
    expect(followed.state).toEqual([7]);
    await answer(1, 2);
    expect(followed.state).toEqual([1, 2, 7]);
    order(8);
    expect(followed.state).toEqual([1, 2, 7, 8]);
    expect(calls).toHaveLength(1);
  });

  it('is fetched again after a gap that concerns it, and where the stream began anew', async () => {
    const { stream, calls, answer } = await following();
    await answer(1);
    stream.emitLive({ resumed: 'memory' });
    stream.emitLive({ resumed: 'storage' }); // events since before it was fetched
    stream.emitGap({ targets: ['topic:news'] });
    await settle();
    expect(calls).toHaveLength(1);
    stream.emitGap({ targets: ['topic:shop'] });
    await settle();
    expect(calls).toHaveLength(2);
    await answer(2);
    stream.emitLive();
    await settle();
    expect(calls).toHaveLength(3);
  });

  it('takes the newest answer only', async () => {
    const { stream, calls, followed, order, answer } = await following();
    order(7);
    stream.emitGap();
    await settle();
    expect(calls[0]?.signal.aborted).toBe(true);
    order(8);
    await answer(1, 7);
    calls[0]?.answer([99]);
    await settle();
    expect(followed.state).toEqual([1, 7, 8]);
    expect(calls[1]?.signal.aborted).toBe(false);
  });

  it('drops what another reader saw, at once', async () => {
    const { stream, calls, followed, order, answer } = await following();
    order(7);
    stream.emitGap({ reason: 'identity' });
    expect(followed.state).toEqual([]);
    calls[0]?.answer([1, 2]); // the other one's, too
    await settle();
    expect(followed.state).toEqual([]);
    await answer(3);
    expect(followed.state).toEqual([3]);
  });

  it('stays as it is where fetching fails, and is fetched again when the stream is live', async () => {
    const { stream, calls, followed, order, last, answer } = await following();
    order(7);
    last().fail(new Error('offline'));
    await settle();
    expect(reported).toEqual([new Error('offline')]);
    expect(followed.state).toEqual([7]);
    stream.emitLive({ resumed: 'memory' });
    await settle();
    expect(calls).toHaveLength(2);
    await answer(1, 7);
    stream.emitLive({ resumed: 'memory' });
    await settle();
    expect(calls).toHaveLength(2);
    expect(followed.state).toEqual([1, 7]);
  });

  it('fetches once where it failed and the stream began anew', async () => {
    const { stream, calls, last } = await following();
    last().fail(new Error('offline'));
    await settle();
    stream.emitLive();
    await settle();
    expect(calls).toHaveLength(2);
    expect(reported).toHaveLength(1);
  });

  it('takes a function that throws, or returns no promise', async () => {
    const stream = createTestStream<Orders>();
    const load = vi.fn((): number => {
      throw new Error('at once');
    });
    const followed = { initial: 0, state: 0, reducer: (n: number) => n + 1, load };
    const off = follow(stream, '*', undefined, followed);
    await settle();
    expect(reported).toEqual([new Error('at once')]);
    load.mockReturnValue(5);
    stream.emitGap();
    await settle();
    expect(followed.state).toBe(5);
    off();
  });

  it('does without an event that its reducer cannot take', async () => {
    const { followed, order, answer } = await following();
    order(7);
    order(-1);
    order(8);
    await answer(1);
    expect(followed.state).toEqual([1, 7, 8]);
    expect(reported).toEqual([new Error('order -1'), new Error('order -1')]);
  });

  it('ends', async () => {
    const { stream, calls, followed, off, order, answer } = await following();
    off();
    order(7);
    stream.emitGap();
    stream.emitLive();
    await answer(1);
    expect(followed.state).toEqual([]);
    expect(calls).toHaveLength(1);
    expect(calls[0]?.signal.aborted).toBe(true);
    calls[0]?.fail(new Error('aborted'));
    await settle();
    expect(reported).toEqual([]);
  });
});
