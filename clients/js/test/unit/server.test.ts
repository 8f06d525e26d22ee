// @vitest-environment node
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PushStreamEventSource } from '../../src/eventsource.js';
import { PushStream } from '../../src/index.js';
import { createTestStream } from '../../src/testing.js';

afterEach(() => void vi.useRealTimers());

// Node has neither, and rendering on a server must not open streams.
describe('on a server', () => {
  it('a stream stays idle, whatever is done with it', () => {
    vi.useFakeTimers();
    expect([typeof globalThis.EventSource, typeof globalThis.document]).toEqual(['undefined', 'undefined']);
    const fetch = vi.spyOn(globalThis, 'fetch');
    const stream = new PushStream({ url: '/events', topics: ['news'], getToken: () => 'secret', storage: 'local', pauseWhenHidden: 1 });
    const told = vi.fn();
    stream.onStatus(told);
    stream.onError(told);
    stream.on('order.created', told);
    stream.events();
    stream.connect();
    stream.setTopics(['sport']);
    expect(stream.status).toBe('idle');
    expect(stream.cursor).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
    expect(fetch).not.toHaveBeenCalled();
    expect(told).not.toHaveBeenCalled();
    stream.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('so does an EventSource, and so can a stream of tests be made', () => {
    expect(new PushStreamEventSource('https://events.example/events').readyState).toBe(0);
    expect(createTestStream().status).toBe('idle');
  });
});
