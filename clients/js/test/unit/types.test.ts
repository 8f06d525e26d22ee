import { EventSource as NodeEventSource } from 'eventsource';
import { describe, expectTypeOf, it } from 'vitest';
import type { EventOf, EventSourceConstructor, EventStream, Gap, PushStreamOptions, StreamEvent, Unsubscribe } from '../../src/index.js';
import { PushStream } from '../../src/index.js';
import { createTestStream } from '../../src/testing.js';
import type { Orders } from './fake.js';

// Checked by tsc; what runs here only shows that it can.
describe('types', () => {
  const stream = new PushStream<Orders>({ url: 'https://events.example/events', autoConnect: false });

  it('of events come from the map', () => {
    stream.on('order.paid', (event) => {
      expectTypeOf(event.type).toEqualTypeOf<'order.paid'>();
      expectTypeOf(event.data).toEqualTypeOf<{ order: number; by: string }>();
      expectTypeOf(event.id).toEqualTypeOf<string | undefined>();
    });
    stream.on('*', (event) => {
      expectTypeOf(event).toEqualTypeOf<EventOf<Orders>>();
      if (event.type === 'order.paid') expectTypeOf(event.data.by).toBeString();
    });
    stream.once('order.created', (event) => expectTypeOf(event.data).toEqualTypeOf<{ order: number }>());
    expectTypeOf(stream.events()).toEqualTypeOf<AsyncIterableIterator<EventOf<Orders>>>();
    expectTypeOf(stream.events('order.paid').next).returns.resolves.toExtend<{ done?: boolean }>();
    expectTypeOf(stream.on('*', () => {})).toEqualTypeOf<Unsubscribe>();
    // @ts-expect-error: there is no such type
    stream.on('order.created.', () => {});
    // @ts-expect-error: a target has a kind
    stream.on('*', () => {}, { target: 'news' });
  });

  it('without a map are open', () => {
    const any = new PushStream({ url: 'https://events.example/events', autoConnect: false });
    any.on('whatever.happened', (event) => expectTypeOf(event.data).toBeUnknown());
    any.on('*', (event) => expectTypeOf(event).toEqualTypeOf<StreamEvent<string, unknown>>());
  });

  it('of streams are one: what takes a stream takes that of tests', () => {
    expectTypeOf<PushStream<Orders>>().toExtend<EventStream<Orders>>();
    const test = createTestStream<Orders>();
    expectTypeOf(test).toExtend<EventStream<Orders>>();
    // @ts-expect-error: data of another event
    () => test.emit('order.paid', { order: 1 });
    // @ts-expect-error: the state of a stream is its own
    () => (Object.assign(stream, {}).status = 'live');
  });

  it('take the EventSource of browsers, and that of the package', () => {
    expectTypeOf(NodeEventSource).toExtend<EventSourceConstructor>();
    expectTypeOf<typeof EventSource>().toExtend<EventSourceConstructor>();
    expectTypeOf<PushStreamOptions['fetch']>().toEqualTypeOf<typeof fetch | undefined>();
    expectTypeOf<Gap['targets']>().toExtend<readonly string[]>();
  });
});
