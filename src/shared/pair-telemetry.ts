/** Which pairs: those trained on, each time one is in a batch; those held out, at each evaluation. */
export type PairSide = 'train' | 'eval';

/**
 * c and r of some pairs at one optimizer step, place by place: of a step's batch as the step found them, before its update;
 * of held-out pairs after so many steps.
 */
export interface PairStep {
  /** Of a batch from 1; of an evaluation the steps done, from 0. */
  readonly step: number;
  /** Each pair's place in its data. */
  readonly rows: Uint32Array;
  /** Log-ratios to the reference in nats. */
  readonly c: Float32Array;
  /** NaN where the loss looks at no rejected answer. */
  readonly r: Float32Array;
}

/** Nothing where a loss has no reference, and so no c. */
export function pairStep(
  step: number,
  pairs: readonly { readonly index: number; readonly c?: number; readonly r?: number }[],
): PairStep | undefined {
  if (pairs.every(({ c }) => c === undefined)) return undefined;
  return {
    step,
    rows: Uint32Array.from(pairs, ({ index }) => index),
    c: Float32Array.from(pairs, ({ c }) => c ?? NaN),
    r: Float32Array.from(pairs, ({ r }) => r ?? NaN),
  };
}

/** A pair's gate is open while r > 0: while the policy likes the rejected answer more than the reference does. */
export interface GateChange {
  readonly step: number;
  readonly to: 'closed' | 'open';
}

/**
 * When a pair's gate closed (r from above 0 to 0 or below) and opened, in the order of its steps. How it is found at first is no
 * change, and neither is a step at which r is not a number.
 * @param steps ascending
 * @param r as many, in nats
 */
export function gateHistory(steps: readonly number[], r: readonly number[]): GateChange[] {
  if (steps.length !== r.length) throw new RangeError(`${steps.length} steps, but ${r.length} values of r`);
  const changes: GateChange[] = [];
  let wasOpen: boolean | undefined;
  steps.forEach((step, place) => {
    const value = r[place]!;
    if (Number.isNaN(value)) return;
    const isOpen = value > 0;
    if (wasOpen !== undefined && isOpen !== wasOpen) changes.push({ step, to: isOpen ? 'open' : 'closed' });
    wasOpen = isOpen;
  });
  return changes;
}

/** "closed at step 12, opened at 40"; how it stood throughout where it never changed. */
export function describeGate(r: readonly number[], changes: readonly GateChange[]): string {
  if (changes.length > 0) {
    return changes
      .map(
        ({ step, to }, place) =>
          `${to === 'open' ? 'opened' : 'closed'} at ${place === 0 ? 'step ' : ''}${step}`,
      )
      .join(', ');
  }
  const first = r.find((value) => !Number.isNaN(value));
  if (first === undefined) return 'no rejected answer';
  return first > 0 ? 'open throughout' : 'closed throughout';
}
