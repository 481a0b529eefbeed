/** How equal two programs' greedy answers to the same prompts are. */
export interface Agreement {
  readonly answers: number;
  /** Answers equal to their ends. */
  readonly whole: number;
  /** Share of tokens before the first that differs: behind it each program answers another prompt. */
  readonly tokenShare: number;
}

type Answers = readonly (readonly number[])[];

/** @param pairs answers of one program and of the other, arm by arm */
export function agreementOf(pairs: readonly (readonly [ours: Answers, theirs: Answers])[]): Agreement {
  let answers = 0;
  let whole = 0;
  let equal = 0;
  let tokens = 0;
  for (const [ours, theirs] of pairs) {
    if (ours.length !== theirs.length)
      throw new Error(`${ours.length} answers, and ${theirs.length} of the other program`);
    ours.forEach((own, place) => {
      const other = theirs[place]!;
      const longest = Math.max(own.length, other.length);
      const differs = Array.from({ length: longest }, (_, at) => own[at] !== other[at]).indexOf(true);
      answers += 1;
      if (differs < 0) whole += 1;
      equal += differs < 0 ? longest : differs;
      tokens += longest;
    });
  }
  if (tokens === 0) throw new Error('no token was generated');
  return { answers, whole, tokenShare: equal / tokens };
}

/**
 * Least share of equal tokens in float32. Two likeliest tokens can be as close as rounding: an answer that takes the other
 * one goes on differently, but few answers meet such a place.
 */
export const leastShare = 0.75;

/** @throws Error where float32 answers differ by more than rounding explains */
export function requireAgreement({ answers, whole, tokenShare }: Agreement): void {
  if (tokenShare >= leastShare) return;
  throw new Error(
    `the programs do not generate the same: ${whole} of ${answers} answers are equal, ` +
      `and ${(100 * tokenShare).toFixed(1)} % of tokens up to the first that differs`,
  );
}
