import { describe, expect, test } from 'vitest';
import type { Feed } from '../session/session.ts';
import { packBatch, packPair, type PackablePair, type PackedBatch } from './packing.ts';
import { Random } from './random.ts';

const ids = (...values: number[]): Int32Array => Int32Array.from(values);
const numbers = ({ data }: Feed): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
const feed = (packed: PackedBatch, name: string): number[] => numbers(packed.feeds[name]!);

/** One token that the model reads: of the prompt or of an answer, at its place in prompt + answer. */
interface Token {
  readonly part: 'prompt' | 'chosen' | 'rejected';
  readonly position: number;
  /** Nothing of the text: it only keeps a block from being empty. */
  readonly filler: boolean;
}

/** What the packed sequence of a pair should hold, said without indices into it. */
function tokensOf(pair: PackablePair, promptBlocks: number): Token[] {
  const part = (name: Token['part'], count: number, from: number, least: number): Token[] =>
    Array.from({ length: Math.max(least, count) }, (_, place) => ({
      part: name,
      position: from + place,
      filler: place >= count,
    }));
  const start = pair.prompt.length;
  return [
    ...part('prompt', start, 0, promptBlocks),
    ...part('chosen', pair.chosen.length - 1, start, 1),
    ...part('rejected', pair.rejected.length - 1, start, 1),
  ];
}

/** A token sees what stands before it in its own text, itself included; nothing sees a filler but itself. */
const sees = (query: Token, key: Token): boolean =>
  query === key ||
  (!key.filler && key.position <= query.position && (key.part === 'prompt' || key.part === query.part));

const cases: Record<string, PackablePair> = {
  ordinary: { prompt: ids(1, 10, 11), chosen: ids(20, 21, 22, 2), rejected: ids(30, 31, 2) },
  'answers of one token': { prompt: ids(1, 10), chosen: ids(20), rejected: ids(30) },
  'a prompt of one token': { prompt: ids(1), chosen: ids(20, 2), rejected: ids(30, 31, 2) },
  'no prompt': { prompt: ids(), chosen: ids(20, 21, 2), rejected: ids(30, 31) },
  'one answer': { prompt: ids(1, 10, 11), chosen: ids(20, 21, 2), rejected: ids() },
};

describe.each(Object.entries(cases))('a packed pair: %s', (_name, pair) => {
  const tokens = tokensOf(pair, 1);
  const groups = 3;
  const packed = packPair(pair, { groups, chunks: 1, promptBlocks: 1 });

  test('reads prompt, chosen and rejected without their last tokens, positions after the prompt', () => {
    const read = feed(packed, 'token_ids').filter((_, place) => !tokens[place]!.filler);
    expect(read).toEqual([...pair.prompt, ...pair.chosen.slice(0, -1), ...pair.rejected.slice(0, -1)]);
    expect(feed(packed, 'positions')).toEqual(tokens.map(({ position }) => position));
    expect(packed.sequences[0]!.length).toBe(tokens.length);
  });

  test.each([1, 2, 4])(
    'lets each token see exactly its own text, for every group of heads; prompt in %i blocks',
    (promptBlocks) => {
      const { feeds } = packPair(pair, { groups, chunks: 1, promptBlocks });
      const tokens = tokensOf(pair, promptBlocks);
      const lengths = numbers(feeds['block_lengths']!);
      expect(lengths.length).toBe(promptBlocks + 2);
      // The runtime cannot multiply over nothing.
      expect(Math.min(...lengths)).toBeGreaterThan(0);
      const starts = lengths.map((_, block) => lengths.slice(0, block).reduce((sum, own) => sum + own, 0));
      const tokensAt = (block: number): Token[] =>
        tokens.slice(starts[block], starts[block]! + lengths[block]!);
      expect(lengths.flatMap((_, block) => tokensAt(block))).toEqual(tokens);
      lengths.forEach((rows, block) => {
        // What a block of rows looks at: the prompt up to it, and itself.
        const keys = [...lengths.keys()].filter(
          (other) => other === block || (other < block && other < promptBlocks),
        );
        const visible = keys.flatMap(tokensAt);
        const mask = feeds[`mask_${block}`]!;
        expect(mask.shape).toEqual([groups * rows, visible.length]);
        const cells = numbers(mask);
        expect(cells.length).toBe(groups * rows * visible.length);
        for (let group = 0; group < groups; group++) {
          tokensAt(block).forEach((query, row) =>
            tokens.forEach((key) => {
              const column = visible.indexOf(key);
              const cell = column < 0 ? -Infinity : cells[(group * rows + row) * visible.length + column];
              // What a filler looks at besides is nobody's affair.
              if (query.filler && query !== key) return;
              expect(cell, `row ${row}, column ${column}`).toBe(sees(query, key) ? 0 : -Infinity);
            }),
          );
        }
      });
    },
  );

  test('predicts every answer token from the one before it, and nothing else', () => {
    const rows = feed(packed, 'rows_0');
    const targets = feed(packed, 'targets_0');
    const wanted = (['chosen', 'rejected'] as const).flatMap((part) =>
      [...pair[part]].flatMap((target, place) => {
        const before = pair.prompt.length + place - 1;
        return before < 0 ? [] : [{ part, before, target }];
      }),
    );
    expect(targets).toEqual(wanted.map(({ target }) => target));
    rows.forEach((row, place) => {
      const { part, before } = wanted[place]!;
      const token = tokens[row]!;
      expect(token).toMatchObject({ position: before, filler: false });
      expect([part, 'prompt']).toContain(token.part);
    });
    for (const part of ['chosen', 'rejected'] as const) {
      expect(feed(packed, `${part}_segment_0`)).toEqual(wanted.map((row) => (row.part === part ? 1 : 0)));
      expect(feed(packed, `${part}_tokens`)).toEqual([wanted.filter((row) => row.part === part).length]);
      expect(packed.sequences[0]![`${part}Rows`]).toBe(feed(packed, `${part}_tokens`)[0]);
    }
  });
});

test('chunks hold the same rows in the same order, and may be empty', () => {
  const random = new Random(2, 'packing test');
  for (let round = 0; round < 30; round++) {
    const draw = (least: number, most: number): Int32Array =>
      Int32Array.from({ length: least + random.below(most - least + 1) }, () => random.below(50));
    const pair = { prompt: draw(1, 6), chosen: draw(1, 7), rejected: draw(0, 7) };
    const whole = packPair(pair, { groups: 1, chunks: 1, promptBlocks: 1 });
    for (const chunks of [2, 3, 9]) {
      const packed = packPair(pair, { groups: 1, chunks, promptBlocks: 1 });
      for (const name of ['rows', 'targets', 'chosen_segment', 'rejected_segment']) {
        const parts = Array.from({ length: chunks }, (_, chunk) => feed(packed, `${name}_${chunk}`));
        expect(parts.flat()).toEqual(feed(whole, `${name}_0`));
        if (name === 'rows') expect(packed.chunkRows).toEqual(parts.map((part) => part.length));
      }
    }
  }
});

test('sequences side by side keep apart; padding comes after and is never predicted from', () => {
  const pairs = [cases['ordinary']!, cases['answers of one token']!, cases['no prompt']!];
  const packed = packBatch(pairs, { groups: 2, chunks: 1 });
  // 6 tokens read of the longest: prompt 3, chosen 4 without its last.
  const length = 6;
  expect(packed.feeds['token_ids']!.shape).toEqual([3 * length]);
  expect(feed(packed, 'token_ids')).toEqual([1, 10, 11, 20, 21, 22, 1, 10, 0, 0, 0, 0, 20, 21, 0, 0, 0, 0]);
  expect(feed(packed, 'positions').slice(0, length)).toEqual([0, 1, 2, 3, 4, 5]);
  const mask = feed(packed, 'mask');
  expect(packed.feeds['mask']!.shape).toEqual([2 * length, length]);
  mask.forEach((cell, place) => {
    const query = Math.floor(place / length) % length;
    expect(cell).toBe(place % length <= query ? 0 : -Infinity);
  });
  // Rows count over all sequences: the second starts at 6, the third at 12.
  expect(feed(packed, 'rows_0')).toEqual([2, 3, 4, 5, 7, 12, 13]);
  expect(feed(packed, 'targets_0')).toEqual([20, 21, 22, 2, 20, 21, 2]);
  expect(packed.feeds['chosen_segment_0']!.shape).toEqual([3, 7]);
  expect(feed(packed, 'chosen_segment_0')).toEqual([
    ...[1, 1, 1, 1, 0, 0, 0],
    ...[0, 0, 0, 0, 1, 0, 0],
    ...[0, 0, 0, 0, 0, 1, 1],
  ]);
  expect(feed(packed, 'rejected_segment_0').every((value) => value === 0)).toBe(true);
  expect(feed(packed, 'chosen_tokens')).toEqual([4, 1, 2]);
});
