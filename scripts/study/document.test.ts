import { describe, expect, it } from 'vitest';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import { measures } from '../../src/shared/measures.ts';
import { select } from '../../src/shared/selection.ts';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { studyDocument, type PartRecord } from './document.ts';
import { robustness } from './findings.ts';
import { resultsTable, verdictTable } from './tables.ts';
import { heatMapPlot, measurePlot } from './plots.ts';
import { ticksOf } from './svg.ts';
import { verdict } from '../../src/shared/verdict.ts';

const result = syntheticComparison({
  arms: ['dpo', 'minor-dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5'],
  learningRates: [1e-3, 1e-2],
  betas: [0.1, 0.5],
  diverge: false,
});
const part = (own: ComparisonResult | undefined, more: Partial<PartRecord> = {}): PartRecord => {
  const selection = own && select(own);
  return {
    name: 'example',
    title: 'The bundled arithmetic task',
    about: 'About it.',
    ...(own ? { result: own } : {}),
    ...(selection ? { selection } : {}),
    pictures: [],
    ...more,
  };
};

describe('the text of the study', () => {
  const text = studyDocument([part(result), part(undefined, { name: 'smollm2', title: 'SmolLM2' })]);

  it('says the claim before anything else, and whose numbers these are not', () => {
    expect(text.indexOf('2408.09834')).toBeLessThan(text.indexOf('## In short'));
    expect(text).toContain('no number below is one of the paper');
  });
  it('says of what was not run that it was not', () => {
    expect(text).toMatch(/### SmolLM2\n\nNot run yet: nothing of it is on record\./);
  });
  it('says how much of an unfinished grid is there, and shows no cell without a run', () => {
    const begun = {
      ...result,
      runs: result.runs.filter(({ seed, loss }) => seed === 0 && loss !== 'minor-dpo'),
    };
    const unfinished = studyDocument([part(begun)]);
    expect(unfinished).toContain('**Not finished: 12 of 48 runs are on record** (0 of 3 seeds in full).');
    expect(unfinished).not.toContain('| 1e-3 | minor-dpo |');
    expect(unfinished).not.toContain('Not a paired comparison');
    expect(text).not.toContain('Not finished');
  });
  it('has each verdict as the program words it', () => {
    const unwrapped = text.replace(/\n {2}/g, ' ');
    for (const { words } of verdict(result).filter(({ primary }) => primary))
      expect(unwrapped).toContain(words.replace(/[\\`*_[\]<>|~]/g, '\\$&'));
  });
});

describe('tables of the study', () => {
  it('give the mean and its 95 % t interval over seeds', () => {
    const [first] = result.runs;
    const given = [50, 54, 58].map((right, seed) => ({
      ...first!,
      ...{ loss: 'dpo', learningRate: 1e-3, beta: 0.1, seed },
      evaluation: { ...first!.evaluation!, task: { questions: 100, correct: right, perQuestion: [] } },
    }));
    const own = { ...result, arms: ['dpo'], learningRates: [1e-3], betas: [0.1], runs: given };
    // Mean 54, standard deviation 4, t of two degrees of freedom 4.303: 4.303 · 4 / √3 = 9.9.
    expect(resultsTable(own, robustness(own), undefined)).toContain('| 1e-3 | dpo | 54.0 ± 9.9 |');
  });
  it('leave open what has no run yet', () => {
    const begun = { ...result, runs: result.runs.filter(({ learningRate }) => learningRate === 1e-3) };
    const lines = verdictTable(begun, verdict(begun), 'task').split('\n');
    expect(lines.find((line) => line.startsWith('| 1e-2 | 0.5'))).toBe('| 1e-2 | 0.5 | – | – | – |');
  });
});

describe('pictures of the study', () => {
  it('have a mark for every mean and a dot for every run, and tell arms of one colour apart', () => {
    const svg = measurePlot(
      result,
      measures.find(({ name }) => name === 'task')!,
    )!;
    expect(svg.match(/ seed"/g)).toHaveLength(result.runs.length);
    // One in the legend, and one at each rate and β.
    expect(svg.match(/class="arm-2 full"/g)).toHaveLength(1 + 4);
    expect(svg.match(/class="arm-3 hollow"/g)).toHaveLength(1 + 4);
    expect(svg).toContain('prefers-color-scheme: dark');
  });
  it('are none of what was not measured', () => {
    const untold = { ...result, runs: result.runs.map(({ evaluation: _none, ...run }) => run) };
    expect(measurePlot(untold, measures[0]!)).toBeUndefined();
    expect(heatMapPlot(untold)).toBeUndefined();
  });
  it('show every cell of the heat map, collapsed ones hatched', () => {
    const hatched = (own: ComparisonResult): number => heatMapPlot(own)!.match(/url\(#hatch\)/g)?.length ?? 0;
    expect(heatMapPlot(result)!.match(/class="frame"/g)).toHaveLength(4 * 2 * 2);
    const far = { perToken: 5, samples: 1, tokens: 1 } as never;
    const broken = result.runs.map((run) =>
      run.loss === 'dpo' && run.learningRate === 1e-3
        ? { ...run, evaluation: { ...run.evaluation!, klToReference: far } }
        : run,
    );
    const own = { ...result, runs: broken };
    const cells = robustness(own).flatMap(({ rates }) => rates.filter(({ collapsed }) => collapsed > 0));
    expect(hatched(own)).toBe(cells.length);
    expect(hatched(own)).toBeGreaterThan(hatched(result));
  });
  it('have round numbers at their axes', () => {
    expect(ticksOf(0, 100)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(ticksOf(-0.35, 0.12)).toEqual([-0.3, -0.2, -0.1, 0, 0.1]);
    expect(ticksOf(3, 3)).toEqual([3]);
  });
});
