import { describe, expect, it } from 'vitest';
import { actionsOf, adviceFor, secondsLeft } from './run-advice.ts';

describe('what is said of a run', () => {
  it('offers nothing that its state does not allow', () => {
    expect(actionsOf({ status: 'running' })).toEqual(['pause', 'stop']);
    expect(actionsOf({ status: 'finished' })).toEqual(['remove']);
    expect(actionsOf({ status: 'failed' })).toContain('resume');
    expect(actionsOf({ status: 'failed', divergedAt: 3 })).toEqual(['remove']);
    // A run at work is never removed.
    for (const status of ['running', 'pausing', 'stopping'] as const)
      expect(actionsOf({ status })).not.toContain('remove');
  });

  it('says how long it will take, from recent steps', () => {
    expect(secondsLeft({ step: 40, totalSteps: 100 }, [1, 3, NaN])).toBe(120);
    expect(secondsLeft({ step: 100, totalSteps: 100 }, [1])).toBe(0);
    expect(secondsLeft({ step: 4 }, [1])).toBeUndefined();
    expect(secondsLeft({ step: 4, totalSteps: 9 }, [])).toBeUndefined();
  });

  it('says what to do next where something went wrong', () => {
    expect(adviceFor({ status: 'failed', divergedAt: 7, error: 'x' }, 2)).toMatch(
      /step 7.*lower learning rate/i,
    );
    expect(adviceFor({ status: 'failed', error: 'failed to allocate 3 GB' }, 2)).toMatch(/smaller batch/);
    expect(adviceFor({ status: 'interrupted' }, 0)).toMatch(/no checkpoint yet.*begins again/);
    expect(adviceFor({ status: 'interrupted' }, 3)).toMatch(/^It was stopped.*last checkpoint/);
    // What became of its process is said by the error, above it.
    expect(adviceFor({ status: 'interrupted', error: 'its process is gone' }, 3)).toMatch(/^Resume goes on/);
    expect(adviceFor({ status: 'finished' }, 3)).toBeUndefined();
  });
});
