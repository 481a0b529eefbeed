import { expect, test } from 'vitest';
import { distribute } from './distribute.ts';
import type { PackablePair } from './packing.ts';
import { Random } from './random.ts';

/** A pair of so many tokens each; the prompt's first token names it. */
const of = (prompt: number, chosen: number, rejected: number, name: number): PackablePair => ({
  prompt: Int32Array.from({ length: prompt }, (_, place) => name + place),
  chosen: new Int32Array(chosen),
  rejected: new Int32Array(rejected),
});

test('pairs share a pass by their prompts, the longest first, as far as there is room', () => {
  const pairs = [
    of(3, 4, 3, 1),
    of(1, 2, 3, 2),
    of(3, 4, 3, 1),
    of(0, 3, 2, 0),
    of(3, 4, 3, 1),
    of(3, 3, 0, 1),
  ];
  const room = (prompts: number, pairsPerPrompt: number) => distribute(pairs, { prompts, pairsPerPrompt });
  expect(room(1, 1)).toEqual([0, 1, 2, 3, 4, 5].map((place) => [[place]]));
  // Tokens: 10, 6, 10, 5, 10, 6.
  expect(room(2, 1)).toEqual([
    [[0], [2]],
    [[1], [4]],
    [[3], [5]],
  ]);
  expect(room(2, 2)).toEqual([
    [
      [0, 2],
      [4, 5],
    ],
    [[1], [3]],
  ]);
  expect(room(3, 4)).toEqual([[[0, 2, 4, 5], [1], [3]]]);
});

test('pairs share no pass that would have too many tokens; one alone may', () => {
  const pairs = [1, 1, 1].map((name) => of(10, 5, 5, name));
  pairs.push(of(30, 20, 20, 2), of(5, 5, 5, 3), of(5, 5, 5, 4));
  const room = (prompts: number, pairsPerPrompt: number, tokens: number) =>
    distribute(pairs, { prompts, pairsPerPrompt, tokens });
  // 20, and 10 more for each pair of the same prompt; 70; 15 and 15.
  expect(room(2, 4, 40)).toEqual([[[0, 1, 2]], [[3]], [[4], [5]]]);
  expect(room(2, 4, 39)).toEqual([[[0, 1]], [[2], [4]], [[3]], [[5]]]);
  expect(room(2, 1, 40)).toEqual([[[0], [1]], [[2], [4]], [[3]], [[5]]]);
  expect(room(2, 1, 29)).toEqual([[[0]], [[1]], [[2]], [[3]], [[4]], [[5]]]);
});

test('pairs take no more passes than they need among neighbours, whatever their lengths', () => {
  const random = new Random(5, 'passes test');
  for (let round = 0; round < 50; round++) {
    const prompts = 1 + random.below(4);
    const tokens = 30 + random.below(60);
    const prefix = random.below(2) * 8;
    const own = Array.from({ length: random.below(100) }, (_, place): PackablePair => {
      const ids = new Int32Array(prefix + 1 + random.below(30)).fill(1);
      ids[ids.length - 1] = place;
      return { prompt: ids, chosen: new Int32Array(random.below(9)), rejected: new Int32Array(3) };
    });
    const passes = distribute(own, { prompts, pairsPerPrompt: 1, tokens, prefix });
    const places = passes.map((pass) => pass.flat());
    expect(places.flat().sort((a, b) => a - b)).toEqual([...own.keys()]);
    const firsts = places.map(([first]) => first!);
    const tokensOf = (pass: readonly number[]): number =>
      pass.reduce((sum, place) => {
        const { prompt, chosen, rejected } = own[place]!;
        return sum + prompt.length - prefix + chosen.length + rejected.length;
      }, prefix);
    const isRoomFor = (pass: readonly number[]): boolean =>
      pass.length <= prompts && tokensOf(pass) <= tokens;
    for (const pass of places) {
      expect(pass).toEqual([...pass].sort((a, b) => a - b));
      if (pass.length > 1) expect(isRoomFor(pass)).toBe(true);
      // Neighbours are 32 each.
      expect(new Set(pass.map((place) => Math.floor(place / 32))).size).toBe(1);
    }
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
    // Nothing could have been put to what is in another pass.
    for (const [one, pass] of places.entries())
      for (const other of places.slice(one + 1)) {
        if (Math.floor(pass[0]! / 32) === Math.floor(other[0]! / 32))
          expect(isRoomFor([...pass, ...other])).toBe(false);
      }
  }
});
