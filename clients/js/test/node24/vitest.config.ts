import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.js';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default mergeConfig(
  base,
  defineConfig({
    root: path('../..'),
    resolve: { alias: [{ find: /^eventsource(?=$|\/)/, replacement: path('node_modules/eventsource') }] },
    test: { setupFiles: [path('check.ts')] },
  }),
);
