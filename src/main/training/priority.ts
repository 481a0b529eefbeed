import { constants, setPriority } from 'node:os';
import { keepAwake } from './awake.ts';

/** How far training steps back for what else a person does on the machine. */
export const priorityNames = ['normal', 'low', 'lowest'] as const;
export type PriorityName = (typeof priorityNames)[number];

const levels: Readonly<Record<PriorityName, number>> = {
  normal: constants.priority.PRIORITY_NORMAL,
  low: constants.priority.PRIORITY_BELOW_NORMAL,
  lowest: constants.priority.PRIORITY_LOW,
};

/**
 * Gives a process its priority. To be called before the process makes its sessions: on Linux only threads that start
 * afterwards take the priority over.
 * @returns whether the system allowed it; it never keeps a training from running
 */
export function givePriority(pid: number, name: PriorityName): boolean {
  // Nothing to lower: and the system may refuse to raise what whoever started the program has lowered.
  if (name === 'normal') return true;
  try {
    setPriority(pid, levels[name]);
    return true;
  } catch {
    return false;
  }
}

/** What is done about a training process while it runs. */
export interface WorkerCare {
  readonly priority: PriorityName;
  readonly keepAwake: boolean;
}

/** For `superviseOptions.onWorker`: sets the priority and keeps the machine awake until the process ends. */
export function careForWorker({ priority, keepAwake: awake }: WorkerCare): (pid: number) => () => void {
  return (pid) => {
    givePriority(pid, priority);
    return awake ? keepAwake(pid) : () => undefined;
  };
}
