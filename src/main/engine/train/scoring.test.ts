import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder, writeTinyModel } from '../../../../test/e2e/support.ts';
import { openModel } from '../models/load.ts';
import type { ModelSource } from '../models/family.ts';
import { encodeGraph } from '../session/session.ts';
import { selectTargets, startAdapter } from './adapter.ts';
import { scoreGraph, trainableLayout, type Trainable } from './graphs.ts';
import { Random } from './random.ts';
import { graphSizes, Scorer, sizesOf, type EngineOptions } from './scorer.ts';
import { StepTelemetry } from './telemetry.ts';
import { Trainer, type TrainingPair } from './trainer.ts';

const { path: folder, remove } = scratchFolder();
let source: ModelSource;
beforeAll(() => {
  const place = writeTinyModel(join(folder, 'tiny'));
  source = openModel(place, place);
});
afterAll(remove);

function somePairs(count: number): TrainingPair[] {
  const random = new Random(7, 'pairs');
  const tokens = (length: number): Int32Array =>
    Int32Array.from({ length }, () => Math.floor(random.uniform() * source.config.vocabularySize));
  return Array.from({ length: count }, (_, index) => ({
    index,
    prompt: tokens(3 + index),
    chosen: tokens(2 + ((3 * index) % 5)),
    rejected: tokens(1 + ((2 * index) % 4)),
  }));
}

const adapter = (): Trainable & { kind: 'lora' } => ({
  kind: 'lora',
  rank: 4,
  scale: 2,
  targets: selectTargets(source, 'all-linear'),
});

async function scoresOf(scorer: Scorer, pairs: readonly TrainingPair[], parameters?: Float32Array) {
  const found: (readonly [number, number, ...number[]])[] = [];
  for await (const { place, score } of scorer.scoreAll(pairs, parameters))
    found[place] = [score.chosen, score.rejected, ...score.chosenLogProbs, ...score.rejectedLogProbs];
  return found;
}

describe('a training session', () => {
  const pairs = (): TrainingPair[] => somePairs(6);
  const cases: readonly [string, Partial<EngineOptions>][] = [
    ['one by one', {}],
    ['two in a pass', { room: { prompts: 2, pairsPerPrompt: 1 } }],
    ['with room for two of one prompt', { room: { prompts: 1, pairsPerPrompt: 2 } }],
    ['in little memory', { lowMemory: true }],
  ];
  it.each(cases)(
    'scores the base and adapters as sessions of their own do, to the last bit: %s',
    async (_, own) => {
      const options = { threads: 1, ...sizesOf(pairs()), ...own };
      const trainable = adapter();
      const trainer = await Trainer.create(source, trainable, ['dpo', 'orpo'], options);
      const learnt = startAdapter(trainable, 3).map((value, place) => value + 0.01 * Math.sin(place));
      for (const [shape, parameters] of [
        [{ kind: 'none' }, undefined],
        [trainable, learnt],
      ] as const) {
        const alone = new Scorer(source, shape, options);
        const shared = trainer.scorer(shape)!;
        expect(shared.contextHash('base', 'policy')).toBe(alone.contextHash('base', 'policy'));
        expect(await scoresOf(shared, pairs(), parameters)).toEqual(
          await scoresOf(alone, pairs(), parameters),
        );
        await alone.release();
        await shared.release();
      }
      await trainer.release();
    },
  );

  it('scores whole models that are trained', async () => {
    const options = { threads: 1, ...sizesOf(pairs()) };
    const parameters = new Float32Array(trainableLayout(source, { kind: 'full' }).size).map(
      (_, place) => 0.02 * Math.cos(place),
    );
    const trainer = await Trainer.create(source, { kind: 'full' }, ['sft'], options);
    const alone = new Scorer(source, { kind: 'full' }, options);
    expect(await scoresOf(trainer.scorer({ kind: 'full' })!, pairs(), parameters)).toEqual(
      await scoresOf(alone, pairs(), parameters),
    );
    await alone.release();
    await trainer.release();
  });

  it('scores no other shape, and nothing where sequences lie side by side', async () => {
    const options = { threads: 1, ...sizesOf(pairs()) };
    const trainer = await Trainer.create(source, adapter(), ['dpo'], options);
    expect(trainer.scorer({ ...adapter(), rank: 2 })).toBeUndefined();
    expect(trainer.scorer({ kind: 'full' })).toBeUndefined();
    await trainer.release();
    const whole = await Trainer.create(source, { kind: 'full' }, ['sft'], { ...options, batch: 2 });
    expect(whole.scorer({ kind: 'full' })).toBeUndefined();
    await whole.release();
  });

  it.each(['dpo', 'minor-dpo', 'ipo'])(
    'takes a policy that is its own reference as one whose log-probs are fed: %s',
    async (loss) => {
      const options = { threads: 1, ...sizesOf(pairs()), room: { prompts: 2, pairsPerPrompt: 1 } };
      const trainable = adapter();
      const parameters = startAdapter(trainable, 0);
      const trainer = await Trainer.create(source, trainable, [loss], options);
      const reference = await scoresOf(trainer.scorer({ kind: 'none' })!, pairs());
      const fed = pairs().map((pair, place) => {
        const [chosen, rejected] = reference[place]!;
        return { ...pair, reference: { chosen, rejected } };
      });
      const own = pairs().map((pair) => ({ ...pair, reference: 'own' as const }));
      const [byFed, byOwn] = await Promise.all(
        [fed, own].map(async (given) => {
          const telemetry = new StepTelemetry(0.1);
          const gradient = await trainer.accumulate(parameters, given, { loss, beta: 0.1 }, telemetry);
          return { gradient, metrics: telemetry.metrics(), pairs: telemetry.pairs };
        }),
      );
      expect(byFed!.gradient.some((value) => value !== 0)).toBe(true);
      expect(byOwn).toEqual(byFed);
      expect(byOwn!.pairs.map(({ c, r }) => [c, r])).toEqual(pairs().map(() => [0, 0]));
      // What the step finds is what the reference is.
      expect(
        byOwn!.pairs.toSorted((a, b) => a.index - b.index).map(({ chosen, rejected }) => [chosen, rejected]),
      ).toEqual(reference.map((found) => found.slice(0, 2)));
      await trainer.release();
    },
  );
});

describe('the head of passes whose pairs share a prompt', () => {
  const base: Trainable = { kind: 'none' };
  const roomFor = (pairsPerPrompt: number): EngineOptions => ({
    threads: 1,
    ...sizesOf(somePairs(6)),
    room: { prompts: 1, pairsPerPrompt },
  });

  it('has no weight that the runtime would keep a second copy of', () => {
    const name = source.family.headName(source.config);
    const countsOf = (options: EngineOptions): number[] => {
      const graph = scoreGraph(source, base, { batch: 1, ...graphSizes(options) });
      const text = Buffer.from(encodeGraph(graph).bytes).toString('latin1');
      return [name, `${name} as it lies`].map((each) => text.split(each).length - 1);
    };
    const [all, asItLies] = countsOf(roomFor(4)) as [number, number];
    expect(asItLies).toBeGreaterThan(0);
    expect(all).toBe(asItLies);
    const [allOfOne, asItLiesOfOne] = countsOf(roomFor(1)) as [number, number];
    expect(allOfOne).toBeGreaterThan(asItLiesOfOne);
  });

  it('gives the log-probs that a repacked one gives, but for the last bits', async () => {
    const [repacked, asItLies] = await Promise.all(
      [1, 4].map(async (pairsPerPrompt) => {
        const scorer = new Scorer(source, base, roomFor(pairsPerPrompt));
        const scores = await scoresOf(scorer, somePairs(6));
        await scorer.release();
        return scores.flat();
      }),
    );
    expect(asItLies).toHaveLength(repacked!.length);
    asItLies!.forEach((value, place) => expect(value).toBeCloseTo(repacked![place]!, 4));
  });
});
