import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/shared/errors.ts';
import { runConfigsOf } from '../../src/shared/grid.ts';
import { parseOptions } from './options.ts';
import { partOf, projectOf, type PartName, type StudyPart } from './parts.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-parts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function part(name: PartName, ...args: string[]): StudyPart {
  const found = partOf(name, parseOptions(args)!);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

describe('the part on the bundled task', () => {
  it('has the four losses and both places between two of them, five rates or more, two β and five seeds or more', () => {
    const { request } = part('example');
    expect(request.arms).toEqual([
      'dpo',
      'minor-dpo',
      'dpop:lambda=50',
      'kappa-dpo:kappa=0.25',
      'kappa-dpo:kappa=0.5',
    ]);
    expect(request.learningRates.length).toBeGreaterThanOrEqual(5);
    expect(request.betas).toHaveLength(2);
    expect(request.seeds.length).toBeGreaterThanOrEqual(5);
    const runs = runConfigsOf(request);
    expect(runs).toHaveLength(5 * request.learningRates.length * 2 * request.seeds.length);
  });

  it('keeps away from the seed that the learning rates were chosen with', () => {
    expect(part('example').request.seeds).not.toContain(0);
  });

  it('takes another grid', () => {
    const { request } = part('example', '--steps', '4', '--lr', '0.1', '--seeds', '1');
    expect(request).toMatchObject({ learningRates: [0.1], seeds: [1], shared: { steps: 4 } });
    expect(request.shared.epochs).toBeUndefined();
  });
});

describe('the part on SmolLM2', () => {
  it('takes a model and pairs from anywhere', () => {
    const [model, pairs] = [join(folder, 'model'), join(folder, 'pairs.jsonl')];
    for (const file of [model, pairs]) writeFileSync(file, '');
    expect(part('smollm2', '--model', model, '--pairs', pairs).request).toMatchObject({ model, data: pairs });
  });

  it('refuses a file that was named and is not there', () => {
    expect(() => part('smollm2', '--model', join(folder, 'none'))).toThrow(InputError);
  });
});

describe('the project of a part', () => {
  it('is the same for the same design, and another for any other', () => {
    const name = projectOf(part('example'));
    expect(projectOf(part('example'))).toBe(name);
    for (const change of [
      ['--seeds', '3'],
      ['--threads', '7'],
      ['--steps', '10'],
      ['--lr', '1e-3'],
      ['--arms', 'dpo,minor-dpo'],
    ])
      expect(projectOf(part('example', ...change))).not.toBe(name);
  });

  it('does not depend on where the checkout lies', () => {
    const here = part('example');
    const { request } = here;
    const moved = (path: string): string => join('/elsewhere', path.split(/[/\\]/).at(-1)!);
    const there: StudyPart = {
      ...here,
      request: {
        ...request,
        model: moved(request.model),
        data: moved(request.data),
        taskData: moved(request.taskData!),
        shared: { ...request.shared, evalData: moved(request.shared.evalData!) },
      },
    };
    expect(projectOf(there)).toBe(projectOf(here));
  });
});
