import type { RunStatus, RunSummary } from '../../shared/contract.ts';

export type RunAction = 'pause' | 'stop' | 'resume' | 'remove';

/** What can be asked of a run in its state. */
export function actionsOf({
  status,
  divergedAt,
}: Pick<RunSummary, 'status' | 'divergedAt'>): readonly RunAction[] {
  // To go on means the same numbers again, the broken one among them.
  if (divergedAt !== undefined && status === 'failed') return ['remove'];
  const actions: Readonly<Record<RunStatus, readonly RunAction[]>> = {
    queued: ['pause', 'stop', 'remove'],
    running: ['pause', 'stop'],
    pausing: ['stop'],
    stopping: [],
    paused: ['resume', 'stop', 'remove'],
    interrupted: ['resume', 'remove'],
    failed: ['resume', 'remove'],
    finished: ['remove'],
  };
  return actions[status];
}

/** Seconds until a run's last step, from how long its recent steps took; undefined where nothing is known. */
export function secondsLeft(
  { step, totalSteps }: Pick<RunSummary, 'step' | 'totalSteps'>,
  recent: readonly number[],
): number | undefined {
  const known = recent.filter(Number.isFinite);
  if (totalSteps === undefined || known.length === 0) return undefined;
  const mean = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
  return Math.max(0, totalSteps - step) * mean;
}

/** What to do about a run that came to no good end, in a sentence or two; undefined where there is nothing to say. */
export function adviceFor(
  run: Pick<RunSummary, 'status' | 'divergedAt' | 'error'>,
  checkpoints: number,
): string | undefined {
  if (run.divergedAt !== undefined)
    return (
      `Step ${run.divergedAt} gave a value that is not a number; the last good checkpoint is kept. ` +
      'Fork from it with a lower learning rate, or start anew with a lower one or more warm-up.'
    );
  // Without an error a person stopped it; else that says what became of its process.
  if (run.status === 'interrupted') {
    const stopped = run.error === undefined ? 'It was stopped. ' : '';
    return checkpoints > 0
      ? `${stopped}Resume goes on from the last checkpoint, to the same numbers.`
      : `${stopped}There is no checkpoint yet: resume begins again.`;
  }
  if (run.status !== 'failed') return undefined;
  if (/memory|allocat/i.test(run.error ?? ''))
    return 'Close other programs, or start it with a smaller batch or shorter length; then resume.';
  return 'When the cause is mended, resume goes on from the last checkpoint. The log tells more.';
}
