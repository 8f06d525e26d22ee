export type { FollowOptions } from '../follow.js';
export {
  createPushStreamComposables,
  type LatestOptions,
  type PushStreamComposables,
  type PushStreamState,
  type ReactiveFilter,
  type ReactiveFollowOptions,
  usePushStream,
  usePushStreamGap,
  usePushStreamLatest,
  usePushStreamReducer,
} from './composables.js';
export { createPushStream, type PushStreamPluginOptions } from './plugin.js';
