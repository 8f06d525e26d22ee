import { useInsertionEffect, useRef, useState } from 'react';

/**
 * Keeps what `make` made until a key is another one. `useMemo` may forget at any time; this does not. `make` is called
 * while rendering, so it must do nothing else.
 */
export function useKept<T>(make: () => T, ...keys: unknown[]): T {
  const [kept, keep] = useState(() => ({ keys, value: make() }));
  if (keys.every((key, i) => key === kept.keys[i])) return kept.value;
  const next = { keys, value: make() };
  keep(next);
  return next.value;
}

/** Gives effects the value of the newest render that is shown. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  // Before all other effects, since those use it; and the only kind that servers do not warn of.
  useInsertionEffect(() => {
    latest.current = value;
  });
  return latest;
}
