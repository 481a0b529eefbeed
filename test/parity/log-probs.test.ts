import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PairBlocks } from '../../src/main/engine/models/attention.ts';
import type { ModelSource } from '../../src/main/engine/models/family.ts';
import { inverseFrequencies } from '../../src/main/engine/models/rotary-tables.ts';
import { GraphSession, type SessionOptions } from '../../src/main/engine/session/session.ts';
import { fromPeft, startAdapter } from '../../src/main/engine/train/adapter.ts';
import { scoreGraph, type Trainable } from '../../src/main/engine/train/graphs.ts';
import { packPair, type PackablePair } from '../../src/main/engine/train/packing.ts';
import { joinChunks, Scorer, sizesOf, type PairScore } from '../../src/main/engine/train/scorer.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer } from '../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../src/main/formats/peft.ts';
import {
  fixture,
  largestDifference,
  llamaCases,
  llamaModel,
  loraOn,
  packable,
  randomPairs,
  readJson,
  trainingPairs,
  type FixturePair,
} from './support.ts';

interface Figures {
  readonly log_probs: number[];
  readonly sum: number;
  readonly mean_logits: number[];
  readonly entropy: number[];
  readonly is_argmax: boolean[];
}
interface Expected {
  readonly rotary_inverse_frequencies: number[];
  readonly float64: { readonly chosen: Figures; readonly rejected: Figures }[];
}

const none: Trainable = { kind: 'none' };

function fixturePairs(name: string): PackablePair[] {
  return readJson<FixturePair[]>(`llama/${name}/pairs.json`).map(packable);
}

/** Everything the scoring graph says of pairs, in a session of its own. */
async function runGraph(
  source: ModelSource,
  pairs: readonly PackablePair[],
  chunks = 1,
  options: Pick<SessionOptions, 'optimization' | 'prepack'> = {},
  promptBlocks = 1,
  answerBlocks = 1,
) {
  const blocks: PairBlocks = {
    prompts: 1,
    pairsPerPrompt: 1,
    prefixBlocks: 0,
    promptBlocks,
    answerBlocks,
    keepProbabilities: true,
    // Of a model's two or four heads all, one at a time, and one or three at a time.
    headGroups: promptBlocks === 1 ? 'all' : promptBlocks === 2 ? 'apart' : { evenFor: 3 },
  };
  const graph = scoreGraph(source, none, { batch: 1, maxLength: 2048, chunks, blocks }, true);
  const session = await GraphSession.create(graph, {
    threads: 1,
    weightsFolder: source.weights!.folder,
    ...options,
  });
  const groups = source.config.heads / source.config.keyValueHeads;
  const found = [];
  for (const pair of pairs) {
    const packed = packPair(pair, { groups, chunks, blocks });
    const results = await session.run(packed.feeds);
    const { firstRow, firstRejectedRow, chosenRows, rejectedRows } = packed.pairs[0]!;
    const rowsOf = (name: string): Float32Array => {
      const rows = joinChunks(results, name, chunks);
      return Float32Array.of(
        ...rows.slice(firstRow, firstRow + chosenRows),
        ...rows.slice(firstRejectedRow, firstRejectedRow + rejectedRows),
      );
    };
    found.push({
      chosen: Number(results['chosen']![0]),
      rejected: Number(results['rejected']![0]),
      logProbs: rowsOf('token_log_probs'),
      meanLogits: rowsOf('mean_logits'),
      entropy: rowsOf('entropy'),
      topTokens: rowsOf('top_tokens'),
    });
  }
  await session.release();
  return found;
}

type Found = Awaited<ReturnType<typeof runGraph>>;

function expectClose(found: Found, expected: Found, tolerance: number): void {
  expect(found.length).toBe(expected.length);
  found.forEach((own, place) => {
    const other = expected[place]!;
    for (const name of ['logProbs', 'meanLogits', 'entropy', 'topTokens'] as const) {
      expect(largestDifference(own[name], other[name])).toBeLessThanOrEqual(tolerance);
    }
    const sums = [other.chosen, other.rejected];
    // Sums near −100: their own rounding is 4e-6.
    expect(largestDifference([own.chosen, own.rejected], sums)).toBeLessThanOrEqual(5 * tolerance);
  });
}

describe.each(llamaCases)('log-probs of %s', (name) => {
  const source = llamaModel(name);
  const pairs = fixturePairs(name);

  test.each([
    [1, 1],
    [2, 1],
    [4, 2],
    [1, 3],
  ])(
    'equal float64 torch, attention with the prompt in %i blocks and answers in %i',
    async (promptBlocks, answerBlocks) => {
      const expected = readJson<Expected>(`llama/${name}/expected.json`).float64;
      const found = await runGraph(source, pairs, 1, {}, promptBlocks, answerBlocks);
      expect(found.length).toBe(expected.length);
      found.forEach((own, place) => {
        const { chosen, rejected } = expected[place]!;
        expect(largestDifference(own.logProbs, [...chosen.log_probs, ...rejected.log_probs])).toBeLessThan(
          4e-5,
        );
        expect(largestDifference([own.chosen, own.rejected], [chosen.sum, rejected.sum])).toBeLessThan(5e-5);
        expect(
          largestDifference(own.meanLogits, [...chosen.mean_logits, ...rejected.mean_logits]),
        ).toBeLessThan(4e-5);
        expect(largestDifference(own.entropy, [...chosen.entropy, ...rejected.entropy])).toBeLessThan(4e-5);
        expect([...own.topTokens]).toEqual([...chosen.is_argmax, ...rejected.is_argmax].map(Number));
      });
      expect(found.some(({ topTokens }) => topTokens.includes(1))).toBe(true);
    },
  );

  test('the scorer says the same', async () => {
    const expected = readJson<Expected>(`llama/${name}/expected.json`).float64;
    const scorer = new Scorer(source, none, { ...sizesOf(pairs), threads: 1 });
    for (const [place, pair] of pairs.entries()) {
      const score = await scorer.score(pair);
      for (const answer of ['chosen', 'rejected'] as const) {
        const { sum, log_probs: logProbs } = expected[place]![answer];
        expect(Math.abs(score[answer] - sum)).toBeLessThan(5e-5);
        expect(score[`${answer}Tokens`]).toBe(logProbs.length);
        expect(largestDifference(score[`${answer}LogProbs`], logProbs)).toBeLessThan(4e-5);
      }
    }
    await scorer.release();
  });

  test('rotary frequencies equal those of transformers, bit for bit', () => {
    const expected = readJson<Expected>(`llama/${name}/expected.json`).rotary_inverse_frequencies;
    expect([...inverseFrequencies(source.config)]).toEqual(expected);
  });

  test('config.json in the forms of transformers 4 and 5 means the same', () => {
    const written = JSON.parse(readFileSync(fixture(`llama/${name}/config.json`), 'utf8')) as Record<
      string,
      unknown
    >;
    const { rope_parameters: joint, rope_theta: theta, rope_scaling: scaling, ...rest } = written;
    const other = joint
      ? { ...rest, rope_theta: (joint as { rope_theta: number }).rope_theta, rope_scaling: null }
      : {
          ...rest,
          rope_parameters: { rope_theta: theta, ...(scaling as object | null) },
          head_dim: source.config.headSize,
        };
    expect(source.family.parseConfig(other, 'config.json')).toEqual(source.config);
  });

  test('packing both answers into one sequence changes nothing', async () => {
    const together = await runGraph(source, pairs);
    const empty = new Int32Array();
    const chosen = await runGraph(
      source,
      pairs.map((pair) => ({ ...pair, rejected: empty })),
    );
    const rejected = await runGraph(
      source,
      pairs.map((pair) => ({ ...pair, chosen: pair.rejected, rejected: empty })),
    );
    const apart = chosen.map((own, place): Found[number] => {
      const other = rejected[place]!;
      const join = (key: 'logProbs' | 'meanLogits' | 'entropy' | 'topTokens'): Float32Array =>
        Float32Array.from([...own[key], ...other[key]]);
      return {
        chosen: own.chosen,
        rejected: other.chosen,
        logProbs: join('logProbs'),
        meanLogits: join('meanLogits'),
        entropy: join('entropy'),
        topTokens: join('topTokens'),
      };
    });
    expectClose(together, apart, 1e-5);
  });

  test('neither chunks, nor the runtime’s rewriting, nor prepacking changes anything', async () => {
    const plain = await runGraph(source, pairs);
    for (const chunks of [2, 3, 5]) expectClose(await runGraph(source, pairs, chunks), plain, 1e-5);
    expectClose(await runGraph(source, pairs, 1, { optimization: 'all' }), plain, 1e-5);
    expectClose(await runGraph(source, pairs, 1, { prepack: false }), plain, 1e-5);
  });
});

test('without a prompt the first token of an answer is given, not predicted, and counts nowhere', async () => {
  const source = llamaModel('tied');
  const [long] = randomPairs(9, [[3, 6, 5]]);
  const { chosen, rejected } = long!;
  // The answers' first tokens become their prompt: the same predictions, said in two ways.
  const bare = { prompt: new Int32Array(), chosen, rejected };
  const said = (answer: Int32Array): PackablePair => ({
    prompt: answer.slice(0, 1),
    chosen: answer.slice(1),
    rejected: new Int32Array(),
  });
  const scorer = new Scorer(source, none, { ...sizesOf([long!]), threads: 1 });
  const found = await scorer.score(bare);
  const expected = [await scorer.score(said(chosen)), await scorer.score(said(rejected))];
  const sums = expected.map((score) => score.chosen);
  expect(largestDifference([found.chosen, found.rejected], sums)).toBeLessThan(4e-5);
  expect([found.chosenTokens, found.rejectedTokens]).toEqual([5, 4]);
  await scorer.release();

  const trainer = await Trainer.create(source, loraOn(source), ['sft'], { ...sizesOf([long!]), threads: 1 });
  const start = startAdapter(loraOn(source), 1);
  const losses = [];
  for (const pair of [bare, said(chosen)]) {
    const telemetry = new StepTelemetry(1);
    await trainer.accumulate(start, trainingPairs([pair]), { loss: 'sft', beta: 1 }, telemetry);
    losses.push(telemetry.metrics().loss!);
  }
  expect(Math.abs(losses[0]! - losses[1]!)).toBeLessThan(2e-5);
  await trainer.release();
});

test('an adapter that PEFT saved gives PEFT’s log-probs', async () => {
  for (const name of ['tied', 'biases']) {
    const expected = readJson<{
      pair: FixturePair;
      entries: { policy_chosen: number; policy_rejected: number }[];
    }>(`gradients/${name}-lora/expected.json`);
    const source = llamaModel(name);
    const folder = fixture(`gradients/${name}-lora/adapter`);
    const { trainable, parameters } = fromPeft(source, readAdapter(folder), folder);
    const scorer = new Scorer(source, trainable, { longestSequence: 64, mostRows: 64, threads: 1 });
    const score = await scorer.score(packable(expected.pair), parameters);
    const [{ policy_chosen: chosen, policy_rejected: rejected }] = expected.entries as [
      (typeof expected.entries)[0],
    ];
    expect(largestDifference([score.chosen, score.rejected], [chosen, rejected])).toBeLessThan(5e-5);
    await scorer.release();
  }
});

/** Random pairs up to 300 tokens, among them no prompt to speak of, answers of one token, and equal answers. */
function longerPairs(): PackablePair[] {
  const pairs = randomPairs(5, [
    [180, 60, 60],
    [1, 150, 149],
    [250, 1, 49],
    [37, 211, 1],
    [64, 64, 64],
    [97, 3, 200],
    [0, 90, 41],
  ]);
  return [...pairs, { ...pairs[4]!, rejected: pairs[4]!.chosen }];
}

/** Pairs that have their prompt in common, one of them without a token in an answer but its last. */
function sharedPrompts(): PackablePair[] {
  const pairs = randomPairs(6, [
    [50, 20, 30],
    [50, 7, 1],
    [50, 33, 12],
    [50, 2, 40],
  ]);
  return pairs.map((pair) => ({ ...pair, prompt: pairs[0]!.prompt }));
}

// Chunks follow from the most completion tokens: 128 rows in each.
const exactCases = llamaCases.flatMap((name) =>
  [1, 2, 4].flatMap((chunks) => [1, 2].map((threads) => ({ name, chunks, threads }))),
);
const rooms = [
  { prompts: 1, pairsPerPrompt: 1 },
  { prompts: 4, pairsPerPrompt: 1 },
  { prompts: 2, pairsPerPrompt: 3 },
];

test.each(exactCases)(
  'at the start c and r are exactly 0: $name, $chunks chunks, $threads threads',
  async ({ name, chunks, threads }) => {
    const source = llamaModel(name);
    const pairs = [...fixturePairs(name), ...longerPairs(), ...sharedPrompts()];
    const options = { longestSequence: 300, mostRows: 128 * chunks, threads };
    const lora = loraOn(source);
    const start = startAdapter(lora, 3);
    expect(start.some((value) => value !== 0)).toBe(true);
    const base = new Scorer(source, none, options);
    const adapted = new Scorer(source, lora, options);
    const references: PairScore[] = [];
    for (const pair of pairs) {
      const reference = await base.score(pair);
      references.push(reference);
      expect(Number.isFinite(reference.chosen) && Number.isFinite(reference.rejected)).toBe(true);
      expect(await adapted.score(pair)).toEqual(reference);
      expect(await adapted.score(pair, start)).toEqual(reference);
    }
    const rows = trainingPairs(pairs, references);
    // However many pairs share a pass, and whatever they share: the reference's bits are those of a pair alone.
    for (const room of rooms) {
      const several = new Scorer(source, lora, { ...options, room });
      const found: PairScore[] = [];
      for await (const { place, score } of several.scoreAll(pairs, start)) found[place] = score;
      expect(found).toEqual(references);
      const trainer = await Trainer.create(source, lora, ['dpo', 'minor-dpo'], { ...options, room });
      for (const [loss, rejectedShare] of [
        ['dpo', 0.5],
        ['minor-dpo', 0],
      ] as const) {
        const telemetry = new StepTelemetry(0.1);
        await trainer.accumulate(start, rows, { loss, beta: 0.1 }, telemetry);
        for (const [place, { chosen, rejected, c, r, loss: value }] of telemetry.pairs.entries()) {
          expect([c, r]).toEqual([0, 0]);
          expect([chosen, rejected]).toEqual([references[place]!.chosen, references[place]!.rejected]);
          expect(value).toBeCloseTo(Math.LN2, 6);
        }
        const metrics = telemetry.metrics();
        expect(metrics['grad/chosen_share']).toBe(1 - rejectedShare);
        expect(metrics['gate/open']).toBe(0);
      }
      await Promise.all([several, trainer].map((each) => each.release()));
    }
    await Promise.all([base, adapted].map((each) => each.release()));
  },
);
