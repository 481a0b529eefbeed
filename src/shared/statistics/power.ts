import { logGamma, normalUpperTail, studentQuantile } from './special.ts';

const nodesPerPanel = 16;
const panelsPerPiece = 10;
/** Standard deviations beyond which a normal density adds nothing in double precision. */
const reach = 9;

/** Nodes and weights of Gauss and Legendre's rule on [−1, 1], by Newton's method on the Legendre polynomial. */
function gaussLegendre(count: number): { readonly node: number; readonly weight: number }[] {
  return Array.from({ length: count }, (_, place) => {
    let node = Math.cos((Math.PI * (place + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let before = 1;
      let value = node;
      for (let degree = 2; degree <= count; degree++) {
        [before, value] = [value, ((2 * degree - 1) * node * value - (degree - 1) * before) / degree];
      }
      slope = (count * (node * value - before)) / (node * node - 1);
      const change = value / slope;
      node -= change;
      if (Math.abs(change) < 1e-16) break;
    }
    return { node, weight: 2 / ((1 - node * node) * slope * slope) };
  });
}

const rule = gaussLegendre(nodesPerPanel);

/**
 * P(T ≤ t) for the noncentral t distribution, to about 1e-12 absolute: T = (Z + noncentrality) / S with Z normal and S the
 * root of χ² over its degrees of freedom, so P(T ≤ t) is the mean of Φ(t·S − noncentrality) over S.
 * @param degreesOfFreedom at least 1
 */
export function noncentralStudentCdf(t: number, degreesOfFreedom: number, noncentrality: number): number {
  const half = degreesOfFreedom / 2;
  const logScale = Math.LN2 + half * Math.log(half) - logGamma(half);
  const integrand = (s: number): number =>
    Math.exp(logScale + (degreesOfFreedom - 1) * Math.log(s) - half * s * s) *
    normalUpperTail(noncentrality - t * s);
  const spread = reach / Math.sqrt(degreesOfFreedom);
  const [lowest, highest] = [Math.max(0, 1 - spread), 1 + spread];
  // Φ rises from 0 to 1 around noncentrality / t, within `reach` / |t| on either side: that piece is looked at apart.
  const turn = noncentrality / t;
  const inside = [turn - reach / Math.abs(t), turn, turn + reach / Math.abs(t)].filter(
    (s) => s > lowest && s < highest,
  );
  const ends = [lowest, ...inside, highest];
  let sum = 0;
  for (let piece = 0; piece + 1 < ends.length; piece++) {
    const panel = (ends[piece + 1]! - ends[piece]!) / panelsPerPiece;
    for (let place = 0; place < panelsPerPiece; place++) {
      const centre = ends[piece]! + (place + 0.5) * panel;
      for (const { node, weight } of rule) {
        sum += (weight * panel * integrand(centre + (node * panel) / 2)) / 2;
      }
    }
  }
  return Math.min(1, Math.max(0, sum));
}

/**
 * Chance that the two-sided paired t test finds a true difference.
 * @param difference the true mean of the differences
 * @param standardDeviation the true one of the differences, above 0
 * @param replicates how many differences; at least two
 * @param errorRate at which the test claims
 */
export function pairedPower(
  difference: number,
  standardDeviation: number,
  replicates: number,
  errorRate: number,
): number {
  const noncentrality = (Math.abs(difference) / standardDeviation) * Math.sqrt(replicates);
  return powerAt(noncentrality, replicates - 1, errorRate);
}

function powerAt(noncentrality: number, degreesOfFreedom: number, errorRate: number): number {
  const critical = studentQuantile(1 - errorRate / 2, degreesOfFreedom);
  return (
    1 -
    noncentralStudentCdf(critical, degreesOfFreedom, noncentrality) +
    noncentralStudentCdf(-critical, degreesOfFreedom, noncentrality)
  );
}

/** Found once for each design, since it does not depend on what was measured. */
const noncentralities = new Map<string, number>();

/**
 * The smallest true difference that the two-sided paired t test finds with the given power: what the design could have
 * seen. As good as the standard deviation it is given, which few replicates tell only roughly.
 * @param standardDeviation of the differences, 0 or more
 * @param replicates how many differences; at least two
 * @param errorRate at which the test claims, below `power`
 */
export function detectableDifference(
  standardDeviation: number,
  replicates: number,
  errorRate: number,
  power = 0.8,
): number {
  const design = `${replicates} ${errorRate} ${power}`;
  let noncentrality = noncentralities.get(design);
  if (noncentrality === undefined) {
    noncentrality = noncentralityFor(power, replicates - 1, errorRate);
    noncentralities.set(design, noncentrality);
  }
  return (noncentrality * standardDeviation) / Math.sqrt(replicates);
}

/** By bisection: power rises with the noncentrality. */
function noncentralityFor(power: number, degreesOfFreedom: number, errorRate: number): number {
  let low = 0;
  let high = 1;
  while (powerAt(high, degreesOfFreedom, errorRate) < power) {
    low = high;
    high *= 2;
  }
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (powerAt(middle, degreesOfFreedom, errorRate) < power) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
