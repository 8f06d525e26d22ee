/**
 * Why a stream was interrupted, or ended. Codes may be added; treat one that you do not know by `retryable`.
 *
 * - `network`: the connection broke, or there was none. `timeout`: nothing came for too long. Both pass.
 * - `rate_limited` (429), `unavailable` (408, 425 and 5xx), `token` (`getToken` failed), `not_a_stream` (a 200 that was no
 *   event stream): these pass too.
 * - `unauthorized` (401, or `getToken` threw an {@link UnauthorizedError}), `forbidden` (403), `not_found` (404),
 *   `no_content` (204), `rejected` (any other 4xx), `ended` (the server said goodbye for good), `protocol` (what answers
 *   does not speak PushStream as this version knows it), `invalid_url`: the stream is closed.
 * - `overflow`: an iterator of {@link EventStream.events} was not read fast enough; the stream itself goes on.
 */
export type ErrorCode =
  | 'ended'
  | 'forbidden'
  | 'invalid_url'
  | 'network'
  | 'no_content'
  | 'not_a_stream'
  | 'not_found'
  | 'overflow'
  | 'protocol'
  | 'rate_limited'
  | 'rejected'
  | 'timeout'
  | 'token'
  | 'unauthorized'
  | 'unavailable';

/** What an {@link EventStream} reports to `onError`, keeps in `error`, and throws from its iterators. */
export class PushStreamError extends Error {
  override readonly name = 'PushStreamError';

  /**
   * @param code What programs branch on.
   * @param message For people.
   * @param retryable Whether the stream comes back by itself.
   * @param status The HTTP status, where there was one and it could be learnt; else null.
   * @param cause What was thrown, if anything.
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly retryable: boolean,
    readonly status: number | null = null,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/**
 * For `getToken` to throw: there is no token to be had, the person has to log in again. The stream closes with the code
 * `unauthorized`, until `connect()`. Anything else that `getToken` throws is tried again with backoff.
 */
export class UnauthorizedError extends Error {
  override readonly name = 'UnauthorizedError';
}

/** The error that an HTTP status other than that of an open stream stands for. */
export function statusError(status: number): PushStreamError {
  const known = codes[status];
  if (known) return new PushStreamError(known, `status ${status}`, known === 'rate_limited' || known === 'unavailable', status);
  if (status >= 400 && status < 500) return new PushStreamError('rejected', `status ${status}`, false, status);
  if (status >= 500) return new PushStreamError('unavailable', `status ${status}`, true, status);
  return new PushStreamError('not_a_stream', `status ${status}, and no event stream`, true, status);
}

const codes: Partial<Record<number, ErrorCode>> = {
  204: 'no_content',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'unavailable',
  425: 'unavailable',
  429: 'rate_limited',
};
