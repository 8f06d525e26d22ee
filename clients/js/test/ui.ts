import { vi } from 'vitest';
import type { TestStream } from '../src/testing.js';
import type { Orders } from './unit/fake.js';

// What tests of every framework need.

/** Counts what subscribes to a stream, and what ends. */
export function count(stream: TestStream<Orders>) {
  const counted = { added: 0, open: 0 };
  for (const name of ['on', 'onStatus', 'onLive', 'onGap', 'onError'] as const) {
    const original = (stream[name] as (...args: unknown[]) => () => void).bind(stream);
    vi.spyOn(stream, name).mockImplementation(((...args: unknown[]) => {
      counted.added++;
      counted.open++;
      const off = original(...args);
      let ended = false;
      return () => {
        if (!ended) counted.open--;
        ended = true;
        off();
      };
    }) as never);
  }
  return counted;
}

/** A `load` whose answers the test gives. */
export function loader<State>() {
  const calls: { signal: AbortSignal; answer(state: State): void; fail(error: unknown): void }[] = [];
  const load = (signal: AbortSignal) =>
    new Promise<State>((answer, fail) => {
      calls.push({ signal, answer, fail });
    });
  return { load, calls };
}
