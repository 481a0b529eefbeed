import { describe, expect, it } from 'vitest';
import { expand } from '../engine/graph/ops/index.ts';
import { scalar } from '../engine/graph/types.ts';
import { GraphSession } from '../engine/session/session.ts';
import type { Plan } from '../../shared/plan.ts';
import { isMemoryFailure, memoryAdvice } from './memory-advice.ts';

const plan: Plan = {
  memory: {
    peak: 5e9,
    parts: [],
    available: 6e9,
    alternatives: [
      { change: 'lower the max length to 512 tokens', peak: 4.2e9 },
      { change: 'train an adapter (rank 16) instead of every weight', peak: 2.4e9 },
    ],
  },
  disk: [],
};

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('there was no failure');
}

describe('isMemoryFailure', () => {
  it('knows what the runtime says of a tensor larger than any memory', async () => {
    const huge = await GraphSession.create({ huge: expand(scalar(0), [2 ** 22, 2 ** 22]) }, { threads: 1 });
    const message = await messageOf(() => huge.run({}));
    await huge.release();
    expect(isMemoryFailure(message)).toBe(true);
    expect(memoryAdvice(plan, message)).toMatch(
      /^memory ran out \(a buffer of 70\.4 TB could not be had\): about 5\.0 GB are needed; /,
    );
  });

  it('knows what Node says of an array larger than any memory', async () => {
    const message = await messageOf(() => new Float64Array(2 ** 40));
    expect(isMemoryFailure(message)).toBe(true);
  });

  it('takes no other failure for one', () => {
    for (const message of ['the loss is not finite (row 3)', 'ended with code 1', 'no space left on device'])
      expect(isMemoryFailure(message)).toBe(false);
  });
});

describe('memoryAdvice', () => {
  it('names a change that needs clearly less than what failed', () => {
    // 4.2 of 5 GB is within what the estimate may be off.
    expect(memoryAdvice(plan, 'std::bad_alloc')).toBe(
      'memory ran out: about 5.0 GB are needed; train an adapter (rank 16) instead of every weight (about 2.4 GB)',
    );
  });

  it('heeds what can be had by now', () => {
    expect(memoryAdvice(plan, '', 2e9)).toContain('and free 400 MB of memory');
  });

  it('has a word without a plan', () => {
    expect(memoryAdvice(undefined, '')).toMatch(/^memory ran out; lower the max length/);
  });
});
