import { describe, expect, test } from 'vitest';
import { startAdapter } from '../../src/main/engine/train/adapter.ts';
import type { Trainable } from '../../src/main/engine/train/graphs.ts';
import { packPairs, type PackablePair } from '../../src/main/engine/train/packing.ts';
import { graphSizes, Scorer, type PairScore } from '../../src/main/engine/train/scorer.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer } from '../../src/main/engine/train/trainer.ts';
import { llamaModel, loraOn, randomPairs, trainingPairs } from './support.ts';

const none: Trainable = { kind: 'none' };

/** Pairs whose prompts begin with the same tokens and then go on for two tokens to sixty. */
function pairsBehindPrefix(prefix: number): PackablePair[] {
  const pairs = randomPairs(9, [
    [prefix + 20, 30, 25],
    [prefix + 2, 1, 40],
    [prefix + 60, 17, 2],
    [prefix + 33, 50, 50],
    [prefix + 5, 9, 1],
    [prefix + 21, 12, 30],
  ]);
  const beginning = pairs[0]!.prompt.subarray(0, prefix);
  return pairs.map((pair) => {
    const prompt = pair.prompt.slice();
    prompt.set(beginning);
    return { ...pair, prompt };
  });
}

// Short sequences keep probabilities and key heads together; long ones make them again, as many key heads at a time as threads share evenly
// (of four heads three threads have three, then one). Behind a beginning that is the most of a sequence each pair is one block.
describe.each([
  { model: 'tied', prefix: 40, longestSequence: 300, threads: 1 },
  { model: 'tied', prefix: 40, longestSequence: 300, threads: 2 },
  { model: 'tied', prefix: 40, longestSequence: 2048, threads: 2 },
  { model: 'untied', prefix: 40, longestSequence: 2048, threads: 3 },
  { model: 'tied', prefix: 270, longestSequence: 400, threads: 1 },
  { model: 'tied', prefix: 270, longestSequence: 400, threads: 2 },
  { model: 'tied', prefix: 400, longestSequence: 600, threads: 2 },
  { model: 'untied', prefix: 400, longestSequence: 600, threads: 3 },
])(
  'behind $prefix common tokens of $longestSequence, $threads threads, $model',
  ({ model, prefix, longestSequence, threads }) => {
    const isTogether = graphSizes({
      ...{ longestSequence, mostRows: 128 },
      room: { prompts: 1, pairsPerPrompt: 1, prefix },
    }).blocks.isTogether;
    const pairs = pairsBehindPrefix(prefix);
    const options = { longestSequence, mostRows: 128, threads };
    const source = llamaModel(model);
    const lora = loraOn(source);
    const start = startAdapter(lora, 3);
    const room = (prompts: number, pairsPerPrompt = 1) => ({ prompts, pairsPerPrompt, prefix });

    const scoresOf = async (scorer: Scorer): Promise<PairScore[]> => {
      const found: PairScore[] = [];
      for await (const { place, score } of scorer.scoreAll(pairs)) found[place] = score;
      await scorer.release();
      return found;
    };

    test('log-probs are those of pairs that are read whole', async () => {
      const whole = await scoresOf(new Scorer(source, none, options));
      const behind = await scoresOf(new Scorer(source, none, { ...options, room: room(4) }));
      for (const [place, score] of behind.entries()) {
        expect(Math.abs(score.chosen - whole[place]!.chosen)).toBeLessThan(5e-5);
        expect(Math.abs(score.rejected - whole[place]!.rejected)).toBeLessThan(5e-5);
      }
    });

    test('at the start c and r are exactly 0, however many share it', async () => {
      const references = await scoresOf(new Scorer(source, none, { ...options, room: room(1) }));
      const rows = trainingPairs(pairs, references);
      expect(isTogether).toBe(prefix > 40);
      // Where two pairs of a prompt may be in a pass, no pair is one block.
      for (const several of [room(1), room(3), room(4), ...(isTogether ? [] : [room(2, 2)])]) {
        expect(await scoresOf(new Scorer(source, none, { ...options, room: several }))).toEqual(references);
        const trainer = await Trainer.create(source, lora, ['dpo'], { ...options, room: several });
        const telemetry = new StepTelemetry(0.1);
        await trainer.accumulate(start, rows, { loss: 'dpo', beta: 0.1 }, telemetry);
        expect(telemetry.pairs.map(({ c, r }) => [c, r])).toEqual(pairs.map(() => [0, 0]));
        await trainer.release();
      }
    });

    test('the gradient is that of pairs that are read whole', async () => {
      const references = await scoresOf(new Scorer(source, none, options));
      const rows = trainingPairs(pairs, references);
      const moved = start.map((value, place) => value + 0.02 * Math.sin(place));
      const gradients = [];
      for (const given of [options, { ...options, room: room(4) }]) {
        const trainer = await Trainer.create(source, lora, ['dpo'], given);
        const settings = { loss: 'dpo', beta: 0.1 };
        gradients.push(await trainer.accumulate(moved, rows, settings, new StepTelemetry(0.1)));
        await trainer.release();
      }
      const [whole, behind] = gradients as [Float32Array, Float32Array];
      const norm = Math.sqrt(whole.reduce((sum, value) => sum + value * value, 0));
      const apart = Math.sqrt(whole.reduce((sum, value, place) => sum + (value - behind[place]!) ** 2, 0));
      expect(norm).toBeGreaterThan(1e-4);
      expect(apart / norm).toBeLessThan(1e-4);
    });
  },
);

test('a prompt that begins otherwise is refused, and a cached reference names where pairs are cut', () => {
  const prefix = 40;
  const pairs = pairsBehindPrefix(prefix);
  const other = { ...pairs[1]!, prompt: pairs[1]!.prompt.map((token) => token + 1) };
  const blocks = { prefixBlocks: 1, prompts: 2, pairsPerPrompt: 1, promptBlocks: 1 };
  const options = { groups: 1, chunks: 1, blocks, prefix };
  expect(() => packPairs([[pairs[0]!], [other]], options)).toThrow('does not begin as the others do');
  const packed = packPairs([[pairs[0]!], [pairs[1]!]], options);
  // The beginning once, then 20 and 2 tokens, and of every answer all but its last token, at least one place.
  expect(packed.length).toBe(prefix + (20 + 29 + 24) + (2 + 1 + 39));
  const source = llamaModel('tied');
  const hash = (own: number): string =>
    new Scorer(source, none, {
      ...{ longestSequence: 300, mostRows: 128 },
      room: { prompts: 4, pairsPerPrompt: 1, prefix: own },
    }).contextHash('base', '');
  expect(hash(40)).not.toBe(hash(41));
});
