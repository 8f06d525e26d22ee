import { effectScope, type InjectionKey, inject, type MaybeRefOrGetter, type Plugin, toValue, watch } from 'vue';
import type { AnyStream } from '../follow.js';
import type { PushStreamOptions } from '../options.js';
import { PushStream } from '../stream.js';

/** Options of {@link createPushStream}: those of a `PushStream`, with topics that may change. */
export interface PushStreamPluginOptions extends Omit<PushStreamOptions, 'topics'> {
  /** Topics to read, without `topic:`. When a ref or getter gives others, they are read from the same cursor, as by `setTopics`. */
  readonly topics?: MaybeRefOrGetter<readonly string[] | undefined>;
}

const key: InjectionKey<AnyStream> = Symbol('pushstream');

/** The stream of the application. */
export function injectStream(): AnyStream {
  const stream = inject(key, null);
  if (!stream) throw new Error('there is no stream: use createPushStream() as a plugin of the application');
  return stream;
}

/**
 * Makes the plugin that gives a stream to the composables of an application. Use a plugin in one application.
 *
 * From options it makes a stream, opens it when the application is mounted, unless `autoConnect` is false, and closes it when
 * the application is unmounted. A server mounts nothing, so it opens nothing. A stream of yours, or one of
 * `createTestStream`, is neither opened nor closed; the first handler may open it.
 */
export function createPushStream(source: PushStreamPluginOptions | AnyStream): Plugin<[]> {
  return {
    install(app) {
      if ('setTopics' in source) return void app.provide(key, source);
      const { topics, ...options } = source;
      const now = () => [...(toValue(topics) ?? [])]; // read to the end, so that an array may be changed in place
      const stream = new PushStream({ ...options, topics: now() });
      app.provide(key, stream);

      const scope = effectScope(true);
      const { mount } = app;
      app.mount = (...parameters) => {
        const root = mount(...parameters);
        scope.run(() => watch(now, (topics) => stream.setTopics(topics), { immediate: true }));
        if (options.autoConnect !== false) stream.connect();
        return root;
      };
      app.onUnmount(() => {
        scope.stop();
        stream.close();
      });
    },
  };
}
