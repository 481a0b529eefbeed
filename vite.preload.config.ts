import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A sandboxed preload script must be one CommonJS file that requires nothing but Electron. */
export default defineConfig({
  publicDir: false,
  cacheDir: at('.vite'),
  build: {
    outDir: at('dist/preload'),
    emptyOutDir: true,
    target: 'chrome144',
    sourcemap: false,
    minify: false,
    reportCompressedSize: false,
    lib: { entry: at('src/main/host/desktop/preload.ts'), formats: ['cjs'], fileName: () => 'preload.cjs' },
    rolldownOptions: { external: ['electron'] },
  },
});
