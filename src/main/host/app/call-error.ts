import type { CallError } from '../../../shared/app/protocol.ts';
import { InputError, UsageError } from '../../../shared/errors.ts';

/**
 * What a page is told of an error. Only what is meant for people leaves the program; of anything else the log gets the
 * stack.
 * @param log gets one text
 */
export function toCallError(
  error: unknown,
  { method, signal, log }: { method: string; signal: AbortSignal; log: (text: string) => void },
): CallError {
  if (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError')))
    return { type: 'cancelled', message: 'cancelled' };
  if (error instanceof UsageError) return { type: 'usage', message: told(error.message) };
  if (error instanceof InputError) {
    const { file, row } = error.place;
    return {
      type: 'input',
      message: told(error.message),
      ...(file === undefined ? {} : { file }),
      ...(row === undefined ? {} : { row }),
    };
  }
  log(`${method}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return { type: 'unexpected', message: 'unexpected error, see the log' };
}

/** In one line, without the command that would help on a command line. */
const told = (message: string): string =>
  message.replace(/\s*\n\s*/g, ' ').replace(/(; see:|\s*\(see) "?plumbline [^;]*$/, '');
