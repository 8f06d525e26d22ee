import { type MaybeRefOrGetter, type ShallowRef, shallowReadonly, shallowRef, toValue, watchPostEffect } from 'vue';
import type { PushStreamError } from '../errors.js';
import { type FollowOptions, follow, onStale, type Types, together } from '../follow.js';
import type { EventOf, EventStream, EventType, Filter, Gap, Status, StreamEvent, Target, Unsubscribe } from '../types.js';
import { injectStream } from './plugin.js';

/** What `usePushStream()` returns. */
export interface PushStreamState<Events extends object = Record<string, unknown>> {
  /** The stream of the application. */
  readonly stream: EventStream<Events>;
  /** What it is doing. `idle` on a server, and until the component is mounted. */
  readonly status: Readonly<ShallowRef<Status>>;
  /** Why it is waiting or closed. */
  readonly error: Readonly<ShallowRef<PushStreamError | null>>;
}

/** A {@link Filter} that may change. */
export interface ReactiveFilter {
  /** Only events that name this target. */
  readonly target?: MaybeRefOrGetter<Filter['target']>;
}

/** {@link FollowOptions} with a target that may change. */
export interface ReactiveFollowOptions<State> extends ReactiveFilter, Pick<FollowOptions<State>, 'load'> {}

/** Options of `usePushStreamLatest`. */
export interface LatestOptions<Data, Initial = undefined> extends ReactiveFollowOptions<Data | NoInfer<Initial>> {
  /** What it is before anything came. Default undefined. */
  readonly initial?: Initial | undefined;
}

/**
 * The composables, for the events of an `Events` map. Types are not checked at run time.
 *
 * Call them in `setup`, or in another effect scope where `inject` works. They subscribe after the component is mounted
 * (without one: after the present task), anew when a type or target is another one, and end with the scope. None does
 * anything on a server.
 */
export interface PushStreamComposables<Events extends object = Record<string, unknown>> {
  /** Calls a handler for every event, of all types. Returns a function that ends it early. */
  usePushStream(type: '*', handler: (event: EventOf<Events>) => void, filter?: ReactiveFilter): Unsubscribe;
  /** Calls a handler for every event of a type. One that throws is reported, and stops nothing. */
  usePushStream<Type extends EventType<Events>>(
    type: MaybeRefOrGetter<Type>,
    handler: (event: EventOf<Events, Type>) => void,
    filter?: ReactiveFilter,
  ): Unsubscribe;
  /** Returns the stream, and refs of what it is doing. */
  usePushStream(): PushStreamState<Events>;

  /**
   * Returns a ref of the data of the last event of a type that came since it subscribed; before that `initial`, or what
   * `load` fetched. Another type or target begins with `initial` again, and so does another reader.
   */
  usePushStreamLatest<Type extends EventType<Events>, Initial = undefined>(
    type: MaybeRefOrGetter<Type>,
    options?: LatestOptions<Events[Type], Initial>,
  ): Readonly<ShallowRef<Events[Type] | Initial>>;

  /**
   * Returns a ref of a state that every event of all types changes. It is shallow: the reducer returns a new state. One that
   * throws is reported, and the state stays. Other types or another target begin with `initial` again, and so does another reader.
   */
  usePushStreamReducer<State>(
    types: '*',
    reducer: (state: State, event: EventOf<Events>) => State,
    initial: State,
    options?: ReactiveFollowOptions<NoInfer<State>>,
  ): Readonly<ShallowRef<State>>;
  /** Returns a ref of a state that every event of a type, or of several, changes. */
  usePushStreamReducer<Type extends EventType<Events>, State>(
    types: MaybeRefOrGetter<Type | readonly Type[]>,
    reducer: (state: State, event: EventOf<Events, Type>) => State,
    initial: State,
    options?: ReactiveFollowOptions<NoInfer<State>>,
  ): Readonly<ShallowRef<State>>;

  /**
   * Calls a handler when what you fetched may be out of date: fetch it again. That is after every gap, and after the stream
   * began anew, which has the reason `began`. With `target`: only if it concerns that. Fetch at first without being told.
   */
  usePushStreamGap(handler: (gap: Gap) => void, filter?: ReactiveFilter): Unsubscribe;
}

/** See {@link PushStreamComposables.usePushStream}. */
export const usePushStream: PushStreamComposables['usePushStream'] = useEventsOrStatus as PushStreamComposables['usePushStream'];

/** See {@link PushStreamComposables.usePushStreamLatest}. */
export const usePushStreamLatest: PushStreamComposables['usePushStreamLatest'] = (type, options = {}) =>
  useFollow(type, (_, { data }) => data as never, options.initial as never, options);

/** See {@link PushStreamComposables.usePushStreamReducer}. */
export const usePushStreamReducer: PushStreamComposables['usePushStreamReducer'] =
  useFollow as PushStreamComposables['usePushStreamReducer'];

/** See {@link PushStreamComposables.usePushStreamGap}. */
export const usePushStreamGap: PushStreamComposables['usePushStreamGap'] = (handler, { target } = {}) => {
  const stream = injectStream();
  return subscribe(() => onStale(stream, toValue(target), handler));
};

/** Gives the composables the types of an `Events` map. They are the same ones; call it once, in a module. */
export function createPushStreamComposables<Events extends object>(): PushStreamComposables<Events> {
  return { usePushStream, usePushStreamLatest, usePushStreamReducer, usePushStreamGap } as unknown as PushStreamComposables<Events>;
}

/**
 * Subscribes after the component is mounted, again when what `start` reads is another one, until the scope ends. Vue runs no
 * effects of this kind on a server.
 */
function subscribe(start: () => Unsubscribe): Unsubscribe {
  const { stop } = watchPostEffect((onCleanup) => onCleanup(start()));
  return stop;
}

function useEventsOrStatus(type?: MaybeRefOrGetter<string>, handler?: (event: StreamEvent) => void, { target }: ReactiveFilter = {}) {
  const stream = injectStream();
  if (handler) return subscribe(() => stream.on(toValue(type) as string, handler, { target: toValue(target) }));

  // What a server rendered, whatever the stream does already.
  const status = shallowRef<Status>('idle');
  const error = shallowRef<PushStreamError | null>(null);
  subscribe(() => {
    const read = () => {
      status.value = stream.status;
      error.value = stream.error;
    };
    read();
    return together(stream.onStatus(read), stream.onError(read));
  });
  return { stream, status: shallowReadonly(status), error: shallowReadonly(error) };
}

function useFollow<State>(
  types: MaybeRefOrGetter<Types>,
  reducer: (state: State, event: StreamEvent) => State,
  initial: State,
  { target, load }: ReactiveFollowOptions<State> = {},
): Readonly<ShallowRef<State>> {
  const stream = injectStream();
  const ref = shallowRef(initial);
  let before: string | undefined;
  subscribe(() => {
    const now: [Types, Target | undefined] = [toValue(types), toValue(target)];
    const name = JSON.stringify(now);
    if (before !== undefined && name !== before) ref.value = initial;
    before = name;
    const followed = {
      initial,
      reducer,
      load,
      get state() {
        return ref.value;
      },
      set state(state) {
        ref.value = state;
      },
    };
    return follow(stream, ...now, followed);
  });
  return shallowReadonly(ref) as Readonly<ShallowRef<State>>;
}
