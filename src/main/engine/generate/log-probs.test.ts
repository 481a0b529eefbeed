import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { fixture } from '../../formats/testing.ts';
import { openModel } from '../models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../train/adapter.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';
import { Random } from '../train/random.ts';
import { Scorer, sizesOf } from '../train/scorer.ts';
import { Generator, type GenerateOptions } from './generator.ts';
import { logProbOf } from './sampling.ts';

const held: { release(): Promise<void> }[] = [];
afterAll(() => Promise.all(held.map((each) => each.release())));

const greedy: GenerateOptions = { maxTokens: 40, temperature: 0, topP: 1, seed: 0, eosTokenIds: [] };
const tolerance = 1e-4;

/** As the training engine scores it: one pass over the whole text, in a graph of its own. */
async function scored(
  source: ReturnType<typeof openModel>,
  trainable: Trainable,
  prompt: Int32Array,
  completion: Int32Array,
  parameters?: Float32Array,
): Promise<number[]> {
  const pair = { prompt, chosen: completion, rejected: completion.subarray(0, 1) };
  const scorer = new Scorer(source, trainable, { ...sizesOf([pair]), threads: 1 });
  held.push(scorer);
  return Array.from((await scorer.score(pair, parameters)).chosenLogProbs);
}

function expectClose(found: readonly number[], wanted: readonly number[]): void {
  expect(found).toHaveLength(wanted.length);
  found.forEach((value, place) =>
    expect(Math.abs(value - wanted[place]!), `token ${place}`).toBeLessThan(tolerance),
  );
}

describe.each(['tied', 'untied', 'llama3-rope'])('%s', (name) => {
  const source = openModel(fixture(`llama/${name}`), fixture(`llama/${name}`));

  test.each([1, 3])(
    'log-probs of greedy tokens are what the scorer gives the same text: batch %i',
    async (batch) => {
      const { runs } = JSON.parse(readFileSync(fixture(`generation/${name}.json`), 'utf8')) as {
        runs: { prompt: number[] }[];
      };
      const prompts = runs.map(({ prompt }) => Int32Array.from(prompt));
      const generator = await Generator.create(
        source,
        { kind: 'none' },
        { batch, maxLength: 128, threads: 1 },
      );
      held.push(generator);
      const told: number[][] = prompts.map(() => []);
      const results = await generator.generate(prompts, {
        ...greedy,
        logProbs: true,
        onToken: (sequence, _token, logProb) => told[sequence]!.push(logProb),
      });
      for (const [place, { tokens }] of results.entries()) {
        const wanted = await scored(source, { kind: 'none' }, prompts[place]!, Int32Array.from(tokens));
        expectClose(told[place]!, wanted);
      }
    },
  );

  test('a long completion under an adapter is scored as the scorer does, in several pieces', async () => {
    const lora: LoraTrainable = {
      kind: 'lora',
      rank: 4,
      scale: 2,
      targets: selectTargets(source, 'all-linear'),
    };
    const random = new Random(5, 'texts');
    const ids = (length: number): Int32Array =>
      Int32Array.from({ length }, () => random.below(source.config.vocabularySize));
    const [prompt, completion] = [ids(17), ids(300)];
    const parameters = new Float32Array(trainableLayout(source, lora).size).map(() => 0.1 * random.normal());
    const generator = await Generator.create(source, lora, { maxLength: 320, threads: 1 });
    held.push(generator);
    const found = await generator.score(prompt, completion, { parameters });
    expectClose(found, await scored(source, lora, prompt, completion, parameters));
    // The adapter counts: without it the numbers are others.
    const base = await generator.score(prompt, completion, { parameters: startAdapter(lora, 1) });
    expect(Math.max(...base.map((value, place) => Math.abs(value - found[place]!)))).toBeGreaterThan(0.01);
  });
});

test('sampled tokens are told with their log-prob at temperature 1, whatever they were drawn at', async () => {
  const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
  const generator = await Generator.create(source, { kind: 'none' }, { maxLength: 64, threads: 1 });
  held.push(generator);
  const prompt = Int32Array.from([1, 5]);
  const told: number[] = [];
  const [result] = await generator.generate([prompt], {
    ...greedy,
    maxTokens: 20,
    temperature: 2,
    topP: 0.9,
    logProbs: true,
    onToken: (_sequence, _token, logProb) => told.push(logProb),
  });
  expectClose(told, await scored(source, { kind: 'none' }, prompt, Int32Array.from(result!.tokens)));
});

describe('log-prob of a token', () => {
  test('is exact for numbers whose sum is known', () => {
    // exp: 1, 2, 5 of 8.
    const logits = Float32Array.from([0, Math.log(2), Math.log(5)]);
    expect(logProbOf(logits, 1)).toBeCloseTo(Math.log(2 / 8), 6);
    // Far from 0, where exp alone would overflow.
    expect(logProbOf(Float32Array.from([1000, 1000]), 0)).toBeCloseTo(-Math.log(2), 12);
    expect(logProbOf(Float32Array.from([0, -Infinity]), 1)).toBe(-Infinity);
  });

  test.each([
    ['a NaN', [0, NaN]],
    ['an infinity', [0, Infinity]],
  ])('%s is refused', (_what, logits) => {
    expect(() => logProbOf(Float32Array.from(logits), 0)).toThrow('diverged');
  });
});

describe('scoring what cannot be scored', () => {
  test.each([
    ['an empty prompt', [], [1], 'the prompt is empty'],
    [
      'a text beyond the longest',
      [1],
      new Array<number>(64).fill(2),
      'the text has 65 tokens, of 64 at most',
    ],
  ])('%s', async (_what, prompt, completion, message) => {
    const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
    const generator = await Generator.create(source, { kind: 'none' }, { maxLength: 64, threads: 1 });
    held.push(generator);
    await expect(generator.score(Int32Array.from(prompt), Int32Array.from(completion), {})).rejects.toThrow(
      message,
    );
  });
});
