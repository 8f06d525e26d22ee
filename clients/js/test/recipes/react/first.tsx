import { createPushStreamHooks, PushStreamProvider } from '@pushstream/client/react';

const { usePushStreamLatest } = createPushStreamHooks<{ 'order.created': { order: number } }>();
const LastOrder = () => <p>Last order: {usePushStreamLatest('order.created')?.order}</p>;
export const App = () => (
  <PushStreamProvider options={{ url: 'https://events.example.com/events', topics: ['shop'] }}>
    <LastOrder />
  </PushStreamProvider>
);
