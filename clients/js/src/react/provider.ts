import { createContext, createElement, type ReactElement, type ReactNode, useContext, useEffect, useInsertionEffect } from 'react';
import type { AnyStream } from '../follow.js';
import type { PushStreamOptions } from '../options.js';
import { PushStream } from '../stream.js';
import { useKept } from './kept.js';

/** What a `PushStreamProvider` takes: either a stream, or the options of one. */
export type PushStreamProviderProps = {
  /** What may use the hooks. */
  readonly children?: ReactNode;
} & (
  | {
      /** A stream of yours, or one of `createTestStream`. It is neither opened nor closed; the first handler may open it. */
      readonly stream: AnyStream;
      readonly options?: never;
    }
  | {
      /**
       * Makes a stream, which is opened when the provider is mounted, unless `autoConnect` is false, and closed when it is
       * unmounted. Nothing is opened while rendering, so nothing is on a server.
       *
       * Other `topics` are read from the same cursor, as by `setTopics`. Another `url`, `ticketUrl`, `withCredentials`,
       * `storage` or `storageKey`, and `getToken` where there was none, make a new stream. All else, like a new function in
       * `getToken`, counts from the next connection on. So the object may be written inline.
       */
      readonly options: PushStreamOptions;
      readonly stream?: never;
    }
);

const Context = createContext<AnyStream | null>(null);

/** The stream of the nearest provider. */
export function useStream(): AnyStream {
  const stream = useContext(Context);
  if (!stream) throw new Error('there is no PushStreamProvider around this component');
  return stream;
}

/** Gives a stream to the hooks in it. The nearest one counts. */
export function PushStreamProvider({ stream, options, children }: PushStreamProviderProps): ReactElement {
  if (stream) return createElement(Context.Provider, { value: stream }, children);
  return createElement(Owner, { options }, children);
}

function Owner({ options, children }: { options: PushStreamOptions; children?: ReactNode }): ReactElement {
  const { url, ticketUrl, withCredentials, storage, storageKey, getToken, topics = [] } = options;
  const owned = useKept(
    () => own(options),
    `${url}`,
    `${ticketUrl}`,
    !withCredentials,
    typeof storage === 'object' ? 'own' : storage,
    storageKey,
    !getToken,
  );
  const { stream } = owned;
  useInsertionEffect(() => owned.renew(options));
  useEffect(() => {
    if (owned.options.autoConnect !== false) stream.connect();
    return () => stream.close();
  }, [owned, stream]);
  const names = JSON.stringify(topics);
  useEffect(() => stream.setTopics(JSON.parse(names)), [stream, names]);
  return createElement(Context.Provider, { value: stream }, children);
}

/** Makes a stream that reads its options whenever it needs them, as they are then. */
function own(first: PushStreamOptions) {
  let now = first;
  const options = new Proxy({} as PushStreamOptions, { get: (_, name) => Reflect.get(now, name) });
  const renew = (options: PushStreamOptions) => {
    now = options;
  };
  return { options, renew, stream: new PushStream(options) };
}
