// What users of the built package see, as ESM. It is checked by tsc, and run.
import assert from 'node:assert/strict';
import * as core from '@pushstream/client';
import { type EventStream, type Gap, PushStream, type PushStreamOptions } from '@pushstream/client';
import { PushStreamEventSource } from '@pushstream/client/eventsource';
import { createTestStream, type TestStream } from '@pushstream/client/testing';

interface Events {
  'order.created': { order: number };
}
const options: PushStreamOptions = { url: '/events', topics: ['shop'] };
const test: TestStream<Events> = createTestStream<Events>();
const streams: EventStream<Events>[] = [new PushStream<Events>(options), test];
const orders: number[] = [];
for (const stream of streams) stream.on('order.created', ({ data }) => orders.push(data.order));
test.onGap((gap: Gap) => assert.equal(gap.reason, 'lost'));
test.emit('order.created', { order: 7 });
test.emitGap();
assert.deepEqual(orders, [7]);
assert.deepEqual(Object.keys(core).sort(), ['PushStream', 'PushStreamError', 'UnauthorizedError']);
assert.equal(new PushStreamEventSource('http://localhost/events').readyState, 0);
