import { describe, expect, it } from 'vitest';
import { createProgressView, formatProgress, formatStep } from './progress.ts';
import type { ProgressState } from './progress.ts';

const state: ProgressState = {
  label: 'Scoring',
  done: 12,
  total: 64,
  unit: 'pairs',
  doneBefore: 0,
  elapsedSeconds: 6,
};

describe('progress line', () => {
  it('shows label, bar, count, rate, time left and time gone', () => {
    // 12 pairs in 6 s are 2 pairs/s; 52 are left, hence 26 s; 12/64 of 24 cells are 4.5.
    expect(formatProgress(state, 200)).toBe(
      `Scoring  [${'█'.repeat(4)}${'░'.repeat(20)}]  12/64  2 pairs/s  ETA 0:26  elapsed 0:06`,
    );
  });

  it('does not count kept work for the rate', () => {
    // 2 of the 12 were done here, in 6 s: a third of a pair each second, 156 s for 52 pairs.
    expect(formatProgress({ ...state, doneBefore: 10 }, 200)).toContain('12/64  0.333 pairs/s  ETA 2:36');
  });

  it('says neither rate nor time left before anything is done, nor time left at the end', () => {
    const before = formatProgress({ ...state, done: 0, elapsedSeconds: 0 }, 200);
    expect(before).toContain('0/64  elapsed 0:00');
    expect(formatProgress({ ...state, done: 64 }, 200)).not.toContain('ETA');
  });

  it('has no bar where the total is unknown or not wanted', () => {
    expect(formatProgress({ ...state, total: undefined }, 200)).toBe(
      'Scoring  12 pairs  2 pairs/s  elapsed 0:06',
    );
    expect(formatProgress(state, Infinity, false)).toBe('Scoring  12/64  2 pairs/s  ETA 0:26  elapsed 0:06');
  });

  it('never exceeds the width and keeps the count longest', () => {
    for (let width = 5; width < 120; width += 1) {
      const line = formatProgress(state, width);
      expect(line.length).toBeLessThanOrEqual(width);
      expect(line).toContain('12/64');
    }
    expect(formatProgress(state, 35)).toBe('Scoring  12/64  2 pairs/s  ETA 0:26');
    expect(formatProgress(state, 11)).toBe('Sco…  12/64');
  });
});

describe('step line', () => {
  it('shows what applies', () => {
    expect(
      formatStep(
        {
          step: 3,
          loss: Math.LN2,
          'rewards/margins': 0.085,
          'rewards/accuracies': 0.625,
          learning_rate: 4.2e-6,
        },
        20,
      ),
    ).toBe('step 3/20  loss 0.6931  margin 0.085  accuracy 62.5%  lr 4.2e-6');
    expect(formatStep({ step: 1, loss: NaN }, 20)).toBe('step 1/20  loss NaN');
  });
});

function view(isTerminal: boolean) {
  const written: string[] = [];
  const clock = { time: 0 };
  const target = {
    write: (text: string) => void written.push(text),
    isTerminal,
    columns: () => 80,
    now: () => clock.time,
  };
  return { written, clock, ...createProgressView(target) };
}
const event = (done: number) =>
  ({ kind: 'progress', label: 'Scoring', done, total: 64, unit: 'pairs' }) as const;

describe('progress view', () => {
  it('redraws at most ten times a second on a terminal, and always at the end', () => {
    const { written, clock, handle } = view(true);
    for (let done = 0; done < 64; done += 1) {
      clock.time = done * 10;
      handle(event(done));
    }
    // 0, 100, …, 600 ms.
    expect(written).toHaveLength(7);
    handle(event(64));
    expect(written).toHaveLength(8);
    expect(written.at(-1)).toMatch(/^\rScoring .*64\/64/);
  });

  it('puts lines above the bar', () => {
    const { written, handle } = view(true);
    handle(event(1));
    handle({ kind: 'note', text: '2 rows skipped' });
    expect(written[1]).toBe('\r\x1b[K2 rows skipped\n');
    expect(written[2]).toMatch(/^\rScoring/);
  });

  it('writes one plain line every ten seconds elsewhere', () => {
    const { written, clock, handle, end } = view(false);
    for (let done = 0; done <= 25; done += 1) {
      clock.time = done * 1000;
      handle(event(done));
    }
    expect(written).toEqual([
      'Scoring  10/64  1 pairs/s  ETA 0:54  elapsed 0:10\n',
      'Scoring  20/64  1 pairs/s  ETA 0:44  elapsed 0:20\n',
    ]);
    end();
    expect(written.at(-1)).toBe('Scoring  25/64  1 pairs/s  ETA 0:39  elapsed 0:25\n');
  });

  it('writes nothing elsewhere about work that took no time', () => {
    const { written, handle, end } = view(false);
    handle(event(1));
    handle(event(64));
    end();
    expect(written).toEqual([]);
  });

  it('shows some twenty steps of a training, first and last included, and none of a comparison’s runs', () => {
    const { written, handle } = view(false);
    for (let step = 1; step <= 200; step += 1) {
      handle({ kind: 'step', metrics: { step, loss: 0.5 }, totalSteps: 200 });
      handle({ kind: 'step', run: 'dpo, seed 0', metrics: { step, loss: 0.5 }, totalSteps: 200 });
    }
    expect(written).toHaveLength(21);
    expect(written[0]).toBe('step 1/200  loss 0.5\n');
    expect(written.at(-1)).toBe('step 200/200  loss 0.5\n');
  });
});
