import { afterAll, expect, it } from 'vitest';
import { parseRunConfig } from '../../shared/config.ts';
import { CrossLossMeter } from './cross-loss.ts';

const held: CrossLossMeter[] = [];
afterAll(() => Promise.all(held.map((each) => each.release())));

it('gives every loss by its formula, at every β that it uses, once where it ignores β', async () => {
  const configs = [0.1, 0.5].flatMap((beta) =>
    (['dpo', 'minor-dpo', 'ipo', 'sft'] as const).map((loss) => parseRunConfig({ loss, beta })),
  );
  const meter = await CrossLossMeter.open([...configs, ...configs], 1);
  held.push(meter);
  const tokens = (count: number): Int32Array => Int32Array.from({ length: count }, (_, place) => place + 1);
  const pairs = [
    { index: 0, prompt: tokens(2), chosen: tokens(2), rejected: tokens(4) },
    { index: 1, prompt: tokens(2), chosen: tokens(3), rejected: tokens(1) },
  ];
  const reference = [
    { index: 0, chosen: -4, rejected: -8 },
    { index: 1, chosen: -6, rejected: -2 },
  ];
  const scores = [
    { index: 0, chosen: -3, rejected: -10 },
    { index: 1, chosen: -7, rejected: -1.5 },
  ];
  // (c, r) by hand: (1, −2) and (−1, 0.5).
  const soft = (logit: number): number => Math.log(1 + Math.exp(-logit));
  const average = (a: number, b: number): number => (a + b) / 2;
  const wanted = [0.1, 0.5].flatMap((beta): [string, number, number][] => [
    ['dpo', beta, average(soft(beta * 3), soft(beta * -1.5))],
    ['minor-dpo', beta, average(soft(beta * 1), soft(beta * -1.5))],
    ['ipo', beta, average((1 / 2 + 2 / 4 - 1 / (2 * beta)) ** 2, (-1 / 3 - 0.5 - 1 / (2 * beta)) ** 2)],
    ...(beta === 0.1 ? ([['sft', beta, (3 + 7) / 5]] as [string, number, number][]) : []),
  ]);
  const found = await meter.measure(pairs as never, scores, reference);
  const sorted = (values: readonly (readonly [string, number, number])[]) =>
    [...values].sort(([a, x], [b, y]) => a.localeCompare(b) || x - y);
  const foundSorted = sorted(found.map(({ arm, beta, loss }) => [arm, beta ?? 0.1, loss] as const));
  expect(found.find(({ arm }) => arm === 'sft')).not.toHaveProperty('beta');
  const wantedSorted = sorted(wanted);
  expect(foundSorted.map(([arm, beta]) => [arm, beta])).toEqual(
    wantedSorted.map(([arm, beta]) => [arm, beta]),
  );
  foundSorted.forEach(([arm, beta, loss], place) =>
    expect(Math.abs(loss - wantedSorted[place]![2]), `${arm} ${beta}`).toBeLessThan(1e-5 * Math.max(1, loss)),
  );
});
