/**
 * How honest the verdicts are, by simulated comparisons whose truth is known: `node test/honesty.ts
 * [--experiments 2000] [--seed 1]`. Two arms that do not differ, three learning rates, three and five seeds, with the noise of
 * the bundled example: at most 6 % may claim a difference anywhere, of whatever measure or with each arm's best settings. A
 * planted difference must be found as often as predicted, to 5 points. Coverage of the intervals is reported; the t interval,
 * which decides, must not cover less than it says.
 * The last line is the figure; the exit code is 1 where a bound is broken.
 */
import { parseArgs } from 'node:util';
import { measured, normalGenerator, simulatedNoise } from './honesty/experiments.ts';
import { coverage, falseClaims, powerOf } from './honesty/figures.ts';

const { values } = parseArgs({
  options: { experiments: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } },
});
const experiments = Number(values.experiments);
const seed = Number(values.seed);
const problems: string[] = [];
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

say('noise: simulated, and measured on the bundled example');
for (const [name, value] of Object.entries(simulatedNoise(400, normalGenerator(seed)))) {
  const wanted = measured[name as keyof typeof measured];
  say(`  ${name}: ${value.toFixed(4)}, ${wanted}`);
  // Not fitted: see `margin` in honesty/experiments.ts.
  if (name !== 'preferenceDifferenceDeviation' && Math.abs(value / wanted - 1) > 0.1)
    problems.push(`${name} is not the measured one`);
}

say(`\nno difference, 3 learning rates, ${experiments} experiments: share that claims one`);
const wrong = [3, 5].map((seeds) => {
  const found = falseClaims(seeds, experiments, seed + seeds);
  const { leading, selected, preference, margin, any } = found;
  say(
    `  ${seeds} seeds: task ${percent(leading)}, each with its best settings ${percent(selected)}, preference ${percent(preference)}, margin ${percent(margin)}; any of these ${percent(any)}`,
  );
  if (any > 0.06) problems.push(`too much is claimed with ${seeds} seeds`);
  return any;
});

say(`\nplanted difference at the first learning rate: found, and predicted`);
const powers = [
  { seeds: 5, learningRates: 1, effects: [0.05] },
  { seeds: 5, learningRates: 3, effects: [0.05] },
  { seeds: 3, learningRates: 1, effects: [0.05] },
  { seeds: 5, learningRates: 1, effects: [0.02] },
  { seeds: 5, learningRates: 3, effects: [0.02] },
].map((design, place) => {
  const figure = powerOf(design, experiments, seed + 100 + place);
  const { found, predicted, difference, deviation } = figure;
  const [effect] = design.effects as [number];
  say(
    `  ${effect * 100} points, ${design.seeds} seeds, ${design.learningRates} learning rates: ${percent(found)}, ${percent(predicted)} (difference ${percent(difference)}, deviation over seeds ${percent(deviation)})`,
  );
  if (Math.abs(found - predicted) > 0.05)
    problems.push(`power is not as predicted: ${JSON.stringify(design)}`);
  return figure;
});

say('\ncoverage of 95 % intervals');
const count = Math.ceil(experiments / 2);
for (const seeds of [3, 5, 8, 12]) {
  const of = coverage(seeds, count, seed + 200 + seeds);
  say(
    `  ${seeds} seeds: t ${percent(of.student)}, bootstrap over seeds ${percent(of.percentile)}, BCa ${percent(of.biasCorrected)}; for new questions: t ${percent(of.studentOnNew)}, bootstrap over seeds and questions ${percent(of.crossedOnNew)}`,
  );
  // A point, and three standard errors of this simulation.
  const least = 0.94 - 3 * Math.sqrt((0.95 * 0.05) / count);
  if (of.student < least) problems.push(`the t interval covers too little with ${seeds} seeds`);
}

for (const problem of problems) say(`\nbroken: ${problem}`);
say(
  `\nhonesty: false claims ${wrong.map(percent).join(' and ')} with 3 and 5 seeds (at most 6 %); 5 points found in ${percent(powers[0]!.found)} (predicted ${percent(powers[0]!.predicted)}); ${problems.length} bounds broken`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
