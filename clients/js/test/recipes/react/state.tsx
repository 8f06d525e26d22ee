import { createPushStreamHooks } from '@pushstream/client/react';

type Order = { order: number; paid: boolean };
const { usePushStreamReducer } = createPushStreamHooks<{ 'order.changed': Order }>();

// By its number, since an event may be in what was fetched already.
const change = (orders: Order[], { data }: { data: Order }) => [...orders.filter(({ order }) => order !== data.order), data];

export function Orders({ shop }: { shop: string }) {
  const orders = usePushStreamReducer('order.changed', change, [], {
    target: `topic:${shop}`,
    load: async (signal) => {
      const response = await fetch(`/api/${shop}/orders`, { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return response.json();
    },
  });
  return orders.map(({ order, paid }) => <p key={order}>{`${order} ${paid ? 'paid' : 'open'}`}</p>);
}
