import { InputError, UsageError } from '../../shared/errors.ts';
import type { WorkerError } from './job.ts';

/** An error as it goes to another process; `toError` (supervisor.ts) makes one of it there. */
export function describeError(error: unknown): WorkerError {
  const whole = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  if (error instanceof UsageError) return { type: 'usage', message: whole };
  if (!(error instanceof InputError)) return { type: 'unexpected', message: whole, ...stack };
  const { file, row } = error.place;
  const message = error.bareMessage;
  return {
    type: 'input',
    message,
    ...(file === undefined ? {} : { file }),
    ...(row === undefined ? {} : { row }),
  };
}
