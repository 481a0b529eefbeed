import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/main/engine/autodiff/gradient.ts';
import { expandLike } from '../../src/main/engine/graph/ops/index.ts';
import { input, scalar, type Value } from '../../src/main/engine/graph/types.ts';
import { lossByName, losses } from '../../src/main/engine/losses/index.ts';
import type { Loss, LossInputs } from '../../src/main/engine/losses/loss.ts';
import { GraphSession, type Feed } from '../../src/main/engine/session/session.ts';
import { defaultParameters, describeLoss, lossNames, type LossName } from '../../src/shared/losses.ts';
import { readJson } from './support.ts';

/** One loss at one β with its parameters; its loss and slopes in the order of the pairs. */
interface LossCase {
  readonly loss_name: string;
  readonly beta: number;
  readonly parameters: Readonly<Record<string, number>>;
  readonly loss: readonly number[];
  readonly gradient_chosen: readonly number[];
  readonly gradient_rejected: readonly number[];
}
interface SftBatch {
  readonly log_probs: number[][];
  readonly loss: number;
  readonly gradients: number[][];
}

const { pairs: rows, cases } = readJson<{ pairs: number[][]; cases: LossCase[] }>('losses/pairs.json');
const names = ['chosen', 'rejected', 'c', 'r', 'chosenTokens', 'rejectedTokens'] as const;
type Pair = Readonly<Record<(typeof names)[number], number>>;
const pairs = rows.map((row) => Object.fromEntries(names.map((name, place) => [name, row[place]!])) as Pair);

/**
 * A loss of many pairs and its slopes. A policy's log-prob moves the loss directly and by its log-ratio, so the slope by
 * it is the sum of both.
 */
async function evaluate(
  loss: Loss,
  dtype: 'float32' | 'float64',
  pairs: readonly Pair[],
  beta: number,
  parameters: Readonly<Record<string, number>> = {},
) {
  const values = Object.fromEntries(names.map((name) => [name, input(name, dtype, ['N'])])) as Record<
    (typeof names)[number],
    Value
  >;
  const own = Object.keys(parameters).map((name) => [name, input(name, dtype, [1])] as const);
  const inputs: LossInputs = {
    ...values,
    beta: input('beta', dtype, [1]),
    parameters: Object.fromEntries(own),
  };
  const built = loss.build(inputs).loss;
  const upstream = expandLike(scalar(1, dtype), built);
  const slopeNames = ['chosen', 'rejected', 'c', 'r'] as const;
  const slopes = gradients(
    [{ value: built, upstream }],
    slopeNames.map((name) => values[name]),
  );
  const outputs: Record<string, Value> = { loss: built };
  slopes.forEach((slope, place) => {
    if (slope) outputs[`slope_${slopeNames[place]!}`] = slope;
  });
  const session = await GraphSession.create(outputs, { threads: 1 });
  const floats = (values: readonly number[]): Float32Array | Float64Array =>
    dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values);
  const feeds: Record<string, Feed> = { beta: { data: floats([beta]), shape: [1] } };
  for (const [name, value] of Object.entries(parameters)) feeds[name] = { data: floats([value]), shape: [1] };
  for (const name of names) {
    feeds[name] = { data: floats(pairs.map((pair) => pair[name])), shape: [pairs.length] };
  }
  const results = await session.run(feeds);
  await session.release();
  const slopeBy = (...parts: string[]): number[] =>
    pairs.map((_, place) =>
      parts.reduce((sum, part) => sum + Number(results[`slope_${part}`]?.[place] ?? 0), 0),
    );
  return {
    loss: Array.from(results['loss'] as Float64Array),
    chosen: slopeBy('chosen', 'c'),
    rejected: slopeBy('rejected', 'r'),
  };
}

/** Checks |found − expected| ≤ relative·|expected| + smallest. */
function expectNear(
  found: readonly number[],
  expected: readonly number[],
  relative: number,
  smallest: number,
): void {
  expect(found.length).toBe(expected.length);
  found.forEach((value, place) => {
    const wanted = expected[place]!;
    expect(Math.abs(value - wanted), `pair ${place}: ${value} for ${wanted}`).toBeLessThanOrEqual(
      relative * Math.abs(wanted) + smallest,
    );
  });
}

// `sft` sums over a batch: it has fixtures and a test of its own below.
const pairLosses = losses.filter(({ name }) => name !== 'sft');

test('the fixtures cover every loss, over extremes', () => {
  const covered = new Set(cases.map((each) => each.loss_name));
  expect([...covered].sort()).toEqual(pairLosses.map(({ name }) => name).sort());
  for (const { loss_name, parameters } of cases)
    expect(Object.keys(parameters)).toEqual(Object.keys(defaultParameters(loss_name as LossName)));
  expect(Math.max(...pairs.map(({ c }) => Math.abs(c)))).toBe(1e4);
  expect(Math.max(...pairs.map(({ r }) => Math.abs(r)))).toBe(1e4);
  // In single precision only numbers that it holds exactly are fair to compare.
  for (const pair of pairs) for (const name of names) expect(Math.fround(pair[name])).toBe(pair[name]);
});

test('what people are told of each loss agrees with the engine', () => {
  expect(losses.map(({ name }) => name)).toEqual(lossNames);
  for (const name of lossNames) {
    const { needsReference, needsRejected } = lossByName(name);
    expect(describeLoss(name)).toMatchObject({ needsReference, needsRejected });
  }
});

describe.each(pairLosses)('$name equals torch', ({ name }) => {
  const own = cases.filter((each) => each.loss_name === name);
  const tests = own.flatMap((each) => (['float64', 'float32'] as const).map((dtype) => ({ ...each, dtype })));

  test.each(tests)('β $beta, $parameters in $dtype', async (expected) => {
    const { dtype, beta, parameters } = expected;
    const found = await evaluate(lossByName(name), dtype, pairs, beta, parameters);
    // Below the smallest normal number digits run out, and the runtime may flush to 0. Where sums are divided by counts the
    // sigmoid's argument is rounded already: of σ(−70) no five digits are left in single precision.
    const divides = ['simpo', 'orpo'].includes(name);
    const [relative, smallest] = dtype === 'float64' ? [1e-12, 1e-307] : [1e-5, divides ? 1e-25 : 1.2e-38];
    expectNear(found.loss, expected.loss, relative, smallest);
    expectNear(found.chosen, expected.gradient_chosen, relative, smallest);
    expectNear(found.rejected, expected.gradient_rejected, relative, smallest);
  });
});

describe('MinorDPO’s gate', () => {
  const minorDpo = lossByName('minor-dpo');
  const at = (r: number) => ({ chosen: -9, rejected: -9, c: 0.5, r, chosenTokens: 3, rejectedTokens: 3 });

  test.each(['float64', 'float32'] as const)(
    'is closed at r = 0 and below, open above, in %s',
    async (dtype) => {
      const rs = [0, -0, -1e-30, -1, -1e4, 1e-30, 1e-6, 1];
      const { rejected } = await evaluate(minorDpo, dtype, rs.map(at), 0.1);
      expect(rejected.map((slope) => (slope === 0 ? 'closed' : slope > 0 ? 'open' : 'wrong'))).toEqual([
        ...rs.slice(0, 5).map(() => 'closed'),
        ...rs.slice(5).map(() => 'open'),
      ]);
    },
  );

  test('is DPO where r > 0', async () => {
    const pairs = [1e-3, 0.5, 3, 40].map(at);
    const both = await Promise.all(
      [minorDpo, lossByName('dpo')].map((loss) => evaluate(loss, 'float64', pairs, 0.1)),
    );
    expect(both[0]).toEqual(both[1]);
  });
});

test('sft is the mean over all tokens of a batch, as torch has it', async () => {
  const { batches } = readJson<{ batches: SftBatch[] }>('losses/sft.json');
  const loss = lossByName('sft');
  expect(loss.normalise).toBe('chosen-tokens');
  for (const batch of batches) {
    const tokens = batch.log_probs.flat().length;
    const pairs = batch.log_probs.map((own) => ({
      chosen: own.reduce((sum, value) => sum + value, 0),
      rejected: 0,
      c: 0,
      r: 0,
      chosenTokens: own.length,
      rejectedTokens: 0,
    }));
    const found = await evaluate(loss, 'float64', pairs, 1);
    const total = found.loss.reduce((sum, value) => sum + value, 0);
    expectNear([total / tokens], [batch.loss], 1e-12, 0);
    // Every token of a sequence has the slope of its sum.
    batch.gradients.forEach((own, sequence) =>
      expectNear(
        own.map(() => found.chosen[sequence]! / tokens),
        own,
        1e-12,
        0,
      ),
    );
    expect(found.rejected.every((slope) => slope === 0)).toBe(true);
  }
});
