import { report } from './hub.js';
import type { EventStream, Filter, Gap, StreamEvent, Target, Unsubscribe } from './types.js';

// What components of every framework have in common. Nothing in here knows one.

/** A stream, whatever its events are. */
// biome-ignore lint/suspicious/noExplicitAny: no map of events is above all others
export type AnyStream = EventStream<any>;

/** Which events change a state: of one type, of several, or of all. */
export type Types = string | readonly string[];

/** Options of a state that follows a stream. */
export interface FollowOptions<State> extends Filter {
  /**
   * Fetches the state. Called when the component is there, and whenever what it fetched may be out of date: after a gap, and
   * after the stream began anew. Events that come meanwhile change what is shown, and then what was fetched, which may have
   * them already: so the reducer must not mind an event that comes twice.
   *
   * `signal` is aborted when the answer is not wanted any more. What a failed call throws goes to `reportError`; the state
   * stays as it is, and the next time that the stream is live it is fetched again.
   */
  readonly load?: ((signal: AbortSignal) => State | Promise<State>) | undefined;
}

/** What {@link follow} is given: the state, and what is done with it. Each member is read when it is needed. */
export interface Followed<State> {
  readonly initial: State;
  state: State;
  readonly reducer: (state: State, event: StreamEvent) => State;
  readonly load?: FollowOptions<State>['load'];
}

/**
 * Tells that what was fetched may be out of date: of every gap, and of a stream that began anew after something was fetched,
 * as a gap with the reason `began`. With a target: only of those that concern it.
 */
export function onStale(stream: AnyStream, target: Target | undefined, listener: (gap: Gap) => void): Unsubscribe {
  return together(
    stream.onGap((gap) => {
      if (!target || !gap.targets.length || gap.targets.includes(target)) listener(gap);
    }),
    stream.onLive(({ resumed }) => {
      if (!resumed) listener({ targets: [], reason: 'began' });
    }),
  );
}

/** Keeps a state up to date with a stream, until it is ended. */
export function follow<State>(stream: AnyStream, types: Types, target: Target | undefined, followed: Followed<State>): Unsubscribe {
  /** The call of `load` that counts, and what came since it began. */
  let loading: { abort: AbortController; events: StreamEvent[] } | undefined;
  let failed = false;

  const reduce = (event: StreamEvent) => {
    followed.state = followed.reducer(followed.state, event);
  };
  const load = () => {
    loading?.abort.abort();
    loading = undefined;
    if (!followed.load) return;
    const mine = { abort: new AbortController(), events: [] as StreamEvent[] };
    loading = mine;
    failed = false;
    // After this task: so a component that is mounted, taken away and mounted at once, as in StrictMode, loads once; and what
    // `load` reads is nothing that its caller depends on.
    Promise.resolve()
      .then(() => (loading === mine ? followed.load?.(mine.abort.signal) : undefined) as State)
      .then(
        (state) => {
          if (loading !== mine) return;
          loading = undefined;
          followed.state = state;
          for (const event of mine.events) attempt(() => reduce(event));
        },
        (error) => {
          if (loading !== mine) return;
          loading = undefined;
          failed = true;
          report(error);
        },
      );
  };

  const off = together(
    stream.on(
      '*',
      (event) => {
        if (types !== '*' && !(typeof types === 'string' ? types === event.type : types.includes(event.type))) return;
        loading?.events.push(event);
        reduce(event);
      },
      { target },
    ),
    onStale(stream, target, ({ reason }) => {
      if (reason === 'identity') followed.state = followed.initial; // the other person's
      load();
    }),
    stream.onLive(() => {
      if (failed) load();
    }),
  );
  load();
  return () => {
    loading?.abort.abort();
    loading = undefined;
    off();
  };
}

/** Ends several subscriptions at once. */
export function together(...ends: Unsubscribe[]): Unsubscribe {
  return () => {
    for (const end of ends) end();
  };
}

function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    report(error);
  }
}
