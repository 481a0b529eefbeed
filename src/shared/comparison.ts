import type { LossValue } from './cross-loss.ts';
import { formatBeta, formatLearningRate } from './format.ts';
import type { GenerationMeasures, KlToReference } from './generation-measures.ts';
import type { LengthBias } from './length-bias.ts';
import { usesBeta } from './losses.ts';
import type { StepMetrics } from './metrics.ts';

/** Log-probs of both answers of one pair, summed over completion tokens, in nats. */
export interface PairLogProbs {
  /** The row's index in its data file. */
  readonly index: number;
  readonly chosen: number;
  readonly rejected: number;
}

/** Log-ratios to the reference of one pair, in nats: c of the chosen answer, r of the rejected one. */
export interface PairLogRatios {
  readonly index: number;
  readonly c: number;
  readonly r: number;
}

/** One question a model was asked, with its greedy answer. */
export interface TaskSample {
  readonly question: string;
  readonly expected: string;
  readonly output: string;
  readonly correct: boolean;
}

/** Exact match on a task whose questions have one right answer. */
export interface TaskEvaluation {
  readonly questions: number;
  readonly correct: number;
  /** Right or wrong per question, in the same order for every model of a comparison. */
  readonly perQuestion: readonly boolean[];
  /** Of a comparison's base: a hash of each question as it is asked, in the same order. */
  readonly promptHashes?: readonly string[];
  readonly samples?: readonly TaskSample[];
}

/** A held-out prompt with the model's greedy answer to it. */
export interface PromptSample {
  /** Its words; messages one after another. */
  readonly prompt: string;
  /** Without special tokens. */
  readonly output: string;
  /** How many were generated, one that ended the answer included. */
  readonly tokens: number;
  /** Of the answer's tokens, as shared/repetition.ts defines it. */
  readonly repetition: number;
}

/** Measures of one model on held-out data; none of them depends on the loss or on β. */
export interface Evaluation {
  readonly pairs: number;
  /** Share of pairs with c > r, strictly. Absent for the base, whose c and r are 0. */
  readonly preferenceAccuracy?: number;
  /** Share of pairs whose chosen answer has the higher log-prob, strictly, without a reference. */
  readonly preferenceAccuracyRaw: number;
  /** Pairs with c = r; each counts as wrong. */
  readonly ties: number;
  /** Mean c, in nats per answer. */
  readonly meanChosenLogRatio: number;
  /** Mean r, in nats per answer. */
  readonly meanRejectedLogRatio: number;
  /** Mean raw margin c − r in nats, β not applied. */
  readonly meanMargin: number;
  readonly perPair?: readonly PairLogRatios[];
  /** Of a comparison's base: a hash of each pair's prompt, in the order of every run's `perPair`. */
  readonly promptHashes?: readonly string[];
  readonly task?: TaskEvaluation;
  /** Of the last evaluation: the answers to the task, else sampled ones to held-out prompts. */
  readonly generation?: GenerationMeasures;
  /** Of the last evaluation, on so many samples as the comparison asks for. */
  readonly klToReference?: KlToReference;
  /** Of a comparison's runs, at the last evaluation. */
  readonly lengthBias?: LengthBias;
  /** Of a comparison's arms and base: what every arm's loss says of it. */
  readonly losses?: readonly LossValue[];
  /** Of a run that is evaluated as it goes, the same prompts each time; absent where logits are not finite. */
  readonly samples?: readonly PromptSample[];
}

/**
 * What an evaluation is computed in: log-probs of held-out pairs, answers to the task, samples for the KL; and on the way answers to
 * the first questions, answers to the first held-out prompts, and samples for the KL.
 */
export type EvaluationPart = 'pairs' | 'answers' | 'samples' | 'first-answers' | 'prompt-samples' | 'kl';

/** Supervised fine-tuning that comes before the arms of a comparison; one epoch unless it says otherwise. */
export interface SftFirst {
  readonly learningRate: number;
  /** Not both. */
  readonly epochs?: number;
  readonly steps?: number;
}

/** What was measured of a run before its end. */
export interface EvaluationOnTheWay {
  /** Optimizer steps done. */
  readonly step: number;
  readonly evaluation: Omit<Evaluation, 'perPair' | 'samples'>;
  /** Id of its row in the record; absent in results of earlier versions. */
  readonly evaluationRow?: number;
  /** As a run's `evaluationCached`. */
  readonly evaluationCached?: readonly EvaluationPart[];
  /** Share of its samples that repeat themselves, as `repetitionLimit` has it; absent without samples. */
  readonly repeatingShare?: number;
  /** How many samples that is a share of. */
  readonly sampleCount?: number;
  /** Kept only where a report shows them: where two arms part (shared/divergence-point.ts). */
  readonly samples?: readonly PromptSample[];
}

/** One trained arm: one loss at one learning rate and one β from one seed. */
export interface RunResult {
  readonly id: string;
  /** Its arm: the loss, with parameters of its own where it has any (shared/arms.ts). */
  readonly loss: string;
  readonly learningRate: number;
  readonly seed: number;
  /** Absent where its loss ignores β, and in results of earlier versions, whose runs share the config's. */
  readonly beta?: number;
  /** Hash of the order in which the pairs were seen. */
  readonly orderHash: string;
  /** Hash of the trainable weights before the first step. */
  readonly adapterStartHash: string;
  readonly status: 'finished' | 'diverged';
  /** The first step whose loss, gradient or log-probs were not finite. */
  readonly divergedAt?: number;
  readonly metrics: readonly StepMetrics[];
  /** Optimizer steps taken, where `metrics` holds fewer points: means over neighbouring steps, each under its last one. */
  readonly steps?: number;
  /** Absent where a diverged run left no finite weights to evaluate. */
  readonly evaluation?: Evaluation;
  /** Id of its row in the record; absent in results of earlier versions. */
  readonly evaluationRow?: number;
  /** Parts of it that an earlier evaluation had computed of the same weights; absent where all were computed for this one. */
  readonly evaluationCached?: readonly EvaluationPart[];
  /** Those before it, by ascending step; absent where the run was evaluated at its end alone. */
  readonly evaluations?: readonly EvaluationOnTheWay[];
  readonly adapterPath?: string;
  /** Wall-clock time of training and evaluation. */
  readonly seconds: number;
}

/**
 * Everything a comparison found, as plain JSON. `arms` are losses, as runs name them; the first is the one the others are compared
 * against. A value that is not finite becomes `null` in JSON and is read back as missing.
 */
export interface ComparisonResult {
  readonly schema: 1;
  /** Its number in the record, as `baseEvaluationRow`; absent in results of earlier versions. */
  readonly comparison?: number;
  /** ISO 8601. */
  readonly createdAt: string;
  /** The command line that reproduces this result. */
  readonly command: string;
  /** Names and versions of what produced it: the program, Node, ONNX Runtime. */
  readonly versions: Readonly<Record<string, string>>;
  readonly model: { readonly name: string; readonly hash: string; readonly parameters: number };
  readonly data: {
    readonly name: string;
    readonly hash: string;
    readonly trainPairs: number;
    readonly evalPairs: number;
    /** Rows left out, for instance because the prompt alone fills the length. */
    readonly skipped: number;
  };
  /** Hyper-parameters that all arms share, `beta` among them unless there are several. */
  readonly config: Readonly<Record<string, string | number | boolean | null>>;
  readonly arms: readonly string[];
  readonly learningRates: readonly number[];
  /** Absent where β was not asked for by a list. */
  readonly betas?: readonly number[];
  readonly seeds: readonly number[];
  /** Where every arm of a seed starts from SFT, with that run of each seed; its c and r are to the base. */
  readonly sftFirst?: SftFirst & { readonly runs: readonly RunResult[] };
  readonly base: Evaluation;
  readonly baseEvaluationRow?: number;
  /** As a run's `evaluationCached`. */
  readonly baseEvaluationCached?: readonly EvaluationPart[];
  readonly runs: readonly RunResult[];
  /** Names of the settings in which arms of one learning rate, β and seed differ: `['loss']` in a clean comparison. */
  readonly onlyDiffers: readonly string[];
}

/**
 * Loss-independent measures from the log-probs of a policy and of its reference on the same pairs in the same order.
 * Without a reference the policy is the base itself: c and r are 0 and the preference accuracy is not defined.
 * @throws RangeError where the two lists are not of the same pairs
 */
export function evaluatePairs(
  policy: readonly PairLogProbs[],
  reference?: readonly PairLogProbs[],
): Evaluation {
  if (reference && reference.length !== policy.length) {
    throw new RangeError(`${policy.length} pairs scored, but ${reference.length} by the reference`);
  }
  const perPair = policy.map(({ index, chosen, rejected }, place) => {
    const start = reference?.[place];
    if (start && start.index !== index) {
      throw new RangeError(`pair ${index} meets the reference's pair ${start.index}`);
    }
    return { index, c: start ? chosen - start.chosen : 0, r: start ? rejected - start.rejected : 0 };
  });
  const share = (count: number): number => count / policy.length;
  const average = (of: (pair: PairLogRatios) => number): number =>
    perPair.reduce((sum, pair) => sum + of(pair), 0) / perPair.length;
  return {
    pairs: policy.length,
    ...(reference && { preferenceAccuracy: share(perPair.filter(({ c, r }) => c > r).length) }),
    preferenceAccuracyRaw: share(policy.filter(({ chosen, rejected }) => chosen > rejected).length),
    ties: perPair.filter(({ c, r }) => c === r).length,
    meanChosenLogRatio: average(({ c }) => c),
    meanRejectedLogRatio: average(({ r }) => r),
    meanMargin: average(({ c, r }) => c - r),
    ...(reference && { perPair }),
  };
}

/** An evaluation without what is kept of the last one alone: its pairs one by one, and the task. */
export function measuresOf(evaluation: Evaluation): Omit<Evaluation, 'perPair' | 'task'> {
  const measures: { -readonly [Name in keyof Evaluation]: Evaluation[Name] } = { ...evaluation };
  delete measures.perPair;
  delete measures.task;
  return measures;
}

/** Where arms are compared with each other: a learning rate and, only where a comparison has several, a β. */
export interface GridPoint {
  readonly learningRate: number;
  readonly beta?: number;
}

/** A comparison's points, by learning rate, then by β. */
export function gridPoints({
  learningRates,
  betas = [],
}: Pick<ComparisonResult, 'learningRates' | 'betas'>): GridPoint[] {
  return learningRates.flatMap((learningRate) =>
    betas.length > 1 ? betas.map((beta) => ({ learningRate, beta })) : [{ learningRate }],
  );
}

/** "lr 5e-6", or "lr 5e-6, β 0.05" where there are several β. */
export function describePoint({ learningRate, beta }: GridPoint): string {
  return `lr ${formatLearningRate(learningRate)}${beta === undefined ? '' : `, β ${formatBeta(beta)}`}`;
}

/**
 * The runs of one arm at one learning rate, in the order of the comparison's seeds.
 * @param beta only those at this β; a loss that ignores β has the same runs at each
 */
export function runsOf(
  result: ComparisonResult,
  loss: string,
  learningRate: number,
  beta?: number,
): RunResult[] {
  const anyBeta = beta === undefined || !usesBeta(loss);
  return result.seeds.flatMap((seed) =>
    result.runs.filter(
      (run) =>
        run.loss === loss &&
        run.learningRate === learningRate &&
        run.seed === seed &&
        (anyBeta || run.beta === beta),
    ),
  );
}

/** Whether all arms of one seed started alike and saw the pairs in one order. */
export interface PairingProof {
  readonly seed: number;
  readonly orderHashes: readonly string[];
  readonly adapterStartHashes: readonly string[];
  readonly paired: boolean;
}

/** Per seed, the distinct hashes of batch order and adapter start over all arms, learning rates and β. */
export function pairingProofs(result: ComparisonResult): PairingProof[] {
  return result.seeds.map((seed) => {
    const runs = result.runs.filter((run) => run.seed === seed);
    const orderHashes = [...new Set(runs.map((run) => run.orderHash))];
    const adapterStartHashes = [...new Set(runs.map((run) => run.adapterStartHash))];
    return {
      seed,
      orderHashes,
      adapterStartHashes,
      paired: orderHashes.length === 1 && adapterStartHashes.length === 1,
    };
  });
}

/** "lr 1e-4, 2 epochs" */
export function describeSftFirst({ learningRate, epochs = 1, steps }: SftFirst): string {
  const [count, noun] = steps === undefined ? [epochs, 'epoch'] : [steps, 'step'];
  return `lr ${formatLearningRate(learningRate)}, ${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** What every arm starts from, where that is SFT. */
export function describeStart({ sftFirst, config }: ComparisonResult): string | undefined {
  if (!sftFirst) return undefined;
  const reference =
    config['reference'] === undefined ? 'which is also its reference' : 'its reference is another';
  return `Every arm starts from SFT on the chosen answers (${describeSftFirst(sftFirst)}), one for each seed, ${reference}.`;
}

/** "Only the loss differs …", or what else does. */
export function describePairing(result: ComparisonResult): string {
  const unpaired = pairingProofs(result).filter((proof) => !proof.paired);
  if (unpaired.length > 0) {
    const seeds = unpaired.map((proof) => proof.seed).join(', ');
    return `Not a paired comparison: batch order or start weights differ between arms at seed ${seeds}.`;
  }
  const others = result.onlyDiffers.filter((name) => name !== 'loss');
  if (others.length > 0) return `Besides the loss, the arms differ in: ${others.join(', ')}.`;
  return 'Only the loss differs: every arm of a seed starts from the same weights and sees the pairs in the same order.';
}
