import { createPushStreamHooks } from '@pushstream/client/react';
import { useSWRConfig } from 'swr';

type Order = { order: number; paid: boolean };
const { usePushStream, usePushStreamGap } = createPushStreamHooks<{ 'order.created': Order; 'order.paid': Order }>();

export function LiveOrders() {
  const { mutate } = useSWRConfig();
  usePushStream('order.created', () => mutate('/api/orders'));
  usePushStream('order.paid', ({ data }) => {
    const paid = (orders?: Order[]) => orders?.map((order) => (order.order === data.order ? data : order));
    mutate<Order[]>('/api/orders', paid); // shown at once, and fetched again
  });
  usePushStreamGap(() => mutate('/api/orders'));
  return null;
}
