import { runConfigOf, type RunConfig } from './config.ts';
import type { CompareRequest } from './contract.ts';
import { UsageError } from './errors.ts';
import { formatBeta, formatLearningRate } from './format.ts';
import { usesBeta } from './losses.ts';

export type Grid = Pick<CompareRequest, 'arms' | 'learningRates' | 'betas' | 'seeds' | 'shared'>;

/** Refuses a list of β that contradicts itself or changes nothing. @throws UsageError */
export function refuseBetas({ betas, arms, shared }: Pick<Grid, 'betas' | 'arms' | 'shared'>): void {
  if (betas === undefined) return;
  if (shared.beta !== undefined) throw new UsageError('beta and betas exclude each other');
  if (betas.length === 0) throw new UsageError('betas must name at least one β');
  const twice = betas.find((beta, place) => betas.indexOf(beta) !== place);
  if (twice !== undefined) throw new UsageError(`betas names ${formatBeta(twice)} twice`);
  if (betas.length > 1 && !arms.some(usesBeta))
    throw new UsageError(`several β would change nothing: ${arms.join(' and ')} takes none`);
}

/**
 * Every run's config of a comparison: seed by seed, at every learning rate and β, every arm. A loss that ignores β is
 * there once for all of them.
 * @throws UsageError where the grid contradicts itself
 */
export function runConfigsOf(grid: Grid): RunConfig[] {
  refuseBetas(grid);
  const { arms, learningRates, betas, seeds, shared } = grid;
  const [first] = betas ?? [];
  return seeds.flatMap((seed) =>
    learningRates.flatMap((learningRate) =>
      (betas ?? [undefined]).flatMap((beta) =>
        arms
          .filter((loss) => beta === first || usesBeta(loss))
          .map((loss) =>
            runConfigOf(shared, {
              ...{ loss, learningRate, seed },
              ...(beta === undefined || !usesBeta(loss) ? {} : { beta }),
            }),
          ),
      ),
    ),
  );
}

/** β where a comparison has several and the run's loss uses it: what tells its runs apart. */
function distinctBeta({ loss, beta }: RunConfig, { betas = [] }: Pick<Grid, 'betas'>): string | undefined {
  return betas.length > 1 && usesBeta(loss) ? formatBeta(beta) : undefined;
}

/** What a run of a comparison is called: "minor-dpo, lr 5e-6, seed 1", with β after the rate where there are several. */
export function runTitle(config: RunConfig, grid: Pick<Grid, 'betas'>): string {
  const beta = distinctBeta(config, grid);
  return [
    config.loss,
    `lr ${formatLearningRate(config.learningRate)}`,
    ...(beta === undefined ? [] : [`β ${beta}`]),
    `seed ${config.seed}`,
  ].join(', ');
}

/** The same as a folder's name: `minor-dpo-lr5e-6-seed1`, or `minor-dpo-lr5e-6-beta0.05-seed1`. */
export function runFolderName(config: RunConfig, grid: Pick<Grid, 'betas'>): string {
  const beta = distinctBeta(config, grid);
  const rate = formatLearningRate(config.learningRate);
  return `${config.loss}-lr${rate}${beta === undefined ? '' : `-beta${beta}`}-seed${config.seed}`;
}
