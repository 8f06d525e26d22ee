import { SharedStream, type SharedStreamOptions } from './share/stream.js';
import { PushStream } from './stream.js';
import type { EventStream } from './types.js';

export type { SharedStreamOptions };

let warned = false;

/**
 * Makes a stream that shares one connection with those of all tabs of this browser that have the same url and key.
 *
 * ```ts
 * const stream = createSharedStream<Events>({ key: user.id, url: '/events', topics: ['shop'] });
 * stream.on('order.created', (event) => console.log(event.data.order));
 * ```
 *
 * It needs Web Locks and BroadcastChannel, which browsers have on HTTPS and localhost. Elsewhere it is a `PushStream` with a
 * connection of its own, and the console is told once. On a server it is one that stays idle.
 *
 * @throws TypeError without a key, or where the url is none.
 */
export function createSharedStream<Events extends object = Record<string, unknown>>(options: SharedStreamOptions): EventStream<Events> {
  const { key, url, EventSource = globalThis.EventSource } = options;
  if (!key) throw new TypeError('a shared stream needs a key');
  const { navigator, location, BroadcastChannel } = globalThis;
  if (EventSource && navigator?.locks && BroadcastChannel) {
    // The number is that of what tabs say to each other: an old page understands no new one.
    const name = `pushstream.share.1 ${new URL(url, location?.href)} ${key}`;
    return new SharedStream<Events>(options, () => new BroadcastChannel(name));
  }
  if (EventSource && !warned) {
    warned = true;
    console.warn('PushStream: nothing is shared without Web Locks');
  }
  return new PushStream<Events>(options);
}
