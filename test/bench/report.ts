/** What each half of the comparison writes: engine_bench.ts and trl_bench.py. Seconds and bytes. */
export interface HalfReport {
  /** Making sessions ready, where that is timed; TRL's loading of the model is not. */
  readonly session_seconds?: number;
  readonly reference_seconds: number;
  /** Sum of all optimizer steps. */
  readonly training_seconds: number;
  readonly step_seconds: readonly number[];
  /** Of the step's seconds, those outside the runtime's call: packing, telemetry, clipping, AdamW. */
  readonly script_seconds?: number;
  /** One a step, in order. */
  readonly losses: readonly number[];
  /** One a pair, in order: log-probs summed over the answer, in nats. */
  readonly reference_log_probs: { readonly chosen: readonly number[]; readonly rejected: readonly number[] };
  /** Token ids of every step, as the model saw them. */
  readonly pairs_seen: readonly SeenPair[];
  readonly peak_rss_bytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface BenchPair {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly chosen: readonly number[];
  readonly rejected: readonly number[];
}

export interface SeenPair extends Omit<BenchPair, 'index'> {
  /** What stood before the rejected answer. */
  readonly rejected_prompt: readonly number[];
}

/** The settings of both halves, so far as they are not TRL's defaults: see trl_bench.py. */
export const settings = {
  rank: 16,
  alpha: 32,
  beta: 0.1,
  learningRate: 5e-6,
  maxGradNorm: 1,
  weightDecay: 0,
} as const;

/** How far two correct float32 implementations may lie apart. */
export const limits = { referenceLogProb: 2e-3, loss: 1e-4 } as const;

export interface Agreement {
  /** Largest difference over all sequences, in nats. */
  readonly referenceLogProb: number;
  /** Largest difference over all steps. */
  readonly loss: number;
}

/**
 * Whether both halves did the same work. Speeds of different work do not compare.
 * @throws Error naming what differs first
 */
export function checkAgreement(pairs: readonly BenchPair[], engine: HalfReport, trl: HalfReport): Agreement {
  for (const [name, half] of [
    ['the engine', engine],
    ['TRL', trl],
  ] as const) {
    pairs.forEach((pair, place) => {
      if (!isSame(pair, half.pairs_seen[place])) {
        throw new Error(`${name} saw other token ids than those of row ${pair.index} in step ${place + 1}`);
      }
    });
    const counts = [
      half.losses,
      half.step_seconds,
      half.pairs_seen,
      ...Object.values(half.reference_log_probs),
    ];
    if (counts.some(({ length }) => length !== pairs.length)) {
      throw new Error(`${name} did not take one step per pair`);
    }
  }
  const answers = ['chosen', 'rejected'] as const;
  const referenceLogProb = Math.max(
    ...answers.map((answer) =>
      within(
        `reference log-prob of the ${answer} answer`,
        engine.reference_log_probs[answer],
        trl.reference_log_probs[answer],
        limits.referenceLogProb,
      ),
    ),
  );
  return { referenceLogProb, loss: within('loss', engine.losses, trl.losses, limits.loss) };
}

function isSame(pair: BenchPair, seen: SeenPair | undefined): boolean {
  const same = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();
  return (
    seen !== undefined &&
    same(pair.prompt, seen.prompt) &&
    same(pair.prompt, seen.rejected_prompt) &&
    same(pair.chosen, seen.chosen) &&
    same(pair.rejected, seen.rejected)
  );
}

function within(name: string, ours: readonly number[], theirs: readonly number[], limit: number): number {
  const differences = ours.map((value, place) => Math.abs(value - theirs[place]!));
  // Not a number is never within.
  const place = differences.findIndex((difference) => !(difference <= limit));
  if (place >= 0) {
    throw new Error(
      `step ${place + 1}: the ${name} is ${ours[place]} here and ${theirs[place]} in TRL, more than ${limit} apart`,
    );
  }
  return Math.max(...differences);
}

/** Seconds of everything that is timed. */
export function totalSeconds(half: HalfReport): number {
  return (half.session_seconds ?? 0) + half.reference_seconds + half.training_seconds;
}

/** The middle value; of an even number, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
