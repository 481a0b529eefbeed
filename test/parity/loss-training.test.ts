import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAdapter } from '../../src/main/engine/train/adapter.ts';
import { Scorer, type PairScore } from '../../src/main/engine/train/scorer.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer, type StepSettings, type TrainingPair } from '../../src/main/engine/train/trainer.ts';
import { defaultParameters, describeLoss, lossNames, type LossName } from '../../src/shared/losses.ts';
import { llamaModel, loraOn, randomPairs, trainingPairs } from './support.ts';

const source = llamaModel('tied');
const trainable = loraOn(source);
const engine = { longestSequence: 64, mostRows: 64, threads: 1 };
/** An answer of 5 tokens against one of 8, after a prompt of 6. */
const [answers] = randomPairs(11, [[6, 5, 8]]);
const [chosenTokens, rejectedTokens] = [5, 8];

const logSigmoid = (x: number): number => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** What a training step of one pair is to say: its loss and how hard each answer is pushed. */
interface Expected {
  readonly loss: number;
  readonly chosen: number;
  readonly rejected: number;
}
type Formula = (pair: {
  readonly c: number;
  readonly r: number;
  readonly chosen: number;
  readonly rejected: number;
  readonly beta: number;
}) => Expected;
const onScore = (score: number, chosen: number, rejected: number): Expected => ({
  loss: -logSigmoid(score),
  chosen: sigmoid(-score) * chosen,
  rejected: sigmoid(-score) * rejected,
});
/** Worked out by hand from the papers' formulas, at each loss's default parameters; pushes up to a common factor. */
const formulas: Readonly<Record<LossName, Formula>> = {
  dpo: ({ c, r, beta }) => onScore(beta * (c - r), 1, 1),
  'minor-dpo': ({ c, r, beta }) => onScore(beta * (c - Math.max(0, r)), 1, r > 0 ? 1 : 0),
  'kappa-dpo': ({ c, r, beta }) =>
    r > 0 ? onScore(beta * (c - r), 1, 1) : onScore(beta * (c - 0.5 * r), 1, 0.5),
  dpop: ({ c, r, beta }) =>
    c >= 0 ? onScore(beta * (c - r), 1, 1) : onScore(beta * (c - r + 50 * c), 51, 1),
  ipo: ({ c, r, beta }) => {
    const away = c / chosenTokens - r / rejectedTokens - 1 / (2 * beta);
    return { loss: away ** 2, chosen: 1 / chosenTokens, rejected: 1 / rejectedTokens };
  },
  hinge: ({ c, r, beta }) => ({ loss: Math.max(0, 1 - beta * (c - r)), chosen: 1, rejected: 1 }),
  cdpo: ({ c, r, beta }) => {
    const score = beta * (c - r);
    return { loss: -0.9 * logSigmoid(score) - 0.1 * logSigmoid(-score), chosen: 1, rejected: 1 };
  },
  robust: ({ c, r, beta }) => {
    const score = beta * (c - r);
    return { loss: (-0.9 * logSigmoid(score) + 0.1 * logSigmoid(-score)) / 0.8, chosen: 1, rejected: 1 };
  },
  simpo: ({ chosen, rejected, beta }) =>
    onScore(
      beta * (chosen / chosenTokens - rejected / rejectedTokens) - 1,
      1 / chosenTokens,
      1 / rejectedTokens,
    ),
  orpo: ({ chosen, rejected }) => {
    const [p, q] = [Math.exp(chosen / chosenTokens), Math.exp(rejected / rejectedTokens)];
    const score = Math.log(p / (1 - p)) - Math.log(q / (1 - q));
    const odds = 0.1 * sigmoid(-score);
    return {
      loss: -chosen / chosenTokens - 0.1 * logSigmoid(score),
      chosen: (1 + odds / (1 - p)) / chosenTokens,
      rejected: odds / (1 - q) / rejectedTokens,
    };
  },
  sft: ({ chosen }) => ({ loss: -chosen / chosenTokens, chosen: 1, rejected: 0 }),
  'minor-sft': ({ c, beta }) => ({
    loss: -(2 / (beta * chosenTokens)) * logSigmoid(beta * c),
    chosen: 1,
    rejected: 0,
  }),
};

describe('one session with every loss', () => {
  let trainer: Trainer;
  let start: PairScore;
  const parameters = startAdapter(trainable, 3);
  beforeAll(async () => {
    trainer = await Trainer.create(source, trainable, lossNames, engine);
    const scorer = new Scorer(source, trainable, engine);
    start = await scorer.score(answers!, parameters);
    await scorer.release();
  });
  afterAll(() => trainer.release());

  /** The pair with a reference under which it has these log-ratios at the start. */
  const pairAt = (c: number, r: number): TrainingPair[] =>
    trainingPairs([answers!], [{ chosen: start.chosen - c, rejected: start.rejected - r }]);
  const settingsOf = (loss: LossName): StepSettings => {
    const { defaultBeta: beta } = describeLoss(loss);
    return { loss, beta, learningRate: 1e-3, maxGradNorm: 1, weightDecay: 0 };
  };

  const places = [
    { c: 0, r: 0 },
    { c: 2, r: 3 },
    { c: 2, r: -3 },
    { c: -0.25, r: 3 },
    { c: -0.25, r: -3 },
  ];
  const cases = lossNames.flatMap((loss) => places.map((place) => ({ loss, ...place })));
  it.each(cases)('$loss at c = $c, r = $r is its formula', async ({ loss, c, r }) => {
    const settings = settingsOf(loss);
    const telemetry = new StepTelemetry(settings.beta);
    const gradient = await trainer.accumulate(parameters, pairAt(c, r), settings, telemetry);
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(gradient.some((value) => value !== 0)).toBe(true);
    const { chosen, rejected } = start;
    const expected = formulas[loss]({ c, r, chosen, rejected, beta: settings.beta });
    const metrics = telemetry.metrics();
    expect(metrics.loss! / expected.loss).toBeCloseTo(1, 5);
    const { needsReference, needsRejected } = describeLoss(loss);
    const push = expected.chosen + expected.rejected;
    if (needsRejected) expect(metrics['grad/chosen_share']).toBeCloseTo(expected.chosen / push, 5);
    // Measured against a reference where the loss has one, and absent where it has none.
    expect(metrics['rewards/chosen'] !== undefined).toBe(needsReference);
    expect(metrics['rewards/margins'] !== undefined).toBe(needsReference && needsRejected);
    if (needsReference) expect(metrics['rewards/chosen']).toBeCloseTo(settings.beta * c, 5);
  });

  it.each([
    [0, 'minor-dpo'],
    [1, 'dpo'],
  ] as const)('kappa-dpo at κ = %d is %s', async (kappa, other) => {
    for (const { c, r } of places) {
      const found = [];
      for (const settings of [{ ...settingsOf('kappa-dpo'), lossParameters: { kappa } }, settingsOf(other)]) {
        const telemetry = new StepTelemetry(settings.beta);
        const gradient = await trainer.accumulate(parameters, pairAt(c, r), settings, telemetry);
        found.push({ gradient: [...gradient], loss: telemetry.metrics().loss });
      }
      expect(found[0]).toEqual(found[1]);
    }
  });

  it.each(lossNames.filter((name) => Object.keys(defaultParameters(name)).length > 0))(
    '%s follows its parameters',
    async (loss) => {
      const losses = new Set<number>();
      for (const scale of [1, 0.5]) {
        const own = Object.entries(defaultParameters(loss)).map(([name, value]) => [name, value * scale]);
        const settings = { ...settingsOf(loss), lossParameters: Object.fromEntries(own) };
        const telemetry = new StepTelemetry(settings.beta);
        await trainer.accumulate(parameters, pairAt(-0.25, -3), settings, telemetry);
        losses.add(telemetry.metrics().loss!);
      }
      expect(losses.size).toBe(2);
    },
  );

  it.each(lossNames)('%s trains', async (loss) => {
    const settings = settingsOf(loss);
    const state = trainer.newState(parameters);
    const { needsReference } = describeLoss(loss);
    const pairs = needsReference ? pairAt(0, 0) : trainingPairs([answers!]);
    const found = [];
    for (let step = 0; step < 20; step++) found.push((await trainer.step(state, pairs, settings)).metrics);
    for (const metrics of found)
      for (const [name, value] of Object.entries(metrics)) expect(Number.isFinite(value), name).toBe(true);
    const [first, last] = [found[0]!, found.at(-1)!];
    if (needsReference) expect(first['rewards/chosen']).toBe(0);
    expect(last.loss!).toBeLessThan(first.loss!);
    expect(last['logps/chosen']!).toBeGreaterThan(first['logps/chosen']!);
  });
});
