import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { measuresOf, type ComparisonResult, type PromptSample } from './comparison.ts';
import { answersAtParting, divergencePoint, divergencePoints } from './divergence-point.ts';
import { verdict } from './verdict.ts';

const point = { learningRate: 1e-5 };

/**
 * Margins by step: those of dpo are 0, those of minor-dpo its differences per seed and step. The first list is of step 10; the
 * last is of the end.
 */
function course(differences: readonly (readonly number[])[]): ComparisonResult {
  const made = syntheticComparison({
    diverge: false,
    questions: 0,
    learningRates: [1e-5],
    seeds: differences[0]!.map((_, seed) => seed),
  });
  return {
    ...made,
    runs: made.runs.map((run) => {
      const at = (place: number) => {
        const measured = measuresOf(run.evaluation!);
        const margin = run.loss === 'dpo' ? 0 : differences[place]![run.seed]!;
        return { ...measured, meanMargin: margin };
      };
      const end = differences.length - 1;
      return {
        ...run,
        steps: 10 * differences.length,
        evaluation: { ...run.evaluation!, ...at(end) },
        evaluations: differences
          .slice(0, -1)
          .map((_, place) => ({ step: 10 * (place + 1), evaluation: at(place) })),
      };
    }),
  };
}
const parting = (result: ComparisonResult, arm = 'minor-dpo') =>
  divergencePoint(result, arm, point, 'margin', verdict(result));
const stepOf = (differences: readonly (readonly number[])[]) => parting(course(differences))?.step;

// Of three values t is 4.303: 1, 2, 3 give 2 ± 2.48, which holds 0; 2, 3, 4 give 3 ± 2.48, which does not.
const within = [1, 2, 3];
const apart = [2, 3, 4];
const opposite = [-2, -3, -4];

describe('the point where two arms part', () => {
  it('is the first evaluation whose t interval leaves 0 out', () => {
    expect(stepOf([within, within, apart, apart])).toBe(30);
    expect(stepOf([apart, apart])).toBe(10);
    const found = parting(course([within, apart]))!;
    expect(found).toMatchObject({ arm: 'minor-dpo', against: 'dpo', difference: 3, seeds: [0, 1, 2] });
    expect(found.halfWidth).toBeCloseTo(4.30265 / Math.sqrt(3), 4);
  });

  it('is called one only where the verdict on the whole comparison claims a difference', () => {
    // The margin, which does not lead, has 1 % here: t(0.995, 2) = 9.925 (SciPy), so 2, 3, 4 are 3 ± 5.73, and 12, 13, 14 are 13 ± 5.73.
    const claimed = parting(course([within, apart, [12, 13, 14]]))!;
    expect(claimed).toMatchObject({ isClaimed: true, step: 20 });
    expect(claimed.words).toContain('minor-dpo and dpo part in raw margin c − r at step 20, and stay apart');
    const open = parting(course([within, apart]))!;
    expect(open.isClaimed).toBe(false);
    expect(open.words).toMatch(
      /^minor-dpo and dpo seem to part in raw margin c − r at step 20 .*: no finding, for the verdict claims no difference$/,
    );
  });

  it('counts only where it stays out, on the same side, to the end', () => {
    expect(stepOf([apart, within, apart, apart])).toBe(30);
    expect(stepOf([apart, apart, within])).toBeUndefined();
    expect(stepOf([apart, opposite, opposite])).toBe(20);
    expect(stepOf([within, within])).toBeUndefined();
  });

  it('is none with too few seeds, without evaluations on the way, or of an arm and itself', () => {
    expect(stepOf([[9, 9.1]])).toBeUndefined();
    const plain = syntheticComparison({ diverge: false, learningRates: [1e-5] });
    expect(parting(plain)).toBeUndefined();
    expect(parting(course([apart]), 'dpo')).toBeUndefined();
  });
});

describe('the answers at the point where two arms part', () => {
  const samples = (loss: string, seed: number): PromptSample[] => [
    { prompt: 'Q', output: `${loss} of seed ${seed}`, tokens: 3, repetition: 0 },
  ];

  it('are both arms’, of one seed, at that step', () => {
    const made = course([within, apart, apart]);
    const [found] = divergencePoints(made, []);
    expect(found).toMatchObject({
      measure: 'margin',
      step: 20,
      differences: [2, 3, 4].map((difference, seed) => ({ seed, difference })),
    });
    expect(answersAtParting(made, found!)).toBeUndefined();
    const kept = {
      ...made,
      runs: made.runs.map((run) => ({
        ...run,
        evaluations: run.evaluations!.map((at) =>
          at.step === 20 ? { ...at, samples: samples(run.loss, run.seed) } : at,
        ),
      })),
    };
    expect(answersAtParting(kept, found!)).toEqual({
      seed: 0,
      prompts: [{ prompt: 'Q', outputs: ['dpo of seed 0', 'minor-dpo of seed 0'] }],
    });
  });

  it('are those of the last evaluation where they part at the end', () => {
    const made = course([within, apart]);
    const ended = {
      ...made,
      runs: made.runs.map((run) => ({
        ...run,
        evaluation: { ...run.evaluation!, samples: samples(run.loss, run.seed) },
      })),
    };
    const [found] = divergencePoints(ended, []);
    expect(answersAtParting(ended, found!)!.prompts[0]!.outputs).toEqual([
      'dpo of seed 0',
      'minor-dpo of seed 0',
    ]);
  });
});
