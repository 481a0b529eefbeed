/**
 * Simulated comparisons whose truth is known, with the noise of the bundled example.
 *
 * The noise was measured by one comparison of `dpo` and `minor-dpo` on resources/example: learning rate 1e-3, seeds 0 to 7, the
 * demo's other settings (`plumbline compare --model resources/example/model --data resources/example/train.jsonl
 * --eval-data resources/example/eval.jsonl --task-data resources/example/test.jsonl --task-tokens 32 --lr 1e-3
 * --seeds 0,1,2,3,4,5,6,7 --lora-r 8 --lora-alpha 16 --batch-size 8 --epochs 1 --json`). Its components of variance, by the
 * method of moments over seeds and items and averaged over both arms, are in `measured`; `latent` has the numbers that give
 * the same ones to answers which are right where a normal variable is positive.
 */
import type { ComparisonResult, Evaluation, RunResult } from '../../src/shared/comparison.ts';
import { mean, sampleStandardDeviation } from '../../src/shared/statistics/descriptive.ts';
import { randomGenerator } from '../../src/shared/statistics/random.ts';
import { normalQuantile } from '../../src/shared/statistics/special.ts';

/** Of the task, as shares; the example has 200 questions and 60 held-out pairs. */
export const measured = {
  questions: 200,
  pairs: 60,
  accuracy: 0.804,
  /** Between seeds, of one arm's accuracy: root mean square of 1.34 and 1.00 points. */
  accuracyDeviation: 0.0118,
  /** Between seeds, of the difference of two arms on the same seed. */
  differenceDeviation: 0.0149,
  /** Variance of a question's right answers around its own rate, mean over questions, and what arms of a seed share of it. */
  withinQuestion: 0.0162,
  sharedOnSeed: 0.0063,
  /** Variance between questions of the difference of the arms' rates. */
  betweenQuestionsOfDifference: 0.0094,
  /** Between seeds, of the preference accuracy's difference, as a share, and of the raw margin's, in nats. */
  preferenceDifferenceDeviation: 0.0177,
  marginDifferenceDeviation: 0.144,
} as const;

/** Deviations of the variable that is positive where an answer is right; what is left to one answer makes its noise 1. */
const latent = {
  centre: 8.573,
  question: 9.965,
  sharedOnSeed: Math.sqrt(0.645),
  ownOnSeed: Math.sqrt(0.355),
  /** Of a whole run: its accuracy moves by 0.76 points beyond what its questions' noise explains. */
  run: 0.277,
  /** Of a question under one arm alone: loss and question interact. */
  questionOfArm: 0.833,
} as const;

/**
 * Margins in nats; the centre gives the example's preference accuracy of 0.89. That comes out noisier than measured (2.8 points
 * instead of 1.8), for in the example pairs near 0 move less than others.
 */
const margin = {
  centre: 2.1,
  pair: 1.68,
  sharedOnSeed: Math.sqrt(0.056),
  ownOnSeed: Math.sqrt(0.044),
  runShared: 0.079,
  run: 0.098,
} as const;

export interface Design {
  readonly seeds: number;
  readonly learningRates: number;
  /** True difference of the second arm in task accuracy, as a share, by learning rate; 0 where absent. */
  readonly effects?: readonly number[];
  /**
   * The same questions in every experiment, spread as a sample of them is expected to be, so that the truth on them is the same
   * too; else new ones each time, which losses suit differently by as much as was measured, with the same mean in the long run.
   */
  readonly newQuestions?: boolean;
}

/** Normal numbers by Box and Muller's method. */
export function normalGenerator(seed: number): () => number {
  const random = randomGenerator(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/**
 * How far the latent variable has to move for a gain in accuracy: with all noise it is normal, so by the normal quantiles.
 * Tabulated, since a simulation should not lean on what it is to judge.
 */
const shifts: Readonly<Record<string, number>> = { '0.02': 0.748, '0.05': 1.98 };

function shiftFor(effect: number): number {
  const shift = shifts[String(effect)];
  if (shift === undefined) throw new RangeError(`no shift is known for an effect of ${effect}`);
  return shift;
}

/** Quantiles of the questions' normal distribution, in the middle of as many equal parts. */
const spreadQuestions: readonly number[] = Array.from(
  { length: measured.questions },
  (_, place) => latent.question * normalQuantile((place + 0.5) / measured.questions),
);

/** One comparison of two arms, as the program would have recorded it; without a base and without text. */
export function simulate(
  { seeds, learningRates, effects = [], newQuestions = false }: Design,
  normal: () => number,
): ComparisonResult {
  const { questions, pairs } = measured;
  const arms = ['dpo', 'minor-dpo'];
  const many = (count: number, deviation: number): number[] =>
    Array.from({ length: count }, () => deviation * normal());
  const ofQuestion = newQuestions ? many(questions, latent.question) : spreadQuestions;
  const ofArm = arms.map(() => (newQuestions ? many(questions, latent.questionOfArm) : undefined));
  const ofPair = many(pairs, margin.pair);
  const rates = Array.from({ length: learningRates }, (_, place) => 1e-6 * 10 ** place);
  const runs = rates.flatMap((learningRate, rate) =>
    Array.from({ length: seeds }, (_, seed) => {
      const sharedByQuestion = many(questions, latent.sharedOnSeed);
      const sharedByPair = many(pairs, margin.sharedOnSeed);
      const sharedByRun = margin.runShared * normal();
      return arms.map((loss, arm): RunResult => {
        const shift =
          latent.centre + latent.run * normal() + (arm === 1 && effects[rate] ? shiftFor(effects[rate]) : 0);
        const perQuestion = ofQuestion.map(
          (question, place) =>
            shift +
              question +
              (ofArm[arm]?.[place] ?? 0) +
              sharedByQuestion[place]! +
              latent.ownOnSeed * normal() >
            0,
        );
        const level = margin.centre + sharedByRun + margin.run * normal();
        const perPair = ofPair.map((pair, index) => ({
          index,
          c: level + pair + sharedByPair[index]! + margin.ownOnSeed * normal(),
          r: 0,
        }));
        const correct = perQuestion.filter(Boolean).length;
        const evaluation: Evaluation = {
          pairs,
          preferenceAccuracy: perPair.filter(({ c, r }) => c > r).length / pairs,
          preferenceAccuracyRaw: 0.5,
          ties: 0,
          meanChosenLogRatio: mean(perPair.map(({ c }) => c)),
          meanRejectedLogRatio: 0,
          meanMargin: mean(perPair.map(({ c }) => c)),
          perPair,
          task: { questions, correct, perQuestion },
        };
        const id = `${loss} ${rate} ${seed}`;
        const paired = { orderHash: String(seed), adapterStartHash: String(seed) };
        return {
          id,
          loss,
          learningRate,
          seed,
          ...paired,
          status: 'finished',
          metrics: [],
          evaluation,
          seconds: 1,
        };
      });
    }).flat(),
  );
  // Prompts differ from one experiment to the next, so that halves do.
  const hashes = (count: number): string[] => Array.from({ length: count }, () => String(normal()));
  const none = { pairs, preferenceAccuracyRaw: 0.5, ties: pairs };
  return {
    schema: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    command: '',
    versions: {},
    model: { name: 'simulated', hash: '', parameters: 1 },
    data: { name: 'simulated', hash: '', trainPairs: 400, evalPairs: pairs, skipped: 0 },
    config: {},
    arms,
    learningRates: rates,
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
    base: {
      ...none,
      meanChosenLogRatio: 0,
      meanRejectedLogRatio: 0,
      meanMargin: 0,
      promptHashes: hashes(pairs),
      task: {
        questions,
        correct: 0,
        perQuestion: Array.from({ length: questions }, () => false),
        promptHashes: hashes(questions),
      },
    },
    runs,
    onlyDiffers: ['loss'],
  };
}

/** What the simulated noise comes to, in the terms in which it was measured. */
export function simulatedNoise(
  experiments: number,
  normal: () => number,
): Record<
  | 'accuracy'
  | 'accuracyDeviation'
  | 'differenceDeviation'
  | 'preferenceDifferenceDeviation'
  | 'marginDifferenceDeviation',
  number
> {
  const of = (run: RunResult): number[] => {
    const { task, preferenceAccuracy, meanMargin } = run.evaluation!;
    return [task!.correct / task!.questions, preferenceAccuracy!, meanMargin];
  };
  const rows = Array.from({ length: experiments }, () => {
    const { runs } = simulate({ seeds: 8, learningRates: 1 }, normal);
    const [first, second] = ['dpo', 'minor-dpo'].map((loss) =>
      runs.filter((run) => run.loss === loss).map(of),
    );
    const differences = (measure: number): number[] =>
      first!.map((values, seed) => second![seed]![measure]! - values[measure]!);
    const accuracies = first!.map(([accuracy]) => accuracy!);
    return [
      mean(accuracies),
      sampleStandardDeviation(accuracies) ** 2,
      ...[0, 1, 2].map((measure) => sampleStandardDeviation(differences(measure)) ** 2),
    ];
  });
  const [accuracy, ...variances] = rows[0]!.map((_, column) => mean(rows.map((row) => row[column]!)));
  const [accuracyDeviation, differenceDeviation, preference, ofMargin] = variances.map(Math.sqrt);
  return {
    accuracy: accuracy!,
    accuracyDeviation: accuracyDeviation!,
    differenceDeviation: differenceDeviation!,
    preferenceDifferenceDeviation: preference!,
    marginDifferenceDeviation: ofMargin!,
  };
}
