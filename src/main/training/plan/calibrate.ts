import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RunConfig } from '../../../shared/config.ts';
import type { PassTime, Plan, PlanPart } from '../../../shared/plan.ts';
import { distribute } from '../../engine/train/distribute.ts';
import type { Scorer } from '../../engine/train/scorer.ts';
import { StepTelemetry } from '../../engine/train/telemetry.ts';
import { NonFiniteError, type Trainer, type TrainingPair } from '../../engine/train/trainer.ts';
import type { Answerer, Rehearsal } from '../decode.ts';
import type { OpenModel, Policy } from '../model.ts';
import { planDisk, type Writing } from './disk.ts';
import { alternatives, type MemoryShape } from './memory-model.ts';
import { availableMemory, peakMemory } from './resources.ts';
import {
  fitPassTime,
  median,
  packedLength,
  passSeconds,
  passSize,
  type PassSize,
  type Sample,
} from './timing.ts';
import { measureUpdate } from './update.ts';

/** Share of the expected time that calibration may take where a few passes take less. */
const calibrationShare = 0.05;
/** Seconds below which passes are so short that a program still warming up would be measured. */
const leastSeconds = 0.5;
const mostSeconds = 30;
/** Places in the passes sorted by size that are measured, a round each. */
const trainingRounds = [
  [0.5, 0.1, 0.9],
  [0.3, 0.7, 1],
];
/** Scoring is the smaller part of the time: one pass, and more only where its own share allows. */
const scoringRounds = [[0.6], [0.2, 0.9]];
/** Bytes a second at which checkpoints are hashed, written and brought to disk. */
const savingRate = 200e6;

export interface CalibrationOptions {
  readonly model: OpenModel;
  /** The start; only read. */
  readonly policy: Policy;
  readonly trainer: Trainer;
  /** Scores held-out pairs; absent where nothing is held out. */
  readonly scorer?: Scorer | undefined;
  readonly task?: Pick<Answerer, 'rehearse' | 'prompts'> | undefined;
  /** Answers sample prompts at evaluations; absent where none are asked for. */
  readonly sampler?: Pick<Answerer, 'rehearse' | 'prompts'> | undefined;
  /** Draws samples of every run's end; absent where none are asked for. */
  readonly drift?: Pick<Answerer, 'rehearse' | 'prompts'> | undefined;
  /** Draws samples at evaluations on the way; absent where none are asked for. */
  readonly driftOnTheWay?: Pick<Answerer, 'rehearse' | 'prompts'> | undefined;
  readonly config: Pick<RunConfig, 'loss' | 'beta' | 'lossParameters' | 'lowMemory'>;
  readonly pairs: readonly TrainingPair[];
  readonly held: readonly TrainingPair[];
  /** Of one run, as `planBatches` gives them. */
  readonly batches: readonly (readonly number[])[];
  /** Runs that follow each other; 1 if absent. */
  readonly runs?: number;
  /** Gradients of first steps that are kept at once for later runs; none if absent. */
  readonly keptGradients?: number;
  /** How often the held-out pairs are scored in all; once a run if absent. */
  readonly evaluations?: number;
  /** How often the questions are answered in all; once a run and once for the base if absent. */
  readonly answerings?: number;
  /** Answers questions at evaluations on the way; absent where none are asked. */
  readonly taskOnTheWay?: Pick<Answerer, 'rehearse' | 'prompts'> | undefined;
  /** How often that is, in all. */
  readonly questionings?: number;
  /** How often the sample prompts are answered in all. */
  readonly samplings?: number;
  /** How often samples are drawn at evaluations on the way, in all. */
  readonly driftings?: number;
  /** Pairs whose reference log-probs are still to be computed, and the session for it where that is open. */
  readonly reference?: {
    readonly missing: readonly TrainingPair[];
    readonly scorer?: Scorer | undefined;
    readonly parameters?: Float32Array | undefined;
  };
  /** What has passed of the job already, by name. */
  readonly spent?: readonly PlanPart[];
  /** Whether the state of the first run (`newState`) is made already. */
  readonly hasState?: boolean;
  readonly writings?: readonly Writing[];
  /** Bytes of all checkpoints and adapters in the order they are written, kept or not. */
  readonly savedBytes?: number;
  /** No more passes than an estimate needs, for a job that waits for it. */
  readonly brief?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A job's shape, for what memory shapes alone say it takes. */
export function memoryShape(options: CalibrationOptions): MemoryShape {
  const { model, policy, pairs, trainer, scorer, config, task, sampler } = options;
  const answering = task ?? sampler;
  return {
    source: model.source,
    trainable: policy.trainable,
    pairs,
    batch: trainer.batch,
    scores: scorer !== undefined,
    lowMemory: config.lowMemory,
    prefix: trainer.prefix,
    originalBytes: model.originalBytes,
    answers: answering && {
      batch: Math.min(16, answering.prompts.length),
      maxLength: longestPrompt(answering.prompts),
    },
  };
}

/**
 * Measures a few passes on the job's own sessions and plans the whole. Nothing that the training uses is changed:
 * gradients are computed and thrown away.
 * @throws the signal's reason where that is aborted
 */
export async function calibrate(options: CalibrationOptions): Promise<Plan> {
  const started = performance.now();
  const { trainer, scorer, held, reference, policy, task, runs = 1 } = options;
  const share = options.brief ? 0 : calibrationShare;
  const { source } = options.model;
  const before = process.memoryUsage.rss();
  const available = availableMemory();

  const { loss, beta, lossParameters } = options.config;
  const groups = options.batches.flatMap((batch) =>
    trainer.passes(
      batch.map((place) => options.pairs[place]!),
      loss,
    ),
  );
  const training = await measurePasses(
    source.config,
    groups,
    async (group) => {
      const pairs = group.map((pair) => ({ ...pair, reference: pair.reference ?? unknownReference }));
      await ignoreNonFinite(() =>
        trainer.accumulate(policy.parameters, pairs, { loss, beta, lossParameters }, new StepTelemetry(beta)),
      );
    },
    { times: runs, rounds: trainingRounds, signal: options.signal, padded: trainer.batch > 1, share },
  );

  const opening = performance.now();
  await scorer?.open();
  const openSeconds = (performance.now() - opening) / 1000;
  const evaluations = options.evaluations ?? runs;
  const score = (
    by: Scorer,
    pairs: readonly TrainingPair[],
    parameters: Float32Array | undefined,
    times: number,
  ) =>
    measurePasses(
      source.config,
      distribute(pairs, by.room).map((prompts) => prompts.flat().map((place) => pairs[place]!)),
      async (pass) => {
        for await (const found of by.scoreAll(pass, parameters)) void found;
      },
      { times, rounds: scoringRounds, signal: options.signal, share },
    );
  const scoring =
    scorer && held.length > 0 ? await score(scorer, held, policy.parameters, evaluations) : undefined;
  const missing = reference?.missing ?? [];
  const referring =
    reference?.scorer && missing.length > 0
      ? await score(reference.scorer, missing, reference.parameters, 1)
      : undefined;

  const expected = training.total + (scoring?.total ?? 0) + (referring?.total ?? 0);
  const base = policy.trainable.kind === 'full' ? policy.parameters : undefined;
  const rehearse = {
    seconds: Math.min(mostSeconds, Math.max(2, share * expected)),
    signal: options.signal,
  };
  const rehearsal = await task?.rehearse(base, rehearse);
  // Few tokens and many times: what the first ones take, before memory is mapped, would be counted each time.
  await options.sampler?.rehearse(base, { ...rehearse, seconds: 0 });
  const sampling = await options.sampler?.rehearse(base, rehearse);
  const drifting = await options.drift?.rehearse(base, rehearse);
  await options.driftOnTheWay?.rehearse(base, { ...rehearse, seconds: 0 });
  const onTheWay = await options.driftOnTheWay?.rehearse(base, rehearse);

  const asking = await options.taskOnTheWay?.rehearse(base, rehearse);

  const update = measureUpdate(trainer.size);
  const steps = options.batches.length * runs;
  const after = process.memoryUsage.rss();
  const seconds = (performance.now() - started) / 1000;
  const referenceSeconds =
    referring?.total ??
    // A session of its own, as the scorer's.
    (missing.length > 0 ? openSeconds : 0) +
      missing.reduce(
        (sum, pair) =>
          sum +
          passSeconds(scoring?.time ?? training.time, passSize(source.config, [pair])) *
            (scoring ? 1 : forwardShare),
        0,
      );
  const answerings = options.answerings ?? runs + 1;
  const times: PlanPart[] = [
    ...(options.spent ?? []),
    { name: 'calibration', amount: seconds },
    { name: 'reference', amount: referenceSeconds },
    {
      name: 'training',
      amount: training.total + runs * groups.length * update.perPass + steps * update.perStep,
    },
    { name: 'evaluation', amount: scoring?.total ?? 0 },
    {
      name: 'answers',
      amount:
        (rehearsal?.allSeconds ?? 0) * answerings +
        (asking?.allSeconds ?? 0) * (options.questionings ?? 0) +
        driftPasses * (drifting?.allSeconds ?? 0) * runs,
    },
    {
      name: 'samples',
      amount:
        (sampling?.allSeconds ?? 0) * (options.samplings ?? 0) +
        driftPasses * (onTheWay?.allSeconds ?? 0) * (options.driftings ?? 0),
    },
    { name: 'saving', amount: (options.savedBytes ?? 0) / savingRate },
  ];
  const memory = memoryParts(options, before, after, [
    rehearsal,
    sampling,
    drifting,
    drifting,
    onTheWay,
    onTheWay,
    asking,
  ]);
  const peak = sum(memory);
  return {
    memory: {
      peak,
      parts: memory,
      available,
      alternatives: alternatives(memoryShape(options), peak),
    },
    disk: planDisk(options.writings ?? []),
    time: { total: sum(times), parts: times.filter(({ amount }) => amount > 0) },
    calibration: {
      passes: training.passes + (scoring?.passes ?? 0) + (referring?.passes ?? 0),
      seconds,
      longestSequence: Math.max(training.longest, scoring?.longest ?? 0, referring?.longest ?? 0),
      training: training.time,
      scoring: scoring?.time,
      residentBefore: before,
      residentAfter: after,
    },
  };
}

/** Samples are read by the reference as they are drawn. */
const driftPasses = 2;
/** A forward pass takes about this share of one with its gradient. */
const forwardShare = 0.4;
/** Stands for log-probs not known yet: the time does not depend on them. */
const unknownReference = { chosen: 0, rejected: 0 };

function memoryParts(
  options: CalibrationOptions,
  before: number,
  after: number,
  rehearsals: readonly (Rehearsal | undefined)[],
): PlanPart[] {
  const numbers = 4 * options.trainer.size;
  const { runs = 1, keptGradients = 0 } = options;
  return withEarlierPeak([
    { name: 'model and sessions', amount: before },
    { name: 'longest sequence', amount: Math.max(0, after - before) },
    // Two moments, which take memory when first written to, and the sum of gradients beside a pass's own.
    { name: 'optimizer', amount: numbers * (options.hasState ? 3 : 4) },
    // The next run's state is made while the last one's may not be collected yet.
    { name: 'next run', amount: runs > 1 || keptGradients > 0 ? 3 * numbers : 0 },
    { name: 'first updates', amount: keptGradients * numbers },
    {
      name: 'answers',
      amount: rehearsals.reduce((sum, rehearsal) => sum + Math.max(0, rehearsal?.bytesToCome ?? 0), 0),
    },
    { name: 'records', amount: recordBytes + (options.task ? answerBytes : 0) },
  ]);
}

/** Importing a model or preparing data may have taken more than training will. */
export function withEarlierPeak(parts: readonly PlanPart[]): PlanPart[] {
  const earlier = peakMemory() - sum(parts);
  return [...parts, ...(earlier > 0 ? [{ name: 'reached before', amount: earlier }] : [])];
}

/**
 * What a long run gathers that a calibration does not see: metrics, messages under way, compiled code, what the
 * collector has not reclaimed yet. Found on the bundled example, where it is a sixth of all; with larger models it is
 * lost in the rest.
 */
export const recordBytes = 40e6;
/** As much again for the caches and texts of answers. */
const answerBytes = 25e6;

interface Measured {
  readonly time: PassTime;
  /** Seconds of all passes, as often as they are made. */
  readonly total: number;
  readonly passes: number;
  readonly longest: number;
}

/**
 * Runs the largest pass first, which takes all the memory there is to take and is not timed; then rounds over the
 * sizes, until they took their share of the expected time.
 */
async function measurePasses(
  config: OpenModel['source']['config'],
  passes: readonly (readonly TrainingPair[])[],
  run: (pass: readonly TrainingPair[]) => Promise<void>,
  {
    times,
    rounds,
    signal,
    padded = false,
    share,
  }: {
    readonly times: number;
    readonly rounds: readonly (readonly number[])[];
    readonly signal: AbortSignal | undefined;
    readonly padded?: boolean;
    /** Of the expected time. */
    readonly share: number;
  },
): Promise<Measured> {
  const sized = passes
    .map((pass) => ({ pass, size: passSize(config, pass, padded) }))
    .sort((a, b) => a.size.tokens - b.size.tokens || a.size.square - b.size.square);
  const timed = async (place: number): Promise<number> => {
    // The runtime's run blocks the event loop: let a signal and the screen have their turn.
    await nextTurn();
    signal?.throwIfAborted();
    const started = performance.now();
    await run(sized[place]!.pass);
    count += 1;
    return (performance.now() - started) / 1000;
  };
  let count = 0;
  // A pass's time is linear in its size: all of them take what as many of the mean size do. Adding up each anew, of many
  // short passes, would take longer than the passes that are measured.
  const meanOf = (part: keyof PassSize): number =>
    sized.reduce((all, { size }) => all + size[part], 0) / sized.length;
  const meanSize: PassSize = { tokens: meanOf('tokens'), square: meanOf('square') };
  await timed(sized.length - 1);
  const found = new Map<number, number[]>();
  let spent = 0;
  let time: PassTime;
  let total: number;
  for (let round = 0; ; round++) {
    for (const quantile of rounds[round % rounds.length]!) {
      const place = Math.round(quantile * (sized.length - 1));
      const seconds = await timed(place);
      spent += seconds;
      const known = found.get(place);
      if (known) known.push(seconds);
      else found.set(place, [seconds]);
    }
    time = fitPassTime(samplesOf(sized, found));
    total = times * sized.length * passSeconds(time, meanSize);
    const enough = Math.min(mostSeconds, Math.max(Math.min(leastSeconds, total), share * total));
    if (spent >= enough) break;
  }
  const longest = passes.flat().reduce((most, pair) => Math.max(most, packedLength(pair)), 0);
  return { time, total, passes: count, longest };
}

/** Early passes are slower, before code is compiled and memory mapped: where there are several, the later half counts. */
function samplesOf(
  sized: readonly { readonly size: PassSize }[],
  found: ReadonlyMap<number, readonly number[]>,
): Sample[] {
  return [...found].map(([place, seconds]) => ({
    size: sized[place]!.size,
    seconds: median(seconds.slice(Math.floor(seconds.length / 2))),
  }));
}

/** A model that gives no numbers takes as long as any other; the training itself will name the rows. */
async function ignoreNonFinite(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
  }
}

const sum = (parts: readonly PlanPart[]): number => parts.reduce((all, { amount }) => all + amount, 0);
const longestPrompt = (prompts: readonly Int32Array[]): number =>
  prompts.reduce((most, { length }) => Math.max(most, length), 0);
