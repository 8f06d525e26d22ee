import { act, cleanup } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, type Mock, vi } from 'vitest';
import { createPushStreamHooks, PushStreamProvider } from '../../src/react/index.js';
import { createTestStream } from '../../src/testing.js';
import type { Orders } from '../unit/fake.js';

export const { usePushStream, usePushStreamLatest, usePushStreamReducer, usePushStreamGap } = createPushStreamHooks<Orders>();

/** What was thrown by handlers. A test that expects some empties it. */
export const reported: unknown[] = [];

/** What React complained of. A test that expects something empties it. */
export let complaints: Mock<typeof console.error>;

/** Takes down after each test what it rendered, and fails it when React complained or a handler threw. */
export function useReact(): void {
  beforeEach(() => {
    (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
    reported.length = 0;
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error));
    complaints = vi.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterEach(() => {
    cleanup();
    expect(complaints.mock.calls).toEqual([]);
    expect(reported).toEqual([]);
    vi.unstubAllGlobals();
  });
}

/** A stream of tests, and the component that provides it. */
export function provided() {
  const stream = createTestStream<Orders>();
  const wrapper = ({ children }: { children: ReactNode }) => <PushStreamProvider stream={stream}>{children}</PushStreamProvider>;
  return { stream, wrapper };
}

/** Lets the stream do something, and React render what comes of it. */
export const play = (what: () => unknown) => act(async () => void what());
