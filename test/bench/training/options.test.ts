import { expect, test } from 'vitest';
import { UsageError } from '../../../src/shared/errors.ts';
import { parseOptions } from './options.ts';

test('what is not given is the usual', () => {
  const options = parseOptions([])!;
  expect(options.workloads.map(({ name }) => name)).toEqual(['short']);
  expect(options).toMatchObject({ repeats: 1, threads: 2, lowMemory: false, write: false, json: false });
  expect([options.python, options.best, options.model, options.pairs]).toEqual(Array(4).fill(undefined));
});

test('what is given', () => {
  const options = parseOptions(
    '--workload long-prompt,short --python p --best batch=2,bf16=1 --pairs 4 --repeats 3 --threads 1 --low-memory'.split(
      ' ',
    ),
  )!;
  expect(options.workloads.map(({ name }) => name)).toEqual(['long-prompt', 'short']);
  expect(options).toMatchObject({ python: 'p', pairs: 4, repeats: 3, threads: 1, lowMemory: true });
  expect(options.best).toMatchObject({ batch: 2, bf16: true });
});

test('help is no measurement', () => {
  expect(parseOptions(['--help'])).toBeUndefined();
});

test.each([
  [['--workload', 'short,tall'], /there is no tall; there are short, long-prompt/],
  [['--workload', 'short,'], /there is no empty name/],
  [['--pairs', '0'], /--pairs should be a whole number from 1 up, not 0/],
  [['--repeats', '1.5'], /--repeats should be/],
  [['--threads', 'all'], /--threads should be/],
  [['--trl-runs', '1'], /--trl-runs should be at least 2/],
  [['--best', 'batch=1'], /needs --python/],
  [['--speed'], /speed/],
  [['surplus'], /surplus/],
])('refuses %j', (given, message) => {
  expect(() => parseOptions(given)).toThrow(UsageError);
  expect(() => parseOptions(given)).toThrow(message);
});
