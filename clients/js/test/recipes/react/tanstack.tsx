import { createPushStreamHooks } from '@pushstream/client/react';
import { useQueryClient } from '@tanstack/react-query';

type Order = { order: number; paid: boolean };
const { usePushStream, usePushStreamGap } = createPushStreamHooks<{ 'order.created': Order; 'order.paid': Order }>();
const queryKey = ['orders'];

export function LiveOrders() {
  const client = useQueryClient();
  const refetch = async () => {
    // What is being fetched may be older than the event. It is let through, since events could come faster than answers.
    if (client.isFetching({ queryKey })) await client.refetchQueries({ queryKey, type: 'active' }, { cancelRefetch: false });
    await client.invalidateQueries({ queryKey }, { cancelRefetch: false });
  };
  usePushStream('order.created', refetch);
  usePushStream('order.paid', ({ data }) => {
    const paid = (orders?: Order[]) => orders?.map((order) => (order.order === data.order ? data : order));
    client.setQueryData<Order[]>(queryKey, paid); // shown at once
    refetch();
  });
  usePushStreamGap(refetch);
  return null;
}
