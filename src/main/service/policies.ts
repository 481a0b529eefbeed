import type { RunConfig } from '../../shared/config.ts';
import type { CallOptions, CompareRequest, TrainingStart, TrainRequest } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { Checkpoint } from '../store/checkpoints.ts';
import { checkpointPath } from '../training/checkpoint.ts';
import type { StartPlace } from '../training/job.ts';
import { freshHash } from '../training/model.ts';
import type { PolicyPlace } from '../training/playground.ts';
import { requestOf } from './jobs.ts';
import { findModel, nameOfBase, type Library } from './library.ts';
import { requireJob, requireRun } from './runs/show.ts';

/** @param step absent: the last one. @throws InputError naming those that there are */
export function requireCheckpoint({ store }: Library, run: number, step: number | undefined): Checkpoint {
  const all = store.checkpoints.listOfRun(run);
  const found = step === undefined ? all.at(-1) : all.find((each) => each.step === step);
  if (found) return found;
  const steps = all.map((each) => each.step).join(', ');
  const which = step === undefined ? '' : ` at step ${step}`;
  throw new InputError(
    `run ${run} has no checkpoint${which}${steps === '' ? '' : `; there are some at steps ${steps}`}`,
  );
}

/** Where a run's weights start, by the name that its model has now. */
export function namedStart(
  library: Library,
  request: TrainRequest | CompareRequest,
  baseHash: string,
): TrainingStart {
  const start = 'start' in request ? request.start : { model: request.model };
  return 'init' in start ? start : { model: nameOfBase(library, start.model, baseHash) };
}

/** What a run was started from, as it lies on disk now. */
export async function startOfRun(library: Library, run: number, call: CallOptions): Promise<StartPlace> {
  const { absolute } = requestOf(requireJob(library, run));
  const start = namedStart(library, absolute, requireRun(library, run).baseHash);
  if ('init' in start) return { kind: 'fresh', configFile: start.init };
  return basePlace(await findModel(library, start.model, call));
}

/** A run's checkpoint, to be put on what the run was started from. */
export interface RunPolicy {
  readonly run: number;
  readonly start: StartPlace;
  readonly place: PolicyPlace & { readonly kind: 'checkpoint' };
}

/** @throws InputError where there is no such run or checkpoint, or the model is no longer what was trained on */
export async function policyOfRun(
  library: Library,
  { run: id, step }: { readonly run: number; readonly step?: number },
  call: CallOptions,
): Promise<RunPolicy> {
  const run = requireRun(library, id);
  const { sha256, step: found } = requireCheckpoint(library, id, step);
  const place = await startOfRun(library, id, call);
  const hash = place.kind === 'fresh' ? freshHash(place.configFile) : place.hash;
  if (hash !== run.baseHash)
    throw new InputError(`the model is no longer the one that run ${id} was trained on`, {
      file: place.kind === 'fresh' ? place.configFile : place.name,
    });
  const checkpoint = { step: found, sha256, path: checkpointPath(library.checkpointFolder, sha256) };
  return {
    run: id,
    start: place,
    place: { kind: 'checkpoint', config: run.config as RunConfig, checkpoint },
  };
}

/**
 * What c and r of a run are measured against: its start, which is the base, an adapter or the SFT before it, or what its config
 * names as the reference.
 * @throws InputError as `policyOfRun`, and where the start is on record no more: random weights
 */
export async function referenceOfRun(
  library: Library,
  id: number,
  call: CallOptions,
): Promise<RunPolicy | { readonly start: StartPlace; readonly place: PolicyPlace }> {
  const run = requireRun(library, id);
  const { reference, initAdapter } = run.config as RunConfig;
  const start = await startOfRun(library, id, call);
  if (reference !== undefined && reference !== 'base')
    return { start, place: { kind: 'adapter', folder: reference } };
  if (start.kind === 'fresh')
    throw new InputError(
      `run ${id} began with random weights, which are not kept: nothing to measure it against`,
    );
  if (reference === 'base') return { start, place: { kind: 'base' } };
  const stage = library.store.runs
    .list(run.jobId === null ? { comparisonId: run.comparisonId ?? -1 } : { jobId: run.jobId })
    .find((each) => each.role === 'stage' && each.seed === run.seed && each.id !== id);
  if (stage && run.role !== 'stage') return policyOfRun(library, { run: stage.id }, call);
  return {
    start,
    place: initAdapter === undefined ? { kind: 'base' } : { kind: 'adapter', folder: initAdapter },
  };
}

/** A model's place, without the rest of its record. */
export function basePlace({
  name,
  hash,
  folder,
  weightsFolder,
}: Omit<StartPlace & { readonly kind: 'base' }, 'kind'>): StartPlace & { readonly kind: 'base' } {
  return { kind: 'base', name, hash, folder, weightsFolder };
}

/** Says of which run a checkpoint cannot be used, and which others there are. Rethrows. */
export function explainCheckpoint(library: Library, { run, place }: RunPolicy, error: unknown): never {
  const { path, step } = place.checkpoint;
  if (!(error instanceof InputError) || error.place.file !== path) throw error;
  const others = library.store.checkpoints
    .listOfRun(run)
    .map((each) => each.step)
    .filter((each) => each !== step);
  const choice = others.length === 0 ? '' : `; choose another, there are some at steps ${others.join(', ')}`;
  throw new InputError(`run ${run} at step ${step}: ${error.bareMessage}${choice}`, { file: path });
}
