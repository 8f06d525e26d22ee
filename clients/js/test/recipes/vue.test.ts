// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nextTick } from 'vue';
import type { Target } from '../../src/index.js';
import { FakeEventSource, settle, useFakes } from '../unit/fake.js';
import { provided, useVue } from '../vue/setup.js';
import ShopOrders from './vue/ShopOrders.vue';

useVue();

describe('the first event', () => {
  useFakes();
  afterEach(() => document.body.replaceChildren());

  it('is shown', async () => {
    vi.stubGlobal('EventSource', FakeEventSource);
    document.body.innerHTML = '<div id="app"></div>';
    await import('./vue/main.js');
    await settle();
    FakeEventSource.last.hello().live().event('e1', 'order.created', { order: 7 });
    await nextTick();
    expect(FakeEventSource.last.url.searchParams.getAll('topic')).toEqual(['shop']);
    expect(document.body.textContent).toBe('Last order: 7');
  });
});

it('a state is fetched, follows events, and is fetched for another target', async () => {
  const { stream, plugin } = provided();
  const orders: Record<string, unknown[]> = {
    '/api/berlin/orders': [
      { order: 1, paid: false },
      { order: 2, paid: false },
    ],
    '/api/paris/orders': [{ order: 3, paid: true }],
  };
  vi.stubGlobal('fetch', async (url: string) => Response.json(orders[url]));
  const wrapper = mount(ShopOrders as never, { props: { shop: 'berlin' } as never, global: { plugins: [plugin] } });
  const paid = (order: number, target: Target) => stream.emit('order.changed' as never, { order, paid: true } as never, { target });
  paid(2, 'topic:berlin');
  paid(9, 'topic:paris');
  await vi.waitFor(() => expect(wrapper.findAll('p').map((p) => p.text())).toEqual(['1 open', '2 paid']));
  await wrapper.setProps({ shop: 'paris' } as never);
  await flushPromises();
  await vi.waitFor(() => expect(wrapper.findAll('p').map((p) => p.text())).toEqual(['3 paid']));
});
