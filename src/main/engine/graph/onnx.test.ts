import { expect, test } from 'vitest';
import { GraphSession } from '../session/session.ts';
import { encodeOnnx } from './onnx.ts';
import {
  add,
  after,
  argMax,
  either,
  gather,
  inRounds,
  matmul,
  mul,
  onDemand,
  reshape,
  softmax,
} from './ops/index.ts';
import { timesDim } from './shape.ts';
import { constant, input, scalar, type Value } from './types.ts';

/** The same graph, made anew. */
function build(factor = 2): Record<string, Value> {
  const x = input('x', 'float32', ['T', 3]);
  const table = constant([1, 2, 3, 4, 5, 6], [2, 3]);
  const scores = matmul(mul(x, scalar(factor)), table, { transposeB: true });
  return { scores, shares: softmax(add(scores, scalar(factor))), flat: reshape(x, ['3*T']) };
}

test('the same graph always encodes to the same bytes, whatever was made before it', () => {
  const first = encodeOnnx(build());
  for (let time = 0; time < 7; time++) input('unrelated', 'float32', [1]);
  expect(Buffer.from(encodeOnnx(build()).bytes).equals(Buffer.from(first.bytes))).toBe(true);
  expect(Buffer.from(encodeOnnx(build(3)).bytes).equals(Buffer.from(first.bytes))).toBe(false);
  expect([...first.inputs.keys()]).toEqual(['x']);
  expect(first.hasExternalWeights).toBe(false);
});

test('the bytes are a model that runs, for any length', async () => {
  const session = await GraphSession.create(build(), { threads: 1 });
  for (const rows of [
    [[1, 0, 0]],
    [
      [0, 1, 0],
      [0, 0, -1],
    ],
  ]) {
    const data = Float32Array.from(rows.flat());
    const results = await session.run({ x: { data, shape: [rows.length, 3] } });
    const scores = rows.flatMap(([a, b, c]) => [2 * (a! + 2 * b! + 3 * c!), 2 * (4 * a! + 5 * b! + 6 * c!)]);
    expect([...(results['scores'] as Float32Array)]).toEqual(scores);
    expect([...(results['flat'] as Float32Array)]).toEqual(rows.flat());
    rows.forEach((_, row) => {
      const [one, two] = scores.slice(2 * row, 2 * row + 2) as [number, number];
      expect(results['shares']![2 * row]).toBeCloseTo(1 / (1 + Math.exp(two - one)), 6);
    });
  }
  await session.release();
});

test('a missing input is named', async () => {
  const session = await GraphSession.create(build(), { threads: 1 });
  await expect(session.run({})).rejects.toThrow("the graph's input x is not fed");
  await session.release();
});

test('constants of one value are stored once, of another dtype or shape apart', () => {
  const x = input('x', 'float32', [1]);
  const size = (...constants: Value[]): number =>
    encodeOnnx({ y: constants.reduce((sum, value) => add(sum, value), x as Value) }).bytes.length;
  const data = Array.from({ length: 1000 }, (_, place) => place);
  const big = (): Value => constant(data, [1000]);
  expect(size(big(), big()) - size(big())).toBeLessThan(100);
  expect(size(big(), constant(data, [1, 1000])) - size(big())).toBeGreaterThan(4000);
});

test('what is made on demand is there where a run asks for it, and has no elements where not', async () => {
  const x = input('x', 'float32', ['T', 3]);
  const doubled = mul(x, scalar(2));
  const slope = add(doubled, scalar(1));
  const piece = mul(slope, x);
  const last = mul(add(slope, piece), doubled);
  const outputs = { doubled, last, stage_0: slope, stage_1: piece };
  const given = [1, -2, 3];
  const feeds = { x: { data: Float32Array.from(given), shape: [1, 3] } };
  const wants = (asked: boolean) => ({ data: Uint8Array.of(asked ? 1 : 0), shape: [] });
  for (const stages of [[], [['stage_0']], [['stage_0'], ['stage_1']]]) {
    const kept = Object.fromEntries(
      Object.entries(outputs).filter(([name]) => !name.startsWith('stage') || stages.flat().includes(name)),
    );
    const onDemand = { input: 'wanted', outputs: ['last'], stages };
    const session = await GraphSession.create(kept, { threads: 1, onDemand });
    const asked = await session.run({ ...feeds, wanted: wants(true) });
    expect(Object.keys(asked).toSorted()).toEqual(['doubled', 'last']);
    expect([...(asked['doubled'] as Float32Array)]).toEqual(given.map((value) => 2 * value));
    expect([...(asked['last'] as Float32Array)]).toEqual(
      given.map((value) => (2 * value + 1 + (2 * value + 1) * value) * 2 * value),
    );
    const unasked = await session.run({ ...feeds, wanted: wants(false) });
    expect([...(unasked['doubled'] as Float32Array)]).toEqual(given.map((value) => 2 * value));
    expect(unasked['last']).toHaveLength(0);
    await session.release();
  }
  expect(() =>
    encodeOnnx({ x: doubled, y: doubled }, { onDemand: { input: 'wanted', outputs: ['y'] } }),
  ).toThrow('y is there without being asked for');
});

test('what is on demand in the midst of a graph is made there, and what follows may wait for it', async () => {
  const x = input('x', 'float32', ['T', 3]);
  const doubled = mul(x, scalar(2));
  const [told, also] = onDemand([add(doubled, scalar(1)), mul(doubled, doubled)]);
  const next = mul(after(x, reshape(told!, [timesDim('T', 3)])), scalar(3));
  const outputs = { doubled, next, told: told!, last: add(also!, next) };
  const given = [1, -2, 3];
  const feeds = { x: { data: Float32Array.from(given), shape: [1, 3] } };
  const wants = (asked: boolean) => ({ data: Uint8Array.of(asked ? 1 : 0), shape: [] });
  const wanted = { input: 'wanted', outputs: ['told', 'last'] };
  for (const session of [
    await GraphSession.create(outputs, { threads: 1, onDemand: wanted }),
    await GraphSession.create(outputs, { threads: 1 }),
  ]) {
    const asked = await session.run({ ...feeds, wanted: wants(true) });
    expect([...asked['next']!]).toEqual(given.map((value) => 3 * value));
    expect([...asked['told']!]).toEqual(given.map((value) => 2 * value + 1));
    expect([...asked['last']!]).toEqual(given.map((value) => 4 * value * value + 3 * value));
    if (session.inputs.has('wanted')) {
      const unasked = await session.run({ ...feeds, wanted: wants(false) });
      expect([...unasked['next']!]).toEqual(given.map((value) => 3 * value));
      expect(unasked['told']).toHaveLength(0);
      expect(unasked['last']).toHaveLength(0);
    }
    await session.release();
  }
  const [plain] = onDemand([doubled]);
  expect(() =>
    encodeOnnx({ doubled, plain: plain! }, { onDemand: { input: 'wanted', outputs: ['plain'] } }),
  ).toThrow('there without being asked for');
});

test('rounds go through the same nodes as often as a run says, each over its own rows', async () => {
  const x = input('x', 'float32', ['T', 2]);
  const factor = mul(input('factor', 'float32', [1]), scalar(10));
  const cuts = {
    count: input('count', 'int64', []),
    starts: input('starts', 'int64', ['C']),
    ends: input('ends', 'int64', ['C']),
  };
  const [scaled, told] = inRounds(cuts, [x], [factor], ([own]) => {
    const product = mul(own!, factor);
    return [product, ...onDemand([add(product, scalar(1))])];
  });
  const outputs = { scaled: add(scaled!, scalar(0)), told: told!, last: mul(told!, scalar(2)) };
  const int64 = (values: readonly number[]) => BigInt64Array.from(values, BigInt);
  const wanted = { input: 'wanted', outputs: ['told', 'last'] };
  for (const onDemand of [wanted, undefined]) {
    const session = await GraphSession.create(outputs, { threads: 1, onDemand });
    for (const { starts, ends, rows } of [
      { starts: [0], ends: [3], rows: [0, 1, 2] },
      { starts: [0, 1, 1], ends: [1, 1, 3], rows: [0, 1, 2] },
      { starts: [2, 0], ends: [3, 1], rows: [2, 0] },
      { starts: [], ends: [], rows: [] },
    ])
      for (const isAsked of onDemand ? [true, false] : [true]) {
        const found = await session.run({
          x: { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] },
          factor: { data: Float32Array.of(0.5), shape: [1] },
          count: { data: int64([starts.length]), shape: [] },
          starts: { data: int64(starts), shape: [starts.length] },
          ends: { data: int64(ends), shape: [ends.length] },
          wanted: { data: Uint8Array.of(isAsked ? 1 : 0), shape: [] },
        });
        const products = rows.flatMap((row) => [5 * (2 * row + 1), 5 * (2 * row + 2)]);
        const sums = isAsked ? products.map((value) => value + 1) : [];
        expect([...found['scaled']!]).toEqual(products);
        expect([...found['told']!]).toEqual(sums);
        expect([...found['last']!]).toEqual(sums.map((value) => 2 * value));
      }
    await session.release();
  }
});

test('of two values only the one is made that the condition asks for', async () => {
  const condition = input('condition', 'bool', []);
  const x = input('x', 'float32', ['T', 3]);
  const places = input('places', 'int64', ['T']);
  const shared = mul(x, scalar(2));
  // A row that is not there: whoever makes the first value fails.
  const chosen = either(condition, add(gather(x, places), shared), add(shared, scalar(1)));
  const outputs = { chosen, twice: mul(chosen, scalar(3)) };
  for (const optimization of ['disabled', 'all'] as const) {
    const session = await GraphSession.create(outputs, { threads: 1, optimization });
    const run = (holds: boolean, place: bigint) =>
      session.run({
        x: { data: Float32Array.of(1, -2, 3), shape: [1, 3] },
        places: { data: BigInt64Array.of(place), shape: [1] },
        condition: { data: Uint8Array.of(holds ? 1 : 0), shape: [] },
      });
    const first = await run(true, 0n);
    expect([...first['chosen']!]).toEqual([3, -6, 9]);
    expect([...first['twice']!]).toEqual([9, -18, 27]);
    await expect(run(true, 5n)).rejects.toThrow('Gather');
    const second = await run(false, 5n);
    expect([...second['chosen']!]).toEqual([3, -3, 7]);
    expect([...second['twice']!]).toEqual([9, -9, 21]);
    await session.release();
  }
});

test('a value that is there anyhow may be one of two; a branch within a branch is refused', async () => {
  const condition = input('condition', 'bool', []);
  const x = input('x', 'float32', [3]);
  const doubled = mul(x, scalar(2));
  const session = await GraphSession.create(
    { doubled, chosen: either(condition, doubled, x), again: doubled },
    { threads: 1 },
  );
  for (const [holds, expected] of [
    [true, [2, -4, 6]],
    [false, [1, -2, 3]],
  ] as const) {
    const found = await session.run({
      x: { data: Float32Array.of(1, -2, 3), shape: [3] },
      condition: { data: Uint8Array.of(holds ? 1 : 0), shape: [] },
    });
    expect([...found['chosen']!]).toEqual(expected);
    expect([...found['doubled']!]).toEqual([2, -4, 6]);
    expect([...found['again']!]).toEqual([2, -4, 6]);
  }
  await session.release();
  const inner = either(condition, doubled, x);
  expect(() => encodeOnnx({ out: either(condition, inner, x) })).toThrow('Either is in a branch of Either');
  expect(() => either(x, doubled, x)).toThrow('the condition is');
});

test('of equal largest numbers the first is found', async () => {
  const session = await GraphSession.create(
    { place: argMax(input('x', 'float32', ['T', 40])) },
    { threads: 1 },
  );
  const rows = [
    Array.from({ length: 40 }, (_, at) => (at % 20 === 7 ? 5 : -at)),
    new Array<number>(40).fill(-3),
    Array.from({ length: 40 }, (_, at) => at),
  ];
  const { place } = await session.run({ x: { data: Float32Array.from(rows.flat()), shape: [3, 40] } });
  expect([...place!]).toEqual([7n, 0n, 39n]);
  await session.release();
});
