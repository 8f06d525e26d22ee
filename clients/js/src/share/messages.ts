import type { Block } from '../connection.js';
import type { ErrorCode } from '../errors.js';
import type { Status } from '../types.js';

/** A block of the stream, where to come back after it (without that: where it was), and the topics that were read then. */
export type Frame = readonly [block: Block, cursor?: string | null | undefined, topics?: readonly string[]];

/** A tab wants to know what follows its cursor, of its topics. */
export interface Question {
  /** Names the question; empty once it is answered. */
  id: string;
  /** The tab: a lock that it holds as long as it is there. */
  readonly tab: string;
  readonly topics: readonly string[];
  readonly cursor: string | null;
}

/** What goes over the channel. One of `claim`, `ask`, `status` and `frames` is there, and says what it is. */
export interface Message {
  /** The tab that has become the leader. All ask it. */
  readonly claim?: string;
  /** A question for the leader. */
  readonly ask?: Question;
  /** The leader connects or waits. Whatever else it does shows in its blocks. */
  readonly status?: Status;
  /** Why it waits, as the arguments of a `PushStreamError`: an error would arrive without its code. */
  readonly error?: readonly [code: ErrorCode, message: string, retryable: boolean, status: number | null] | undefined;
  /** What the leader's connection brought. */
  readonly frames?: readonly Frame[];
  /** The question that the frames answer: first a hello, last where the connection is now. Without it, they are for all. */
  readonly to?: string;
}
