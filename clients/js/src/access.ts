import { retryAfter } from './backoff.js';
import { PushStreamError, statusError } from './errors.js';
import type { PushStreamOptions } from './options.js';

/** Why there is no connection, or none any more. */
export interface Ending {
  /** Null: an orderly end, after which the reader is expected back. */
  readonly error: PushStreamError | null;
  /** How long the server asked to wait, in milliseconds; 0 where it did not. */
  readonly wait: number;
  /** The token has expired. */
  readonly expired?: boolean;
}

/** An ending that nobody asked to wait after. */
export function broken(code: 'network' | 'timeout', message: string, cause?: unknown): Ending {
  return { error: new PushStreamError(code, message, true, null, cause), wait: 0 };
}

/** How one connection gets in: its token, a ticket for it, and why it was refused. */
export class Access {
  #token = '';

  constructor(
    private readonly options: PushStreamOptions,
    private readonly url: URL,
    private readonly signal: AbortSignal,
  ) {}

  /** Exchanges a token for a ticket. */
  async ticket(rejected: boolean): Promise<string | Ending> {
    const { getToken, ticketUrl = 'tickets' } = this.options;
    try {
      this.#token = (await getToken?.({ rejected })) ?? '';
    } catch (cause) {
      // By its name: an application may have this module twice, as ESM and as CommonJS.
      const final = (cause as Error | undefined)?.name === 'UnauthorizedError';
      return { error: new PushStreamError(final ? 'unauthorized' : 'token', `getToken: ${cause}`, !final, null, cause), wait: 0 };
    }
    try {
      const response = await this.#fetch(new URL(ticketUrl, this.url), 'POST');
      if (!response.ok) return refused(response);
      const { ticket } = (await response.json()) as { ticket?: unknown };
      if (typeof ticket === 'string') return ticket;
      return { error: new PushStreamError('protocol', 'the answer has no ticket', false, response.status), wait: 0 };
    } catch (cause) {
      return broken('network', `no ticket: ${cause}`, cause);
    }
  }

  /**
   * Asks why the connection was refused, which a browser's EventSource does not tell. With a token the request has that, and
   * not the ticket: a refusal may have used it up.
   */
  async why(): Promise<Ending> {
    try {
      const response = await this.#fetch(this.url, 'HEAD');
      const stream = response.status === 200 && response.headers.get('Content-Type')?.startsWith('text/event-stream');
      return stream ? broken('network', 'the stream was refused, and would be served now') : refused(response);
    } catch (cause) {
      return broken('network', `no answer: ${cause}`, cause);
    }
  }

  #fetch(url: URL, method: string): Promise<Response> {
    const { fetch = globalThis.fetch, withCredentials } = this.options;
    return fetch(url, {
      method,
      // What EventSource sends: the answer depends on it.
      headers: { Accept: 'text/event-stream', ...(this.#token && { Authorization: `Bearer ${this.#token}` }) },
      credentials: withCredentials ? 'include' : 'same-origin',
      cache: 'no-store',
      signal: this.signal,
    });
  }
}

function refused({ status, headers }: Response): Ending {
  const error = statusError(status);
  return { error, wait: error.retryable ? retryAfter(headers) : 0 };
}
