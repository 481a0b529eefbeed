/** Where a run or a comparison stands. */
export type Status = 'queued' | 'running' | 'finished' | 'failed' | 'interrupted';

/** What may follow what: an end that was not reached can be taken up again, a finished one is final. */
const followers: Readonly<Record<Status, readonly Status[]>> = {
  queued: ['running', 'failed', 'interrupted'],
  running: ['finished', 'failed', 'interrupted'],
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
