import { describe, expect, test } from 'vitest';
import type { HalfReport } from './half-report.ts';
import { summarise, worstAgreement, type GridResult, type TrainingResult } from './summary.ts';
import { linesOf, markdownTable, tableOf, textTable, withFigures } from './tables.ts';

const half = (change: Partial<HalfReport>): HalfReport => ({
  setup_seconds: 1,
  reference_seconds: 2,
  training_seconds: 10,
  step_seconds: [10],
  first_step_begins_seconds: 3,
  first_step_seconds: 13,
  losses: [0.69],
  reference_log_probs: { chosen: [], rejected: [] },
  pairs_seen: [],
  peak_rss_bytes: 1e9,
  versions: { trl: '1.2.3' },
  ...change,
});
const arithmetic = { base: 600e9, lora: 100e9, attention: 200e9, head: 100e9, total: 1000e9 };
// 8 pairs. The middle one of three repeats trains in 4 s; totals are 6, 7 and 8 s.
const ours = summarise(
  {
    name: 'Plumbline',
    halves: [5, 4, 3].map((training) =>
      half({
        training_seconds: training,
        script_seconds: training / 50,
        peak_rss_bytes: training * 1e8,
        versions: { node: '24.0.0' },
      }),
    ),
    firstSteps: [
      { begins: 2, ends: 5 },
      { begins: 1, ends: 6 },
      { begins: 3, ends: 4 },
    ],
  },
  arithmetic,
  [500e9, 400e9, 1],
  8,
);
const theirs = summarise(
  { name: 'TRL as installed', halves: [half({ training_seconds: 25 })] },
  arithmetic,
  [400e9],
  8,
);
const head = {
  workload: 'short',
  what: 'dialogues',
  model: 'small',
  source: 'somewhere',
  pairs: 8,
  tokens: { prompt: 90.4, chosen: 40, rejected: 50 },
  threads: 2,
  repeats: 3,
  low_memory: false,
  load: [0.1, 2],
} as const;
const alone: TrainingResult = {
  ...head,
  kind: 'training',
  arithmetic,
  peak_flops_per_second: 400e9,
  sides: [ours],
};
const result: TrainingResult = {
  ...alone,
  agreement: { referenceLogProb: 5e-4, loss: 1e-6 },
  sides: [ours, theirs],
};
const machine = { cpu: 'Processor', cores: 2, memory_bytes: 16 * 2 ** 30, platform: 'linux-x64' };

test('a side is the middle of its repeats', () => {
  expect(ours).toMatchObject({
    pairs_per_second: 8 / 7,
    training_pairs_per_second: 2,
    reference_pairs_per_second: 4,
    total_seconds: 7,
    flops_per_second: 250e9,
    share_of_peak: 250 / 500,
    first_step_begins_seconds: 2,
    first_step_seconds: 5,
    script_share: 1 / 50,
    peak_rss_bytes: 5e8,
  });
  expect(theirs.script_share).toBeUndefined();
  expect([theirs.first_step_begins_seconds, theirs.first_step_seconds]).toEqual([3, 13]);
});

describe('a training workload', () => {
  test('as a table', () => {
    expect(tableOf(result).rows).toEqual([
      ['Plumbline', '1.14', '2.00', '4.00', '1.0 s', '250', '50.0 %', '2.0 s / 5.0 s', '0.50 GB'],
      ['TRL as installed', '0.286', '0.320', '4.00', '1.0 s', '40', '10.0 %', '3.0 s / 13.0 s', '1.00 GB'],
      // 28 s against 7, 25 against 4.
      ['Plumbline against TRL as installed', '4.00×', '6.25×', '1.00×', '', '', '', '', '0.50×'],
    ]);
  });

  test('without a reference pass, where one update needs none', () => {
    const first = { ...ours, reference_pairs_per_second: undefined };
    const [own, , against] = tableOf({ ...result, sides: [first, theirs] }).rows;
    expect([own![3], against![3]]).toEqual(['–', '–']);
  });

  test('in words', () => {
    const lines = linesOf(result, machine).join('\n');
    expect(lines).toContain('8 pairs, on average 90 tokens of prompt, 40 chosen, 50 rejected');
    expect(lines).toContain('Processor, 2 cores, 16 GiB, linux-x64; load 0.1 before, 2.0 after');
    expect(lines).toContain('node 24.0.0, trl 1.2.3');
    expect(lines).toContain('reference log-probs within 5.0e-4 nats, losses within 1.0e-6');
    expect(lines).toContain(
      '125 GFLOP a pair (60 % frozen layers, 10 % LoRA, 20 % attention, 10 % vocabulary); peak of a large product: 400',
    );
    expect(lines).toContain('2.0 % of training');
  });

  test('without TRL claims no equality and no ratio', () => {
    expect(linesOf(alone, machine).join('\n')).not.toContain('same token ids');
    expect(tableOf(alone).rows).toHaveLength(1);
  });
});

test('a grid compares wall times', () => {
  const grid: GridResult = {
    ...head,
    kind: 'grid',
    workload: 'grid',
    runs: 12,
    sides: [
      { name: 'Plumbline', seconds: 120, peak_rss_bytes: 2e9, versions: {} },
      { name: 'TRL at its best', settings: 'batch 1, fp32', seconds: 600, peak_rss_bytes: 4e9, versions: {} },
    ],
  };
  expect(tableOf(grid).rows).toEqual([
    ['Plumbline', '120 s', '2.00 GB'],
    ['TRL at its best (batch 1, fp32)', '600 s', '4.00 GB'],
    ['Plumbline against TRL at its best', '5.00× as fast', '0.50×'],
  ]);
  expect(linesOf(grid, machine)[0]).toContain('12 runs from files to adapters');
  expect(linesOf(grid, machine)[0]).not.toContain('TRL made');
  expect(linesOf({ ...grid, trl_runs: 2 }, machine)[0]).toContain('of which TRL made 2');
});

test('tables for terminal and document', () => {
  const table = {
    head: ['a', 'number'],
    rows: [
      ['longer', '1'],
      ['b', ''],
    ],
  };
  expect(textTable(table)).toBe('a       number\nlonger       1\nb');
  expect(markdownTable(table)).toBe('| a | number |\n| --- | ---: |\n| longer | 1 |\n| b |  |');
});

describe('figures in a document', () => {
  const document =
    'before\n<!-- bench: short -->\nold\n<!-- /bench: short -->\nbetween\n<!-- bench: grid -->\nkept\n<!-- /bench: grid -->\n';

  test('replace those of the same workload and nothing else', () => {
    const once = withFigures(document, result, machine);
    expect(once).not.toContain('old');
    expect(once).toMatch(/^before\n<!-- bench: short -->\n- dialogues/);
    expect(once).toContain('| Plumbline | 1.14 | 2.00 |');
    expect(once).toContain('<!-- /bench: short -->\nbetween\n<!-- bench: grid -->\nkept\n');
    expect(withFigures(once, result, machine)).toBe(once);
  });

  test('need their marks', () => {
    expect(() => withFigures('nothing', result, machine)).toThrow(/no <!-- bench: short -->/);
  });
});

test('the worst agreement', () => {
  expect(worstAgreement([])).toBeUndefined();
  expect(
    worstAgreement([
      { referenceLogProb: 1, loss: 4 },
      { referenceLogProb: 3, loss: 2 },
    ]),
  ).toEqual({ referenceLogProb: 3, loss: 4 });
  expect(worstAgreement([{ referenceLogProb: 1 }])).toEqual({ referenceLogProb: 1 });
});
