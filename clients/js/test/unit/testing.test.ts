import { describe, expect, it, vi } from 'vitest';
import { PushStreamError } from '../../src/index.js';
import { createTestStream } from '../../src/testing.js';
import type { Orders } from './fake.js';

describe('createTestStream', () => {
  it('plays the server', () => {
    const stream = createTestStream<Orders>({ topics: ['news'] });
    const log: unknown[] = [];
    stream.onStatus((s) => log.push(s));
    stream.onLive((l) => log.push(l));
    stream.onGap((g) => log.push(g));
    stream.onError((e) => log.push(e.code));
    stream.on('order.created', (e) => log.push(e), { target: 'topic:news' });
    const event = stream.emit('order.created', { order: 1 }, { target: 'topic:news' });
    stream.emit('order.created', { order: 2 });
    stream.emitLive();
    stream.emitGap();
    stream.emitGap({ targets: ['all'], reason: 'trimmed' });
    stream.emitError(new PushStreamError('network', 'down', true));
    stream.emitLive({ resumed: 'memory' });
    stream.setStatus('paused');
    stream.close();
    expect(event).toEqual({ id: 'test.1-0', type: 'order.created', target: 'topic:news', data: { order: 1 } });
    expect(log).toEqual([
      'connecting',
      event,
      'live',
      { resumed: false },
      { targets: [], reason: 'lost' },
      { targets: ['all'], reason: 'trimmed' },
      'waiting',
      'network',
      'live',
      { resumed: 'memory' },
      'paused',
      'closed',
    ]);
  });

  it('ends iterators, has topics, and keeps the error', async () => {
    const stream = createTestStream<Orders>();
    expect(stream.status).toBe('idle');
    const events = stream.events('order.paid');
    stream.emit('order.paid', { order: 1, by: 'card' });
    const error = new PushStreamError('forbidden', 'no', false, 403);
    stream.emitError(error);
    expect(stream.status).toBe('closed');
    expect(stream.error).toBe(error);
    expect((await events.next()).value?.data.by).toBe('card');
    await expect(events.next()).rejects.toBe(error);
    stream.connect();
    expect(stream.status).toBe('connecting');
    stream.setTopics(['a']);
    expect(stream.topics).toEqual(['a']);
  });

  it('removes handlers', () => {
    const stream = createTestStream<Orders>();
    const handler = vi.fn();
    stream.on('*', handler)();
    stream.once('order.created', handler);
    stream.emit('order.created', { order: 1 });
    stream.emit('order.created', { order: 2 });
    expect(handler).toHaveBeenCalledTimes(1);
  });
});
