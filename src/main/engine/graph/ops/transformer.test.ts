import { expect, test } from 'vitest';
import { GraphSession } from '../../session/session.ts';
import { gradients } from '../../autodiff/gradient.ts';
import { applyAll, input } from '../types.ts';
import { tokenLogProbs, tokenLogProbsOp } from './transformer.ts';

/** log-softmax in double precision: the mathematics. */
function exactLogProb(logits: Float64Array, target: number): number {
  const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return logits[target]! - largest - Math.log(sum);
}

// 49,152 is SmolLM2's vocabulary; 50,257 (GPT-2's) divides only into 29 × 1,733.
test.each([49_152, 50_257])('log-probs over %i tokens carry no bias', async (vocabulary) => {
  const rows = 6;
  const width = 2;
  const hidden = Float32Array.from({ length: rows * width }, (_, place) => 1 + 0.37 * place);
  const head = Float32Array.from(
    { length: vocabulary * width },
    (_, place) => Math.sin(place * 12.9898) * 1.5,
  );
  const targets = Array.from({ length: rows }, (_, row) => (row * 8191) % vocabulary);
  const values = [
    input('hidden', 'float32', ['R', width]),
    input('head', 'float32', [vocabulary, width]),
    input('targets', 'int64', ['R']),
  ];
  const [logProbs, , , , entropy] = applyAll(tokenLogProbsOp, values, { onDemand: false });
  const session = await GraphSession.create({ logProbs: logProbs!, entropy: entropy! }, { threads: 1 });
  const result = await session.run({
    hidden: { data: hidden, shape: [rows, width] },
    head: { data: head, shape: [vocabulary, width] },
    targets: { data: BigInt64Array.from(targets, (target) => BigInt(target)), shape: [rows] },
  });
  await session.release();
  for (let row = 0; row < rows; row++) {
    const logits = Float64Array.from({ length: vocabulary }, (_, token) => {
      let sum = 0;
      for (let place = 0; place < width; place++) {
        sum += hidden[row * width + place]! * head[token * width + place]!;
      }
      return sum;
    });
    const exact = exactLogProb(logits, targets[row]!);
    // float32 holds these log-probs to about 1e-6; a biased sum is off by 2e-5.
    expect(Math.abs(Number(result['logProbs']![row]) - exact)).toBeLessThan(4e-6);
    const first = exactLogProb(logits, 0) - logits[0]!;
    const entropyExact = -logits.reduce((sum, logit) => sum + Math.exp(logit + first) * (logit + first), 0);
    expect(Math.abs(Number(result['entropy']![row]) - entropyExact)).toBeLessThan(1e-4);
  }
});

test('a head in blocks of rows gives what it gives as a whole', async () => {
  const [rows, width, vocabulary] = [3, 8, 29];
  const heights = [11, 11, 7];
  const named = (name: string, shape: readonly (number | string)[]) => input(name, 'float32', shape);
  const whole = [
    named('hidden', ['R', width]),
    named('head', [vocabulary, width]),
    input('targets', 'int64', ['R']),
  ];
  const blocks = heights.map((height, place) => named(`block_${place}`, [height, width]));
  const outputs = (inputs: typeof whole, prefix: string) =>
    Object.fromEntries(
      applyAll(tokenLogProbsOp, inputs, { onDemand: false }).map((value, place) => [
        `${prefix}${place}`,
        value,
      ]),
    );
  const session = await GraphSession.create(
    { ...outputs(whole, 'whole'), ...outputs([...whole, ...blocks], 'blocks') },
    { threads: 1 },
  );
  const numbers = (count: number, seed: number) =>
    Float32Array.from({ length: count }, (_, place) => Math.sin(seed + place * 12.9898));
  const head = numbers(vocabulary * width, 2);
  let start = 0;
  const result = await session.run({
    hidden: { data: numbers(rows * width, 1), shape: [rows, width] },
    head: { data: head, shape: [vocabulary, width] },
    targets: { data: BigInt64Array.of(0n, 28n, 12n), shape: [rows] },
    ...Object.fromEntries(
      heights.map((height, place) => {
        const data = head.slice(start, (start += height * width));
        return [`block_${place}`, { data, shape: [height, width] }];
      }),
    ),
  });
  await session.release();
  for (let place = 0; place < 6; place++) {
    const [expected, found] = [result[`whole${place}`]!, result[`blocks${place}`]!];
    expect(found.length).toBe(expected.length);
    expect(expected.length).toBeGreaterThan(0);
    found.forEach((value, at) => expect(Math.abs(Number(value) - Number(expected[at]))).toBeLessThan(1e-6));
  }
  expect(() => applyAll(tokenLogProbsOp, [...whole, ...blocks.slice(1)], { onDemand: false })).toThrow(
    'blocks of 18 rows in all do not make up',
  );
});

test('rows taken in rounds give what they give side by side, to the last bit', async () => {
  const [width, vocabulary] = [8, 29];
  const lengths = [3, 2, 4];
  const rows = lengths.reduce((sum, length) => sum + length);
  const head = input('head', 'float32', [vocabulary, width]);
  const numbers = (count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, place) => Math.sin(place * 12.9898) * 1.5);
  const given = { hidden: numbers(rows * width), head: numbers(vocabulary * width) };
  const targets = Array.from({ length: rows }, (_, row) => BigInt((row * 11) % vocabulary));
  const starts = lengths.map((_, place) => lengths.slice(0, place).reduce((sum, length) => sum + length, 0));
  const ends = starts.map((start, place) => start + lengths[place]!);
  const int64 = (values: readonly number[]) => BigInt64Array.from(values, BigInt);

  const parts = lengths.map((_, place) => {
    const own = input(`hidden_${place}`, 'float32', [`R${place}`, width]);
    const values = [own, head, input(`targets_${place}`, 'int64', [`R${place}`])];
    return applyAll(tokenLogProbsOp, values, { onDemand: false });
  });
  const apart = await GraphSession.create(
    Object.fromEntries(
      parts.flatMap((outputs, part) => outputs.map((value, place) => [`y${place}_${part}`, value])),
    ),
    { threads: 1 },
  );
  const expected = await apart.run({
    head: { data: given.head, shape: [vocabulary, width] },
    ...Object.fromEntries(
      lengths.flatMap((length, place) => [
        [
          `hidden_${place}`,
          {
            data: given.hidden.slice(starts[place]! * width, ends[place]! * width),
            shape: [length, width],
          },
        ],
        [
          `targets_${place}`,
          { data: BigInt64Array.from(targets.slice(starts[place], ends[place])), shape: [length] },
        ],
      ]),
    ),
  });
  await apart.release();

  const hidden = input('hidden', 'float32', ['R', width]);
  const cuts = {
    count: input('count', 'int64', []),
    starts: input('starts', 'int64', ['C']),
    ends: input('ends', 'int64', ['C']),
  };
  const found = tokenLogProbs(hidden, head, input('targets', 'int64', ['R']), [], { cuts });
  const upstream = input('upstream', 'float32', ['R']);
  const [slope] = gradients([{ value: found.logProbs, upstream }], [hidden]);
  const session = await GraphSession.create({ ...found, slope: slope! }, { threads: 1 });
  const result = await session.run({
    hidden: { data: given.hidden, shape: [rows, width] },
    head: { data: given.head, shape: [vocabulary, width] },
    targets: { data: BigInt64Array.from(targets), shape: [rows] },
    upstream: { data: new Float32Array(rows).fill(1), shape: [rows] },
    count: { data: BigInt64Array.of(3n), shape: [] },
    starts: { data: int64(starts), shape: [3] },
    ends: { data: int64(ends), shape: [3] },
  });
  await session.release();
  const joined = (place: number): number[] =>
    lengths.flatMap((_, part) => Array.from(expected[`y${place}_${part}`]!, Number));
  const names = { logProbs: 0, slope: 1, meanLogits: 3, entropy: 4, isTopToken: 5 };
  for (const [name, place] of Object.entries(names)) {
    expect(Array.from(result[name]!, Number), name).toEqual(joined(place));
    expect(joined(place)).toHaveLength(name === 'slope' ? rows * width : rows);
  }
  expect(() => gradients([{ value: found.logProbs, upstream }], [head])).toThrow(
    'read in rounds, has no gradient',
  );
});
