import { Script } from 'node:vm';

/** Milliseconds, unless told. */
const usual = 300;

/** Thrown when work takes longer than it may. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

// The limit holds for a script and all it calls, regular expressions included, so the script calls what it finds here.
const place: unique symbol = Symbol.for('plumbline.limited');
const script = new Script("globalThis[Symbol.for('plumbline.limited')]()");
let inside = false;

/** How often the limit may be doubled for work that had no processor to use it. */
const mostTries = 5;

/**
 * Runs synchronous work that ends, whatever it is, within the limit. What it changes must stay usable when it is cut off
 * anywhere. The limit is one of processor time: on a machine that was busy with other things, the work is begun anew
 * with twice the time. Starting the clock takes 0.1 to 0.5 ms.
 * @param limit milliseconds
 * @throws TimeLimitError
 */
export function runLimited<Result>(work: () => Result, limit = usual): Result {
  if (inside) return work();
  for (let tries = 1; ; tries++) {
    const before = process.cpuUsage();
    try {
      return runOnce(work, limit * 2 ** (tries - 1));
    } catch (error) {
      const { user, system } = process.cpuUsage(before);
      if (!(error instanceof TimeLimitError) || tries === mostTries || user + system >= limit * 1000)
        throw error;
    }
  }
}

function runOnce<Result>(work: () => Result, limit: number): Result {
  const global = globalThis as unknown as { [place]?: unknown };
  inside = true;
  global[place] = work;
  try {
    return script.runInThisContext({ timeout: Math.ceil(limit) }) as Result;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TimeLimitError('it takes too long');
    throw error;
  } finally {
    inside = false;
    global[place] = undefined;
  }
}
