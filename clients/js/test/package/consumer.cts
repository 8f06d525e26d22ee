// What users of the built package see, as CommonJS. It is checked by tsc, and run.
import assert = require('node:assert/strict');
import client = require('@pushstream/client');
import eventsource = require('@pushstream/client/eventsource');
import testing = require('@pushstream/client/testing');

const stream: client.EventStream = testing.createTestStream();
const seen: unknown[] = [];
stream.on('order.created', ({ data }) => seen.push(data));
assert.equal(new client.PushStream({ url: '/events' }).status, 'idle');
assert.equal(new client.PushStreamError('network', 'gone', true).retryable, true);
assert.equal(eventsource.PushStreamEventSource.CLOSED, 2);
