import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { fixture } from '../../formats/testing.ts';
import { openModel } from '../models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../train/adapter.ts';
import { trainableLayout } from '../train/graphs.ts';
import { Random } from '../train/random.ts';
import { divergenceOf } from './divergence.ts';
import { Generator, type GenerateOptions } from './generator.ts';
import { NonFiniteLogitsError } from './sampling.ts';

const held: { release(): Promise<void> }[] = [];
afterAll(() => Promise.all(held.map((each) => each.release())));

const greedy: GenerateOptions = { maxTokens: 40, temperature: 0, topP: 1, seed: 0, eosTokenIds: [] };

const { runs } = JSON.parse(readFileSync(fixture('generation/tied.json'), 'utf8')) as {
  runs: { prompt: number[]; completion: number[] }[];
};
const prompts = runs.map(({ prompt }) => Int32Array.from(prompt));
const tied = openModel(fixture('llama/tied'), fixture('llama/tied'));
const lora: LoraTrainable = {
  kind: 'lora',
  rank: 4,
  scale: 2,
  targets: selectTargets(tied, 'all-linear'),
};
const sizes = { batch: 3, maxLength: 128, threads: 1 };

describe('the divergence of two rows of logits', () => {
  test('is Σ p log(p / q)', () => {
    const logs = (shares: readonly number[], shift: number): Float32Array =>
      Float32Array.from(shares, (share) => Math.log(share) + shift);
    const wanted = 0.5 * Math.log(0.5 / 0.25) + 0.25 * Math.log(0.25 / 0.25) + 0.25 * Math.log(0.25 / 0.5);
    // What is added to all logits of a row changes no probability.
    expect(divergenceOf(logs([0.5, 0.25, 0.25], 3), logs([0.25, 0.25, 0.5], -20))).toBeCloseTo(wanted, 5);
  });

  test('is exactly 0 for equal rows, also of large logits, and refuses what is not finite', () => {
    const row = Float32Array.from([90, -80, 1e-3, 7, 88.5]);
    expect(divergenceOf(row, row.slice())).toBe(0);
    expect(() => divergenceOf(row, Float32Array.from([1, NaN, 0, 0, 0]))).toThrow(NonFiniteLogitsError);
    expect(() => divergenceOf(Float32Array.from([1, NaN, 0, 0, 0]), row)).toThrow(NonFiniteLogitsError);
  });

  test('counts what has no probability for nothing, and is large where the other finds it unlikely', () => {
    // exp(−2000) is 0 in float64.
    expect(divergenceOf(Float32Array.from([0, -2000]), Float32Array.from([0, 0]))).toBeCloseTo(Math.LN2, 12);
    expect(divergenceOf(Float32Array.from([0, 0]), Float32Array.from([0, -2000]))).toBeCloseTo(
      1000 - Math.LN2,
      9,
    );
  });
});

describe('a policy that reads along', () => {
  test('gives what torch computes in float64, from sequences of different lengths side by side', async () => {
    const { runs: wanted } = JSON.parse(readFileSync(fixture('generation/divergences.json'), 'utf8')) as {
      runs: number[][];
    };
    const policy = await Generator.create(tied, { kind: 'none' }, sizes);
    const untied = openModel(fixture('llama/untied'), fixture('llama/untied'));
    const reference = await Generator.create(untied, { kind: 'none' }, sizes);
    held.push(policy, reference);
    const found = await policy.generate(prompts, {
      ...greedy,
      against: { generator: reference, parameters: undefined },
    });
    for (const [place, { tokens, divergences }] of found.entries()) {
      expect(tokens).toEqual(runs[place]!.completion);
      expect(divergences).toHaveLength(wanted[place]!.length);
      divergences!.forEach((value, at) => expect(Math.abs(value - wanted[place]![at]!)).toBeLessThan(1e-4));
    }
  });

  test('is the policy itself: exactly 0 at every token; an adapter that changes nothing: 0 to the base', async () => {
    const generator = await Generator.create(tied, lora, sizes);
    held.push(generator);
    const random = new Random(3, 'policy');
    const perturbed = new Float32Array(trainableLayout(tied, lora).size).map(() => 0.1 * random.normal());
    const sampled = { ...greedy, temperature: 1 };
    const to = async (parameters: Float32Array | undefined, other: Float32Array | undefined) =>
      (
        await generator.generate(prompts, {
          ...sampled,
          parameters,
          against: { generator, parameters: other },
        })
      ).flatMap(({ divergences }) => divergences!);
    const itself = await to(perturbed, perturbed);
    expect(itself).toHaveLength(prompts.length * 40);
    expect(itself.every((value) => value === 0)).toBe(true);
    // B = 0 at an adapter's start.
    expect((await to(startAdapter(lora, 1), undefined)).every((value) => value === 0)).toBe(true);
    expect(Math.min(...(await to(perturbed, undefined)))).toBeGreaterThan(0);
  });

  test('changes nothing of what is generated', async () => {
    const generator = await Generator.create(tied, lora, sizes);
    held.push(generator);
    const sampled = { ...greedy, temperature: 1 };
    const alone = await generator.generate(prompts, sampled);
    const watched = await generator.generate(prompts, {
      ...sampled,
      against: { generator, parameters: undefined },
    });
    expect(watched.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
    expect(alone[0]!.divergences).toBeUndefined();
  });
});
