// @vitest-environment happy-dom
import { mount } from '@vue/test-utils';
import { describe, expect, it, vi } from 'vitest';
import { createSSRApp, defineComponent, h, nextTick, reactive, ref } from 'vue';
import { renderToString } from 'vue/server-renderer';
import type { EventStream } from '../../src/index.js';
import { createPushStream, type PushStreamPluginOptions } from '../../src/vue/index.js';
import { count } from '../ui.js';
import { FakeEventSource, fakeFetch, settle, useFakes } from '../unit/fake.js';
import { provided, run, usePushStream, usePushStreamGap, usePushStreamLatest, usePushStreamReducer, useVue } from './setup.js';

useFakes();
useVue();

const base: PushStreamPluginOptions = {
  url: 'https://events.example/events',
  EventSource: FakeEventSource,
  fetch: fakeFetch({}).fetch,
  storage: false,
};
const topics = () => FakeEventSource.last.url.searchParams.getAll('topic');

let stream: EventStream | undefined;
const load = vi.fn(() => 0);
const Page = defineComponent({
  setup() {
    const { stream: own, status, error } = usePushStream();
    stream = own as unknown as EventStream;
    const order = usePushStreamLatest('order.created', { initial: null });
    usePushStream('*', () => {});
    usePushStreamGap(() => {});
    usePushStreamReducer('*', (n) => n, 0, { load });
    return () => h('p', `${status.value} ${error.value?.code ?? 'fine'} ${order.value?.order ?? 'none'}`);
  },
});

describe('a plugin with options', () => {
  it('opens its stream when the application is mounted, and closes it when that is unmounted', async () => {
    const plugin = createPushStream(base);
    expect(stream).toBeUndefined();
    const wrapper = mount(Page, { global: { plugins: [plugin] } });
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    FakeEventSource.last.hello().event('e1').live();
    await nextTick();
    expect(wrapper.text()).toBe('live fine 1');
    wrapper.unmount();
    expect(FakeEventSource.last.closed).toBe(true);
    expect(stream?.status).toBe('closed');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('opens it also where nobody handles events, but not without autoConnect', async () => {
    run(() => {}, createPushStream(base));
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    mount(Page, { global: { plugins: [createPushStream({ ...base, autoConnect: false })] } });
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    stream?.connect();
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
  });

  it('reads the topics of a ref, of a getter, and of an array that changes', async () => {
    const [name, list, kept] = [ref('a'), ref<string[] | undefined>(['b']), reactive(['c'])];
    const of = [() => [name.value], list, () => kept];
    const change = [() => (name.value = 'x'), () => (list.value = undefined), () => kept.push('y')];
    for (const [i, wanted] of [['x'], [], ['c', 'y']].entries()) {
      const { result, unmount } = run(usePushStream, createPushStream({ ...base, topics: of[i] }));
      await settle();
      FakeEventSource.last.hello().live('c1');
      expect(topics()).toHaveLength(1);
      const before = FakeEventSource.all.length;
      change[i]?.();
      await settle();
      expect(FakeEventSource.all).toHaveLength(before + 1);
      expect(topics()).toEqual(wanted);
      expect(FakeEventSource.last.cursor).toBe('c1');
      unmount();
      name.value = 'after';
      await settle();
      expect(result.stream.topics).toEqual(wanted);
    }
  });

  it('reads topics as they are when the application is mounted', async () => {
    const topic = ref('early');
    const plugin = createPushStream({ ...base, topics: () => [topic.value] });
    const late = () => {
      topic.value = 'late';
    };
    run(usePushStream, plugin, late);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    expect(topics()).toEqual(['late']);
  });
});

describe('a plugin with a stream', () => {
  it('neither opens nor closes it', () => {
    const { stream, run } = provided();
    const { unmount } = run(() => {});
    expect(stream.status).toBe('idle');
    stream.connect();
    unmount();
    expect(stream.status).toBe('connecting');
  });
});

describe('on a server', () => {
  it('nothing is opened, subscribed to or fetched, also where there is an EventSource', async () => {
    load.mockClear();
    vi.stubGlobal('EventSource', FakeEventSource);
    const { EventSource: _, ...options } = base;
    expect(await renderToString(createSSRApp(Page).use(createPushStream(options)))).toBe('<p>idle fine none</p>');
    const { stream: own, plugin } = provided();
    const counted = count(own);
    await renderToString(createSSRApp(Page).use(plugin));
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(FakeEventSource.all).toHaveLength(0);
    expect(stream?.status).toBe('idle');
    expect(counted.added).toBe(0);
    expect(load).not.toHaveBeenCalled();
  });

  it('what it rendered is hydrated without a warning, and then opened', async () => {
    const container = document.createElement('div');
    container.innerHTML = await renderToString(createSSRApp(Page).use(createPushStream(base)));
    const app = createSSRApp(Page).use(createPushStream(base));
    app.mount(container);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    FakeEventSource.last.hello().live();
    await nextTick();
    expect(container.textContent).toBe('live fine none');
    app.unmount();
  });

  it('it is hydrated without a warning also with a stream that is live already', async () => {
    const { stream, plugin } = provided();
    const container = document.createElement('div');
    container.innerHTML = await renderToString(createSSRApp(Page).use(plugin));
    stream.emitLive();
    const app = createSSRApp(Page).use(plugin);
    app.mount(container);
    await nextTick();
    expect(container.textContent).toBe('live fine none');
    app.unmount();
  });
});
