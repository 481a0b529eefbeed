import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ExperimentRequest, TrainingRequest, Work } from '../../../shared/app/api.ts';
import { parseRunConfig, parseSharedSettings } from '../../../shared/config.ts';
import type { CompareRequest, PlanRequest, TrainRequest } from '../../../shared/contract.ts';

/** Where a training's adapter and metrics go that was asked for in the app: nobody named a place. */
export function resultPlaces(home: string): Pick<TrainRequest, 'metrics' | 'adapterOut'> {
  const folder = join(home, 'results', randomBytes(8).toString('hex'));
  return { metrics: join(folder, 'metrics.jsonl'), adapterOut: join(folder, 'adapter') };
}

/** What a page asks for, as the services take it. @throws UsageError for settings that cannot be */
export function toRequest(home: string, work: Work): PlanRequest {
  return work.kind === 'training'
    ? { kind: 'train', request: toTrainRequest(home, work.request) }
    : { kind: 'compare', request: toCompareRequest(work.request) };
}

function toTrainRequest(home: string, { model, config, ...rest }: TrainingRequest): TrainRequest {
  return { ...rest, start: { model }, config: parseRunConfig(config), ...resultPlaces(home) };
}

function toCompareRequest({ shared, task, ...rest }: ExperimentRequest): CompareRequest {
  return {
    ...rest,
    shared: parseSharedSettings(shared),
    ...(task === undefined ? {} : { taskData: task.data }),
    ...(task?.tokens === undefined ? {} : { taskTokens: task.tokens }),
    ...(task?.onTheWay === undefined ? {} : { evalQuestions: task.onTheWay }),
  };
}
