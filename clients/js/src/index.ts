export type { Backoff } from './backoff.js';
export type { CursorStorage, StorageOption } from './cursor.js';
export { type ErrorCode, PushStreamError, UnauthorizedError } from './errors.js';
export type { EventSourceConstructor, EventSourceLike, PushStreamOptions, TokenRequest } from './options.js';
export { PushStream } from './stream.js';
export type {
  EventOf,
  EventStream,
  EventType,
  Filter,
  Gap,
  IterateOptions,
  Live,
  Status,
  StreamEvent,
  Target,
  Unsubscribe,
} from './types.js';
