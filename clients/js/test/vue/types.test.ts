import { describe, expectTypeOf, it } from 'vitest';
import { computed, type Plugin, type Ref, ref } from 'vue';
import type { EventOf, EventStream, Gap, PushStream, Status, Unsubscribe } from '../../src/index.js';
import { createPushStream, createPushStreamComposables, usePushStream, usePushStreamLatest } from '../../src/vue/index.js';
import type { Orders } from '../unit/fake.js';

const vue = createPushStreamComposables<Orders>();

// Checked by tsc, never set up.
function setup() {
  const { stream, status } = vue.usePushStream();
  expectTypeOf(stream).toEqualTypeOf<EventStream<Orders>>();
  expectTypeOf(status.value).toEqualTypeOf<Status>();
  expectTypeOf(status).toExtend<Readonly<Ref<Status>>>();
  // @ts-expect-error: it is the stream's
  status.value = 'live';

  const off = vue.usePushStream('order.paid', (event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders, 'order.paid'>>());
  expectTypeOf(off).toEqualTypeOf<Unsubscribe>();
  vue.usePushStream('*', (event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders>>(), { target: () => 'all' });
  const type = ref<'order.created' | 'order.paid'>('order.paid');
  vue.usePushStream(type, (event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders>>());
  vue.usePushStreamGap((gap) => expectTypeOf(gap).toEqualTypeOf<Gap>(), { target: computed(() => `topic:${type.value}` as const) });

  expectTypeOf(vue.usePushStreamLatest('order.created').value).toEqualTypeOf<{ order: number } | undefined>();
  expectTypeOf(vue.usePushStreamLatest('order.created', { initial: null }).value).toEqualTypeOf<{ order: number } | null>();
  vue.usePushStreamLatest('order.created', { load: async () => ({ order: 1 }) });

  const both = vue.usePushStreamReducer(
    ['order.created', 'order.paid'],
    (state, event) => (event.type === 'order.paid' ? state + event.data.by.length : state),
    0,
    { load: async (signal) => (signal.aborted ? 0 : 1) },
  );
  expectTypeOf(both.value).toEqualTypeOf<number>();
  vue.usePushStreamReducer(
    () => ['order.created'] as const,
    (n, event) => {
      expectTypeOf(event).toEqualTypeOf<EventOf<Orders, 'order.created'>>();
      return n;
    },
    0,
  );

  // @ts-expect-error: there is no such type
  vue.usePushStream('order.gone', () => {});
  // @ts-expect-error: nor here
  vue.usePushStreamReducer(['order.created', 'order.gone'], (n) => n, 0);
  // @ts-expect-error: a target has a kind
  vue.usePushStreamLatest('order.created', { target: 'shop' });
  // @ts-expect-error: not what the event has
  vue.usePushStreamLatest('order.created', { load: async () => 'order' });
  // @ts-expect-error: not the state
  vue.usePushStreamReducer('order.created', (n) => n, 0, { load: async () => 'zero' });

  usePushStream('whatever.happened', ({ data }) => expectTypeOf(data).toBeUnknown());
  expectTypeOf(usePushStreamLatest('whatever.happened').value).toBeUnknown();
}

describe('types', () => {
  it('of composables come from the map', () => expectTypeOf(setup).toBeFunction());

  it('of the plugin take a stream of any events, or options', () => {
    expectTypeOf(createPushStream).toBeCallableWith({} as PushStream<Orders>);
    expectTypeOf(createPushStream).toBeCallableWith({ url: '/events', topics: ref(['shop']) });
    expectTypeOf(createPushStream).toBeCallableWith({ url: '/events', topics: () => undefined });
    expectTypeOf(createPushStream).returns.toExtend<Plugin>();
    // @ts-expect-error: it needs to know where
    () => createPushStream({ topics: ['shop'] });
  });
});
