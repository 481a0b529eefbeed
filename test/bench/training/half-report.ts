/** What each half of the comparison writes: engine_half.ts and trl_half.py. Seconds and bytes. */
export interface HalfReport {
  /** From loaded libraries to ready for work: the model read, sessions or the trainer made. */
  readonly setup_seconds: number;
  readonly reference_seconds: number;
  /** Pairs of the reference pass; all if absent. */
  readonly reference_pairs?: number;
  /** Sum of all optimizer updates. */
  readonly training_seconds: number;
  /** One an update. */
  readonly step_seconds: readonly number[];
  /** From the start of the process to the beginning and to the end of the first update. */
  readonly first_step_begins_seconds: number;
  readonly first_step_seconds: number;
  /** Of the training's seconds, those outside the runtime's call: packing, telemetry, clipping, AdamW. */
  readonly script_seconds?: number;
  /** One an update, in order: the mean over its pairs. */
  readonly losses: readonly number[];
  /** One a pair, in order: log-probs summed over the answer, in nats. */
  readonly reference_log_probs: { readonly chosen: readonly number[]; readonly rejected: readonly number[] };
  /** Token ids of every pair trained on, in order, as the model saw them. */
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

/** The settings of both halves, so far as they are not TRL's defaults: see trl_half.py. */
export const settings = {
  rank: 16,
  alpha: 32,
  beta: 0.1,
  learningRate: 5e-6,
  maxGradNorm: 1,
  weightDecay: 0,
  /** Pairs per optimizer update. */
  update: 8,
} as const;

/** How far two correct implementations may lie apart. */
export interface Limits {
  /** In nats: of a sequence, and of each of its answer's tokens on top. */
  readonly sequence: number;
  readonly token: number;
  readonly loss: number;
}

/** torch's log-softmax on the CPU lies up to 2e-5 too high at every token (docs/architecture.md). */
export const float32Limits: Limits = { sequence: 2e-3, token: 3e-5, loss: 1e-4 };
/** bfloat16 has 8 bits: it stays near, and is never equal. */
export const bfloat16Limits: Limits = { sequence: 1, token: 0.05, loss: 0.1 };

export interface Agreement {
  /** Largest difference over all sequences, in nats. */
  readonly referenceLogProb: number;
  /** Largest difference over all updates; absent where only the reference is compared. */
  readonly loss?: number;
}

const answers = ['chosen', 'rejected'] as const;

/**
 * Whether both halves did the same work. Speeds of different work do not compare.
 * @throws Error naming what differs first
 */
export function checkAgreement(
  pairs: readonly BenchPair[],
  engine: HalfReport,
  trl: HalfReport,
  limits: Limits = float32Limits,
): Agreement {
  for (const [name, half] of [
    ['the engine', engine],
    ['TRL', trl],
  ] as const) {
    checkTokens(pairs, name, half.pairs_seen);
    const updates = Math.ceil(pairs.length / settings.update);
    if (half.losses.length !== updates || half.step_seconds.length !== updates) {
      throw new Error(
        `${name} took ${half.losses.length} updates for ${pairs.length} pairs, ${updates} are needed`,
      );
    }
  }
  const reference = checkReference(pairs, engine, trl, limits);
  const loss = within('update', 'loss', engine.losses, trl.losses, () => limits.loss);
  return { ...reference, loss };
}

/** @throws Error naming the first pair that was seen with other token ids */
export function checkTokens(pairs: readonly BenchPair[], name: string, seen: readonly SeenPair[]): void {
  if (seen.length !== pairs.length) {
    throw new Error(`${name} saw ${seen.length} pairs of ${pairs.length}`);
  }
  pairs.forEach((pair, place) => {
    if (!isSame(pair, seen[place]!)) {
      throw new Error(`${name} saw other token ids than those of row ${pair.index} at pair ${place + 1}`);
    }
  });
}

/** @throws Error naming the first sequence whose log-probs differ by more than the limits */
export function checkReference(
  pairs: readonly BenchPair[],
  engine: Pick<HalfReport, 'reference_log_probs'>,
  trl: Pick<HalfReport, 'reference_log_probs'>,
  limits: Limits = float32Limits,
): Agreement {
  const differences = answers.map((answer) => {
    const [ours, theirs] = [engine, trl].map((half) => half.reference_log_probs[answer]);
    if (ours!.length !== pairs.length || theirs!.length !== pairs.length) {
      throw new Error(`there are not reference log-probs of the ${answer} answer for every pair`);
    }
    return within(
      'pair',
      `reference log-prob of the ${answer} answer`,
      ours!,
      theirs!,
      (place) => limits.sequence + limits.token * pairs[place]![answer].length,
    );
  });
  return { referenceLogProb: Math.max(...differences) };
}

function isSame(pair: BenchPair, seen: SeenPair): boolean {
  const same = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();
  return (
    same(pair.prompt, seen.prompt) &&
    same(pair.prompt, seen.rejected_prompt) &&
    same(pair.chosen, seen.chosen) &&
    same(pair.rejected, seen.rejected)
  );
}

function within(
  unit: string,
  name: string,
  ours: readonly number[],
  theirs: readonly number[],
  limitOf: (place: number) => number,
): number {
  const differences = ours.map((value, place) => Math.abs(value - theirs[place]!));
  // Not a number is never within.
  const place = differences.findIndex((difference, at) => !(difference <= limitOf(at)));
  if (place >= 0) {
    throw new Error(
      `${unit} ${place + 1}: the ${name} is ${ours[place]} here and ${theirs[place]} in TRL, ` +
        `more than ${Number(limitOf(place).toPrecision(3))} apart`,
    );
  }
  return Math.max(...differences);
}

/** Seconds of everything that is timed. */
export function totalSeconds(half: HalfReport): number {
  return half.setup_seconds + half.reference_seconds + half.training_seconds;
}

/** The middle value; of an even number, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
