import { enableAutoUnmount, mount } from '@vue/test-utils';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { defineComponent, type Plugin } from 'vue';
import { createTestStream } from '../../src/testing.js';
import { createPushStream, createPushStreamComposables } from '../../src/vue/index.js';
import type { Orders } from '../unit/fake.js';

export const { usePushStream, usePushStreamLatest, usePushStreamReducer, usePushStreamGap } = createPushStreamComposables<Orders>();

/** What was thrown by handlers. A test that expects some empties it. */
export const reported: unknown[] = [];

/** Takes down after each test what it mounted, and fails it when Vue warned or a handler threw. */
export function useVue(): void {
  enableAutoUnmount(afterEach);
  beforeEach(() => {
    reported.length = 0;
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error));
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    vi.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterEach(() => {
    expect(vi.mocked(console.warn).mock.calls).toEqual([]);
    expect(vi.mocked(console.error).mock.calls).toEqual([]);
    expect(reported).toEqual([]);
    vi.unstubAllGlobals();
  });
}

/** A stream of tests, the plugin that provides it, and a way to run a `setup` with it. */
export function provided() {
  const stream = createTestStream<Orders>();
  const plugin = createPushStream(stream);
  return { stream, plugin, run: <T>(setup: () => T) => run(setup, plugin) };
}

/** Mounts a component that renders nothing, and gives what its `setup` returned. */
export function run<T>(setup: () => T, ...plugins: Plugin[]) {
  let result: T | undefined;
  const component = defineComponent({
    setup() {
      result = setup();
      return () => null;
    },
  });
  const wrapper = mount(component, { global: { plugins } });
  return { result: result as T, unmount: () => wrapper.unmount() };
}
