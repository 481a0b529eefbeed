import { describe } from '../shape.ts';
import { apply, applyAll, constant, input, type Dim, type Op, type Value } from '../types.ts';
import { gather, reshape } from './shape-ops.ts';

export interface RoundsAttributes {
  /** Stands for a round's number, from 0, in what makes the results: int64 []. */
  readonly round: Value;
  /** What a round makes; all but the first axis are of fixed size. */
  readonly results: readonly Value[];
  /** Rows that the rounds' results have together. */
  readonly whole: Dim;
}

/**
 * The same nodes gone through so many times: (int64 count [], what a round reads …) → the results of all rounds, joined along their
 * first axis. A frozen weight is repacked once for all rounds; for nodes side by side it is repacked for each. The encoder has its own
 * way for it.
 */
export const roundsOp: Op<RoundsAttributes> = {
  name: 'Rounds',
  infer: ([count], { results, whole }) => {
    if (count!.dtype !== 'int64' || count!.shape.length > 0)
      throw new Error(`Rounds: their count is ${describe(count!)}`);
    return results.map((value) => {
      const [, ...rest] = value.shape;
      if (value.shape.length === 0 || rest.some((dim) => typeof dim !== 'number'))
        throw new Error(`Rounds: a round makes ${describe(value)}`);
      return { dtype: value.dtype, shape: [whole, ...rest] };
    });
  },
  onnx: () => ({ operator: 'Loop' }),
};

/** Rows from one place to before another: (value, int64 from [1], to [1]) → `length` rows. */
export const sliceRowsOp: Op<{ readonly length: Dim }> = {
  name: 'SliceRows',
  infer: ([value, from, to], { length }) => {
    if ([from!, to!].some(({ dtype, shape }) => dtype !== 'int64' || shape.length !== 1 || shape[0] !== 1))
      throw new Error(`SliceRows: from ${describe(from!)} to ${describe(to!)}`);
    return [{ dtype: value!.dtype, shape: [length, ...value!.shape.slice(1)] }];
  },
  onnx: ([value, from, to]) => ({
    operator: 'Slice',
    inputs: [value, from, to, constant([0], [1], 'int64')],
  }),
};

/** How rows are cut into rounds. */
export interface RoundCuts {
  /** int64 []. */
  readonly count: Value;
  /** Each round's first row, and the row after its last: int64 [count]. */
  readonly starts: Value;
  readonly ends: Value;
}

/**
 * @param cut values whose rows a round has its part of
 * @param others what else `make` reads
 * @param make what a round makes of its rows
 */
export function inRounds(
  { count, starts, ends }: RoundCuts,
  cut: readonly Value[],
  others: readonly Value[],
  make: (own: readonly Value[]) => readonly Value[],
): readonly Value[] {
  const round = input('round', 'int64', []);
  const place = reshape(round, [1]);
  const [from, to] = [gather(starts, place), gather(ends, place)];
  const results = make(cut.map((value) => apply(sliceRowsOp, [value, from, to], { length: 'round' })));
  const whole = cut[0]!.shape[0]!;
  return applyAll(roundsOp, [count, starts, ends, ...cut, ...others], { round, results, whole });
}
