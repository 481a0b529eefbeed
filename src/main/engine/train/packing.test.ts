import { describe, expect, test } from 'vitest';
import type { Feed } from '../session/session.ts';
import { packBatch, packPair, packPairs, type PackablePair, type PackedBatch } from './packing.ts';
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
function tokensOf(pair: PackablePair, promptBlocks: number, answerBlocks = 1): Token[] {
  const part = (name: Token['part'], count: number, from: number, least: number): Token[] =>
    Array.from({ length: Math.max(least, count) }, (_, place) => ({
      part: name,
      position: from + place,
      filler: place >= count,
    }));
  const start = pair.prompt.length;
  return [
    ...part('prompt', start, 0, promptBlocks),
    ...part('chosen', pair.chosen.length - 1, start, answerBlocks),
    ...part('rejected', pair.rejected.length - 1, start, answerBlocks),
  ];
}

/** A token sees what stands before it in its own text, itself included; nothing sees a filler but itself. */
const sees = (query: Token, key: Token): boolean =>
  query === key ||
  (!key.filler && key.position <= query.position && (key.part === 'prompt' || key.part === query.part));

const one = { prompts: 1, pairsPerPrompt: 1 };

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
  const packed = packPair(pair, { groups, chunks: 1, blocks: { ...one, promptBlocks: 1, prefixBlocks: 0 } });

  test('reads prompt, chosen and rejected without their last tokens, positions after the prompt', () => {
    const read = feed(packed, 'token_ids').filter((_, place) => !tokens[place]!.filler);
    expect(read).toEqual([...pair.prompt, ...pair.chosen.slice(0, -1), ...pair.rejected.slice(0, -1)]);
    expect(feed(packed, 'positions')).toEqual(tokens.map(({ position }) => position));
    expect(packed.length).toBe(tokens.length);
  });

  test.each([
    [1, 1],
    [2, 1],
    [4, 2],
    [1, 3],
  ])(
    'lets each token see exactly its own text, for every group of heads; prompt in %i blocks, answers in %i',
    (promptBlocks, answerBlocks) => {
      const { feeds } = packPair(pair, {
        groups,
        chunks: 1,
        blocks: { ...one, promptBlocks, answerBlocks, prefixBlocks: 0 },
      });
      const tokens = tokensOf(pair, promptBlocks, answerBlocks);
      const lengths = numbers(feeds['block_lengths']!);
      expect(lengths.length).toBe(promptBlocks + 2 * answerBlocks);
      const answerOf = (block: number): number => Math.floor((block - promptBlocks) / answerBlocks);
      // The runtime cannot multiply over nothing.
      expect(Math.min(...lengths)).toBeGreaterThan(0);
      const starts = lengths.map((_, block) => lengths.slice(0, block).reduce((sum, own) => sum + own, 0));
      const tokensAt = (block: number): Token[] =>
        tokens.slice(starts[block], starts[block]! + lengths[block]!);
      expect(lengths.flatMap((_, block) => tokensAt(block))).toEqual(tokens);
      lengths.forEach((rows, block) => {
        // What a block of rows looks at: the prompt and its own answer up to it, and itself.
        const keys = [...lengths.keys()].filter(
          (other) => other <= block && (other < promptBlocks || answerOf(other) === answerOf(block)),
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
              const cell = column < 0 ? -Infinity : cells[(row * groups + group) * visible.length + column];
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
    const [rows, targets, weights, counts] = ['rows', 'targets_0', 'row_weights', 'answer_rows'].map((name) =>
      feed(packed, name),
    ) as [number[], number[], number[], number[]];
    const [place] = packed.pairs;
    expect(packed.pairs).toHaveLength(1);
    expect(place!.slot).toBe(0);
    expect(counts[0]! + counts[1]!).toBe(rows.length);
    for (const [answer, part] of (['chosen', 'rejected'] as const).entries()) {
      const wanted = [...pair[part]].flatMap((target, own) => {
        const before = pair.prompt.length + own - 1;
        return before < 0 ? [] : [{ before, target }];
      });
      const from = answer === 0 ? place!.firstRow : place!.firstRejectedRow;
      expect(from).toBe(answer === 0 ? 0 : counts[0]);
      expect(place![`${part}Rows`]).toBe(wanted.length);
      expect(feed(packed, `${part}_tokens`)).toEqual([wanted.length]);
      // An answer without any has one that does not count.
      expect(counts[answer]).toBe(Math.max(1, wanted.length));
      expect(weights.slice(from, from + counts[answer]!)).toEqual(
        wanted.length === 0 ? [0] : wanted.map(() => 1),
      );
      wanted.forEach(({ before, target }, own) => {
        expect(targets[from + own]).toBe(target);
        const token = tokens[rows[from + own]!]!;
        expect(token).toMatchObject({ position: before, filler: false });
        expect([part, 'prompt']).toContain(token.part);
      });
    }
  });
});

describe('pairs packed together', () => {
  const pairs = ['ordinary', 'a prompt of one token', 'ordinary', 'no prompt', 'ordinary', 'one answer'].map(
    (name) => cases[name]!,
  );

  test('hold of each pair what it holds alone, one after the other; room that is left counts as nothing', () => {
    const blocks = { prompts: 3, pairsPerPrompt: 2, promptBlocks: 2, prefixBlocks: 0 };
    const groups = [[pairs[0]!, pairs[5]!], [pairs[1]!]];
    const together = packPairs(groups, { groups: 2, chunks: 1, blocks });
    expect(together.pairs.map(({ slot }) => slot)).toEqual([0, 1, 2]);
    expect(feed(together, 'block_lengths')).toHaveLength(3 * (2 + 2 * 2));
    expect(feed(together, 'block_lengths').reduce((sum, own) => sum + own, 0)).toBe(together.length);
    expect(feed(together, 'answer_rows')).toHaveLength(2 * 6);
    const ids = feed(together, 'token_ids');
    const positions = feed(together, 'positions');
    groups.flat().forEach((pair, place) => {
      const alone = packPair(pair, {
        groups: 2,
        chunks: 1,
        blocks: { ...one, promptBlocks: 2, prefixBlocks: 0 },
      });
      const [own, single] = [together.pairs[place]!, alone.pairs[0]!];
      for (const part of ['chosen', 'rejected'] as const) {
        const count = single[`${part}Rows`];
        expect(own[`${part}Rows`]).toBe(count);
        const first = part === 'chosen' ? own.firstRow : own.firstRejectedRow;
        const firstAlone = part === 'chosen' ? single.firstRow : single.firstRejectedRow;
        const rowsAt = (packed: PackedBatch, from: number): number[] =>
          feed(packed, 'rows').slice(from, from + count);
        const read = (packed: PackedBatch, from: number): number[][] =>
          rowsAt(packed, from).map((row) => [
            feed(packed, 'token_ids')[row]!,
            feed(packed, 'positions')[row]!,
          ]);
        expect(read(together, first)).toEqual(read(alone, firstAlone));
        expect(feed(together, 'targets_0').slice(first, first + count)).toEqual(
          feed(alone, 'targets_0').slice(firstAlone, firstAlone + count),
        );
      }
    });
    expect(ids.length).toBe(positions.length);
    expect(() => packPairs([groups.flat()], { groups: 2, chunks: 1, blocks })).toThrow(/room/);
  });
});

test('chunks hold the same rows in the same order, and may be empty', () => {
  const random = new Random(2, 'packing test');
  for (let round = 0; round < 30; round++) {
    const draw = (least: number, most: number): Int32Array =>
      Int32Array.from({ length: least + random.below(most - least + 1) }, () => random.below(50));
    const pair = { prompt: draw(1, 6), chosen: draw(1, 7), rejected: draw(0, 7) };
    const whole = packPair(pair, {
      groups: 1,
      chunks: 1,
      blocks: { ...one, promptBlocks: 1, prefixBlocks: 0 },
    });
    for (const chunks of [2, 3, 9]) {
      const packed = packPair(pair, {
        groups: 1,
        chunks,
        blocks: { ...one, promptBlocks: 1, prefixBlocks: 0 },
      });
      const parts = Array.from({ length: chunks }, (_, chunk) => feed(packed, `targets_${chunk}`));
      expect(parts.flat()).toEqual(feed(whole, 'targets_0'));
      expect(feed(packed, 'chunk_rows')).toEqual(parts.map((part) => part.length));
      expect(feed(packed, 'rows')).toEqual(feed(whole, 'rows'));
    }
  }
});

test('no more chunks are used than the rows fill', () => {
  const answer = (length: number): Int32Array => Int32Array.from({ length }, (_, place) => place + 1);
  const sizes = (chosen: number, rejected: number): number[] => {
    const pair = { prompt: answer(3), chosen: answer(chosen), rejected: answer(rejected) };
    const blocks = { ...one, promptBlocks: 1, prefixBlocks: 0 };
    return feed(packPair(pair, { groups: 1, chunks: 4, rowsPerChunk: 10, blocks }), 'chunk_rows');
  };
  expect(sizes(4, 6)).toEqual([10, 0, 0, 0]);
  expect(sizes(5, 6)).toEqual([5, 6, 0, 0]);
  expect(sizes(20, 12)).toEqual([8, 8, 8, 8]);
  // More than was planned for.
  expect(sizes(30, 30)).toEqual([15, 15, 15, 15]);
});

test('in rounds there are as many chunks as the rows fill, and all targets come together', () => {
  const answer = (length: number): Int32Array => Int32Array.from({ length }, (_, place) => place + 1);
  const pair = { prompt: answer(3), chosen: answer(20), rejected: answer(33) };
  const blocks = { ...one, promptBlocks: 1, prefixBlocks: 0 };
  const packed = packPair(pair, { groups: 1, chunks: 2, rowsPerChunk: 10, inRounds: true, blocks });
  const whole = packPair(pair, { groups: 1, chunks: 1, blocks });
  expect(feed(packed, 'chunk_count')).toEqual([6]);
  expect(feed(packed, 'chunk_starts')).toEqual([0, 8, 17, 26, 35, 44]);
  expect(feed(packed, 'chunk_ends')).toEqual([8, 17, 26, 35, 44, 53]);
  expect(feed(packed, 'targets_0')).toEqual(feed(whole, 'targets_0'));
  expect(feed(packed, 'rows')).toEqual(feed(whole, 'rows'));
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
  // Rows count over all sequences: the second starts at 6, the third at 12. Each has a row for the answer that it lacks.
  expect(feed(packed, 'rows')).toEqual([2, 3, 4, 5, 0, 7, 6, 12, 13, 12]);
  expect(feed(packed, 'targets_0')).toEqual([20, 21, 22, 2, 0, 20, 0, 21, 2, 0]);
  expect(feed(packed, 'row_weights')).toEqual([1, 1, 1, 1, 0, 1, 0, 1, 1, 0]);
  expect(feed(packed, 'answer_rows')).toEqual([4, 1, 1, 1, 2, 1]);
  expect(feed(packed, 'chosen_tokens')).toEqual([4, 1, 2]);
  expect(packed.pairs.map(({ slot, firstRow, chosenRows }) => [slot, firstRow, chosenRows])).toEqual([
    [0, 0, 4],
    [1, 5, 1],
    [2, 7, 2],
  ]);
});
