// What users of the built package see, as CommonJS. It is checked by tsc, and run.
import assert = require('node:assert/strict');
import client = require('@pushstream/client');
import eventsource = require('@pushstream/client/eventsource');
import react = require('@pushstream/client/react');
import share = require('@pushstream/client/share');
import testing = require('@pushstream/client/testing');
import vue = require('@pushstream/client/vue');

import React = require('react');
import reactServer = require('react-dom/server');
import Vue = require('vue');
import vueServer = require('vue/server-renderer');

const stream: client.EventStream = testing.createTestStream();
const seen: unknown[] = [];
stream.on('order.created', ({ data }) => seen.push(data));
assert.equal(new client.PushStream({ url: '/events' }).status, 'idle');
assert.equal(new client.PushStreamError('network', 'gone', true).retryable, true);
assert.equal(eventsource.PushStreamEventSource.CLOSED, 2);
assert.throws(() => share.createSharedStream({ key: '', url: '/events' }), TypeError);

const Status = () => react.usePushStream().status;
assert.equal(reactServer.renderToString(React.createElement(react.PushStreamProvider, { stream }, React.createElement(Status))), 'idle');
const App = { setup: () => ({ status: vue.usePushStream().status }), template: '{{ status }}' };
vueServer.renderToString(Vue.createSSRApp(App).use(vue.createPushStream(stream))).then((html) => assert.equal(html, 'idle'));
