import type { BrowserWindow, Notification as ElectronNotification } from 'electron';
import type { ProgressEvent, RunSummary } from '../../../shared/contract.ts';
import type { ElectronParts } from './electron.ts';

/** What services tell of jobs at work and runs that changed. */
export interface Happenings {
  readonly runs: readonly RunSummary[];
  /** `event` is null when the job's work has ended. */
  readonly jobs: readonly { readonly job: number; readonly event: ProgressEvent | null }[];
}

/** Share of a job that is done, from 0 to 1; undefined where the event does not say. */
export function shareOf(event: ProgressEvent): number | undefined {
  if (event.kind === 'progress') return event.total ? Math.min(1, event.done / event.total) : undefined;
  // Steps of one run among several say little of the whole.
  if (event.kind === 'step' && event.run === undefined && event.totalSteps > 0)
    return Math.min(1, event.metrics.step / event.totalSteps);
  return undefined;
}

const ends = {
  finished: 'has finished',
  failed: 'has failed',
} as const;

/**
 * Shows in taskbar or dock how far the work is, and tells when work has ended while the person looks elsewhere.
 * @returns takes what happens
 */
export function attractAttention(
  { Notification }: Pick<ElectronParts, 'Notification'>,
  window: () => BrowserWindow | undefined,
): (happenings: Happenings) => void {
  const shares = new Map<number, number>();
  const atWork = new Map<number, Set<number>>();
  // Kept, or they would be collected before they are pressed.
  const shown = new Set<ElectronNotification>();

  const tell = (title: string, body: string): void => {
    if (window()?.isFocused() || !Notification.isSupported()) return;
    const notification = new Notification({ title, body });
    shown.add(notification);
    const forget = (): void => void shown.delete(notification);
    notification.on('close', forget);
    notification.on('click', () => {
      forget();
      const open = window();
      if (open?.isMinimized()) open.restore();
      open?.show();
    });
    notification.show();
  };

  /** A job of several runs is told of once: when the last has ended, or one has failed. */
  const noteRun = (run: RunSummary): void => {
    const job = run.job ?? -run.id;
    const others = atWork.get(job) ?? new Set<number>();
    if (run.status === 'running' || run.status === 'queued') {
      atWork.set(job, others.add(run.id));
      return;
    }
    if (!others.delete(run.id)) return;
    if (others.size > 0 && run.status !== 'failed') return;
    if (others.size === 0) atWork.delete(job);
    if (run.status !== 'finished' && run.status !== 'failed') return;
    const work = run.comparison === undefined ? `Run ${run.id}` : `Comparison ${run.comparison}`;
    tell(`${work} ${ends[run.status]}`, run.error ?? `${run.model} on ${run.data}`);
  };

  return ({ runs, jobs }) => {
    runs.forEach(noteRun);
    for (const { job, event } of jobs) {
      const share = event === null ? undefined : shareOf(event);
      if (event === null) shares.delete(job);
      else if (share !== undefined) shares.set(job, share);
    }
    const all = [...shares.values()];
    const mean = all.length === 0 ? -1 : all.reduce((sum, share) => sum + share, 0) / all.length;
    const open = window();
    if (open && !open.isDestroyed()) open.setProgressBar(mean);
  };
}
