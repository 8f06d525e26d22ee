import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/node/build.ts'],
    restoreMocks: true,
    maxWorkers: 2,
  },
});
