import {
  evaluatePairs,
  measuresOf,
  type Evaluation,
  type EvaluationPart,
  type PairLogProbs,
  type PromptSample,
  type TaskEvaluation,
} from '../../../shared/comparison.ts';
import { defaults, evaluationSteps, type RunConfig } from '../../../shared/config.ts';
import type { CallOptions } from '../../../shared/contract.ts';
import type { EvaluationMetrics } from '../../../shared/metrics.ts';
import { pairStep } from '../../../shared/pair-telemetry.ts';
import { repeating } from '../../../shared/repetition.ts';
import type { KlToReference } from '../../../shared/generation-measures.ts';
import { mean } from '../../../shared/statistics/descriptive.ts';
import { LossMeter } from '../../engine/train/loss-meter.ts';
import type { Scorer } from '../../engine/train/scorer.ts';
import type { TrainingState } from '../../engine/train/trainer.ts';
import { NonFiniteLogitsError } from '../decode.ts';
import { DriftMeter } from '../drift.ts';
import { evaluationMetrics } from '../evaluation-metrics.ts';
import type { RunSpec } from '../job.ts';
import { functionHash, policyHash, type OpenModel, type Policy } from '../model.ts';
import type { TrainingPair } from '../prepare.ts';
import { asBar } from '../progress.ts';
import { Recall } from '../recall.ts';
import { isFiniteScore, scorePairs, scoresHash } from '../score.ts';
import type { Sampler } from '../sampler.ts';
import type { TaskRunner } from '../task.ts';
import { partCache, type WorkContext } from './context.ts';

/** What the evaluations of all runs of a job share. */
export interface HeldOut {
  readonly model: OpenModel;
  readonly pairs: readonly TrainingPair[];
  /** Log-probs of the pairs under the reference. */
  readonly scores: readonly PairLogProbs[];
  /** What pairs are measured against; absent for the base. */
  readonly reference: Policy | undefined;
  readonly scorer: Scorer;
  readonly meter: LossMeter;
  readonly sampler: Sampler | undefined;
  /** Of the KL to the reference; absent where it is not asked for. */
  readonly drift: DriftMeter | undefined;
  /** The questions answered on the way; absent where there are none. */
  readonly task?: TaskRunner | undefined;
}

/** What an evaluation finds beside its measures. */
export interface Findings {
  readonly metrics: EvaluationMetrics;
  readonly samples?: readonly PromptSample[];
  readonly klToReference?: KlToReference | undefined;
  readonly task?: TaskEvaluation | undefined;
  /** Parts that were known before. */
  readonly cached: readonly EvaluationPart[];
}

interface EvaluatedState {
  readonly recall: Recall;
  readonly step: number;
  readonly parameters: Float32Array;
  /** As `functionHash`. */
  readonly hash: () => string;
}

/**
 * Evaluates a run as it goes. Nothing that the training uses is changed, so that a run has the same numbers with it and
 * without. An evaluation is told before the checkpoint of its step: where that is on record, so is the evaluation, and a
 * run that goes on from it makes none twice and leaves none out.
 */
export class RunEvaluator {
  readonly #context: WorkContext;
  readonly #held: HeldOut;
  readonly #run: RunSpec;
  readonly #start: Policy;
  readonly #due: ReadonlySet<number>;
  readonly #last: number;
  readonly #call: CallOptions;
  readonly #tell: (text: string) => void;
  readonly #told = new Set<number>();
  #startSamples: readonly PromptSample[] | undefined;

  /** @param start the run's policy before its first step */
  constructor(
    context: WorkContext,
    held: HeldOut,
    run: RunSpec,
    {
      start,
      steps,
      call,
      tell,
    }: {
      readonly start: Policy;
      readonly steps: number;
      readonly call: CallOptions;
      readonly tell: (text: string) => void;
    },
  ) {
    this.#context = context;
    this.#held = held;
    this.#run = run;
    this.#start = start;
    this.#due = new Set(evaluationSteps(run.config.evalEvery, steps));
    this.#last = steps;
    this.#call = call;
    this.#tell = tell;
  }

  /** To be called with the state that the run begins at or goes on from, once the run is on record as started. */
  async begin(state: TrainingState): Promise<void> {
    const { step } = state.optimizer;
    let isKept = false;
    for (const { step: at, result } of this.#context.store.evaluations.listOfRun(this.#run.id)) {
      if (at > step) break;
      const { samples } = result as Evaluation;
      if (at === step) isKept = true;
      if (at === 0) this.#startSamples = samples;
      for (const place of repeating(samples ?? [], this.#startSamples)) this.#told.add(place);
    }
    if (!isKept) await this.afterStep(state);
  }

  /** @returns whether this step was one to evaluate after; the last step's evaluation is the caller's (`find`) */
  async afterStep({ optimizer: { step }, parameters }: TrainingState): Promise<boolean> {
    if (step === this.#last || !this.#due.has(step)) return false;
    const { pairs, scores: reference, scorer, model } = this.#held;
    const recall = new Recall(partCache(this.#context));
    const atReference = step === 0 && this.#startsAsReference();
    const scores = atReference
      ? reference
      : await recall.part(
          'pairs',
          () => scoresHash(scorer, model, this.#hashOf(parameters), pairs),
          () => scorePairs(scorer, parameters, pairs, asBar(this.#call, 'evaluating', 'pairs')),
        );
    const { metrics, samples, klToReference, task, cached } = await this.find(step, parameters, scores);
    // Where the policy is its own reference, c and r are 0 by definition.
    const measures = measuresOf(evaluatePairs(scores, atReference ? undefined : reference));
    this.#context.send({
      kind: 'evaluation',
      runId: this.#run.id,
      step,
      cached: [...recall.recalled, ...cached],
      metrics,
      pairs: pairStep(step, evaluatePairs(scores, reference).perPair!),
      ...(scores.every(isFiniteScore)
        ? {
            evaluation: {
              ...measures,
              ...(samples && { samples }),
              ...(klToReference && { klToReference }),
              ...(task && { task }),
            },
          }
        : {}),
    });
    return true;
  }

  /** Metrics and samples of a state whose held-out pairs were scored; tells of samples that repeat themselves. */
  async find(step: number, parameters: Float32Array, scores: readonly PairLogProbs[]): Promise<Findings> {
    const { meter, pairs, scores: reference } = this.#held;
    const ofPairs = await evaluationMetrics(meter, this.#run.config, pairs, scores, reference);
    const recall = new Recall(partCache(this.#context));
    let known: string | undefined;
    const hash = (): string => (known ??= this.#hashOf(parameters));
    const state = { recall, step, parameters, hash };
    const samples = await this.#sample(state);
    const klToReference = await this.#drift(state);
    const task = await this.#answerQuestions(state);
    const metrics = {
      ...ofPairs,
      ...(samples && {
        'eval_answers/tokens': mean(samples.map(({ tokens }) => tokens)),
        'eval_answers/repetition': mean(samples.map(({ repetition }) => repetition)),
      }),
      ...(klToReference && { eval_kl: klToReference.perToken }),
      ...(task && { 'eval_task/accuracy': task.correct / task.questions }),
    };
    return { metrics, ...(samples && { samples }), klToReference, task, cached: recall.recalled };
  }

  async #sample({
    recall,
    step,
    parameters,
    hash,
  }: EvaluatedState): Promise<readonly PromptSample[] | undefined> {
    const { sampler } = this.#held;
    if (!sampler) return undefined;
    const bar = asBar(this.#call, 'answering samples', 'answers');
    const samples = await recall.part(
      'prompt-samples',
      () => sampler.contextHash(hash()),
      () => (step === 0 ? sampler.answerStart(hash(), parameters, bar) : sampler.answer(parameters, bar)),
    );
    if (step === 0) {
      this.#startSamples = samples;
      return samples;
    }
    for (const place of repeating(samples ?? [], this.#startSamples)) {
      if (this.#told.has(place)) continue;
      this.#told.add(place);
      this.#tell(`sample ${place + 1} repeats itself since step ${step}; the learning rate may be too high`);
    }
    return samples;
  }

  async #drift({ recall, step, parameters, hash }: EvaluatedState): Promise<KlToReference | undefined> {
    const { drift, reference } = this.#held;
    if (!drift) return undefined;
    const given = [
      parameters,
      { parameters: reference?.parameters },
      asBar(this.#call, 'drawing samples', 'answers'),
    ] as const;
    const against = reference ? policyHash(reference) : 'base';
    const found = await recall.part(
      'kl',
      () => drift.contextHash(hash(), against),
      () => (step === 0 ? drift.measureStart(`${hash()} ${against}`, ...given) : drift.measure(...given)),
    );
    return found?.klToReference;
  }

  async #answerQuestions({
    recall,
    step,
    parameters,
    hash,
  }: EvaluatedState): Promise<TaskEvaluation | undefined> {
    const { task } = this.#held;
    if (!task) return undefined;
    try {
      const given = [parameters, this.#call] as const;
      const found = await recall.part(
        'first-answers',
        () => task.contextHash(hash()),
        () => (step === 0 ? task.evaluateStart(hash(), ...given) : task.evaluate(...given)),
      );
      const { questions, correct, perQuestion } = found.task;
      return { questions, correct, perQuestion };
    } catch (error) {
      if (this.#call.signal?.aborted || !(error instanceof NonFiniteLogitsError)) throw error;
      return undefined;
    }
  }

  #hashOf(parameters: Float32Array): string {
    return functionHash(this.#held.model, { trainable: this.#start.trainable, parameters });
  }

  #startsAsReference(): boolean {
    const { model, reference } = this.#held;
    return reference === undefined
      ? functionHash(model, this.#start) === 'base'
      : policyHash(reference) === policyHash(this.#start);
  }
}

/** The session of a job's held-out losses; absent where nothing is evaluated on the way. */
export function openMeter(
  configs: readonly Pick<RunConfig, 'loss' | 'evalEvery' | 'threads'>[],
): Promise<LossMeter> | undefined {
  const [first] = configs;
  if (first?.evalEvery === undefined) return undefined;
  return LossMeter.create([...new Set(configs.map(({ loss }) => loss))], first.threads);
}

/**
 * The session that measures the KL to the reference at evaluations on the way.
 * @param reference of whose shape every reference is; absent for the base
 * @param promptsFor token ids of the first so many prompts
 * @returns undefined where it is not asked for
 */
export async function openDriftOnTheWay(
  model: OpenModel,
  trainable: Policy['trainable'],
  reference: Policy | undefined,
  promptsFor: (count: number) => readonly Int32Array[],
  {
    evalKlPrompts = 0,
    sampleTokens,
    threads,
    lowMemory,
  }: Pick<RunConfig, 'evalKlPrompts' | 'sampleTokens' | 'threads' | 'lowMemory'>,
): Promise<DriftMeter | undefined> {
  return DriftMeter.open(model, trainable, reference, promptsFor(evalKlPrompts), {
    maxTokens: sampleTokens ?? defaults.sampleTokens,
    threads,
    lowMemory,
  });
}
