import type { RunConfig } from '../../shared/config.ts';
import type { Checkpoint } from '../store/checkpoints.ts';
import { checkpointPath, readParameters } from './checkpoint.ts';
import type { StartPlace } from './job.ts';
import { openBase, openFresh, parametersOf, savePolicy, trainableOf } from './model.ts';

/**
 * Writes a checkpoint's trained numbers as a PEFT adapter, or as a whole model where every weight is trained.
 * @throws InputError where the checkpoint is gone, damaged or does not fit
 */
export function exportCheckpoint(
  start: StartPlace,
  config: RunConfig,
  { step, sha256 }: Pick<Checkpoint, 'step' | 'sha256'>,
  checkpointFolder: string,
  out: string,
): void {
  const model = start.kind === 'fresh' ? openFresh(start.configFile) : openBase(start);
  const trainable = trainableOf(model, config);
  const place = { step, sha256, path: checkpointPath(checkpointFolder, sha256) };
  const parameters = readParameters(place, parametersOf(model, trainable));
  savePolicy(out, { trainable, parameters }, model);
}
