import { describe, expect, it } from 'vitest';
import { engineOptions } from './sessions.ts';

const pair = (prompt: number, chosen: number, rejected: number, first = 1) => ({
  index: 0,
  prompt: Int32Array.from({ length: prompt }, (_, place) => first + place),
  chosen: new Int32Array(chosen),
  rejected: new Int32Array(rejected),
});
const different = [pair(90, 40, 50, 1), pair(90, 40, 50, 2), pair(90, 40, 50, 3)];
const one = { prompts: 1, pairsPerPrompt: 1 };

describe('room of a pass', () => {
  it('is for two short pairs, for one long one', () => {
    expect(engineOptions({}, different).room).toMatchObject({ prompts: 2, pairsPerPrompt: 1 });
    expect(engineOptions({}, [pair(400, 40, 40, 1), pair(400, 40, 40, 2)]).room).toMatchObject(one);
    // Mostly short: two take no more memory than the longest; where that is much longer, it is the one that counts.
    expect(engineOptions({}, [...different, pair(900, 80, 80, 9)]).room).toMatchObject(one);
    const short = [1, 2, 3, 4, 5, 6].map((first) => pair(90, 40, 50, first));
    const mostlyShort = engineOptions({}, [...short, pair(300, 80, 80, 9)]);
    expect(mostlyShort.room).toMatchObject({ prompts: 2, pairsPerPrompt: 1, tokens: 458 });
  });

  it('is for pairs that share a prompt, where updates hold several of them', () => {
    const shared = [1, 2, 3, 4].flatMap((first) => Array.from({ length: 4 }, () => pair(90, 50, 50, first)));
    const inOrder = { prompts: 1, pairsPerPrompt: 4 };
    expect(engineOptions({}, shared).room).toMatchObject(inOrder);
    const updates = [0, 1, 2, 3].map((prompt) => [0, 1, 2, 3].map((own) => 4 * prompt + own));
    expect(engineOptions({ updates }, shared).room).toMatchObject(inOrder);
    const across = [0, 1, 2, 3].map((own) => [0, 1, 2, 3].map((prompt) => 4 * prompt + own));
    const apart = { prompts: 2, pairsPerPrompt: 1 };
    expect(engineOptions({ updates: across }, shared, different).room).toMatchObject(apart);
  });

  it('is for one pair where weights are fed before the first step, and in little memory', () => {
    for (const settings of [
      { full: true },
      { lowMemory: true },
      { initAdapter: 'folder' },
      { trainedFirst: true },
    ])
      expect(engineOptions(settings, different).room).toEqual(one);
  });
});
