import { evaluatePairs, type PairLogProbs } from '../../../shared/comparison.ts';
import { InputError } from '../../../shared/errors.ts';
import { describeLoss } from '../../../shared/losses.ts';
import { pairStep } from '../../../shared/pair-telemetry.ts';
import { canScore } from '../../engine/train/trainer-session.ts';
import { NonFiniteError } from '../../engine/train/trainer.ts';
import type { JobSpec } from '../job.ts';
import { resolveData } from '../data.ts';
import { holdOut } from '../held-out.ts';
import { planBatches, runOrExplain, type LoopOptions } from '../loop.ts';
import {
  functionHash,
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
import { missingReference, referenceLogProbs, References, withReference } from '../reference.ts';
import { isFiniteScore, scorePairs } from '../score.ts';
import { promptsToSample, Sampler } from '../sampler.ts';
import {
  engineOptions,
  openScorer,
  openTrainer,
  sequencesAtOnce,
  shapeOf,
  trainerOptions,
} from '../sessions.ts';
import { checkpointerOf, openStart, referenceCache, resumeState, settleSources } from './context.ts';
import type { WorkContext } from './context.ts';
import { openDriftOnTheWay, openMeter, RunEvaluator } from './evaluator.ts';
import { refuseHopeless, settlePlan, spentSoFar } from './plan.ts';
import { StepReferences } from './step-references.ts';

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

  const engine = engineOptions({ ...config, updates: batches }, prepared.pairs, heldData?.pairs ?? []);
  const measured = needsReference ? prepared.pairs : [];
  const heldPairs = heldData?.pairs ?? [];
  const needed = [...measured, ...heldPairs];
  const only = spec.planning === 'only';
  // The trainer's session scores the reference as well, when it is needed. Where it cannot, a session of its own is opened
  // and gone before the trainer's.
  const isOnTheWay = canScore(
    policy.trainable,
    shapeOf(reference),
    trainerOptions(policy.trainable, config, engine),
  );
  const bar = asBar(call, 'reference log-probs', 'pairs');
  const began = performance.now();
  const before =
    needed.length === 0 || only || isOnTheWay
      ? undefined
      : await referenceLogProbs(referenceCache(context), model, reference, needed, engine, {
          ...bar,
          fileOf: (place) => (place < measured.length ? request.data : heldFile),
        });
  const afterReference = performance.now();
  const pairs = before && needsReference ? withReference(prepared.pairs, before) : prepared.pairs;

  const trainer = await openTrainer(model, policy.trainable, config, engine);
  const references = isOnTheWay
    ? new References(
        referenceCache(context),
        model,
        reference,
        openScorer(model, shapeOf(reference), engine, trainer),
      )
    : undefined;
  let heldScores: readonly PairLogProbs[] | undefined = before?.slice(measured.length);
  const findHeld = async (): Promise<readonly PairLogProbs[]> =>
    (heldScores ??= (await references?.find(heldPairs, { ...bar, fileOf: () => heldFile })) ?? []);
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
  const scorer = heldData && openScorer(model, policy.trainable, engine, trainer);
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
    held: heldPairs,
    batches,
    missing: () =>
      references?.missing(needed) ??
      (only ? missingReference(referenceCache(context), model, reference, needed, engine) : []),
    spent: spentSoFar(began, afterReference),
    outputs: [request.adapterOut],
  });
  const state = resumeState(context, run, trainer.newState(policy.parameters), facts);
  const fromStep = state.optimizer.step;
  send({ kind: 'run-start', runId: run.id, ...facts, totalSteps: batches.length, fromStep });
  const checkpointer = checkpointerOf(context, run, facts, state);
  const stepReferences =
    references && needsReference
      ? new StepReferences(references, {
          startsAsReference:
            !run.fork && (reference ? reference === policy : functionHash(model, policy) === 'base'),
          ...{ file: request.data, signal: call.signal },
        })
      : undefined;
  const onStep: LoopOptions['onStep'] = (metrics, totalSteps, stepPairs) => {
    stepReferences?.after(stepPairs);
    send({ kind: 'step', runId: run.id, metrics, pairs: pairStep(metrics.step, stepPairs) });
    call.onProgress({ kind: 'step', metrics, totalSteps });
  };
  const evaluator =
    meter &&
    new RunEvaluator(
      context,
      {
        ...{ model, reference, meter, sampler, drift, scorer: scorer! },
        ...{ pairs: heldPairs, scores: await findHeld() },
      },
      run,
      {
        ...{ start: policy, steps: batches.length, call },
        tell: (text) => call.onProgress({ kind: 'note', text }),
      },
    );
  const afterStep = async (): Promise<void> => {
    checkpointer.afterStep(state, await evaluator?.afterStep(state));
    // Not at the end: what is wrong with them is to be known early.
    await findHeld();
  };
  const beforeStep: LoopOptions['beforeStep'] =
    stepReferences && ((own, at) => stepReferences.before(own, at));
  const loop = { trainer, state, pairs, batches, config, signal: call.signal, beforeStep, onStep, afterStep };
  try {
    await evaluator?.begin(state);
    call.onProgress({
      kind: 'progress',
      label: 'Training',
      done: fromStep,
      total: batches.length,
      unit: 'steps',
    });
    call.onProgress({ kind: 'note', text: `step ${fromStep + 1} of ${batches.length} begins` });
    await runOrExplain(loop, request.data);
  } catch (error) {
    // Between steps the state is whole: a stop loses nothing, and a step that was not finite changed nothing.
    if (call.signal.aborted || (error instanceof InputError && error.cause instanceof NonFiniteError))
      checkpointer.write(state);
    throw stepReferences?.explain(error) ?? error;
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
    const measures = evaluatePairs(after, await findHeld());
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
