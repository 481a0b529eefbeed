import { describe, expect, it } from 'vitest';
import { parseSharedSettings } from './config.ts';
import { UsageError } from './errors.ts';
import { jobRunsOf, runConfigsOf, runFolderName, runTitle, type Grid } from './grid.ts';

const grid = (more: Partial<Grid> = {}): Grid => ({
  arms: ['dpo', 'sft'],
  learningRates: [1e-6, 1e-5],
  seeds: [3, 4],
  shared: parseSharedSettings({ evalShare: 0.5 }),
  ...more,
});
const cells = (of: Grid): string[] => jobRunsOf(of).map((run) => runFolderName(run, of));

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
    expect(runTitle({ config: dpo(grid())[0]! }, {})).toBe('dpo, lr 1e-6, seed 3');
    expect(runTitle({ config: dpo(grid())[0]! }, { betas: [0.1, 0.2] })).toBe('dpo, lr 1e-6, β 0.1, seed 3');
  });

  it('are told apart by parameters of their losses, in titles and folders', () => {
    const of = grid({
      arms: ['dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo', 'simpo:gamma=0.5'],
      learningRates: [1e-6],
      seeds: [3],
    });
    expect(cells(of)).toEqual([
      'dpo-lr1e-6-seed3',
      'kappa-dpo-kappa0.25-lr1e-6-seed3',
      'kappa-dpo-kappa0.5-lr1e-6-seed3',
      'simpo-gamma0.5-lr1e-6-seed3',
    ]);
    const configs = runConfigsOf(of);
    expect(configs.map(({ lossParameters }) => lossParameters)).toEqual([
      undefined,
      { kappa: 0.25 },
      { kappa: 0.5 },
      { gamma: 0.5 },
    ]);
    expect(runTitle({ config: configs[1]! }, of)).toBe('kappa-dpo:kappa=0.25, lr 1e-6, seed 3');
  });

  it('refuse an arm that is there twice, however it is written', () => {
    const twice = grid({ arms: ['kappa-dpo', 'dpo', 'kappa-dpo:kappa=.5'] });
    expect(() => jobRunsOf(twice)).toThrow(new UsageError('arms names kappa-dpo:kappa=0.5 twice'));
  });

  it('begin each seed with its SFT, which shares all but length and learning rate', () => {
    const shared = parseSharedSettings({
      evalShare: 0.5,
      steps: 9,
      beta: 0.3,
      reference: 'base',
      batchSize: 2,
    });
    const staged = grid({ learningRates: [1e-6], shared, sftFirst: { learningRate: 1e-4, epochs: 2 } });
    expect(cells(staged)).toEqual([
      ...['sft-first-lr1e-4-seed3', 'dpo-lr1e-6-seed3', 'sft-lr1e-6-seed3'],
      ...['sft-first-lr1e-4-seed4', 'dpo-lr1e-6-seed4', 'sft-lr1e-6-seed4'],
    ]);
    const [stage, arm] = jobRunsOf(staged);
    expect(stage).toMatchObject({ role: 'stage', config: { loss: 'sft', epochs: 2, batchSize: 2, seed: 3 } });
    for (const name of ['steps', 'reference']) expect(stage!.config).not.toHaveProperty(name);
    expect(stage!.config.lora).toEqual(arm!.config.lora);
    expect(arm).toEqual({ config: runConfigsOf(staged)[0] });
    expect(runTitle(stage!, staged)).toBe('sft first, lr 1e-4, seed 3');
    const brief = jobRunsOf({ ...staged, sftFirst: { learningRate: 1e-4, steps: 5 } })[0]!.config;
    expect([brief.steps, brief.epochs]).toEqual([5, undefined]);
    expect(jobRunsOf({ ...staged, sftFirst: { learningRate: 1e-4 } })[0]!.config.epochs).toBe(1);
  });

  it.each([
    [
      { sftFirst: { learningRate: 1e-4 }, shared: parseSharedSettings({ full: true }) },
      'excludes full training',
    ],
    [{ sftFirst: { learningRate: 1e-4, steps: 1, epochs: 1 } }, 'steps and epochs exclude each other'],
    [{ sftFirst: { learningRate: -1 } }, 'learningRate must be 0 or more'],
    [{ betas: [0.1], shared: parseSharedSettings({ beta: 0.1 }) }, 'exclude each other'],
    [{ betas: [] }, 'at least one'],
    [{ betas: [0.1, 0.2, 0.1] }, '0.1 twice'],
    [{ betas: [0.1, 0.2], arms: ['sft'] as const }, 'change nothing'],
    [{ betas: [0.1, 0] }, 'above 0'],
  ])('are refused for %o', (more, message) => {
    expect(() => jobRunsOf(grid(more))).toThrow(UsageError);
    expect(() => jobRunsOf(grid(more))).toThrow(message);
  });
});
