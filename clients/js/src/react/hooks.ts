import { useCallback, useEffect, useSyncExternalStore } from 'react';
import type { PushStreamError } from '../errors.js';
import { type AnyStream, type Followed, type FollowOptions, follow, onStale, type Types, together } from '../follow.js';
import type { EventOf, EventStream, EventType, Filter, Gap, Status, StreamEvent, Target } from '../types.js';
import { useKept, useLatest } from './kept.js';
import { useStream } from './provider.js';

/** What `usePushStream()` returns. */
export interface PushStreamState<Events extends object = Record<string, unknown>> {
  /** The stream of the nearest provider. The same one as long as the provider keeps it. */
  readonly stream: EventStream<Events>;
  /** What it is doing. `idle` on a server, and while its page is hydrated. */
  readonly status: Status;
  /** Why it is waiting or closed. */
  readonly error: PushStreamError | null;
}

/** Options of `usePushStreamLatest`. */
export interface LatestOptions<Data, Initial = undefined> extends FollowOptions<Data | NoInfer<Initial>> {
  /** What it is before anything came. Default undefined. */
  readonly initial?: Initial | undefined;
}

/**
 * The hooks, for the events of an `Events` map. Types are not checked at run time.
 *
 * All subscribe after the component is mounted, and end when it is unmounted; none does anything on a server. Functions and
 * options may be written inline: the newest ones count, and only another stream, type or target subscribes anew.
 */
export interface PushStreamHooks<Events extends object = Record<string, unknown>> {
  /** Calls a handler for every event, of all types. */
  usePushStream(type: '*', handler: (event: EventOf<Events>) => void, filter?: Filter): void;
  /** Calls a handler for every event of a type. One that throws is reported, and stops nothing. */
  usePushStream<Type extends EventType<Events>>(type: Type, handler: (event: EventOf<Events, Type>) => void, filter?: Filter): void;
  /** Renders the component again whenever the stream does something else. */
  usePushStream(): PushStreamState<Events>;

  /**
   * Returns the data of the last event of a type that came while the component was there; before that `initial`, or what
   * `load` fetched. Another stream, type or target begins with `initial` again, and so does another reader.
   */
  usePushStreamLatest<Type extends EventType<Events>, Initial = undefined>(
    type: Type,
    options?: LatestOptions<Events[Type], Initial>,
  ): Events[Type] | Initial;

  /**
   * Returns a state that every event of all types changes. It is changed when the event comes, once. A reducer that throws is
   * reported, and the state stays. Another stream, types or target begin with `initial` again, and so does another reader.
   */
  usePushStreamReducer<State>(
    types: '*',
    reducer: (state: State, event: EventOf<Events>) => State,
    initial: State,
    options?: FollowOptions<NoInfer<State>>,
  ): State;
  /** Returns a state that every event of a type, or of several, changes. */
  usePushStreamReducer<Type extends EventType<Events>, State>(
    types: Type | readonly Type[],
    reducer: (state: State, event: EventOf<Events, Type>) => State,
    initial: State,
    options?: FollowOptions<NoInfer<State>>,
  ): State;

  /**
   * Calls a handler when what you fetched may be out of date: fetch it again. That is after every gap, and after the stream
   * began anew, which has the reason `began`. With `target`: only if it concerns that. Fetch at first without being told.
   */
  usePushStreamGap(handler: (gap: Gap) => void, filter?: Filter): void;
}

/** See {@link PushStreamHooks.usePushStream}. */
export const usePushStream: PushStreamHooks['usePushStream'] = useEventsOrStatus as PushStreamHooks['usePushStream'];

/** See {@link PushStreamHooks.usePushStreamLatest}. */
export const usePushStreamLatest: PushStreamHooks['usePushStreamLatest'] = (type, options = {}) =>
  useFollow(type, (_, { data }) => data as never, options.initial as never, options);

/** See {@link PushStreamHooks.usePushStreamReducer}. */
export const usePushStreamReducer: PushStreamHooks['usePushStreamReducer'] = useFollow as PushStreamHooks['usePushStreamReducer'];

/** See {@link PushStreamHooks.usePushStreamGap}. */
export const usePushStreamGap: PushStreamHooks['usePushStreamGap'] = (handler, { target } = {}) => {
  const stream = useStream();
  const latest = useLatest(handler);
  useEffect(() => onStale(stream, target, (gap) => latest.current(gap)), [stream, target, latest]);
};

/** Gives the hooks the types of an `Events` map. They are the same hooks, of the nearest provider; call it once, in a module. */
export function createPushStreamHooks<Events extends object>(): PushStreamHooks<Events> {
  return { usePushStream, usePushStreamLatest, usePushStreamReducer, usePushStreamGap } as unknown as PushStreamHooks<Events>;
}

const nothing = () => {};

function useEventsOrStatus(type?: string, handler: (event: StreamEvent) => void = nothing, { target }: Filter = {}) {
  const stream = useStream();
  const latest = useLatest(handler);
  useEffect(() => {
    if (type !== undefined) return stream.on(type, (event) => latest.current(event), { target });
  }, [stream, type, target, latest]);

  const silent = type !== undefined; // who handles events is not rendered again
  const subscribe = useCallback(
    (listener: () => void) => (silent ? nothing : together(stream.onStatus(listener), stream.onError(listener))),
    [stream, silent],
  );
  const status = useSyncExternalStore<Status>(
    subscribe,
    () => (silent ? 'idle' : stream.status),
    () => 'idle',
  );
  const error = useSyncExternalStore(
    subscribe,
    () => (silent ? null : stream.error),
    () => null,
  );
  return silent ? undefined : { stream, status, error };
}

function useFollow<State>(
  types: Types,
  reducer: (state: State, event: StreamEvent) => State,
  initial: State,
  { target, load }: FollowOptions<State> = {},
): State {
  const stream = useStream();
  const names = JSON.stringify(types);
  const store = useKept(() => new Store(stream, JSON.parse(names), target, initial), stream, names, target);
  const latest = useLatest({ reducer, load });
  return useSyncExternalStore(
    useCallback((listener: () => void) => store.subscribe(latest, listener), [store, latest]),
    () => store.state,
    () => store.initial,
  );
}

/** The state of one component. It outlives its subscription, which ends while React hides the component. */
class Store<State> {
  state: State;

  constructor(
    readonly stream: AnyStream,
    readonly types: Types,
    readonly target: Target | undefined,
    readonly initial: State,
  ) {
    this.state = initial;
  }

  subscribe(latest: { readonly current: Pick<Followed<State>, 'reducer' | 'load'> }, listener: () => void): () => void {
    const store = this;
    return follow(store.stream, store.types, store.target, {
      initial: store.initial,
      get state() {
        return store.state;
      },
      set state(state) {
        store.state = state;
        listener();
      },
      reducer: (state, event) => latest.current.reducer(state, event),
      get load() {
        return latest.current.load;
      },
    });
  }
}
