import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import { alias } from '../../vitest.config.js';

// Bundles the recipes for a real browser, as an application would. Of React and Vue it takes what is for development: only there
// StrictMode mounts twice.
export default defineConfig({
  base: './',
  plugins: [vue()],
  resolve: { alias },
  build: {
    minify: false,
    emptyOutDir: true,
    rollupOptions: { input: ['react.html', 'vue.html'].map((name) => `${import.meta.dirname}/${name}`) },
  },
});
