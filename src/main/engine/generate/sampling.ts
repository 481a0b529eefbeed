import { InputError } from '../../../shared/errors.ts';
import type { Random } from '../train/random.ts';

export interface SamplingOptions {
  /** 0 takes the likeliest token; otherwise logits are divided by it. */
  readonly temperature: number;
  /** Share of probability that is kept, in (0, 1]; 1 keeps every token. */
  readonly topP: number;
}

/** The model gives no numbers to choose a token by. */
export class NonFiniteLogitsError extends InputError {
  constructor() {
    super('the model gives logits that are not finite: its weights or its adapter have diverged');
  }
}

/**
 * The token with the largest logit, the first of equals (as torch.argmax).
 * @throws NonFiniteLogitsError where a logit is not a number
 */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  let largest = -Infinity;
  const { length } = logits;
  for (let token = 0; token < length; token++) {
    const logit = logits[token]!;
    // One comparison for each, this way round: what is not a number is not at most the largest either.
    if (logit <= largest) continue;
    if (Number.isNaN(logit)) throw new NonFiniteLogitsError();
    largest = logit;
    best = token;
  }
  return best;
}

/**
 * Log-prob of a token in nats: its logit less the log of the sum of all exponentials, summed in float64.
 * @throws NonFiniteLogitsError where that is not a number
 */
export function logProbOf(logits: Float32Array, token: number): number {
  // By index: an iterator takes twice as long over a vocabulary, and this is done for every token.
  let largest = -Infinity;
  for (let at = 0; at < logits.length; at++) if (logits[at]! > largest) largest = logits[at]!;
  let sum = 0;
  for (let at = 0; at < logits.length; at++) sum += Math.exp(logits[at]! - largest);
  const logProb = logits[token]! - largest - Math.log(sum);
  if (Number.isNaN(logProb)) throw new NonFiniteLogitsError();
  return logProb;
}

/** The next token: `likeliest` at temperature 0, else drawn. */
export function chooseToken(logits: Float32Array, options: SamplingOptions, random: Random): number {
  return options.temperature === 0 ? likeliest(logits) : drawToken(logits, options, random);
}

/**
 * Draws a token from softmax(logits / temperature), cut to its nucleus (Holtzman et al. 2020) as transformers'
 * TopPLogitsWarper: the fewest likeliest tokens whose probabilities reach topP, never less than one; equals are taken
 * in the order of their ids.
 * @param temperature above 0
 * @throws NonFiniteLogitsError where a logit is not a number
 */
export function drawToken(
  logits: Float32Array,
  { temperature, topP }: SamplingOptions,
  random: Random,
): number {
  const largest = logits[likeliest(logits)]!;
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp((logits[token]! - largest) / temperature);
    weights[token] = weight;
    total += weight;
  }
  if (!Number.isFinite(total)) throw new NonFiniteLogitsError();
  if (topP >= 1) return drawFrom(weights.keys(), weights, total * random.uniform());
  const { tokens, mass } = nucleus(weights, total, topP);
  return drawFrom(tokens, weights, mass * random.uniform());
}

function nucleus(
  weights: Float64Array,
  total: number,
  topP: number,
): { readonly tokens: readonly number[]; readonly mass: number } {
  // Tokens this unlikely hold less than 1 − topP together, so none of them is kept: most need no sorting.
  const floor = (total * (1 - topP)) / weights.length;
  const candidates: number[] = [];
  weights.forEach((weight, token) => {
    if (weight >= floor) candidates.push(token);
  });
  candidates.sort((a, b) => weights[b]! - weights[a]! || a - b);
  let mass = 0;
  const end = candidates.findIndex((token) => {
    mass += weights[token]!;
    return mass >= topP * total;
  });
  return { tokens: end < 0 ? candidates : candidates.slice(0, end + 1), mass };
}

/** The token at which the running sum of weights passes `point`. */
function drawFrom(tokens: Iterable<number>, weights: Float64Array, point: number): number {
  let sum = 0;
  let last = 0;
  for (const token of tokens) {
    if (weights[token] === 0) continue;
    last = token;
    sum += weights[token]!;
    if (point < sum) return token;
  }
  // Rounding may leave the point a hair above the last sum.
  return last;
}
