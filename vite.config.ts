import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Builds the page, which the desktop app and `plumbline serve` show alike. */
export default defineConfig({
  root: at('src/renderer'),
  // Relative addresses: the page stands at app://plumbline/ here and at a loopback port there.
  base: './',
  publicDir: false,
  // Not inside node_modules, which several checkouts may share.
  cacheDir: at('.vite'),
  plugins: [svelte({ configFile: at('svelte.config.js') })],
  build: {
    outDir: at('dist/renderer'),
    emptyOutDir: true,
    // Electron 45's Chromium is newer; a person's own browser may be a little older.
    target: ['chrome144', 'firefox140', 'safari18.4'],
    sourcemap: false,
    // The content security policy lets no script stand in the page, and no data: address.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
  },
});
