import { join } from 'node:path';
import { sums, writeTinyModel } from '../../../../test/e2e/support.ts';
import { parseRunConfig, type RunConfig, type RunConfigInput } from '../../../shared/config.ts';
import type { PreferenceRow } from '../../../shared/preferences.ts';
import { openBase, startPolicy, type OpenModel } from '../model.ts';
import { prepareData } from '../prepare.ts';
import { engineOptions, openShared } from '../sessions.ts';

/** The tiny model, written into a folder and opened. */
export function openTiny(folder: string): OpenModel {
  const place = writeTinyModel(join(folder, 'tiny'));
  return openBase({ name: 'tiny', hash: 'tiny', folder: place, weightsFolder: place });
}

/** What a plan of DPO on sums is made from: config, pairs, policy and open sessions, which the test releases. */
export async function openTraining(model: OpenModel, count: number, input: Partial<RunConfigInput> = {}) {
  const config: RunConfig = parseRunConfig({
    loss: 'dpo',
    learningRate: 1e-2,
    batchSize: 3,
    threads: 1,
    ...input,
  });
  const rows = sums(count).map((pair, index): PreferenceRow => ({ kind: 'preference', index, ...pair }));
  const { pairs } = prepareData(rows, model.tokenizer, { maxLength: 256, needsRejected: true, file: 'sums' });
  const policy = startPolicy(model, config);
  const sessions = await openShared(model, policy.trainable, ['dpo'], engineOptions({ threads: 1 }, pairs));
  return { config, pairs, policy, sessions };
}
