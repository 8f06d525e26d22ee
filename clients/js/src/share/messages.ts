import type { Block } from '../connection.js';
import type { ErrorCode } from '../errors.js';
import type { Status } from '../types.js';

/** What a tab asks the leader: to be told what follows its cursor, of its topics. */
export interface Ask {
  /** Names the question. Until it is answered, nothing that is said to all is for this tab. */
  readonly ask: string;
  /** The lock that the tab holds as long as it is there. */
  readonly tab: string;
  readonly topics: readonly string[];
  readonly cursor: string | null;
}

/** A tab has become the leader. All ask it. */
export interface Claim {
  readonly claim: string;
}

/** Connecting, waiting or closed, and why. Whatever else the connection does shows in its blocks. */
export interface Told {
  readonly status: Status;
  /** The arguments of a `PushStreamError`: an error would arrive without its code. */
  readonly error: readonly [code: ErrorCode, message: string, retryable: boolean, status: number | null] | null;
}

/** What the connection brought. */
export interface Brought {
  readonly frames: readonly Frame[];
  /** The question that they answer: first a hello, last where the connection is now. Without it, they are for all. */
  readonly to?: string;
}

/** What goes over the channel. */
export type Message = Ask | Claim | Told | Brought;

/** A block of the stream, and where to come back after it; without that: where it was. */
export interface Frame {
  readonly block: Block;
  readonly cursor?: string | undefined;
}
