import { join } from 'node:path';
import { evaluatePairs, type Evaluation } from '../../../shared/comparison.ts';
import { runFolderName, runTitle, type Grid, type GridRun } from '../../../shared/grid.ts';
import type { CallOptions, CompareRequest } from '../../../shared/contract.ts';
import { lengthBias } from '../../../shared/length-bias.ts';
import { pairStep } from '../../../shared/pair-telemetry.ts';
import { predictedTokens } from '../../engine/train/packing.ts';
import { NonFiniteLogitsError } from '../decode.ts';
import type { RunSpec } from '../job.ts';
import { planBatches, runUntilDivergence, type Divergence, type LoopOptions } from '../loop.ts';
import { functionHash, policyHash, savePolicy, startPolicy, type Policy } from '../model.ts';
import { orderHash } from '../prepare.ts';
import { asBar, tellRecalled, underName } from '../progress.ts';
import { Recall } from '../recall.ts';
import { isFiniteScore, scorePairs, scoresHash } from '../score.ts';
import type { TaskFindings, TaskRunner } from '../task.ts';
import type { Conditions } from './conditions.ts';
import { checkpointerOf, partCache, resumeState, type WorkContext } from './context.ts';
import { RunEvaluator } from './evaluator.ts';
import type { FirstGradients } from './first-gradients.ts';

/** Where a run stands in its comparison. */
export interface RunPlace {
  /** From 0. */
  readonly place: number;
  readonly of: number;
  /** Optimizer steps of all runs before it, and of all. */
  readonly stepsBefore: number;
  readonly stepsInAll: number;
  readonly grid: Pick<CompareRequest, 'betas' | 'shared' | 'out'>;
  readonly firstGradients: FirstGradients;
}

/** What a run has become. */
export interface RunOutcome {
  readonly policy: Policy;
  readonly diverged: Divergence | undefined;
}

/** Where a run of a comparison leaves its adapter and metrics. */
export function runFolder(out: string, run: GridRun, grid: Pick<Grid, 'betas'>): string {
  return join(out, runFolderName(run, grid));
}

/**
 * Trains and evaluates one arm at one learning rate and β from one seed. A run that diverges is a finding: it is evaluated as
 * it was before the step that was not finite, where its log-probs still are numbers (without the task, where logits are
 * not), and marked.
 */
export async function runOne(
  context: WorkContext,
  conditions: Conditions,
  run: RunSpec,
  { place, of, stepsBefore, stepsInAll, grid, firstGradients }: RunPlace,
): Promise<RunOutcome> {
  const { send, call } = context;
  const { config } = run;
  const { model, pairs, held, task, drift, reference } = conditions;
  const { trainer, scorer } = conditions.sessions;
  const name = runTitle(run, grid);
  const tell = (text: string): void => call.onProgress({ kind: 'note', text: `${name}: ${text}` });
  const policy = conditions.start ?? startPolicy(model, config);
  const batches = planBatches(config, pairs.length);
  const facts = { orderHash: orderHash(pairs, batches), adapterStartHash: policyHash(policy) };
  const state = resumeState(context, run, trainer.newState(policy.parameters), facts);
  const fromStep = state.optimizer.step;
  send({ kind: 'run-start', runId: run.id, ...facts, totalSteps: batches.length, fromStep });
  const checkpointer = checkpointerOf(context, run, facts, state);
  const onStep: LoopOptions['onStep'] = (step, totalSteps, stepPairs) => {
    send({ kind: 'step', runId: run.id, metrics: step, pairs: pairStep(step.step, stepPairs) });
    call.onProgress({ kind: 'step', run: name, metrics: step, totalSteps });
    call.onProgress({
      kind: 'progress',
      label: `run ${place + 1}/${of} ${name}`,
      done: stepsBefore + step.step,
      total: stepsInAll,
      unit: 'steps',
    });
  };
  const evaluator =
    conditions.onTheWay &&
    new RunEvaluator(context, conditions.onTheWay, run, {
      start: policy,
      steps: batches.length,
      call: underName(call, name),
      tell,
    });
  const afterStep = async (): Promise<void> =>
    checkpointer.afterStep(state, await evaluator?.afterStep(state));
  const loop = {
    ...{ trainer, state, pairs, batches, config, signal: call.signal, onStep, afterStep },
    firstGradient: firstGradients.of(run),
  };
  let diverged: Divergence | undefined;
  try {
    await evaluator?.begin(state);
    diverged = await runUntilDivergence(loop);
  } finally {
    // Also where the job is stopped: between steps the state is whole.
    checkpointer.write(state);
  }
  if (diverged) tell(`${diverged.problem} at step ${diverged.step}`);
  const step = state.optimizer.step;
  const recall = new Recall(partCache(context));
  const hash = functionHash(model, { trainable: policy.trainable, parameters: state.parameters });
  const scores = await recall.part(
    'pairs',
    () => scoresHash(scorer, model, hash, held.pairs),
    () => scorePairs(scorer, state.parameters, held.pairs, { signal: call.signal }),
  );
  const found = await evaluator?.find(step, state.parameters, scores);
  if (scores.every(isFiniteScore)) {
    const measured = evaluatePairs(scores, conditions.heldReference);
    const lengths = held.pairs.map((pair) => ({
      chosen: predictedTokens(pair, pair.chosen),
      rejected: predictedTokens(pair, pair.rejected),
    }));
    let evaluation: Evaluation = { ...measured, lengthBias: lengthBias(measured.perPair!, lengths) };
    // The SFT that comes first is no arm.
    if (run.role !== 'stage') {
      const losses = await conditions.crossLosses.measure(held.pairs, scores, conditions.heldReference);
      evaluation = { ...evaluation, losses };
    }
    if (found?.samples) evaluation = { ...evaluation, samples: found.samples };
    const named = underName(call, name);
    const answers =
      task &&
      (await recall.part(
        'answers',
        () => task.contextHash(hash),
        () => evaluateTask(task, state.parameters, named),
      ));
    if (task && !answers) {
      diverged ??= { step, problem: "its answers' logits are not finite" };
      tell("its answers' logits are not finite; no task");
    }
    const against = { parameters: reference?.parameters };
    const drawn =
      drift &&
      (await recall.part(
        'samples',
        () => drift.contextHash(hash, reference ? policyHash(reference) : 'base'),
        () => drift.measure(state.parameters, against, asBar(named, 'drawing samples', 'answers')),
      ));
    if (drift && !drawn) tell("its samples' logits are not finite; no KL");
    evaluation = { ...evaluation, ...drawn, ...answers };
    const cached = [...recall.recalled, ...(found?.cached ?? [])];
    tellRecalled(cached, call, name);
    const metrics = found && { metrics: found.metrics };
    send({ kind: 'evaluation', runId: run.id, step, evaluation, cached, ...metrics });
  } else {
    if (found) send({ kind: 'evaluation', runId: run.id, step, metrics: found.metrics });
    diverged ??= { step, problem: 'its log-probs are not finite' };
  }
  const folder = grid.out === undefined ? undefined : runFolder(grid.out, run, grid);
  if (folder !== undefined)
    savePolicy(folder, { trainable: policy.trainable, parameters: state.parameters }, model);
  send({
    kind: 'run-end',
    runId: run.id,
    step,
    ...(diverged === undefined ? {} : { diverged }),
    ...(folder === undefined ? {} : { folder }),
  });
  return { policy: { trainable: policy.trainable, parameters: state.parameters }, diverged };
}

/** Undefined where answering needs numbers that the run no longer gives. */
async function evaluateTask(
  task: TaskRunner,
  parameters: Float32Array,
  call: CallOptions,
): Promise<TaskFindings | undefined> {
  try {
    return await task.evaluate(parameters, call);
  } catch (error) {
    if (call.signal?.aborted || !(error instanceof NonFiniteLogitsError)) throw error;
    return undefined;
  }
}
