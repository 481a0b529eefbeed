import { armFolder, armName, parseArm } from './arms.ts';
import type { SftFirst } from './comparison.ts';
import { parseRunConfig, runConfigOf, type RunConfig } from './config.ts';
import type { CompareRequest } from './contract.ts';
import { UsageError } from './errors.ts';
import { formatBeta, formatLearningRate } from './format.ts';
import { usesBeta } from './losses.ts';

export type Grid = Pick<CompareRequest, 'arms' | 'learningRates' | 'betas' | 'seeds' | 'sftFirst' | 'shared'>;

/** A run of a comparison's job: an arm at one place of the grid, or the SFT that comes before a seed's arms. */
export interface GridRun {
  readonly role?: 'stage';
  readonly config: RunConfig;
}

/** Refuses what contradicts itself or would change nothing. @throws UsageError */
export function refuseGrid(grid: Grid): void {
  const arms = grid.arms.map((arm) => armName(parseArm(arm)));
  const twice = arms.find((arm, place) => arms.indexOf(arm) !== place);
  if (twice !== undefined) throw new UsageError(`arms names ${twice} twice`);
  refuseBetas(grid);
  if (grid.sftFirst === undefined) return;
  if (grid.shared.full) throw new UsageError('SFT first trains an adapter: it excludes full training');
  stageConfigOf(grid.sftFirst, grid.shared, grid.seeds[0]!);
}

function refuseBetas({ betas, arms, shared }: Grid): void {
  if (betas === undefined) return;
  if (shared.beta !== undefined) throw new UsageError('beta and betas exclude each other');
  if (betas.length === 0) throw new UsageError('betas must name at least one β');
  const twice = betas.find((beta, place) => betas.indexOf(beta) !== place);
  if (twice !== undefined) throw new UsageError(`betas names ${formatBeta(twice)} twice`);
  if (betas.length > 1 && !arms.some(usesBeta))
    throw new UsageError(`several β would change nothing: ${arms.join(' and ')} takes none`);
}

function sharedWithArms({
  steps: _steps,
  epochs: _epochs,
  beta: _beta,
  reference: _reference,
  ...rest
}: Grid['shared']) {
  return rest;
}

/** The config of the SFT that comes first: what all runs share, but with a length and a learning rate of its own. */
function stageConfigOf(
  { learningRate, steps, epochs }: SftFirst,
  shared: Grid['shared'],
  seed: number,
): RunConfig {
  const length = { ...(steps === undefined ? {} : { steps }), ...(epochs === undefined ? {} : { epochs }) };
  return parseRunConfig({ ...sharedWithArms(shared), ...length, loss: 'sft', learningRate, seed });
}

/**
 * Every run of a comparison's job in its order: seed by seed the SFT that comes first, where it does, and all arms.
 * @throws UsageError where the grid contradicts itself
 */
export function jobRunsOf(grid: Grid): GridRun[] {
  refuseGrid(grid);
  const { sftFirst, shared } = grid;
  return grid.seeds.flatMap((seed): GridRun[] => [
    ...(sftFirst ? [{ role: 'stage' as const, config: stageConfigOf(sftFirst, shared, seed) }] : []),
    ...runConfigsOf({ ...grid, seeds: [seed] }).map((config) => ({ config })),
  ]);
}

/**
 * The config of every arm of a comparison: seed by seed, at every learning rate and β, every arm. A loss that ignores β is
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
          .filter((arm) => beta === first || usesBeta(arm))
          .map((arm) =>
            runConfigOf(shared, {
              ...parseArm(arm),
              ...{ learningRate, seed },
              ...(beta === undefined || !usesBeta(arm) ? {} : { beta }),
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

/**
 * What a run of a comparison is called: "minor-dpo, lr 5e-6, seed 1", with β after the rate where there are several;
 * "sft first, lr 1e-4, seed 1" before the arms.
 */
export function runTitle({ config, role }: GridRun, grid: Pick<Grid, 'betas'>): string {
  const beta = distinctBeta(config, grid);
  return [
    role === 'stage' ? `${config.loss} first` : armName(config),
    `lr ${formatLearningRate(config.learningRate)}`,
    ...(beta === undefined ? [] : [`β ${beta}`]),
    `seed ${config.seed}`,
  ].join(', ');
}

/**
 * The same as a folder's name: `minor-dpo-lr5e-6-seed1`, `minor-dpo-lr5e-6-beta0.05-seed1`, `sft-first-lr1e-4-seed1`,
 * `kappa-dpo-kappa0.25-lr5e-6-seed1`.
 */
export function runFolderName({ config, role }: GridRun, grid: Pick<Grid, 'betas'>): string {
  const beta = distinctBeta(config, grid);
  const rate = formatLearningRate(config.learningRate);
  const arm = role === 'stage' ? `${config.loss}-first` : armFolder(armName(config));
  return `${arm}-lr${rate}${beta === undefined ? '' : `-beta${beta}`}-seed${config.seed}`;
}
