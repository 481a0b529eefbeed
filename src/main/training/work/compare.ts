import { createHash } from 'node:crypto';
import { evaluatePairs } from '../../../shared/comparison.ts';
import { stepCount } from '../../../shared/config.ts';
import type { JobSpec } from '../job.ts';
import { planBatches } from '../loop.ts';
import { parameterCount, policyHash } from '../model.ts';
import { asBar, countsOf, tellRecalled, underName } from '../progress.ts';
import { Recall } from '../recall.ts';
import { openConditions, type Conditions } from './conditions.ts';
import { partCache, settleSources, type WorkContext } from './context.ts';
import { FirstGradients } from './first-gradients.ts';
import { settlePlan } from './plan.ts';
import { runFolder, runOne } from './run.ts';
import { passStage } from './stage.ts';

/** Evaluates the base, then trains and evaluates run after run under one set of conditions. */
export async function workCompare(context: WorkContext, spec: JobSpec & { kind: 'compare' }): Promise<void> {
  const { request } = spec;
  const conditions = await openConditions(context, spec);
  try {
    const { model, data, training, held, reference } = conditions;
    settleSources(context, {
      model: model.hash,
      data: data.hash,
      ...(conditions.evalHash === undefined ? {} : { 'evaluation data': conditions.evalHash }),
      ...(conditions.taskHash === undefined ? {} : { 'task data': conditions.taskHash }),
      ...(request.shared.reference === undefined
        ? {}
        : { reference: reference ? policyHash(reference) : 'base' }),
    });
    context.send({
      kind: 'prepared',
      facts: {
        counts: countsOf(training),
        trainPairs: training.pairs.length,
        evalPairs: held.pairs.length,
        skipped: training.skipped.length + held.skipped.length,
        parameters: parameterCount(model),
        trainedParameters: conditions.sessions.trainer.size,
      },
    });
    const steps = spec.runs.map(({ config }) => stepCount(config, conditions.pairs.length));
    const stepsInAll = steps.reduce((sum, each) => sum + each, 0);
    const firstGradients = new FirstGradients(spec.runs, conditions.sessions.trainer.size);
    const arm = spec.runs.find(({ role }) => role !== 'stage')!.config;
    await settlePlan(context, {
      model,
      policy: conditions.policy,
      trainer: conditions.sessions.trainer,
      scorer: conditions.sessions.scorer,
      task: conditions.task,
      drift: conditions.drift,
      sampler: conditions.onTheWay?.sampler,
      driftOnTheWay: conditions.onTheWay?.drift,
      taskOnTheWay: conditions.onTheWay?.task,
      config: arm,
      pairs: conditions.pairs,
      held: held.pairs,
      batches: planBatches(arm, conditions.pairs.length),
      trainings: (stepsInAll - firstGradients.saved) / stepCount(arm, conditions.pairs.length),
      keptGradients: firstGradients.mostKept,
      missing: () => conditions.missing,
      spent: conditions.spent,
      outputs: request.out === undefined ? [] : spec.runs.map((run) => runFolder(request.out!, run, request)),
    });
    if (!spec.baseDone) await evaluateBase(context, conditions);
    // Those of one seed's arms: after its stage they are its own.
    let ground = conditions;
    let stepsBefore = 0;
    for (const [place, run] of spec.runs.entries()) {
      const at = { place, of: spec.runs.length, stepsBefore, stepsInAll, grid: request, firstGradients };
      if (run.role === 'stage') {
        const isNeeded = spec.runs.some(({ done, config }) => !done && config.seed === run.config.seed);
        if (isNeeded) ground = await passStage(context, conditions, run, at);
      } else if (!run.done) {
        await runOne(context, ground, run, at);
      }
      stepsBefore += steps[place]!;
    }
  } finally {
    await conditions.release();
  }
}

async function evaluateBase(context: WorkContext, conditions: Conditions): Promise<void> {
  const { send, call } = context;
  const { task, drift, held, heldReference, crossLosses, baseParameters, policy } = conditions;
  const evaluation = {
    ...evaluatePairs(heldReference),
    losses: await crossLosses.measure(held.pairs, heldReference, heldReference),
    promptHashes: held.pairs.map(({ prompt }) => promptHash(prompt)),
  };
  const named = underName(call, 'base');
  const recall = new Recall(partCache(context));
  const hash = baseParameters ? policyHash({ ...policy, parameters: baseParameters }) : 'base';
  const answered =
    task &&
    (await recall.part(
      'answers',
      () => task.contextHash(hash),
      () => task.evaluate(baseParameters, named),
    ));
  // What its answers are like is known from the task; without one they are drawn as every run's are.
  const drawn =
    answered || !drift
      ? undefined
      : await recall.part(
          'samples',
          () => drift.contextHash(hash, undefined),
          () => drift.measure(baseParameters, undefined, asBar(named, 'drawing samples', 'answers')),
        );
  tellRecalled(recall.recalled, named, 'base');
  send({
    kind: 'base-evaluation',
    cached: recall.recalled,
    evaluation: {
      ...evaluation,
      ...drawn,
      ...(answered && {
        generation: answered.generation,
        task: { ...answered.task, promptHashes: task!.prompts.map(promptHash) },
      }),
    },
  });
}

/** Tells prompts apart by their token ids; 64 bits are enough for that. */
function promptHash(prompt: Int32Array): string {
  const bytes = new Uint8Array(prompt.buffer, prompt.byteOffset, prompt.byteLength);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
