import { defineConfig } from 'tsdown';

export default defineConfig([
  {
    entry: {
      index: 'src/index.ts',
      eventsource: 'src/eventsource.ts',
      testing: 'src/testing.ts',
      react: 'src/react/index.ts',
      vue: 'src/vue/index.ts',
      share: 'src/share.ts',
    },
    format: ['esm', 'cjs'],
    platform: 'neutral',
    target: 'es2022',
    dts: true,
    fixedExtension: false,
    hash: false, // names that a size budget can leave out
    sourcemap: false,
  },
  {
    entry: { pushstream: 'src/script.ts' },
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    dts: false,
    clean: false,
    banner: '/* PushStream for browsers, made from clients/js of https://github.com/pushstream/pushstream. License: Apache-2.0 */',
  },
]);
