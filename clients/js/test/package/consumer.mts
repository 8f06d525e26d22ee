// What users of the built package see, as ESM. It is checked by tsc, and run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as core from '@pushstream/client';
import { type EventStream, type Gap, PushStream, type PushStreamOptions } from '@pushstream/client';
import { PushStreamEventSource } from '@pushstream/client/eventsource';
import { createPushStreamHooks, PushStreamProvider, type PushStreamProviderProps } from '@pushstream/client/react';
import { createSharedStream, type SharedStreamOptions } from '@pushstream/client/share';
import { createTestStream, type TestStream } from '@pushstream/client/testing';
import { createPushStream, createPushStreamComposables } from '@pushstream/client/vue';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { createSSRApp } from 'vue';
import { renderToString as renderVue } from 'vue/server-renderer';

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
const shared: SharedStreamOptions = { ...options, key: 'alice' };
const stream: EventStream<Events> = createSharedStream<Events>(shared);
stream.on('order.created', ({ data }) => orders.push(data.order));
assert.equal(stream.status, 'idle');

const hooks = createPushStreamHooks<Events>();
const Last = () => hooks.usePushStreamLatest('order.created', { initial: { order: 0 } }).order.toFixed(1);
const html = (props: PushStreamProviderProps) => renderToString(createElement(PushStreamProvider, props, createElement(Last)));
assert.deepEqual([html({ options }), html({ stream: test })], ['0.0', '0.0']);
for (const name of ['react.js', 'react.cjs']) {
  const built = readFileSync(new URL(name, import.meta.resolve('@pushstream/client')), 'utf8');
  assert.match(built, /^"use client";/, `${name} is for the client`);
}

const composables = createPushStreamComposables<Events>();
const App = {
  setup() {
    const last = composables.usePushStreamLatest('order.created', { initial: { order: 0 } });
    return () => last.value.order.toFixed(1);
  },
};
for (const source of [options, test]) assert.equal(await renderVue(createSSRApp(App).use(createPushStream(source))), '0.0');
