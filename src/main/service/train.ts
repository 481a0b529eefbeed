import { evaluatePairs, type Evaluation } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { describeLoss } from '../../shared/losses.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import { planBatches, runOrExplain } from '../training/loop.ts';
import {
  openFresh,
  policyHash,
  randomWeights,
  referencePolicy,
  savePolicy,
  startPolicy,
  type Policy,
} from '../training/model.ts';
import { orderHash, prepareData } from '../training/prepare.ts';
import { referenceLogProbs, withReference } from '../training/reference.ts';
import { isFiniteScore, scoreOnce } from '../training/score.ts';
import { engineOptions, openTrainer } from '../training/sessions.ts';
import type { CallOptions, TrainRequest, TrainResult } from '../../shared/contract.ts';
import { holdOut } from './held-out.ts';
import {
  requireWritable,
  requireWritableFolder,
  resolveData,
  resolveModel,
  type Library,
} from './library.ts';
import { asBar, countsOf, tellLeaks, tellNotes, tellWarmup } from './progress.ts';
import { RunRecorder } from './recorder.ts';

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
  const data = await resolveData(library, request.data);
  const { train: rows, held } = await holdOut(library, data, request.data, config);
  const { start } = request;
  const model = 'init' in start ? openFresh(start.init) : await resolveModel(library, start.model, call);
  const policy: Policy =
    'init' in start
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
          ...asBar(call, 'reference log-probs', 'pairs'),
          fileOf: (place) => (needsReference && place < prepared.pairs.length ? request.data : heldFile),
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
    const trainer = await openTrainer(model, policy.trainable, config, engine);
    const state = trainer.newState(policy.parameters);
    const loop = { trainer, state, pairs, batches, config, signal: call.signal };
    const onStep = (step: StepMetrics, totalSteps: number): void => {
      recorder.step(step);
      call.onProgress?.({ kind: 'step', metrics: step, totalSteps });
    };
    const metrics = await runOrExplain({ ...loop, onStep }, request.data);
    const trained: Policy = { trainable: policy.trainable, parameters: state.parameters };
    let evaluation: Evaluation | undefined;
    if (heldData) {
      const after = await scoreOnce(model, trained, heldData.pairs, engine, {
        ...asBar(call, 'evaluating', 'pairs'),
        onScore(found) {
          if (isFiniteScore(found)) return;
          const cause =
            'after training the log-probs of this held-out pair are not finite; lower the learning rate';
          throw new InputError(cause, { file: heldFile, row: found.index });
        },
      });
      evaluation = evaluatePairs(after, scores.slice(-heldData.pairs.length));
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
