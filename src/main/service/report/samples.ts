import { runsOf } from '../../../shared/comparison.ts';
import type { ComparisonResult, GridPoint, TaskSample } from '../../../shared/comparison.ts';

/** Answers of the base and of every arm to the same questions. */
export interface SampleColumns {
  readonly seed: number;
  readonly questions: readonly TaskSample[];
  readonly columns: readonly { readonly loss: string; readonly samples: readonly TaskSample[] }[];
}

/**
 * Of one seed on which as many arms as possible left samples: answers of different seeds are not a comparison. Undefined where
 * none did.
 */
export function sampleColumns(result: ComparisonResult, point: GridPoint): SampleColumns | undefined {
  const bySeed = result.seeds.map((seed) => ({
    seed,
    arms: result.arms.map((loss) => ({
      loss,
      samples: runsOf(result, loss, point.learningRate, point.beta).find((run) => run.seed === seed)
        ?.evaluation?.task?.samples,
    })),
  }));
  const filled = ({ arms }: (typeof bySeed)[number]): number => arms.filter(({ samples }) => samples).length;
  const best = bySeed.reduce((a, b) => (filled(b) > filled(a) ? b : a), bySeed[0]!);
  if (filled(best) === 0) return undefined;
  const columns = [{ loss: 'base', samples: result.base.task?.samples }, ...best.arms].flatMap(
    ({ loss, samples }) => (samples ? [{ loss, samples }] : []),
  );
  return { seed: best.seed, questions: columns.at(-1)!.samples, columns };
}
