import { describe, expect, it } from 'vitest';
import type { ComparisonResult, RunResult } from './comparison.ts';
import { claimsFirst, verdict, verdictLine } from './verdict.ts';
import type { Verdict } from './verdict.ts';

const questions = 1000;

interface Cell {
  readonly learningRate: number;
  /** Right answers of 1,000 per seed; null for a run that diverged. */
  readonly dpo: readonly (number | null)[];
  readonly minor: readonly (number | null)[];
}

/** A comparison with just the task accuracies given; preference accuracy and margin are the same everywhere. */
function comparison(...cells: readonly Cell[]): ComparisonResult {
  const run = (loss: string, learningRate: number, seed: number, correct: number | null): RunResult => ({
    id: `${loss} ${learningRate} ${seed}`,
    loss,
    learningRate,
    seed,
    orderHash: 'order',
    adapterStartHash: 'start',
    metrics: [],
    seconds: 1,
    ...(correct === null
      ? { status: 'diverged' as const, divergedAt: 7 }
      : {
          status: 'finished' as const,
          evaluation: {
            pairs: 100,
            preferenceAccuracy: 0.75,
            preferenceAccuracyRaw: 0.75,
            ties: 0,
            meanChosenLogRatio: 1,
            meanRejectedLogRatio: -1,
            meanMargin: 2,
            task: { questions, correct, perQuestion: [] },
          },
        }),
  });
  return {
    schema: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    command: '',
    versions: {},
    model: { name: 'model', hash: '', parameters: 1 },
    data: { name: 'data', hash: '', trainPairs: 1, evalPairs: 100, skipped: 0 },
    config: {},
    arms: ['dpo', 'minor-dpo'],
    learningRates: cells.map(({ learningRate }) => learningRate),
    seeds: cells[0]!.dpo.map((_, seed) => seed),
    base: {
      pairs: 100,
      preferenceAccuracyRaw: 0.5,
      ties: 100,
      meanChosenLogRatio: 0,
      meanRejectedLogRatio: 0,
      meanMargin: 0,
    },
    runs: cells.flatMap(({ learningRate, dpo, minor }) => [
      ...dpo.map((correct, seed) => run('dpo', learningRate, seed, correct)),
      ...minor.map((correct, seed) => run('minor-dpo', learningRate, seed, correct)),
    ]),
    onlyDiffers: ['loss'],
  };
}

const primary = (result: ComparisonResult): Verdict[] => verdict(result).filter((item) => item.primary);

describe('verdict', () => {
  it('claims a difference that stands out of the seed noise, with its t interval', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [540, 552, 541] }));
    // Differences 40, 42, 36 of 1,000: mean 39.33, sd 3.055; of 5 % the task has 4, since there is one learning rate and nothing
    // to choose: t(0.98, 2) = 4.84873 (SciPy), so ± 4.84873 · 3.055 / √3 = 8.552.
    expect(first).toMatchObject({ outcome: 'higher', measure: 'task', level: 0.96 });
    expect(first!.meanDifference).toBeCloseTo(0.039333, 5);
    expect(first!.halfWidth).toBeCloseTo(0.0085524, 6);
    expect(verdictLine(first!)).toBe(
      'lr 5e-6: minor-dpo better in task accuracy by 3.9 ± 0.9 points (96 % interval over 3 seeds)',
    );
  });

  it('says worse where it is worse', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [540, 552, 541], minor: [500, 510, 505] }));
    expect(first!.outcome).toBe('lower');
    expect(first!.words).toMatch(/^minor-dpo worse in task accuracy by 3\.9 ± 0\.9 points/);
  });

  it('finds no difference where the noise is larger, whatever the mean says', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [500, 520, 480], minor: [560, 510, 520] }));
    expect(first!.outcome).toBe('no-difference');
    expect(first!.words).toMatch(/^no detectable difference in task accuracy \(minor-dpo − dpo: \+3\.0 ± /);
  });

  it('pairs by seed: noise that both arms share does not hide a difference', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [300, 500, 700], minor: [330, 532, 729] }));
    expect(first!.outcome).toBe('higher');
  });

  it('claims nothing below three seeds, and says what was seen', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [100, 110], minor: [800, 810] }));
    expect(first).toMatchObject({ outcome: 'too-few-seeds' });
    expect(first!.meanDifference).toBeCloseTo(0.7, 12);
    expect(first!.pValue).toBeUndefined();
    expect(first!.words).toBe(
      'too few seeds to tell about task accuracy (observed minor-dpo − dpo: +70.0 points over 2 seeds; seed noise not assessed)',
    );
  });

  it('claims nothing where a run diverged, however the rest looks, and names both arms’ counts', () => {
    const [first] = primary(
      comparison({ learningRate: 5e-4, dpo: [100, 105, null, 103], minor: [800, 804, 801, 803] }),
    );
    expect(first).toMatchObject({ outcome: 'diverged', diverged: { arm: [], against: [2] } });
    expect(first!.differences.map(({ seed }) => seed)).toEqual([0, 1, 3]);
    expect(first!.words).toBe(
      'dpo diverged on 1 of 4 seeds, minor-dpo diverged on 0 of 4 seeds; no claim about task accuracy (observed minor-dpo − dpo: +70.0 points over 3 seeds)',
    );
  });

  it('is read in the order of what it claims', () => {
    const list = verdict(
      comparison(
        { learningRate: 1e-6, dpo: [500, 510, 490], minor: [505, 500, 495] },
        { learningRate: 1e-5, dpo: [500, 510, null], minor: [600, 610, 590] },
        { learningRate: 1e-4, dpo: [500, 510, 490], minor: [700, 711, 689] },
      ),
    ).filter(({ primary }) => primary);
    expect(list.map(({ outcome }) => outcome)).toEqual(['no-difference', 'diverged', 'higher']);
    expect(claimsFirst(list).map(({ outcome }) => outcome)).toEqual(['higher', 'diverged', 'no-difference']);
  });

  it('still speaks where every run of an arm diverged', () => {
    const [first] = primary(
      comparison({ learningRate: 5e-4, dpo: [null, null, null], minor: [800, 801, 802] }),
    );
    expect(first!.words).toContain('dpo diverged on 3 of 3 seeds');
    expect(first!.words).toContain('no seed on which both finished');
    expect(first!.meanDifference).toBeUndefined();
  });

  it('takes a diverged run’s last evaluation for no result', () => {
    const result = comparison({ learningRate: 5e-4, dpo: [100, 105, 103], minor: [800, 804, 801] });
    const runs = result.runs.map((run, place) =>
      place === 0 ? { ...run, status: 'diverged' as const } : run,
    );
    expect(primary({ ...result, runs })[0]!.outcome).toBe('diverged');
  });

  it('corrects for several learning rates by Holm, and widens the interval to match', () => {
    // Differences 40, 62, 57, 33: t = 6.989 with 3 degrees of freedom, p = 0.0060, held against 0.04/2 (SciPy).
    const strong = { dpo: [500, 500, 500, 500], minor: [540, 562, 557, 533] };
    // Differences 10, 30, 12, 4: t = 2.501, p = 0.0876, held against 0.04 and never claimed.
    const middling = { dpo: [500, 500, 500, 500], minor: [510, 530, 512, 504] };
    const verdicts = primary(
      comparison({ learningRate: 1e-6, ...strong }, { learningRate: 1e-5, ...middling }),
    );
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['higher', 'no-difference']);
    expect(verdicts.map(({ level }) => level)).toEqual([0.98, 0.96]);
    expect(verdicts[0]!.pValue).toBeCloseTo(0.006012909, 8);
    expect(verdicts[1]!.pValue).toBeCloseTo(0.087624453, 8);
    // Holm's 2 p and 1 p, times 0.05 / 0.04.
    expect(verdicts[0]!.adjustedPValue).toBeCloseTo(2 * 0.006012909 * 1.25, 8);
    expect(verdicts[1]!.adjustedPValue).toBeCloseTo(0.087624453 * 1.25, 8);
    expect(verdicts[0]!.words).toContain('corrected for 2 comparisons');
  });

  it('claims alone what it does not claim among many', () => {
    // Differences 30, 55, 35, 20: mean 35, sd 14.72, t = 4.756 with 3 degrees of freedom, p = 0.0176.
    const cell = { dpo: [500, 500, 500, 500], minor: [530, 555, 535, 520] };
    const nothing = { dpo: [500, 520, 510, 530], minor: [505, 512, 516, 527] };
    expect(primary(comparison({ learningRate: 1e-6, ...cell }))[0]!.outcome).toBe('higher');
    const among = primary(
      comparison(
        { learningRate: 1e-6, ...cell },
        { learningRate: 2e-6, ...nothing },
        { learningRate: 3e-6, ...nothing },
      ),
    );
    expect(among[0]!.pValue).toBeCloseTo(0.0176, 3);
    expect(among.map(({ outcome }) => outcome)).toEqual(['no-difference', 'no-difference', 'no-difference']);
    for (const { meanDifference, halfWidth } of among) {
      expect(Math.abs(meanDifference!)).toBeLessThan(halfWidth!);
    }
  });

  it('says what these seeds could have seen', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [500, 520, 480], minor: [560, 510, 520] }));
    // Differences 60, −10, 40 of 1,000: sd 36.06 points of a thousand. By SciPy's noncentral t (2 degrees of freedom, 0.04)
    // a difference of 3.652201 standard deviations has a power of 0.8.
    expect(first!.detectable).toBeCloseTo(3.652201 * 0.0360555, 6);
    expect(first!.words).toMatch(
      /; a difference of 13\.2 points or more would have been found with 80 % power\)$/,
    );
    const noisy = primary(comparison({ learningRate: 5e-6, dpo: [500, 100, 900], minor: [100, 500, 700] }));
    expect(noisy[0]!.words).toMatch(/; too noisy to find any difference with 80 % power\)$/);
    const claimed = primary(
      comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [540, 552, 541] }),
    )[0]!;
    expect(claimed.detectable).toBeCloseTo(3.652201 * 0.00305505, 6);
    expect(claimed.words).not.toContain('power');
  });

  it('holds what could have been seen against the first step of Holm’s correction', () => {
    const cell = { dpo: [500, 520, 480], minor: [560, 510, 520] };
    const nothing = { dpo: [500, 520, 510], minor: [505, 512, 516] };
    const [first] = primary(
      comparison(
        { learningRate: 1e-6, ...cell },
        { learningRate: 2e-6, ...nothing },
        { learningRate: 3e-6, ...nothing },
      ),
    );
    // SciPy: 6.337836 standard deviations at 0.04 / 3.
    expect(first!.detectable).toBeCloseTo(6.337836 * 0.0360555, 6);
  });

  it('shows bootstrap intervals over seeds, which do not decide', () => {
    const [first] = primary(comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [501, 511, 506] }));
    // Each seed one question better: the bootstrap is certain, the verdict is not.
    expect(first!.outcome).toBe('no-difference');
    expect(first!.bootstrap!.percentile.low).toBeCloseTo(0.001, 12);
    expect(first!.bootstrap!.biasCorrected.high).toBeCloseTo(0.001, 12);
    const [noisy] = primary(comparison({ learningRate: 5e-6, dpo: [500, 520, 480], minor: [560, 510, 520] }));
    // Of 27 resamples of 60, −10, 40 one has the lowest mean and one the highest: 3.7 % each, beyond 2.5 %.
    expect(noisy!.bootstrap!.percentile.low).toBeCloseTo(-0.01, 12);
    expect(noisy!.bootstrap!.percentile.high).toBeCloseTo(0.06, 12);
  });

  it('does not take equal differences on three seeds for certainty', () => {
    // Each seed one question better: the spread is 0, but one question is the smallest step there is.
    const [one] = primary(comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [501, 511, 506] }));
    expect(one!.outcome).toBe('no-difference');
    const [same] = primary(comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [500, 510, 505] }));
    expect(same).toMatchObject({ outcome: 'no-difference', pValue: 1, meanDifference: 0 });
  });

  it('calls a margin larger or smaller, never better', () => {
    const result = comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [500, 510, 505] });
    const runs = result.runs.map((run) =>
      run.loss === 'dpo'
        ? { ...run, evaluation: { ...run.evaluation!, meanMargin: 10 + run.seed / 10 } }
        : run,
    );
    const margin = verdict({ ...result, runs }).find(({ measure }) => measure === 'margin')!;
    expect(margin.primary).toBe(false);
    // Differences −8, −8.1, −8.2, with half of 1 %: t(0.9975, 2) = 14.08905 (SciPy), times 0.1 / √3.
    expect(margin.words).toMatch(
      /^minor-dpo smaller in raw margin c − r by 8\.10 ± 0\.813 nats \(99\.5 % interval/,
    );
  });

  it('leads with the preference accuracy where there is no task', () => {
    const result = comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [500, 510, 505] });
    const { pairs, preferenceAccuracyRaw, ties, meanMargin } = result.runs[0]!.evaluation!;
    const evaluation = {
      pairs,
      preferenceAccuracy: 0.75,
      preferenceAccuracyRaw,
      ties,
      meanMargin,
      meanChosenLogRatio: 1,
      meanRejectedLogRatio: -1,
    };
    const runs = result.runs.map((run) => ({ ...run, evaluation }));
    expect(verdict({ ...result, runs }).map(({ measure, primary }) => [measure, primary])).toEqual([
      ['preference', true],
      ['margin', false],
    ]);
  });

  describe('with several β', () => {
    interface GridCell {
      readonly loss: string;
      readonly beta: number;
      readonly learningRate?: number;
      /** As in `Cell`. */
      readonly correct: readonly number[];
    }
    const grid = (arms: readonly string[], cells: readonly GridCell[]): ComparisonResult => ({
      ...comparison({ learningRate: 1e-6, dpo: [1, 1, 1, 1], minor: [1, 1, 1, 1] }),
      arms,
      betas: [0.05, 0.2],
      runs: cells.flatMap(({ correct, learningRate = 1e-6, ...cell }) =>
        comparison({ learningRate, dpo: correct, minor: [] }).runs.map((run) => ({ ...run, ...cell })),
      ),
    });

    /** Two-sided p-value of the paired t test over four seeds: with 3 degrees of freedom t's distribution is elementary. */
    function pairedPValue(differences: readonly number[]): number {
      const mean = differences.reduce((sum, value) => sum + value, 0) / 4;
      const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      const angle = Math.atan(Math.abs(mean) / Math.sqrt(squares / 3 / 4) / Math.sqrt(3));
      return 1 - (2 / Math.PI) * (angle + Math.sin(angle) * Math.cos(angle));
    }

    it('gives one verdict per learning rate and β, corrected over all of them by Holm', () => {
      const cells = [
        { learningRate: 1e-6, beta: 0.05, differences: [10, 30, 12, 4] },
        { learningRate: 1e-6, beta: 0.2, differences: [40, 62, 57, 33] },
        { learningRate: 1e-5, beta: 0.05, differences: [-80, -72, -91, -77] },
        { learningRate: 1e-5, beta: 0.2, differences: [30, 55, 35, 20] },
      ];
      const result = grid(
        ['dpo', 'minor-dpo'],
        cells.flatMap(({ differences, ...point }): GridCell[] => [
          { loss: 'dpo', ...point, correct: [500, 510, 505, 495] },
          {
            loss: 'minor-dpo',
            ...point,
            correct: [500, 510, 505, 495].map((at, seed) => at + differences[seed]!),
          },
        ]),
      );
      const verdicts = primary({ ...result, learningRates: [1e-6, 1e-5] });
      expect(verdicts.map(({ learningRate, beta }) => [learningRate, beta])).toEqual(
        cells.map(({ learningRate, beta }) => [learningRate, beta]),
      );
      const pValues = cells.map(({ differences }) => pairedPValue(differences));
      for (const [place, { differences }] of cells.entries()) {
        const found = verdicts[place]!;
        expect(found.meanDifference).toBeCloseTo(differences.reduce((sum, each) => sum + each) / 4000, 12);
        expect(found.pValue).toBeCloseTo(pValues[place]!, 9);
        // Holm: the largest (4 − rank) × p among the p-values up to this one; the task has 4 of the 5 %.
        const upTo = pValues.filter((p) => p <= pValues[place]!).sort((one, other) => one - other);
        const adjusted = Math.min(1, Math.max(...upTo.map((p, rank) => (4 - rank) * p)) * (5 / 4));
        expect(found.adjustedPValue).toBeCloseTo(adjusted, 9);
        const claimed = found.outcome === 'higher' || found.outcome === 'lower';
        expect(claimed).toBe(adjusted <= 0.05);
        expect(Math.abs(found.meanDifference!) > found.halfWidth!).toBe(claimed);
      }
      expect(verdicts.map(({ outcome }) => outcome)).toEqual(['no-difference', 'higher', 'lower', 'higher']);
      expect(verdictLine(verdicts[1]!)).toMatch(
        /^lr 1e-6, β 0\.2: minor-dpo better .*corrected for 4 comparisons/,
      );
    });

    it('compares the one run of a loss that ignores β at each of them', () => {
      const result = grid(
        ['dpo', 'sft'],
        [
          { loss: 'dpo', beta: 0.05, correct: [500, 510, 505, 495] },
          { loss: 'dpo', beta: 0.2, correct: [550, 545, 550, 560] },
          { loss: 'sft', beta: 0.1, correct: [550, 560, 541, 555] },
        ],
      );
      const differences = (of: Verdict): number[] =>
        of.differences.map(({ difference }) => Math.round(difference * 1000));
      expect(primary(result).map((of) => [of.beta, of.arm, differences(of)])).toEqual([
        [0.05, 'sft', [50, 50, 36, 60]],
        [0.2, 'sft', [0, 15, -9, -5]],
      ]);
      const asFirst = primary({ ...result, arms: ['sft', 'dpo'] });
      expect(asFirst.map((of) => [of.beta, of.arm, differences(of)])).toEqual([
        [0.05, 'dpo', [-50, -50, -36, -60]],
        [0.2, 'dpo', [0, -15, 9, 5]],
      ]);
    });
  });

  it('never rounds the coverage of an interval to all', () => {
    const rates = Array.from({ length: 200 }, (_, place) => 1e-6 * (place + 1));
    const cell = { dpo: [500, 520, 510], minor: [505, 512, 516] };
    const verdicts = verdict(comparison(...rates.map((learningRate) => ({ learningRate, ...cell }))));
    // Of 5 % half a point for each of two other measures, over 200 comparisons: 0.0025 % are left out.
    expect(verdicts.at(-1)!.words).toContain(
      '99.9975 % interval over 3 seeds, corrected for 200 comparisons',
    );
  });

  it('compares every further arm with the first', () => {
    const result = comparison({ learningRate: 5e-6, dpo: [500, 510, 505], minor: [540, 552, 541] });
    const third = result.runs.filter(({ loss }) => loss === 'dpo').map((run) => ({ ...run, loss: 'sft' }));
    const arms = ['dpo', 'minor-dpo', 'sft'];
    const verdicts = primary({ ...result, arms, runs: [...result.runs, ...third] });
    expect(verdicts.map(({ arm, against, outcome }) => [arm, against, outcome])).toEqual([
      ['minor-dpo', 'dpo', 'higher'],
      ['sft', 'dpo', 'no-difference'],
    ]);
  });
});
