import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/shared/errors.ts';
import { expectedPeak, findBest } from './best.ts';
import { parseBest, trlArguments, tuned, type TrlSettings } from './trl-settings.ts';

const gigabyte = 1e9;

describe('findBest', () => {
  const search = async (
    secondsOf: (settings: TrlSettings) => number,
    gigabytes: number,
    pairs = 8,
  ): Promise<{ best: TrlSettings; tried: string[]; said: string[] }> => {
    const tried: string[] = [];
    const said: string[] = [];
    const best = await findBest({
      run: (settings) => {
        tried.push(`${settings.batch}${settings.bf16 ? ' bf16' : ''}`);
        // One for the model, three for each pair of a batch.
        const peakBytes = (1 + 3 * settings.batch!) * gigabyte;
        return Promise.resolve({ seconds: secondsOf(settings), peakBytes });
      },
      memory: () => gigabytes * gigabyte,
      pairs,
      say: (line) => said.push(line),
    });
    return { best, tried, said };
  };

  test('takes the fastest batch, and bfloat16 where that is faster', async () => {
    const seconds = ({ batch, bf16 }: TrlSettings): number => Math.abs(batch! - 2) + (bf16 ? 4 : 5);
    const { best, tried } = await search(seconds, 100);
    expect(tried).toEqual(['1', '2', '4', '8', '2 bf16']);
    expect(best).toEqual(tuned(2, true));
  });

  test('leaves bfloat16 where it is slower', async () => {
    const { best } = await search(({ bf16 }) => (bf16 ? 6 : 5), 100);
    expect(best).toEqual(tuned(1, false));
  });

  test('leaves out what would not fit, and says so', async () => {
    // Measured are 4 and 7 GB at 1 and 2: 13 GB are foreseen at 4.
    const { tried, said } = await search(() => 5, 12);
    expect(tried).toEqual(['1', '2', '1 bf16']);
    expect(said.join('\n')).toContain('batch 4, fp32: left out, it would take about 13 GB');
  });

  test('tries no batch larger than the pairs that there are', async () => {
    expect((await search(() => 5, 100, 4)).tried).toEqual(['1', '2', '4', '1 bf16']);
  });
});

test('after one batch all of its memory counts as growing', () => {
  expect(expectedPeak([], 1)).toBeUndefined();
  expect(expectedPeak([[1, 4]], 2)).toBe(8);
  expect(
    expectedPeak(
      [
        [1, 4],
        [2, 7],
      ],
      8,
    ),
  ).toBe(25);
});

describe('--best', () => {
  test('is read', () => {
    expect(parseBest('batch=4,bf16=1')).toEqual(tuned(4, true));
    expect(parseBest('batch=1')).toEqual(tuned(1, false));
    expect(trlArguments(parseBest('batch=2,bf16=0')).join(' ')).toMatch(
      /^--batch 2 --checkpointing 0 --bf16 0 --update 8 /,
    );
  });
  test.each([
    ['batch=3', /one of 1, 2, 4, 8/],
    ['bf16=1', /one of 1, 2, 4, 8/],
    ['batch=1,bf16=yes', /bf16 should be 0 or 1/],
    ['batch=1,batch=2', /should look like/],
    ['batch:1', /should look like/],
    ['lanes=1', /should look like/],
  ])('refuses %s', (text, message) => {
    expect(() => parseBest(text)).toThrow(UsageError);
    expect(() => parseBest(text)).toThrow(message);
  });
});
