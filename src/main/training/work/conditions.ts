import { parseArm } from '../../../shared/arms.ts';
import type { PairLogProbs } from '../../../shared/comparison.ts';
import { defaults, stepCount, type RunConfig } from '../../../shared/config.ts';
import { runConfigsOf } from '../../../shared/grid.ts';
import { describeLoss } from '../../../shared/losses.ts';
import type { PlanPart } from '../../../shared/plan.ts';
import { InputError } from '../../../shared/errors.ts';
import { canScore } from '../../engine/train/trainer-session.ts';
import { referencePolicy, startPolicy, trainableOf, type OpenModel, type Policy } from '../model.ts';
import { prepareData, type PreparedData, type TrainingPair } from '../prepare.ts';
import { missingReference, referenceLogProbs, withReference } from '../reference.ts';
import { engineOptions, openScorer, openShared, shapeOf, type SharedSessions } from '../sessions.ts';
import type { JobSpec } from '../job.ts';
import { planBatches } from '../loop.ts';
import { holdOut, promptsOf, refuseLeaks } from '../held-out.ts';
import { resolveData, type OpenData } from '../data.ts';
import { asBar, tellNotes, tellWarmup } from '../progress.ts';
import { refuseEmptySeeds } from '../replicates.ts';
import { CrossLossMeter } from '../cross-loss.ts';
import { DriftMeter } from '../drift.ts';
import { promptsToSample, Sampler } from '../sampler.ts';
import { resolveQuestions, TaskRunner } from '../task.ts';
import { openStart, referenceCache, type WorkContext } from './context.ts';
import { openDriftOnTheWay, openMeter, type HeldOut } from './evaluator.ts';
import { refuseHopeless, spentSoFar } from './plan.ts';

const defaultTaskTokens = 256;

/** What all runs of one comparison share: opened once, used by each. */
export interface Conditions {
  readonly model: OpenModel;
  readonly data: OpenData;
  readonly training: PreparedData;
  readonly held: PreparedData;
  /** Training pairs, with their reference log-probs unless no arm needs any or each seed's SFT is to be the reference. */
  readonly pairs: readonly TrainingPair[];
  /** The first run's start. */
  readonly policy: Policy;
  /** For the plan: pairs whose reference log-probs are still to be computed, one that several references score as often. */
  readonly missing: readonly TrainingPair[];
  /** What opening all this took. */
  readonly spent: readonly PlanPart[];
  readonly heldReference: readonly PairLogProbs[];
  /** What every run starts from, where not from an adapter of its own seed. */
  readonly start?: Policy;
  /** What pairs are measured against; absent for the base. */
  readonly reference: Policy | undefined;
  /** Hash of the held-out data, where that is a file of its own. */
  readonly evalHash: string | undefined;
  /** Hash of the questions' data or file. */
  readonly taskHash: string | undefined;
  readonly sessions: SharedSessions;
  readonly task: TaskRunner | undefined;
  /** Of each run's last evaluation; absent where it is not asked for. */
  readonly drift: DriftMeter | undefined;
  readonly crossLosses: CrossLossMeter;
  /** For evaluations on the way; absent where there are none. */
  readonly onTheWay: HeldOut | undefined;
  /** What changes where pairs are measured against another reference of the same shape; computes what is not known yet. */
  measuredAgainst(
    reference: Policy,
    label: string,
  ): Promise<Pick<Conditions, 'pairs' | 'reference' | 'heldReference' | 'onTheWay'>>;
  /** Full training feeds the base's own weights; absent for adapters, where zeros are the base. */
  readonly baseParameters: Float32Array | undefined;
  release(): Promise<void>;
}

/**
 * @throws InputError where nothing is held out, or a question is in two of training, held-out pairs and task; UsageError for seeds that change
 *   nothing
 */
export async function openConditions(
  context: WorkContext,
  { request, start, revision }: JobSpec & { kind: 'compare' },
): Promise<Conditions> {
  const { store, call } = context;
  const { shared } = request;
  const armLosses = request.arms.map((arm) => parseArm(arm).loss);
  const whole = await resolveData(store, request.data, { revision });
  const data = request.pairs === undefined ? whole : { ...whole, rows: whole.rows.slice(0, request.pairs) };
  const { train, held: heldRows, evalHash } = await holdOut(store, data, request.data, shared);
  if (!heldRows) throw new InputError('a comparison needs held-out pairs', { file: request.data });
  const heldFile = shared.evalData ?? request.data;

  const model = openStart(start, shared);
  const options = { maxLength: shared.maxLength, needsRejected: true };
  const training = prepareData(train, model.tokenizer, { ...options, file: request.data });
  const held = prepareData(heldRows, model.tokenizer, { ...options, file: heldFile });
  const asked =
    request.taskData === undefined
      ? undefined
      : await resolveQuestions(store, request.taskData, model.tokenizer);
  const trainedOn = { what: 'training prompts', use: 'trained on', file: request.data };
  const heldOut = { what: 'held-out prompts', use: 'held out', file: heldFile };
  const questions = { what: 'task questions', use: 'asked', file: request.taskData ?? '' };
  refuseLeaks(promptsOf(trainedOn, training.pairs, train), [
    promptsOf(heldOut, held.pairs, heldRows),
    ...(asked ? [{ ...questions, prompts: asked.questions }] : []),
  ]);
  refuseEmptySeeds(request, training.pairs.length);
  tellNotes(training, call);
  tellWarmup(shared, stepCount(shared, training.pairs.length), call);

  // The shape of the policy and its reference are the same in every run; only the numbers change with the seed.
  const configs = runConfigsOf(request) as [RunConfig, ...RunConfig[]];
  const [config] = configs;
  refuseHopeless(context, {
    source: model.source,
    trainable: trainableOf(model, config),
    pairs: [...training.pairs, ...held.pairs],
    batch: 1,
    scores: true,
    lowMemory: shared.lowMemory,
    originalBytes: model.originalBytes,
  });
  const policy = startPolicy(model, config);
  const reference = referencePolicy(model, config, policy);
  const engine = engineOptions(
    {
      ...{ ...shared, trainedFirst: request.sftFirst !== undefined },
      updates: planBatches(config, training.pairs.length),
    },
    training.pairs,
    held.pairs,
  );
  const trained = training.pairs.length;
  const all = [...training.pairs, ...held.pairs];
  const only = context.spec.planning === 'only';
  // SFT needs no reference to train; what it has learnt is measured against its start, and is the arms' reference.
  const isStaged = request.sftFirst !== undefined && shared.reference === undefined;
  // Held-out pairs are measured against it whatever the losses.
  const trainsByReference = armLosses.some((loss) => describeLoss(loss).needsReference);
  const asTrained = trainsByReference ? all : held.pairs;
  const needed = isStaged ? held.pairs : asTrained;
  const fileOf = (of: readonly TrainingPair[]) => (place: number) =>
    of === all && place < trained ? request.data : heldFile;
  const losses = [...new Set(request.sftFirst === undefined ? armLosses : ['sft' as const, ...armLosses])];
  // The sessions of the runs score the reference as well. Where they cannot, one of its own is opened and gone before.
  const isShared = canScore(policy.trainable, shapeOf(reference), engine);
  const early = isShared ? await openShared(model, policy.trainable, losses, engine) : undefined;
  const began = performance.now();
  const scores = only
    ? []
    : await referenceLogProbs(referenceCache(context), model, reference, needed, engine, {
        ...asBar(call, 'reference log-probs', 'pairs'),
        fileOf: fileOf(needed),
        scorer: early && openScorer(model, shapeOf(reference), engine, early.trainer),
      });
  const afterReference = performance.now();
  const task =
    asked === undefined
      ? undefined
      : await TaskRunner.open(model, policy.trainable, asked.questions, {
          maxTokens: request.taskTokens ?? defaultTaskTokens,
          threads: shared.threads,
          lowMemory: shared.lowMemory,
          mergeFolder: context.spec.checkpoint.folder,
        });
  const driftingAfter = (count: number): readonly Int32Array[] =>
    task ? task.prompts.slice(0, count) : promptsToSample(held.pairs, count);
  const drifting = driftingAfter(request.driftPrompts ?? defaults.driftPrompts);
  const drift = await DriftMeter.open(model, policy.trainable, reference, drifting, {
    maxTokens: task
      ? (request.taskTokens ?? defaultTaskTokens)
      : (shared.sampleTokens ?? defaults.sampleTokens),
    threads: shared.threads,
    lowMemory: shared.lowMemory,
  });
  const sessions = early ?? (await openShared(model, policy.trainable, losses, engine));
  const heldReference = only ? [] : scores.slice(-held.pairs.length);
  const crossLosses = await CrossLossMeter.open(configs, shared.threads);
  const meter = await openMeter(losses.map((loss) => ({ ...shared, loss })));
  const sampler =
    meter && (await Sampler.open(model, policy.trainable, { pairs: held.pairs, rows: heldRows }, shared));
  // A session of its own, as that of samples is: the last evaluation has the same bits with evaluations on the way and without.
  const driftOnTheWay =
    meter && (await openDriftOnTheWay(model, policy.trainable, reference, driftingAfter, shared));
  const { evalQuestions = 0 } = request;
  const taskOnTheWay =
    meter && asked && evalQuestions > 0
      ? await TaskRunner.open(model, policy.trainable, asked.questions.slice(0, evalQuestions), {
          maxTokens: request.taskTokens ?? defaultTaskTokens,
          threads: shared.threads,
          lowMemory: shared.lowMemory,
          mergeFolder: context.spec.checkpoint.folder,
        })
      : undefined;
  const onTheWay = meter && {
    ...{ model, reference, meter, sampler, drift: driftOnTheWay, task: taskOnTheWay },
    ...{ pairs: held.pairs, scores: heldReference, scorer: sessions.scorer },
  };
  return {
    model,
    data,
    training,
    held,
    pairs: only || needed !== all ? training.pairs : withReference(training.pairs, scores.slice(0, trained)),
    policy,
    missing: [
      ...(only ? missingReference(referenceCache(context), model, reference, needed, engine) : []),
      ...(isStaged ? request.seeds.flatMap(() => asTrained) : []),
    ],
    spent: spentSoFar(began, afterReference),
    reference,
    evalHash,
    taskHash: asked?.hash,
    heldReference,
    sessions,
    task,
    drift,
    crossLosses,
    onTheWay,
    async measuredAgainst(other, label) {
      const found = await referenceLogProbs(referenceCache(context), model, other, asTrained, engine, {
        ...asBar(call, label, 'pairs'),
        scorer: sessions.scorer,
        fileOf: fileOf(asTrained),
      });
      const heldScores = found.slice(-held.pairs.length);
      return {
        pairs: trainsByReference ? withReference(training.pairs, found.slice(0, trained)) : training.pairs,
        reference: other,
        heldReference: heldScores,
        onTheWay: onTheWay && { ...onTheWay, reference: other, scores: heldScores },
      };
    },
    baseParameters: policy.trainable.kind === 'full' ? policy.parameters : undefined,
    async release() {
      await sessions.release();
      await task?.release();
      await crossLosses.release();
      await drift?.release();
      await sampler?.release();
      await driftOnTheWay?.release();
      await taskOnTheWay?.release();
      await meter?.release();
    },
  };
}
