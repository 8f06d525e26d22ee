import { describe, expectTypeOf, it } from 'vitest';
import type { EventOf, EventStream, Gap, PushStream, Status } from '../../src/index.js';
import { createPushStreamHooks, type PushStreamProviderProps, usePushStream, usePushStreamLatest } from '../../src/react/index.js';
import type { Orders } from '../unit/fake.js';

const hooks = createPushStreamHooks<Orders>();

// Checked by tsc, never rendered.
function Component() {
  const { stream, status } = hooks.usePushStream();
  expectTypeOf(stream).toEqualTypeOf<EventStream<Orders>>();
  expectTypeOf(status).toEqualTypeOf<Status>();

  hooks.usePushStream('order.paid', (event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders, 'order.paid'>>());
  hooks.usePushStream('*', (event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders>>(), { target: 'all' });
  hooks.usePushStreamGap((gap) => expectTypeOf(gap).toEqualTypeOf<Gap>(), { target: 'topic:shop' });

  expectTypeOf(hooks.usePushStreamLatest('order.created')).toEqualTypeOf<{ order: number } | undefined>();
  expectTypeOf(hooks.usePushStreamLatest('order.created', { initial: null })).toEqualTypeOf<{ order: number } | null>();
  expectTypeOf(hooks.usePushStreamLatest('order.created', { initial: { order: 0 } })).toEqualTypeOf<{ order: number }>();
  hooks.usePushStreamLatest('order.created', { load: async () => ({ order: 1 }) });

  const both = hooks.usePushStreamReducer(
    ['order.created', 'order.paid'],
    (state, event) => {
      expectTypeOf(state).toEqualTypeOf<number>();
      return event.type === 'order.paid' ? state + event.data.by.length : state;
    },
    0,
    { load: async (signal) => (signal.aborted ? 0 : 1) },
  );
  expectTypeOf(both).toEqualTypeOf<number>();
  hooks.usePushStreamReducer('*', (_, event) => expectTypeOf(event).toEqualTypeOf<EventOf<Orders>>() && 1, 0);

  // @ts-expect-error: there is no such type
  hooks.usePushStream('order.gone', () => {});
  // @ts-expect-error: nor here
  hooks.usePushStreamReducer(['order.created', 'order.gone'], (n) => n, 0);
  // @ts-expect-error: a target has a kind
  hooks.usePushStreamLatest('order.created', { target: 'shop' });
  // @ts-expect-error: not what the event has
  hooks.usePushStreamLatest('order.created', { load: async () => 'order' });
  // @ts-expect-error: not the state
  hooks.usePushStreamReducer('order.created', (n) => n, 0, { load: async () => 'zero' });

  usePushStream('whatever.happened', ({ data }) => expectTypeOf(data).toBeUnknown());
  expectTypeOf(usePushStreamLatest('whatever.happened')).toBeUnknown();
}

describe('types', () => {
  it('of hooks come from the map', () => expectTypeOf(Component).toBeFunction());

  it('of a provider take a stream of any events, or options', () => {
    expectTypeOf<{ stream: PushStream<Orders> }>().toExtend<PushStreamProviderProps>();
    expectTypeOf<{ options: { url: string } }>().toExtend<PushStreamProviderProps>();
    expectTypeOf<{ children: string }>().not.toExtend<PushStreamProviderProps>();
  });
});
