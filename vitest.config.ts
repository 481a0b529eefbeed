import { defineConfig } from 'vitest/config';

export default defineConfig(({ mode }) => ({
  test: {
    // `npm run test:electron`: tests of the app open the program itself.
    env: mode === 'electron' ? { PLUMBLINE_TEST_ELECTRON: '1' } : {},
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    // ONNX Runtime and better-sqlite3 are native: one process per test file keeps them apart.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/closing-line.ts'],
  },
}));
