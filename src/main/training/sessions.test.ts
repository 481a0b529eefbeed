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
    // Mostly short: the longest must fit too.
    expect(engineOptions({}, [...different, ...different, pair(900, 80, 80)]).room).toMatchObject(one);
  });

  it('is for pairs that share a prompt, where they follow each other', () => {
    const shared = [1, 2, 3, 4].flatMap((first) => Array.from({ length: 4 }, () => pair(90, 50, 50, first)));
    expect(engineOptions({}, shared).room).toMatchObject({ prompts: 1, pairsPerPrompt: 4 });
    const mixed = [...shared].sort((a, b) => (shared.indexOf(a) % 4) - (shared.indexOf(b) % 4));
    expect(engineOptions({}, mixed).room!.pairsPerPrompt).toBe(1);
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
