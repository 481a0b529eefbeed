import { expect, test } from 'vitest';
import type { HalfReport } from './half.ts';
import { differenceOf, sideOf, tableOf, type Result } from './report.ts';
import { rows } from './rows.ts';

const half = (
  seconds: number,
  promptSeconds: number,
  lengths: readonly number[],
  bytes = 1e9,
): HalfReport => ({
  arms: [
    {
      seconds,
      prompt_seconds: promptSeconds,
      answers: lengths.map((length) => new Array<number>(length).fill(7)),
    },
  ],
  peak_rss_bytes: bytes,
  versions: { node: '24' },
});

test('speeds are of medians, memory is the largest', () => {
  const side = sideOf('Plumbline', [
    half(10, 2, [50, 50]),
    half(30, 2, [50, 50], 3e9),
    half(12, 2, [50, 50]),
  ]);
  expect(side.seconds).toBe(12);
  expect(side.tokensPerSecond).toBe(100 / 12);
  // 98 tokens after the first two, in 10 seconds after the prompts.
  expect(side.decodingPerSecond).toBe(98 / 10);
  expect(side.peakBytes).toBe(3e9);
});

test('where answers end by themselves the ratio is of time, else of tokens', () => {
  const named = (name: string) => rows.find((row) => row.name === name)!;
  const result = (name: string): Result => ({
    rows: [
      {
        row: named(name),
        // Half the tokens in half the time.
        sides: [sideOf('Plumbline', [half(5, 1, [50])]), sideOf('transformers', [half(10, 1, [100])])],
        agreement: { answers: 1, whole: 0, tokenShare: 0.5 },
      },
    ],
    model: 'm',
    source: 's',
    threads: 2,
    repeats: 1,
    promptTokens: 90,
    load: [1, 1],
  });
  expect(tableOf(result('one')).rows[0]).toContain('1.00×');
  expect(tableOf(result('evaluation')).rows[0]).toContain('2.00×');
  expect(tableOf(result('one')).rows[0]).toContain('50.0 %, 0 of 1 answers');
});

test('differences of log-probs keep their sign in the mean and lose it in the magnitude', () => {
  const found = differenceOf([
    [[-1, -2], [-3]],
    [[-1.5, -1.5], [-3]],
  ]);
  expect(found).toEqual({ mean: 0, meanMagnitude: 1 / 3, tokens: 3 });
  expect(() => differenceOf([[[-1]], [[]]])).toThrow('other tokens');
});
