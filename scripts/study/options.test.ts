import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/shared/errors.ts';
import { parseOptions } from './options.ts';

describe('options of the study', () => {
  it('run both parts in a home of their own where nothing is said', () => {
    expect(parseOptions([])).toMatchObject({
      parts: ['example', 'smollm2'],
      home: join(homedir(), '.plumbline', 'study'),
      mode: 'run',
      grid: {},
    });
  });

  it('read a grid', () => {
    const options = parseOptions([
      ...['--part', 'example', '--seeds', '2', '--lr', '1e-3,.5', '--betas', '0.1', '--steps', '3'],
      ...['--arms', 'dpo,kappa-dpo:kappa=.25', '--threads', '2', '--out', 'there'],
    ]);
    expect(options).toMatchObject({
      parts: ['example'],
      threads: 2,
      out: resolve('there'),
      grid: {
        seeds: [1, 2],
        learningRates: [1e-3, 0.5],
        betas: [0.1],
        steps: 3,
        arms: ['dpo', 'kappa-dpo:kappa=0.25'],
      },
    });
  });

  it.each([
    [['--part', 'paper'], /--part must be example, smollm2 or all, not "paper"/],
    [['--seeds', '0'], /--seeds must be 1 or more/],
    [['--lr', '1e-3,1e-3'], /--lr names 1e-3 twice/],
    [['--arms', 'dpo,none'], /--arms must be one of/],
    [['--threads', 'two'], /--threads must be a number/],
    [['--dry-run', '--write-only'], /exclude each other/],
    [['--fast'], /--fast/],
    [['example'], /example/],
  ])('refuse %j', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it('ask for help', () => {
    expect(parseOptions(['--help', '--part', 'example'])).toBeUndefined();
  });
});
