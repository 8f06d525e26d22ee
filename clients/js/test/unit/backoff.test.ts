import { describe, expect, it, vi } from 'vitest';
import { backoff, bounded, retryAfter } from '../../src/backoff.js';

const settings = { base: 1000, cap: 30_000 };

describe('backoff', () => {
  it.each([
    [0, 1000],
    [1, 2000],
    [2, 4000],
    [4, 16_000],
    [5, 30_000],
    [50, 30_000],
    [5000, 30_000],
  ])('after %i failures waits at most %i ms, and may wait nothing', (failures, most) => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    expect(backoff(settings, failures)).toBe(0);
    vi.spyOn(Math, 'random').mockReturnValue(1);
    expect(backoff(settings, failures)).toBe(most);
    vi.spyOn(Math, 'random').mockReturnValue(0.25);
    expect(backoff(settings, failures)).toBe(most / 4);
  });
});

describe('bounded', () => {
  it.each([
    [0, 0],
    [-1, 0],
    [Number.NaN, 0],
    [763, 763],
    [1e12, 600_000],
    [Number.POSITIVE_INFINITY, 600_000],
  ])('%d is %d', (ms, expected) => expect(bounded(ms)).toBe(expected));
});

describe('retryAfter', () => {
  it('reads both forms, and nothing else', () => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 13, 45, 0) });
    const read = (text?: string) => retryAfter(new Headers(text === undefined ? {} : { 'Retry-After': text }));
    expect(read('7')).toBe(7000);
    expect(read('Mon, 23 Nov 2026 13:45:09 GMT')).toBe(9000);
    expect(read('Mon, 23 Nov 2026 13:44:00 GMT')).toBe(0);
    expect(read('99999999')).toBe(600_000);
    expect(read('soon')).toBe(0);
    expect(read()).toBe(0);
    vi.useRealTimers();
  });
});
