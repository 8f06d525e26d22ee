'use client';

export type { FollowOptions } from '../follow.js';
export {
  createPushStreamHooks,
  type LatestOptions,
  type PushStreamHooks,
  type PushStreamState,
  usePushStream,
  usePushStreamGap,
  usePushStreamLatest,
  usePushStreamReducer,
} from './hooks.js';
export { PushStreamProvider, type PushStreamProviderProps } from './provider.js';
