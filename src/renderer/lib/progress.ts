import type { ProgressEvent, RunSummary } from '../../shared/contract.ts';

/** What a progress bar shows. */
export interface Bar {
  readonly label: string;
  readonly done: number;
  readonly total?: number;
}

/**
 * How far a job is: by its own bar where that counts the work of the whole job or of its preparation, else by the steps
 * of its runs.
 * @param runs of one job, as they are now
 */
export function jobBar(runs: readonly RunSummary[], event: ProgressEvent | undefined): Bar {
  if (event?.kind === 'progress') {
    const { label, done, total } = event;
    return { label, done, ...(total === undefined ? {} : { total }) };
  }
  const most = Math.max(0, ...runs.map(({ totalSteps }) => totalSteps ?? 0));
  const total = runs.reduce((sum, { totalSteps }) => sum + (totalSteps ?? most), 0);
  const done = runs.reduce(
    (sum, { status, step, totalSteps }) => sum + (status === 'finished' ? (totalSteps ?? most) : step),
    0,
  );
  const [first] = runs;
  const label =
    runs.length === 1 && first
      ? `run ${first.id}, ${first.loss}`
      : `${runs.length} runs, ${first?.data ?? ''}`;
  return { label, done, ...(total > 0 ? { total } : {}) };
}
