import { describe, expect, test } from 'vitest';
import { allOps, add, mul, reduceSum, reshape, relu, stopGradient } from '../graph/ops/index.ts';
import {
  apply,
  applyAll,
  constant,
  input,
  scalar,
  type DType,
  type GradientCase,
  type Value,
} from '../graph/types.ts';
import { isFloat } from '../graph/shape.ts';
import { cpu, portable, type Target } from '../lower/lower.ts';
import { GraphSession, type Feed, type TensorData } from '../session/session.ts';
import { gradients } from './gradient.ts';

/** A small deterministic stream of numbers in (−1, 1), away from 0. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const value = state / 2 ** 31 - 1;
    return Math.abs(value) < 0.05 ? value + 0.3 : value;
  };
}

function makeInputs(test: GradientCase<unknown>, dtype: DType, seed: number) {
  const next = noise(seed);
  const values: Value[] = [];
  const feeds: Record<string, Feed> = {};
  test.inputs.forEach((spec, place) => {
    const own = spec.dtype ?? dtype;
    const name = `x${place}`;
    values.push(input(name, own, spec.shape));
    const size = spec.shape.reduce((product, dim) => product * dim, 1);
    const numbers =
      spec.values ?? Array.from({ length: size }, () => (spec.positive ? 0.5 + Math.abs(next()) : next()));
    const data: TensorData =
      own === 'int64'
        ? BigInt64Array.from(numbers, (value) => BigInt(value))
        : own === 'bool'
          ? Uint8Array.from(numbers)
          : own === 'float64'
            ? Float64Array.from(numbers)
            : Float32Array.from(numbers);
    feeds[name] = { data, shape: spec.shape };
  });
  return { values, feeds };
}

/** Σ output·weights over the first output, so that every element has an upstream gradient of its own. */
function weightedSum(value: Value): Value {
  const size = (value.shape as readonly number[]).reduce((product, dim) => product * dim, 1);
  const weights = Array.from({ length: size }, (_, place) => 0.3 + ((place * 7) % 11) / 5);
  return reduceSum(mul(reshape(value, [size]), constant(weights, [size], value.dtype)), [0]);
}

async function analyticAndLoss(
  build: (values: readonly Value[]) => Value,
  values: readonly Value[],
  target: Target,
): Promise<GraphSession> {
  const loss = weightedSum(build(values));
  const floats = values.filter(isFloat);
  const found = gradients([{ value: loss, upstream: reshape(scalar(1, loss.dtype), [1]) }], floats);
  const outputs: Record<string, Value> = { loss };
  floats.forEach((value, place) => {
    const gradient = found[place];
    const name = value.source.kind === 'input' ? value.source.name : '';
    if (gradient) outputs[`d_${name}`] = gradient;
  });
  return GraphSession.create(outputs, { target, threads: 1 });
}

async function checkAgainstDifferences(
  build: (values: readonly Value[]) => Value,
  testCase: GradientCase<unknown>,
): Promise<number> {
  const { values, feeds } = makeInputs(testCase, 'float64', 7);
  const session = await analyticAndLoss(build, values, cpu);
  const result = await session.run(feeds);
  let compared = 0;
  for (const [name, gradient] of Object.entries(result)) {
    if (!name.startsWith('d_')) continue;
    const feed = feeds[name.slice(2)]!;
    const data = feed.data as Float64Array;
    for (let place = 0; place < data.length; place++) {
      const original = data[place]!;
      const step = 1e-5;
      data[place] = original + step;
      const above = Number((await session.run(feeds))['loss']![0]);
      data[place] = original - step;
      const below = Number((await session.run(feeds))['loss']![0]);
      data[place] = original;
      const expected = (above - below) / (2 * step);
      expect(Math.abs(Number(gradient[place]) - expected), `${name}[${place}]`).toBeLessThan(
        1e-7 * Math.max(1, Math.abs(expected)),
      );
      compared += 1;
    }
  }
  await session.release();
  return compared;
}

const differentiable = allOps.filter((op) => op.gradientCases);

describe('every gradient rule equals central differences in double precision', () => {
  for (const op of differentiable) {
    op.gradientCases!.forEach((testCase: GradientCase<unknown>, place: number) => {
      test(`${op.name} ${place}`, async () => {
        const compared = await checkAgainstDifferences(
          (values) => apply(op, values, testCase.attributes),
          testCase,
        );
        expect(compared).toBeGreaterThan(0);
      });
      test(`${op.name} ${place}, its first input used twice`, async () => {
        const compared = await checkAgainstDifferences((values) => {
          const first = apply(op, values, testCase.attributes);
          const [head, ...rest] = values as [Value, ...Value[]];
          const second = isFloat(head) ? apply(op, [add(head, head), ...rest], testCase.attributes) : first;
          return mul(first, second);
        }, testCase);
        expect(compared).toBeGreaterThan(0);
      });
    });
  }
});

test('every operation with a gradient rule has cases for this check', () => {
  // Rules that return nothing (comparisons, shapes) are not differentiable and need none.
  const withoutGradient = new Set(['Greater', 'Equal', 'ZerosLike', 'StopGradient']);
  const missing = allOps.filter((op) => op.vjp && !op.gradientCases && !withoutGradient.has(op.name));
  expect(missing.map((op) => op.name)).toEqual([]);
});

describe('a fused kernel equals its lowered form', () => {
  const fused = allOps.filter((each) => each.onnx && each.decompose);

  test('every one, but for weights in bytes, whose kernel rounds what it multiplies and has tests of its own', () => {
    expect(fused.filter((op) => !op.gradientCases).map((op) => op.name)).toEqual(['EightBitMatmul']);
  });

  for (const op of fused) {
    op.gradientCases?.forEach((testCase: GradientCase<unknown>, place: number) => {
      test(`${op.name} ${place}`, async () => {
        const { values, feeds } = makeInputs(testCase, 'float32', 3);
        const outputs = Object.fromEntries(
          applyAll(op, values, testCase.attributes).map((value, output) => [`y${output}`, value]),
        );
        const kernel = await (await GraphSession.create(outputs, { target: cpu, threads: 1 })).run(feeds);
        const plain = await (await GraphSession.create(outputs, { target: portable, threads: 1 })).run(feeds);
        for (const name of Object.keys(outputs)) {
          const expected = Array.from(plain[name]!, Number);
          Array.from(kernel[name]!, Number).forEach((value, element) => {
            expect(value).toBeCloseTo(expected[element]!, 5);
          });
        }
      });
    });
  }
});

test('the derivative of relu at exactly 0 is 0', async () => {
  const value = input('x', 'float64', [3]);
  const loss = reduceSum(relu(value), [0]);
  const [gradient] = gradients([{ value: loss, upstream: reshape(scalar(1, 'float64'), [1]) }], [value]);
  const session = await GraphSession.create({ gradient: gradient! }, { threads: 1 });
  const result = await session.run({ x: { data: Float64Array.of(-1, 0, 2), shape: [3] } });
  expect(Array.from(result['gradient']!, Number)).toEqual([0, 0, 1]);
});

test('an operation without a rule fails by its name', () => {
  const value = input('x', 'float32', [2, 3]);
  const picked = apply(
    allOps.find((op) => op.name === 'ReduceMax')!,
    [value],
    { axes: [-1], keepDims: true },
  );
  const upstream = constant([1, 1], [2, 1]);
  expect(() => gradients([{ value: picked, upstream }], [value])).toThrow('ReduceMax has no gradient rule');
});

test('only the path to what is asked is walked', () => {
  const asked = input('x', 'float32', [2]);
  const other = input('y', 'float32', [2, 3]);
  const blocked = apply(
    allOps.find((op) => op.name === 'ReduceMax')!,
    [other],
    { axes: [-1], keepDims: false },
  );
  const [gradient] = gradients([{ value: mul(asked, blocked), upstream: constant([1, 1], [2]) }], [asked]);
  expect(gradient).toBeDefined();
});

test('nothing is learnt through a stopped gradient', async () => {
  const x = input('x', 'float32', [2]);
  const value = mul(x, stopGradient(x));
  const [slope] = gradients([{ value, upstream: constant([1, 1], [2]) }], [x]);
  const session = await GraphSession.create({ value, slope: slope! }, { threads: 1 });
  const found = await session.run({ x: { data: Float32Array.of(3, -5), shape: [2] } });
  expect([...(found['value'] as Float32Array)]).toEqual([9, 25]);
  // Of x², half: d(x · s)/dx = s where s = x is taken for a number.
  expect([...(found['slope'] as Float32Array)]).toEqual([3, -5]);
  await session.release();
});
