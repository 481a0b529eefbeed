import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { PlanResult } from '../../src/shared/contract.ts';
import type { Plan } from '../../src/shared/plan.ts';
import {
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  writeTinyShell,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);
const home = join(folder, 'home');
const model = writeTinyModel(join(folder, 'tiny'));
const data = writeLines(join(folder, 'pairs.jsonl'), sums(12));
const questions = writeLines(
  join(folder, 'questions.jsonl'),
  sums(4, 50).map(({ prompt }, place) => ({ prompt, answer: String(place) })),
);
const training = ['--model', model, '--data', data, '--loss', 'dpo', '--lora-r', 4, '--eval-share', 0.25];

describe('plan', () => {
  it('estimates a training, and leaves no record or file of it', async () => {
    const files = ['--metrics', join(folder, 'm.jsonl'), '--adapter-out', join(folder, 'out')];
    const { code, json, err } = await plumbline(home, ['plan', 'train', ...training, ...files, '--json']);
    expect(code, err).toBe(0);
    const { plan, fits, reasons } = json<PlanResult>();
    expect(fits).toBe(true);
    expect(reasons).toEqual([]);
    expect(plan.time!.parts.map(({ name }) => name)).toContain('reference');
    expect(plan.memory.peak).toBeLessThan(plan.memory.available);
    expect(readdirSync(folder).filter((name) => /^m\.|^out/.test(name))).toEqual([]);
    expect(existsSync(join(home, 'checkpoints'))).toBe(false);
    inStore(home, (store) => {
      expect(store.jobs.list()).toEqual([]);
      expect(store.runs.list()).toEqual([]);
    });
  });

  it('estimates a comparison with its questions, for people', async () => {
    const grid = ['--arms', 'dpo,minor-dpo', '--seeds', '0,1', '--task-data', questions, '--task-tokens', 4];
    const options = ['--model', model, '--data', data, '--lora-r', 4, ...grid];
    const { code, out, err } = await plumbline(home, ['plan', 'compare', ...options]);
    expect(code, err).toBe(0);
    expect(out).toMatch(/^memory {2}about .*\ndisk {4}at most .*checkpoints.*\ntime {4}about .*answers .*\n/);
    expect(out.trimEnd()).toMatch(/\nfits$/);
  });

  it('is kept with the job it was made for, beside what came of it', async () => {
    const files = ['--metrics', join(folder, 'm.jsonl'), '--adapter-out', join(folder, 'out')];
    const { code, err } = await plumbline(home, ['train', ...training, ...files]);
    expect(code, err).toBe(0);
    expect(err).toMatch(/planned: about .* of memory, .* of disk/);
    inStore(home, (store) => {
      const [job] = store.jobs.list();
      const plan = job!.plan as Plan;
      expect(plan.memory.peak).toBeGreaterThan(0);
      expect(plan.disk.map(({ parts }) => parts.map(({ name }) => name)).flat()).toContain('checkpoints');
      expect(job!.result).toMatchObject({ seconds: expect.any(Number) as number });
    });
  });

  it('refuses what no machine can hold before it is begun, and says what is short', async () => {
    const giant = writeTinyShell(join(folder, 'giant'), {
      config: { hidden_size: 65_536, intermediate_size: 262_144, num_hidden_layers: 200, head_dim: 128 },
    });
    const files = ['--metrics', join(folder, 'g.jsonl'), '--adapter-out', join(folder, 'g')];
    const options = ['--init', join(giant, 'config.json'), '--data', data, '--loss', 'sft', ...files];
    const { code, err } = await plumbline(home, ['train', ...options]);
    expect(code).toBe(1);
    expect(err).toMatch(
      /plumbline: needs about \d+ TB of memory, .* can be had; .*take a smaller model.*--force/,
    );
    const planned = await plumbline(home, ['plan', 'train', ...options, '--json']);
    expect(planned.code, planned.err).toBe(0);
    const { fits, reasons } = planned.json<PlanResult>();
    expect(fits).toBe(false);
    expect(reasons[0]).toMatch(/^needs about \d+ TB of memory/);
  });
});
