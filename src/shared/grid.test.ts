import { describe, expect, it } from 'vitest';
import { parseSharedSettings } from './config.ts';
import { UsageError } from './errors.ts';
import { runConfigsOf, runFolderName, runTitle, type Grid } from './grid.ts';

const grid = (more: Partial<Grid> = {}): Grid => ({
  arms: ['dpo', 'sft'],
  learningRates: [1e-6, 1e-5],
  seeds: [3, 4],
  shared: parseSharedSettings({ evalShare: 0.5 }),
  ...more,
});
const cells = (of: Grid): string[] => runConfigsOf(of).map((config) => runFolderName(config, of));

describe('the runs of a grid', () => {
  it('go seed by seed, rate by rate and β by β; a loss that ignores β is there once', () => {
    expect(cells(grid({ betas: [0.05, 0.125] }))).toEqual(
      [3, 4].flatMap((seed) =>
        ['1e-6', '1e-5'].flatMap((rate) => [
          `dpo-lr${rate}-beta0.05-seed${seed}`,
          `sft-lr${rate}-seed${seed}`,
          `dpo-lr${rate}-beta0.125-seed${seed}`,
        ]),
      ),
    );
    const betas = new Set(
      runConfigsOf(grid({ betas: [0.05, 0.125] })).map(({ loss, beta }) => `${loss} ${beta}`),
    );
    expect([...betas]).toEqual(['dpo 0.05', 'sft 0.1', 'dpo 0.125']);
  });

  it('name no β where there is only one, however it is said', () => {
    const plain = cells(grid());
    expect(plain).toHaveLength(8);
    expect(plain[0]).toBe('dpo-lr1e-6-seed3');
    expect(cells(grid({ betas: [0.3] }))).toEqual(plain);
    const shared = parseSharedSettings({ evalShare: 0.5, beta: 0.3 });
    const dpo = (of: Grid) => runConfigsOf(of).filter(({ loss }) => loss === 'dpo');
    expect(dpo(grid({ betas: [0.3] }))).toEqual(dpo(grid({ shared })));
    expect(runTitle(dpo(grid())[0]!, {})).toBe('dpo, lr 1e-6, seed 3');
    expect(runTitle(dpo(grid())[0]!, { betas: [0.1, 0.2] })).toBe('dpo, lr 1e-6, β 0.1, seed 3');
  });

  it.each([
    [{ betas: [0.1], shared: parseSharedSettings({ beta: 0.1 }) }, 'exclude each other'],
    [{ betas: [] }, 'at least one'],
    [{ betas: [0.1, 0.2, 0.1] }, '0.1 twice'],
    [{ betas: [0.1, 0.2], arms: ['sft'] as const }, 'change nothing'],
    [{ betas: [0.1, 0] }, 'above 0'],
  ])('are refused for %o', (more, message) => {
    expect(() => runConfigsOf(grid(more))).toThrow(UsageError);
    expect(() => runConfigsOf(grid(more))).toThrow(message);
  });
});
