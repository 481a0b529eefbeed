/** Where a job, a run or a comparison stands. */
export type Status =
  'queued' | 'running' | 'pausing' | 'paused' | 'stopping' | 'finished' | 'failed' | 'interrupted';

/** Statuses in which a training process is at work. */
export const activeStatuses = ['running', 'pausing', 'stopping'] as const satisfies readonly Status[];

/** What may follow what: an end that was not reached can be taken up again, a finished one is final. */
const followers: Readonly<Record<Status, readonly Status[]>> = {
  queued: ['running', 'paused', 'failed', 'interrupted'],
  running: ['pausing', 'stopping', 'paused', 'finished', 'failed', 'interrupted'],
  pausing: ['stopping', 'paused', 'finished', 'failed', 'interrupted'],
  stopping: ['finished', 'failed', 'interrupted'],
  paused: ['queued', 'running', 'failed', 'interrupted'],
  interrupted: ['queued', 'running', 'failed'],
  failed: ['queued', 'running'],
  finished: [],
};

/**
 * Refuses a change of status that cannot be true.
 * @throws Error naming the thing (such as "run 3") and both statuses
 */
export function checkTransition(thing: string, from: Status, to: Status): void {
  if (!followers[from].includes(to)) throw new Error(`${thing} is ${from} and cannot become ${to}`);
}

export function isActive(status: Status): boolean {
  return activeStatuses.some((each) => each === status);
}
