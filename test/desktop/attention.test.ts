import { beforeEach, describe, expect, it } from 'vitest';
import { attractAttention, type Happenings } from '../../src/main/host/desktop/attention.ts';
import type { RunStatus, RunSummary } from '../../src/shared/contract.ts';
import { standInElectron, type StandIn } from './stand-in.ts';

let host: StandIn;
let happen: (happenings: Partial<Happenings>) => void;
beforeEach(() => {
  host = standInElectron();
  const window = new host.electron.BrowserWindow({});
  const hear = attractAttention(host.electron, () => window);
  happen = (happenings) => hear({ runs: [], jobs: [], ...happenings });
});

const run = (id: number, status: RunStatus, more: Partial<RunSummary> = {}): RunSummary => ({
  id,
  job: 1,
  project: 'default',
  loss: 'dpo',
  learningRate: 1e-4,
  seed: 0,
  status,
  step: 0,
  model: 'example',
  data: 'sums',
  seconds: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  ...more,
});
const titles = (): (string | undefined)[] => host.notifications().map(({ options }) => options.title);

describe('a notification', () => {
  it('tells of a run’s end, once, while the person looks elsewhere', () => {
    happen({ runs: [run(7, 'running')] });
    happen({ runs: [run(7, 'finished')] });
    happen({ runs: [run(7, 'finished')] });
    expect(titles()).toEqual(['Run 7 has finished']);
    expect(host.notifications()[0]!.options.body).toBe('example on sums');
    host.window().minimized = true;
    host.notifications()[0]!.emit('click');
    expect([host.window().minimized, host.window().focused]).toEqual([false, true]);
  });

  it('says why a run has failed', () => {
    happen({ runs: [run(7, 'running')] });
    happen({ runs: [run(7, 'failed', { error: 'the disk is full' })] });
    expect(host.notifications()[0]!.options).toEqual({ title: 'Run 7 has failed', body: 'the disk is full' });
  });

  it('tells of a comparison when its last run has ended', () => {
    const comparison = 3;
    happen({ runs: [run(1, 'running', { comparison }), run(2, 'queued', { comparison })] });
    happen({ runs: [run(1, 'finished', { comparison }), run(2, 'running', { comparison })] });
    expect(titles()).toEqual([]);
    happen({ runs: [run(2, 'finished', { comparison })] });
    expect(titles()).toEqual(['Comparison 3 has finished']);
  });

  it.each(['paused', 'interrupted'] as const)(
    'tells nothing of a run that is %s: the person asked for it',
    (end) => {
      happen({ runs: [run(7, 'running')] });
      happen({ runs: [run(7, end)] });
      expect(titles()).toEqual([]);
    },
  );

  it('tells nothing of what ended before, nor while the person looks', () => {
    happen({ runs: [run(5, 'finished')] });
    host.window().focused = true;
    happen({ runs: [run(7, 'running')] });
    happen({ runs: [run(7, 'finished')] });
    expect(titles()).toEqual([]);
  });
});

describe('the taskbar', () => {
  it('shows how far all jobs are, and nothing when the last has ended', () => {
    const reading = { kind: 'progress', label: 'runs', unit: 'run' } as const;
    happen({ jobs: [{ job: 1, event: { ...reading, done: 1, total: 4 } }] });
    happen({ jobs: [{ job: 2, event: { ...reading, done: 3, total: 4 } }] });
    happen({ jobs: [{ job: 1, event: { kind: 'note', text: 'a note' } }] });
    happen({ jobs: [{ job: 1, event: null }] });
    happen({ jobs: [{ job: 2, event: null }] });
    expect(host.window().progress).toEqual([0.25, 0.5, 0.5, 0.75, -1]);
  });
});
