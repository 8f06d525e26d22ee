import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const src = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url));

/** Recipes import what their readers do. Keep it like `paths` of tsconfig.json. */
export const alias = [
  { find: /^@pushstream\/client$/, replacement: src('index.ts') },
  { find: /^@pushstream\/client\/(react|vue)$/, replacement: src('$1/index.ts') },
];

export default defineConfig({
  plugins: [vue()],
  resolve: { alias },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    globalSetup: ['test/node/build.ts'],
    restoreMocks: true,
    testTimeout: 60_000, // of what never comes; tests of real nodes wait for programs to start
    maxWorkers: 2,
  },
});
