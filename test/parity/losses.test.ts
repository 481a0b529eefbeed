import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/main/engine/autodiff/gradient.ts';
import { expandLike } from '../../src/main/engine/graph/ops/index.ts';
import { input, scalar, type Value } from '../../src/main/engine/graph/types.ts';
import { lossByName, losses } from '../../src/main/engine/losses/index.ts';
import type { Loss, LossInputs } from '../../src/main/engine/losses/loss.ts';
import { GraphSession, type Feed } from '../../src/main/engine/session/session.ts';
import { describeLoss, lossNames } from '../../src/shared/losses.ts';
import { readJson } from './support.ts';

interface LossEntry {
  readonly loss_name: string;
  readonly beta: number;
  readonly loss: number;
  readonly gradient_chosen: number;
  readonly gradient_rejected: number;
}
interface PairEntry {
  readonly policy_chosen: number;
  readonly policy_rejected: number;
  readonly c: number;
  readonly r: number;
  readonly chosen_tokens?: number;
  readonly rejected_tokens?: number;
  readonly losses: readonly LossEntry[];
}
interface SftBatch {
  readonly log_probs: number[][];
  readonly loss: number;
  readonly gradients: number[][];
}

const { entries } = readJson<{ entries: PairEntry[] }>('losses/pairs.json');
const names = ['chosen', 'rejected', 'c', 'r', 'chosenTokens', 'rejectedTokens'] as const;

/**
 * A loss of many pairs and its slopes. A policy's log-prob moves the loss directly and by its log-ratio, so the slope by
 * it is the sum of both.
 */
async function evaluate(
  loss: Loss,
  dtype: 'float32' | 'float64',
  pairs: readonly Record<(typeof names)[number], number>[],
  beta: number,
) {
  const values = Object.fromEntries(names.map((name) => [name, input(name, dtype, ['N'])])) as Record<
    (typeof names)[number],
    Value
  >;
  const inputs: LossInputs = { ...values, beta: input('beta', dtype, [1]) };
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

const pairLosses = losses.filter(({ needsRejected }) => needsRejected);

test('the fixtures cover every loss', () => {
  const covered = new Set(entries.flatMap((entry) => entry.losses.map((each) => each.loss_name)));
  // What is not a pair loss must be told apart by hand: `sft` has a test of its own below.
  expect(losses.map(({ name }) => name).sort()).toEqual([...covered, 'sft'].sort());
  expect(Math.max(...entries.map(({ c }) => Math.abs(c)))).toBe(1e4);
  expect(Math.max(...entries.map(({ r }) => Math.abs(r)))).toBe(1e4);
});

test('what people are told of each loss agrees with the engine', () => {
  expect(losses.map(({ name }) => name)).toEqual(lossNames);
  for (const name of lossNames) {
    const { needsReference, needsRejected } = lossByName(name);
    expect(describeLoss(name)).toMatchObject({ needsReference, needsRejected });
  }
});

describe.each(pairLosses)('$name equals torch', (loss) => {
  const betas = [
    ...new Set(
      entries.flatMap((entry) =>
        entry.losses.filter((each) => each.loss_name === loss.name).map(({ beta }) => beta),
      ),
    ),
  ];
  const cases = betas.flatMap((beta) => (['float64', 'float32'] as const).map((dtype) => ({ beta, dtype })));

  test.each(cases)('β $beta in $dtype', async ({ beta, dtype }) => {
    // In single precision c − r of nearly equal numbers keeps few digits of what float64 knows: only numbers that
    // float32 holds exactly are fair to compare.
    const fair = entries.filter(
      ({ c, r }) => dtype === 'float64' || (Math.fround(c) === c && Math.fround(r) === r),
    );
    expect(fair.length).toBeGreaterThan(80);
    const pairs = fair.map((entry) => ({
      chosen: entry.policy_chosen,
      rejected: entry.policy_rejected,
      c: entry.c,
      r: entry.r,
      chosenTokens: entry.chosen_tokens ?? 1,
      rejectedTokens: entry.rejected_tokens ?? 1,
    }));
    const expected = fair.map((entry) =>
      entry.losses.find((each) => each.loss_name === loss.name && each.beta === beta)!,
    );
    const found = await evaluate(loss, dtype, pairs, beta);
    // Below the smallest normal number digits run out, and the runtime may flush to 0.
    const [relative, smallest] = dtype === 'float64' ? [1e-12, 1e-307] : [1e-5, 1.2e-38];
    expectNear(
      found.loss,
      expected.map((each) => each.loss),
      relative,
      smallest,
    );
    expectNear(
      found.chosen,
      expected.map((each) => each.gradient_chosen),
      relative,
      smallest,
    );
    expectNear(
      found.rejected,
      expected.map((each) => each.gradient_rejected),
      relative,
      smallest,
    );
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
