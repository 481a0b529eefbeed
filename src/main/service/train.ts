import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { evaluatePairs, type Evaluation } from '../../shared/comparison.ts';
import { describeLoss } from '../../shared/losses.ts';
import type { RunConfig } from '../../shared/config.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import { Scorer } from '../engine/train/scorer.ts';
import { NonFiniteError, Trainer, type TrainingPair } from '../engine/train/trainer.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import { loadTokenizer } from '../engine/tokens/tokenizer.ts';
import { planBatches, runLoop } from '../training/loop.ts';
import {
  loadPolicy,
  openConfig,
  policyHash,
  randomWeights,
  savePolicy,
  startPolicy,
  type OpenModel,
  type Policy,
} from '../training/model.ts';
import { orderHash, prepareData, splitRows } from '../training/prepare.ts';
import { engineOptions, referenceLogProbs, scorePairs, withReference } from '../training/reference.ts';
import type { CallOptions, TrainRequest, TrainResult } from './contract.ts';
import {
  requireWritable,
  requireWritableFolder,
  resolveData,
  resolveModel,
  type Library,
  type OpenData,
} from './library.ts';
import { countsOf, tellLeaks, tellNotes, tellWarmup } from './notes.ts';
import { RunRecorder } from './recorder.ts';

/** Longest padded batch of sequences that supervised fine-tuning of a whole small model runs side by side. */
const sequencesAtOnce = 16;

/** Trains one run and writes its metrics and its adapter (or whole model). */
export async function train(
  library: Library,
  request: TrainRequest,
  call: CallOptions,
): Promise<TrainResult> {
  const started = performance.now();
  const { config } = request;
  requireWritable(request.metrics, [request.data, config.evalData, ...Object.values(request.start)]);
  requireWritableFolder(request.adapterOut);
  // Data first: it is read in no time, and what is wrong with it must not come after a model was imported.
  const data = resolveData(library, request.data);
  const { train: rows, held } = holdOut(library, data, request.data, config);
  const model = await openStart(library, request, call);
  const policy: Policy =
    'init' in request.start
      ? { trainable: { kind: 'full' }, parameters: randomWeights(model.source, config.seed) }
      : startPolicy(model, config);
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

  const engine = engineOptions(config.threads, prepared.pairs, heldData?.pairs ?? []);
  const reference = referencePolicy(model, config, policy);
  const all = [...prepared.pairs, ...(heldData?.pairs ?? [])];
  const needed = needsReference ? all : (heldData?.pairs ?? []);
  const scores =
    needed.length === 0
      ? []
      : await referenceLogProbs(library.store, model, reference, needed, engine, {
          ...(call.signal ? { signal: call.signal } : {}),
          fileOf: (place) => (needsReference && place < prepared.pairs.length ? request.data : heldFile),
          onProgress: (done, total) =>
            call.onProgress?.({ kind: 'progress', label: 'reference log-probs', done, total, unit: 'pairs' }),
        });
  const pairs = needsReference
    ? withReference(prepared.pairs, scores.slice(0, prepared.pairs.length))
    : prepared.pairs;

  const batches = planBatches(config, pairs.length);
  tellWarmup(config, batches.length, call);
  const hashes = { base: model.hash, data: data.hash, order: orderHash(pairs, batches) };
  const recorder = RunRecorder.start(library.store, {
    config,
    baseHash: model.hash,
    dataHash: data.hash,
    adapterStartHash: policyHash(policy),
    orderHash: hashes.order,
  });
  try {
    const trainer = await Trainer.create(model.source, policy.trainable, [config.loss], {
      ...engine,
      batch:
        needsRejected || policy.trainable.kind === 'lora' ? 1 : Math.min(sequencesAtOnce, config.batchSize),
    });
    const state = trainer.newState(policy.parameters);
    const metrics = await finiteOrNamed(
      runLoop({
        trainer,
        state,
        pairs,
        batches,
        config,
        ...(call.signal ? { signal: call.signal } : {}),
        onStep: (step, totalSteps) => {
          recorder.step(step);
          call.onProgress?.({ kind: 'step', metrics: step, totalSteps });
        },
      }),
      request.data,
    );
    if (!state.parameters.every(Number.isFinite)) {
      const cause = 'trained numbers are not finite after the last step; lower the learning rate';
      throw new InputError(cause, { file: request.data });
    }
    const trained: Policy = { trainable: policy.trainable, parameters: state.parameters };
    let evaluation: Evaluation | undefined;
    if (heldData) {
      evaluation = await evaluate(
        model,
        trained,
        heldData.pairs,
        scores.slice(-heldData.pairs.length),
        engine,
        heldFile,
        call,
      );
      recorder.evaluation(evaluation, metrics.length);
    }
    await trainer.release();
    savePolicy(request.adapterOut, trained, model);
    writeAskedFile(request.metrics, toJsonLines(metrics));
    recorder.finish(metrics.length, request.adapterOut);
    return {
      metrics: request.metrics,
      adapterOut: request.adapterOut,
      config,
      counts: countsOf(prepared),
      steps: metrics.length,
      trainedParameters: trainer.size,
      first: metrics[0]!,
      last: metrics.at(-1)!,
      ...(evaluation ? { evaluation } : {}),
      seconds: (performance.now() - started) / 1000,
      peakMemory: process.resourceUsage().maxRSS * 1024,
      hashes,
    };
  } catch (error) {
    recorder.fail(error, call.signal);
    throw error;
  }
}

async function openStart(library: Library, { start }: TrainRequest, call: CallOptions): Promise<OpenModel> {
  if ('model' in start) return resolveModel(library, start.model, call);
  const folder = dirname(start.init);
  const source = openConfig(start.init);
  return {
    name: start.init,
    // The weights are part of the policy, which is hashed by itself; what they mean is said by the config.
    hash: createHash('sha256').update(readFileSync(start.init)).digest('hex'),
    folder,
    configFile: start.init,
    source,
    tokenizer: loadTokenizer(folder),
  };
}

/** Training rows and held-out rows, as the settings say. */
export function holdOut(
  library: Library,
  data: OpenData,
  file: string,
  config: Pick<RunConfig, 'evalData' | 'evalShare'>,
): { readonly train: OpenData['rows']; readonly held: OpenData['rows'] | undefined } {
  if (config.evalData !== undefined)
    return { train: data.rows, held: resolveData(library, config.evalData).rows };
  if (config.evalShare !== undefined) return splitRows(data.rows, config.evalShare, file);
  return { train: data.rows, held: undefined };
}

/** The policy at its start (undefined: the base itself), or what `reference` names. */
export function referencePolicy(model: OpenModel, config: RunConfig, start: Policy): Policy | undefined {
  if (config.reference === 'base') {
    if (!model.source.weights)
      throw new InputError('training from scratch has no base to refer to; leave out --reference base');
    return config.full ? start : undefined;
  }
  if (config.reference !== undefined) return loadPolicy(model, config.reference);
  if (config.initAdapter !== undefined) return start;
  // A fresh adapter adds exactly nothing. Weights that are trained are fed, though, and the runtime sums products with
  // fed weights in another order than those with the base's frozen ones, which it repacks: c and r would not start at 0.
  return config.full ? start : undefined;
}

/** Measures on held-out pairs that do not depend on the loss. */
export async function evaluate(
  model: OpenModel,
  policy: Policy,
  pairs: readonly TrainingPair[],
  reference: Parameters<typeof evaluatePairs>[0],
  engine: ReturnType<typeof engineOptions>,
  file: string,
  call: CallOptions,
): Promise<Evaluation> {
  const scorer = new Scorer(model.source, policy.trainable, engine);
  const scores = await scorePairs(scorer, policy.parameters, pairs, {
    ...(call.signal ? { signal: call.signal } : {}),
    onProgress: (done, total) =>
      call.onProgress?.({ kind: 'progress', label: 'evaluating', done, total, unit: 'pairs' }),
  });
  await scorer.release();
  const overflown = scores.find(({ chosen, rejected }) => !Number.isFinite(chosen + rejected));
  if (overflown) {
    const cause =
      'after training the log-probs of this held-out pair are not finite; lower the learning rate';
    throw new InputError(cause, { file, row: overflown.index });
  }
  return evaluatePairs(scores, reference);
}

/** Turns a non-finite step into an error that names file and rows. */
async function finiteOrNamed(work: Promise<StepMetrics[]>, file: string): Promise<StepMetrics[]> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    const advice = 'lower the learning rate or look at these rows';
    const [cause] = error.rows.length === 1 ? error.message.split(' (') : [error.message];
    throw new InputError(`${cause}; ${advice}`, {
      file,
      ...(error.rows[0] === undefined ? {} : { row: error.rows[0] }),
    });
  }
}
