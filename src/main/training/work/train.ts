import { evaluatePairs } from '../../../shared/comparison.ts';
import { InputError } from '../../../shared/errors.ts';
import { describeLoss } from '../../../shared/losses.ts';
import { pairStep } from '../../../shared/pair-telemetry.ts';
import { Scorer } from '../../engine/train/scorer.ts';
import { NonFiniteError } from '../../engine/train/trainer.ts';
import type { JobSpec } from '../job.ts';
import { resolveData } from '../data.ts';
import { holdOut } from '../held-out.ts';
import { planBatches, runOrExplain, type LoopOptions } from '../loop.ts';
import {
  parameterCount,
  policyHash,
  randomWeights,
  referencePolicy,
  savePolicy,
  startPolicy,
  trainableOf,
  type Policy,
} from '../model.ts';
import { orderHash, prepareData } from '../prepare.ts';
import { asBar, countsOf, tellLeaks, tellNotes, tellWarmup } from '../progress.ts';
import { missingReference, referenceLogProbs, withReference } from '../reference.ts';
import { isFiniteScore, scorePairs } from '../score.ts';
import { promptsToSample, Sampler } from '../sampler.ts';
import { engineOptions, openTrainer, sequencesAtOnce } from '../sessions.ts';
import { checkpointerOf, openStart, referenceCache, resumeState, settleSources } from './context.ts';
import type { WorkContext } from './context.ts';
import { openDriftOnTheWay, openMeter, RunEvaluator } from './evaluator.ts';
import { refuseHopeless, settlePlan, spentSoFar } from './plan.ts';

/** Trains one run and writes its adapter (or whole model). */
export async function workTrain(context: WorkContext, spec: JobSpec & { kind: 'train' }): Promise<void> {
  const { store, send, call } = context;
  const { request } = spec;
  const run = spec.runs[0]!;
  const { config } = run;
  const whole = await resolveData(store, request.data, { revision: spec.revision });
  const data = request.pairs === undefined ? whole : { ...whole, rows: whole.rows.slice(0, request.pairs) };
  const { train: rows, held, evalHash } = await holdOut(store, data, request.data, config);
  const model = openStart(spec.start, config);
  const { needsRejected, needsReference } = describeLoss(config.loss);
  const options = { maxLength: config.maxLength, needsRejected, file: request.data };
  const prepared = prepareData(rows, model.tokenizer, options);
  tellNotes(prepared, call);
  const heldFile = config.evalData ?? request.data;
  const heldData =
    held === undefined
      ? undefined
      : prepareData(held, model.tokenizer, { ...options, needsRejected: true, file: heldFile });
  const heldPrompts = (heldData?.pairs ?? []).map(({ prompt }) => prompt);
  tellLeaks(prepared.pairs, heldPrompts, 'held-out prompts', call);

  refuseHopeless(context, {
    source: model.source,
    trainable: trainableOf(model, config),
    pairs: [...prepared.pairs, ...(heldData?.pairs ?? [])],
    batch: sequencesAtOnce(config, config.full),
    scores: heldData !== undefined,
    lowMemory: config.lowMemory,
    originalBytes: model.originalBytes,
  });
  const policy: Policy =
    spec.start.kind === 'fresh'
      ? { trainable: { kind: 'full' }, parameters: randomWeights(model.source, config.seed) }
      : startPolicy(model, config);
  const reference = referencePolicy(model, config, policy);
  const batches = planBatches(config, prepared.pairs.length);
  const facts = {
    adapterStartHash: policyHash(policy),
    orderHash: orderHash(prepared.pairs, batches),
  };
  settleSources(context, {
    model: model.hash,
    data: data.hash,
    start: facts.adapterStartHash,
    'order of batches': facts.orderHash,
    ...(evalHash === undefined ? {} : { 'evaluation data': evalHash }),
    ...(config.reference === undefined ? {} : { reference: reference ? policyHash(reference) : 'base' }),
  });
  tellWarmup(config, batches.length, call);

  const engine = engineOptions(config, prepared.pairs, heldData?.pairs ?? []);
  const all = [...prepared.pairs, ...(heldData?.pairs ?? [])];
  const needed = needsReference ? all : (heldData?.pairs ?? []);
  const only = spec.planning === 'only';
  const began = performance.now();
  const scores =
    needed.length === 0 || only
      ? []
      : await referenceLogProbs(referenceCache(context), model, reference, needed, engine, {
          ...asBar(call, 'reference log-probs', 'pairs'),
          fileOf: (place) => (needsReference && place < prepared.pairs.length ? request.data : heldFile),
        });
  const afterReference = performance.now();
  const pairs =
    needsReference && !only
      ? withReference(prepared.pairs, scores.slice(0, prepared.pairs.length))
      : prepared.pairs;

  const trainer = await openTrainer(model, policy.trainable, config, engine);
  send({
    kind: 'prepared',
    facts: {
      counts: countsOf(prepared),
      trainPairs: pairs.length,
      evalPairs: heldData?.pairs.length ?? 0,
      skipped: prepared.skipped.length + (heldData?.skipped.length ?? 0),
      parameters: parameterCount(model),
      trainedParameters: trainer.size,
    },
  });
  const scorer = heldData && new Scorer(model.source, policy.trainable, engine);
  const meter = await openMeter([config]);
  const sampler =
    meter && (await Sampler.open(model, policy.trainable, { pairs: heldData!.pairs, rows: held! }, config));
  const drift =
    meter &&
    (await openDriftOnTheWay(
      model,
      policy.trainable,
      reference,
      (count) => promptsToSample(heldData!.pairs, count),
      config,
    ));
  await settlePlan(context, {
    model,
    policy,
    trainer,
    scorer,
    sampler,
    driftOnTheWay: drift,
    config,
    pairs,
    held: heldData?.pairs ?? [],
    batches,
    reference: {
      missing: only ? missingReference(referenceCache(context), model, reference, needed, engine) : [],
    },
    spent: spentSoFar(began, afterReference),
    outputs: [request.adapterOut],
  });
  const state = resumeState(context, run, trainer.newState(policy.parameters), facts);
  const fromStep = state.optimizer.step;
  send({ kind: 'run-start', runId: run.id, ...facts, totalSteps: batches.length, fromStep });
  const checkpointer = checkpointerOf(context, run, facts, state);
  const onStep: LoopOptions['onStep'] = (metrics, totalSteps, stepPairs) => {
    send({ kind: 'step', runId: run.id, metrics, pairs: pairStep(metrics.step, stepPairs) });
    call.onProgress({ kind: 'step', metrics, totalSteps });
  };
  const evaluator =
    meter &&
    new RunEvaluator(
      context,
      {
        ...{ model, reference, meter, sampler, drift, scorer: scorer! },
        ...{ pairs: heldData!.pairs, scores: scores.slice(-heldData!.pairs.length) },
      },
      run,
      {
        ...{ start: policy, steps: batches.length, call },
        tell: (text) => call.onProgress({ kind: 'note', text }),
      },
    );
  const afterStep = async (): Promise<void> =>
    checkpointer.afterStep(state, await evaluator?.afterStep(state));
  const loop = { trainer, state, pairs, batches, config, signal: call.signal, onStep, afterStep };
  try {
    await evaluator?.begin(state);
    await runOrExplain(loop, request.data);
  } catch (error) {
    // Between steps the state is whole: a stop loses nothing, and a step that was not finite changed nothing.
    if (call.signal.aborted || (error instanceof InputError && error.cause instanceof NonFiniteError))
      checkpointer.write(state);
    throw error;
  }
  checkpointer.write(state);
  const trained: Policy = { trainable: policy.trainable, parameters: state.parameters };
  if (heldData && scorer) {
    const after = await scorePairs(scorer, trained.parameters, heldData.pairs, {
      ...asBar(call, 'evaluating', 'pairs'),
      onScore(found) {
        if (isFiniteScore(found)) return;
        const cause =
          'after training the log-probs of this held-out pair are not finite; lower the learning rate';
        throw new InputError(cause, { file: heldFile, row: found.index });
      },
    });
    const step = batches.length;
    const found = await evaluator?.find(step, trained.parameters, after);
    const measures = evaluatePairs(after, scores.slice(-heldData.pairs.length));
    const evaluation = {
      ...measures,
      ...(found?.samples && { samples: found.samples }),
      ...(found?.klToReference && { klToReference: found.klToReference }),
    };
    send({ kind: 'evaluation', runId: run.id, step, evaluation, ...(found && { metrics: found.metrics }) });
  }
  await scorer?.release();
  await sampler?.release();
  await drift?.release();
  await meter?.release();
  await trainer.release();
  savePolicy(request.adapterOut, trained, model);
  send({ kind: 'run-end', runId: run.id, step: batches.length, folder: request.adapterOut });
}
