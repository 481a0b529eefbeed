import { join } from 'node:path';
import {
  evaluatePairs,
  type Evaluation,
  type RunResult,
  type TaskEvaluation,
} from '../../../shared/comparison.ts';
import type { RunConfig } from '../../../shared/config.ts';
import { formatLearningRate } from '../../../shared/format.ts';
import type { StepMetrics } from '../../../shared/metrics.ts';
import { toJsonLines, writeAskedFile } from '../../formats/files.ts';
import { NonFiniteLogitsError } from '../../training/decode.ts';
import { planBatches, runUntilDivergence } from '../../training/loop.ts';
import { policyHash, savePolicy, startPolicy } from '../../training/model.ts';
import { orderHash } from '../../training/prepare.ts';
import { isFiniteScore, scorePairs } from '../../training/score.ts';
import type { CallOptions } from '../../../shared/contract.ts';
import type { Library } from '../library.ts';
import { underName } from '../progress.ts';
import { RunRecorder } from '../recorder.ts';
import type { TaskRunner } from '../task.ts';
import type { Conditions } from './conditions.ts';

/** Where a run stands in its comparison. */
export interface RunPlace {
  readonly comparisonId: number;
  /** From 0. */
  readonly place: number;
  readonly of: number;
  /** Folder for the adapters and metrics of all runs. */
  readonly out: string | undefined;
}

/**
 * Trains and evaluates one arm at one learning rate from one seed. A run that diverges is a finding: it is evaluated as
 * it was before the step that was not finite, where its log-probs still are numbers (without the task, where logits are
 * not), and marked.
 */
export async function runOne(
  library: Library,
  conditions: Conditions,
  config: RunConfig,
  { comparisonId, place, of, out }: RunPlace,
  call: CallOptions,
): Promise<RunResult> {
  const started = performance.now();
  const { model, data, pairs, held, task } = conditions;
  const { trainer, scorer } = conditions.sessions;
  const name = `${config.loss}, lr ${formatLearningRate(config.learningRate)}, seed ${config.seed}`;
  const policy = startPolicy(model, config);
  const batches = planBatches(config, pairs.length);
  const hashes = { orderHash: orderHash(pairs, batches), adapterStartHash: policyHash(policy) };
  const recorder = RunRecorder.start(library.store, {
    comparisonId,
    config,
    baseHash: model.hash,
    dataHash: data.hash,
    ...hashes,
  });
  const onStep = (step: StepMetrics, totalSteps: number): void => {
    recorder.step(step);
    call.onProgress?.({ kind: 'step', run: name, metrics: step, totalSteps });
    call.onProgress?.({
      kind: 'progress',
      label: `run ${place + 1}/${of} ${name}`,
      done: place * totalSteps + step.step,
      total: of * totalSteps,
      unit: 'steps',
    });
  };
  try {
    const state = trainer.newState(policy.parameters);
    const loop = { trainer, state, pairs, batches, config, signal: call.signal };
    const { metrics, divergence } = await runUntilDivergence({ ...loop, onStep });
    let divergedAt = divergence?.step;
    if (divergence) {
      call.onProgress?.({ kind: 'note', text: `${name}: ${divergence.problem} at step ${divergence.step}` });
    }
    const scores = await scorePairs(scorer, state.parameters, held.pairs, { signal: call.signal });
    let evaluation: Evaluation | undefined;
    if (scores.every(isFiniteScore)) {
      evaluation = evaluatePairs(scores, conditions.heldReference);
      const answers = task && (await evaluateTask(task, state.parameters, underName(call, name)));
      if (answers) {
        evaluation = { ...evaluation, task: answers };
      } else if (task) {
        divergedAt ??= metrics.length;
        call.onProgress?.({ kind: 'note', text: `${name}: its answers' logits are not finite; no task` });
      }
      recorder.evaluation(evaluation, metrics.length);
    } else {
      divergedAt ??= metrics.length;
    }
    let adapterPath: string | undefined;
    if (out !== undefined) {
      const rate = formatLearningRate(config.learningRate);
      adapterPath = join(out, `${config.loss}-lr${rate}-seed${config.seed}`);
      savePolicy(adapterPath, { trainable: policy.trainable, parameters: state.parameters }, model);
      writeAskedFile(join(adapterPath, 'metrics.jsonl'), toJsonLines(metrics));
    }
    if (divergedAt === undefined) recorder.finish(metrics.length, adapterPath);
    else recorder.fail(new Error(`not finite at step ${divergedAt}`));
    return {
      id: String(recorder.id),
      loss: config.loss,
      learningRate: config.learningRate,
      seed: config.seed,
      ...hashes,
      status: divergedAt === undefined ? 'finished' : 'diverged',
      ...(divergedAt === undefined ? {} : { divergedAt }),
      metrics,
      ...(evaluation ? { evaluation } : {}),
      ...(adapterPath === undefined ? {} : { adapterPath }),
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    recorder.fail(error, call.signal);
    throw error;
  }
}

/** Undefined where answering needs numbers that the run no longer gives. */
async function evaluateTask(
  task: TaskRunner,
  parameters: Float32Array,
  call: CallOptions,
): Promise<TaskEvaluation | undefined> {
  try {
    return await task.evaluate(parameters, call);
  } catch (error) {
    if (call.signal?.aborted || !(error instanceof NonFiniteLogitsError)) throw error;
    return undefined;
  }
}
