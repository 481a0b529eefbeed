/**
 * Distribution functions that intervals and tests need, in double precision.
 * Checked against SciPy to 1e-9 relative (test/parity/make_statistics_fixtures.py).
 */

const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** ln Γ(x) for x > 0, by Lanczos' approximation (g = 7, nine terms; about 1e-15 relative). */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  let series: number = lanczos[0];
  for (let term = 1; term < lanczos.length; term++) series += lanczos[term]! / (shifted + term);
  const base = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(series);
}

/** Continued fraction of the incomplete beta function (Lentz' method); converges fast for x < (a + 1) / (a + b + 2). */
function betaContinuedFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const change = d * c;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-16) break;
  }
  return fraction;
}

/** Regularised incomplete beta function I_x(a, b), with 1 − x given apart so that neither end loses digits. */
function incompleteBeta(x: number, complement: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (complement <= 0) return 1;
  const front = Math.exp(
    a * Math.log(x) + b * Math.log(complement) + logGamma(a + b) - logGamma(a) - logGamma(b),
  );
  return x < (a + 1) / (a + b + 2)
    ? (front * betaContinuedFraction(x, a, b)) / a
    : 1 - (front * betaContinuedFraction(complement, b, a)) / b;
}

/** Regularised incomplete beta function I_x(a, b) for 0 ≤ x ≤ 1 and a, b > 0 (DLMF 8.17). */
export function regularisedIncompleteBeta(x: number, a: number, b: number): number {
  return incompleteBeta(x, 1 - x, a, b);
}

/** Quantile of the beta distribution: the x with I_x(a, b) = probability, for 0 < probability < 1, by halving a bracket. */
export function betaQuantile(probability: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  // Doubles between 0 and 1: a bracket that cannot be halved any more is at the last bit.
  for (;;) {
    const x = (low + high) / 2;
    if (x <= low || x >= high) return x;
    if (regularisedIncompleteBeta(x, a, b) < probability) low = x;
    else high = x;
  }
}

/** P(T > t) for Student's t with the given degrees of freedom; keeps its digits far in the tail. */
export function studentUpperTail(t: number, degreesOfFreedom: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  if (t < 0) return 1 - studentUpperTail(-t, degreesOfFreedom);
  if (t === Infinity) return 0;
  const square = t * t;
  const total = degreesOfFreedom + square;
  return 0.5 * incompleteBeta(degreesOfFreedom / total, square / total, degreesOfFreedom / 2, 0.5);
}

function studentDensity(t: number, degreesOfFreedom: number): number {
  const half = degreesOfFreedom / 2;
  return Math.exp(
    logGamma(half + 0.5) -
      logGamma(half) -
      0.5 * Math.log(degreesOfFreedom * Math.PI) -
      (half + 0.5) * Math.log1p((t * t) / degreesOfFreedom),
  );
}

/**
 * Quantile of Student's t: the t with P(T ≤ t) = probability, for degrees of freedom > 0 and 0 < probability < 1.
 * Newton's method on the upper tail, kept inside a bracket.
 */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  if (probability === 0.5) return 0;
  if (probability < 0.5) return -upperTailQuantile(probability, degreesOfFreedom);
  return upperTailQuantile(1 - probability, degreesOfFreedom);
}

function upperTailQuantile(tail: number, degreesOfFreedom: number): number {
  if (!(tail >= 0)) throw new RangeError(`no probability: ${tail}`);
  let low = 0;
  let high = 1;
  while (studentUpperTail(high, degreesOfFreedom) > tail) {
    low = high;
    high *= 2;
  }
  let t = (low + high) / 2;
  for (let iteration = 0; iteration < 200; iteration++) {
    const excess = studentUpperTail(t, degreesOfFreedom) - tail;
    if (excess > 0) low = t;
    else high = t;
    const newton = t + excess / studentDensity(t, degreesOfFreedom);
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    const change = Math.abs(next - t);
    t = next;
    if (change <= 4e-16 * t) break;
  }
  return t;
}

/** Complementary error function for any x (DLMF 7.6 below 2.5, continued fraction 7.9 above). */
export function complementaryErrorFunction(x: number): number {
  if (x < 0) return 2 - complementaryErrorFunction(-x);
  if (x < 2.5) {
    // erf(x) = 2x/√π · e^{-x²} · Σ (2x²)^n / (1·3·…·(2n+1)): all terms positive, so nothing cancels.
    let term = 1;
    let sum = 1;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - ((2 * x) / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 120; n >= 1; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** P(Z > z) of the standard normal distribution. */
export function normalUpperTail(z: number): number {
  return 0.5 * complementaryErrorFunction(z / Math.SQRT2);
}

/** Quantile of the standard normal distribution, for 0 < probability < 1: a rough start, then Halley steps. */
export function normalQuantile(probability: number): number {
  if (probability === 0.5) return 0;
  if (probability < 0.5) return -normalTailQuantile(probability);
  return normalTailQuantile(1 - probability);
}

function normalTailQuantile(tail: number): number {
  // Abramowitz & Stegun 26.2.23, good to 4.5e-4.
  const s = Math.sqrt(-2 * Math.log(tail));
  let z =
    s - (2.515517 + s * (0.802853 + s * 0.010328)) / (1 + s * (1.432788 + s * (0.189269 + s * 0.001308)));
  for (let step = 0; step < 4; step++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const ratio = (tail - normalUpperTail(z)) / density;
    z -= ratio / (1 + (ratio * z) / 2);
  }
  return z;
}
