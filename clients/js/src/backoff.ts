/** How long to wait before connecting again. */
export interface Backoff {
  /** The most to wait the first time, in milliseconds. */
  readonly base: number;
  /** The most to wait ever, in milliseconds. */
  readonly cap: number;
}

/** The most that a server may ask for, in milliseconds, so that an operator's slip does not silence clients for a day. */
const maxWait = 600_000;

/**
 * A random time of at most `base`, doubled with each failure, up to `cap`: full jitter spreads those who failed together.
 */
export function backoff({ base, cap }: Backoff, failures: number): number {
  return Math.random() * Math.min(cap, base * 2 ** failures);
}

/** A time in milliseconds that came from outside, as one that a timer can take. */
export function bounded(ms: number): number {
  return ms > 0 ? Math.min(ms, maxWait) : 0;
}

/** Reads the header `Retry-After` (RFC 9110, section 10.2.3) in milliseconds; 0 where there is none. */
export function retryAfter(headers: Headers): number {
  const text = headers.get('Retry-After') ?? '';
  return bounded(/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now());
}
