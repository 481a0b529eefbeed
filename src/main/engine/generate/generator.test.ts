import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { importModel } from '../../formats/import-model.ts';
import { fixture, shared, temporaryFolder } from '../../formats/testing.ts';
import { readSafetensorsHeader, readTensorFloat32 } from '../../formats/safetensors.ts';
import type { ModelSource } from '../models/family.ts';
import { supportedArchitectures } from '../models/index.ts';
import { openModel } from '../models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../train/adapter.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';
import { Random } from '../train/random.ts';
import { Decoder } from './decoder.ts';
import { Generator, type GenerateOptions } from './generator.ts';

interface Run {
  readonly prompt: number[];
  readonly completion: number[];
}
interface GreedyFixture {
  readonly runs: readonly Run[];
  readonly stopped: Run & { readonly eos_token_id: number };
}
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const greedyFixture = (name: string): GreedyFixture => readJson(fixture(`generation/${name}.json`));
const tiny = (name: string): ModelSource => openModel(fixture(`llama/${name}`), fixture(`llama/${name}`));
const none: Trainable = { kind: 'none' };
const greedy: GenerateOptions = { maxTokens: 40, temperature: 0, topP: 1, seed: 0, eosTokenIds: [] };

const held: { release(): Promise<void> }[] = [];
afterAll(() => Promise.all(held.map((each) => each.release())));
async function generatorFor(
  source: ModelSource,
  trainable: Trainable,
  batch: number,
  maxLength = 128,
): Promise<Generator> {
  const generator = await Generator.create(source, trainable, { batch, maxLength, threads: 1 });
  held.push(generator);
  return generator;
}

const promptsOf = (runs: readonly Run[]): Int32Array[] => runs.map(({ prompt }) => Int32Array.from(prompt));
const tokensOf = (results: readonly { readonly tokens: number[] }[]): number[][] =>
  results.map(({ tokens }) => tokens);

describe.each(['tied', 'untied', 'llama3-rope'])("greedy tokens equal transformers': %s", (name) => {
  const { runs, stopped } = greedyFixture(name);
  const wanted = runs.map(({ completion }) => completion);

  // 3 leaves a place empty in the last batch; 5 pads a prompt of 1 token to 31.
  test.each([1, 3, 5])('batch %i', async (batch) => {
    const generator = await generatorFor(tiny(name), none, batch);
    const results = await generator.generate(promptsOf(runs), greedy);
    expect(tokensOf(results)).toEqual(wanted);
    expect(results.map(({ finish }) => finish)).toEqual(runs.map(() => 'length'));
  });

  test('ending early, beside sequences that go on', async () => {
    const generator = await generatorFor(tiny(name), none, 3);
    const eos = stopped.eos_token_id;
    const seen: number[][] = runs.map(() => []);
    const results = await generator.generate(promptsOf(runs), {
      ...greedy,
      eosTokenIds: [eos],
      onToken: (sequence, token) => seen[sequence]!.push(token),
    });
    expect(results.at(-1)).toEqual({ tokens: stopped.completion, finish: 'end' });
    const cut = wanted.map((tokens) =>
      tokens.includes(eos) ? tokens.slice(0, tokens.indexOf(eos) + 1) : tokens,
    );
    expect(tokensOf(results)).toEqual(cut);
    expect(seen).toEqual(cut);
  });
});

test('a sequence ends where maxLength is full, each at its own place', async () => {
  const { runs } = greedyFixture('tied');
  const generator = await generatorFor(tiny('tied'), none, 5, 36);
  const results = await generator.generate(promptsOf(runs), greedy);
  expect(tokensOf(results)).toEqual(
    runs.map(({ prompt, completion }) => completion.slice(0, 36 - prompt.length)),
  );
});

test('prompts that begin alike are answered as each by itself, the beginning itself among them', async () => {
  const source = tiny('tied');
  const random = new Random(7, 'prompts');
  const ids = (length: number): number[] =>
    Array.from({ length }, () => random.below(source.config.vocabularySize));
  const prefix = ids(45);
  const prompts = [[], ids(1), ids(12), ids(30), ids(5)].map((rest) => Int32Array.from([...prefix, ...rest]));
  const generator = await generatorFor(source, none, 2, 128);
  const together = await generator.generate(prompts, greedy);
  const alone = [];
  for (const prompt of prompts) alone.push(...(await generator.generate([prompt], greedy)));
  expect(together).toEqual(alone);
});

describe('adapters and full parameters', () => {
  const source = tiny('untied');
  const { runs } = greedyFixture('untied');
  const lora: LoraTrainable = {
    kind: 'lora',
    rank: 4,
    scale: 2,
    targets: selectTargets(source, 'all-linear'),
  };

  test('an adapter with B = 0, and no adapter at all, generate what the base does', async () => {
    const generator = await generatorFor(source, lora, 2);
    const wanted = runs.map(({ completion }) => completion);
    const started = startAdapter(lora, 5);
    expect(tokensOf(await generator.generate(promptsOf(runs), { ...greedy, parameters: started }))).toEqual(
      wanted,
    );
    expect(tokensOf(await generator.generate(promptsOf(runs), greedy))).toEqual(wanted);
    const other = started.map((value, place) => value + 0.2 * Math.sin(place));
    expect(tokensOf(await generator.generate(promptsOf(runs), { ...greedy, parameters: other }))).not.toEqual(
      wanted,
    );
  });

  test('every parameter fed: the same tokens as from the frozen weights', async () => {
    const trainable: Trainable = { kind: 'full' };
    const file = fixture('llama/untied/model.safetensors');
    const header = readSafetensorsHeader(file);
    const layout = trainableLayout(source, trainable);
    const parameters = new Float32Array(layout.size);
    for (const { name, offset } of layout.entries) {
      parameters.set(readTensorFloat32(header, header.tensors.get(name)!), offset);
    }
    const generator = await generatorFor({ family: source.family, config: source.config }, trainable, 2);
    const results = await generator.generate(promptsOf(runs), { ...greedy, parameters });
    expect(tokensOf(results)).toEqual(runs.map(({ completion }) => completion));
  });
});

describe('sampling', () => {
  const prompt = Int32Array.from([1, 68, 78, 27]);

  /** What TopPLogitsWarper leaves, in its own words: ascending order, drop while the running sum is ≤ 1 − topP. */
  function expectedShares(logits: Float32Array, temperature: number, topP: number): number[] {
    const scaled = Array.from(logits, (logit) => logit / temperature);
    const largest = Math.max(...scaled);
    const exponentials = scaled.map((logit) => Math.exp(logit - largest));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    const shares = exponentials.map((value) => value / total);
    const ascending = [...shares.keys()].sort((a, b) => shares[a]! - shares[b]!);
    let sum = 0;
    for (const token of ascending.slice(0, -1)) {
      sum += shares[token]!;
      if (sum <= 1 - topP) shares[token] = 0;
    }
    const kept = shares.reduce((all, share) => all + share, 0);
    return shares.map((share) => share / kept);
  }

  test.each([
    { temperature: 1, topP: 1 },
    { temperature: 2.5, topP: 0.8 },
    { temperature: 0.6, topP: 0.99 },
  ])('frequencies follow softmax(logits / $temperature) cut at $topP', async ({ temperature, topP }) => {
    const source = tiny('tied');
    const decoder = await Decoder.create(source, none, { batch: 1, maxLength: 64, threads: 1 });
    held.push(decoder);
    const logits = await decoder.begin(undefined).readPrompt(prompt);
    const shares = expectedShares(logits, temperature, topP);

    const draws = 2000;
    const generator = await generatorFor(source, none, 50, 64);
    const options = { ...greedy, maxTokens: 1, temperature, topP, seed: 11 };
    const results = await generator.generate(
      Array.from({ length: draws }, () => prompt),
      options,
    );
    const counts = shares.map(() => 0);
    for (const { tokens } of results) counts[tokens[0]!]! += 1;

    // Chi-square over tokens expected 5 times or more, the rest in one bin.
    const bins = { count: 0, expected: 0 };
    let statistic = 0;
    let degrees = -1;
    const add = (count: number, expected: number): void => {
      statistic += (count - expected) ** 2 / expected;
      degrees += 1;
    };
    shares.forEach((share, token) => {
      if (share === 0) expect(counts[token], `token ${token} is cut off`).toBe(0);
      else if (share * draws >= 5) add(counts[token]!, share * draws);
      else {
        bins.count += counts[token]!;
        bins.expected += share * draws;
      }
    });
    if (bins.expected >= 5) add(bins.count, bins.expected);
    else expect(bins.count).toBeLessThan(20);
    expect(degrees).toBeGreaterThan(2);
    // The 99.9 % point of chi-square (Wilson–Hilferty).
    const spread = 2 / (9 * degrees);
    expect(statistic).toBeLessThan(degrees * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3);
  });

  test('what is drawn depends on seed and prompt, not on the batch', async () => {
    const { runs } = greedyFixture('tied');
    const options = { ...greedy, maxTokens: 20, temperature: 1.2, topP: 0.9, seed: 4 };
    const alone = await (await generatorFor(tiny('tied'), none, 1)).generate(promptsOf(runs), options);
    const together = await generatorFor(tiny('tied'), none, 4);
    expect(await together.generate(promptsOf(runs), options)).toEqual(alone);
    expect(await together.generate(promptsOf(runs), { ...options, seed: 5 })).not.toEqual(alone);
  });
});

describe('stopping and bad input', () => {
  const prompt = Int32Array.from([1, 5]);

  test('an abort between tokens rejects with its reason', async () => {
    const generator = await generatorFor(tiny('tied'), none, 1);
    const controller = new AbortController();
    const reason = new Error('enough');
    let tokens = 0;
    const running = generator.generate([prompt], {
      ...greedy,
      signal: controller.signal,
      // A timer stands for any event from outside: it only fires if generation lets the event loop turn.
      onToken: () => {
        tokens += 1;
        if (tokens === 3) setImmediate(() => controller.abort(reason));
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(tokens).toBeLessThan(6);
    await expect(generator.generate([prompt], { ...greedy, signal: controller.signal })).rejects.toBe(reason);
  });

  test.each([
    ['an empty prompt', [], {}, 'row 0: the prompt is empty'],
    [
      'a prompt without room after it',
      new Array<number>(64).fill(1),
      {},
      'row 0: the prompt has 64 tokens: no room for an answer within 64',
    ],
    ['no tokens', [1], { maxTokens: 0 }, 'max tokens must be'],
    ['a negative temperature', [1], { temperature: -1 }, 'the temperature must be'],
    ['nothing kept', [1], { topP: 0 }, 'top-p must lie'],
  ])('%s', async (_what, ids, change, message) => {
    const generator = await generatorFor(tiny('tied'), none, 1, 64);
    await expect(generator.generate([Int32Array.from(ids)], { ...greedy, ...change })).rejects.toThrow(
      message,
    );
  });

  test('a diverged adapter is named as such', async () => {
    const source = tiny('tied');
    const lora: Trainable = { kind: 'lora', rank: 2, scale: 1, targets: selectTargets(source, ['q_proj']) };
    const generator = await generatorFor(source, lora, 1);
    const parameters = startAdapter(lora, 1).fill(NaN);
    await expect(generator.generate([prompt], { ...greedy, parameters })).rejects.toThrow('diverged');
  });
});

test("greedy tokens equal transformers' on SmolLM2", async ({ skip }) => {
  const folder = shared('models/smollm2-135m-instruct');
  if (folder === undefined) return skip('../shared/models is absent');
  const model = await importModel(folder, temporaryFolder(), { supported: supportedArchitectures });
  const source = openModel(model.folder, model.weightsFolder);
  const { runs } = readJson<{ runs: Run[] }>(fixture('smollm2/greedy.json'));
  const options = { ...greedy, maxTokens: 48, eosTokenIds: source.config.eosTokenIds };
  const wanted = runs.map(({ completion }) => ({
    tokens: completion,
    finish: completion.length < 48 ? 'end' : 'length',
  }));
  for (const batch of [1, 4]) {
    const generator = await Generator.create(source, none, { batch, maxLength: 128, prepack: false });
    expect(await generator.generate(promptsOf(runs), options), `batch ${batch}`).toEqual(wanted);
    await generator.release();
  }
});
