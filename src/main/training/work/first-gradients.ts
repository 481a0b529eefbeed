import type { GradientKeeper, StepGradient } from '../../engine/train/trainer.ts';
import type { RunSpec } from '../job.ts';

/** Bytes of gradients that are kept at once at most; those of whole models are larger, and few of them would fit. */
const mostBytes = 256 << 20;

/** All that the first step's gradient depends on within one comparison: the start is the same for all runs of a seed behind its stage. */
function keyOf({ role, config }: RunSpec): string {
  return JSON.stringify([role, { ...config, learningRate: undefined }]);
}

/**
 * What the first steps of a comparison's runs find. Runs that differ in nothing but the learning rate start from the same numbers with the same
 * pairs: all of them have the gradient that the first of them finds, to the last bit.
 */
export class FirstGradients {
  readonly #kept = new Map<string, StepGradient>();
  /** Runs that leave their gradient for a later one. */
  readonly #leaving = new Set<RunSpec>();
  /** Gradients kept at once at most. */
  readonly mostKept: number;
  /** Runs that need not compute theirs. */
  readonly saved: number;

  /**
   * @param runs of one job in their order; those that are done already take no part
   * @param size of a gradient, in numbers
   */
  constructor(runs: readonly RunSpec[], size: number) {
    const left = runs.filter(({ done }) => !done);
    const room = left.some(({ config }) => config.lowMemory) ? 0 : Math.floor(mostBytes / (4 * size));
    const last = new Map(left.map((run, place) => [keyOf(run), place]));
    const kept = new Set<string>();
    let [mostKept, saved] = [0, 0];
    for (const [place, run] of left.entries()) {
      const key = keyOf(run);
      if (kept.has(key)) saved += 1;
      if (place < last.get(key)! && (kept.has(key) || kept.size < room)) {
        this.#leaving.add(run);
        kept.add(key);
      } else {
        kept.delete(key);
      }
      mostKept = Math.max(mostKept, kept.size);
    }
    this.mostKept = mostKept;
    this.saved = saved;
  }

  /** @param run one of the list's */
  of(run: RunSpec): GradientKeeper {
    const key = keyOf(run);
    return {
      recall: () => this.#kept.get(key),
      keep: (found) => {
        const isWanted = this.#leaving.has(run);
        if (isWanted) this.#kept.set(key, found);
        else this.#kept.delete(key);
        return isWanted;
      },
    };
  }
}
