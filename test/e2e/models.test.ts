import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import type {
  ListModelsResult,
  ModelDetails,
  RemoveModelResult,
  RunsResult,
} from '../../src/shared/contract.ts';
import {
  filesBelow,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  tinyConfig,
  writeLines,
  writeTinyModel,
} from './support.ts';
import { succeed } from './succeed.ts';

const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const home = at('home');
const trainTo = (name: string, ...more: string[]): string[] => [
  ...['train', '--model', 'half', '--data', at('pairs.jsonl'), '--loss', 'dpo', '--steps', '2'],
  ...['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name), ...more],
];

beforeAll(async () => {
  writeTinyModel(at('whole'));
  writeTinyModel(at('halves'), { dtype: 'F16', seed: 1 });
  writeLines(at('pairs.jsonl'), sums(6));
  await succeed(home, ['models', 'add', at('whole')]);
  await succeed(home, ['models', 'add', at('halves'), '--name', 'half']);
});
afterAll(remove);

describe('an imported model', () => {
  it('is shown with its config, its tensors as they were stored, its tokenizer and where LoRA can go', async () => {
    const shown = (await succeed(home, ['models', 'show', 'half', '--json'])).json<ModelDetails>();
    const config = tinyConfig() as { vocab_size: number; hidden_size: number; num_hidden_layers: number };
    expect(shown.config).toContainEqual({ key: 'hidden_size', value: String(config.hidden_size) });
    expect(shown.config.map(({ key }) => key)).toEqual(
      Object.entries(config).flatMap(([key, value]: [string, unknown]) =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? Object.keys(value).map((name) => `${key}.${name}`)
          : [key],
      ),
    );
    expect(shown.tensors).toContainEqual({
      name: 'model.embed_tokens.weight',
      shape: [config.vocab_size, config.hidden_size],
      type: 'F16',
    });
    expect(new Set(shown.tensors.map(({ type }) => type))).toEqual(new Set(['F16']));
    const numbers = shown.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(numbers).toBe(shown.parameters);
    expect(shown.linearLayers).toEqual([
      'q_proj',
      'k_proj',
      'v_proj',
      'o_proj',
      'gate_proj',
      'up_proj',
      'down_proj',
    ]);
    const named = JSON.parse(readFileSync(at('halves/tokenizer_config.json'), 'utf8')) as {
      eos_token: string;
    };
    expect(shown.tokenizer).toMatchObject({
      vocabulary: config.vocab_size,
      endTokens: expect.arrayContaining([named.eos_token]) as string[],
      template: readFileSync(at('halves/chat_template.jinja'), 'utf8'),
    });
    const missing = await plumbline(home, ['models', 'show', 'other']);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('no model of this name')]);
  });

  it('goes on under another name: what waits, resumes, forks and exports still finds it', async () => {
    await succeed(home, trainTo('first'));
    await succeed(home, trainTo('second', '--queue'));
    const taken = await plumbline(home, ['models', 'rename', 'half', 'whole']);
    expect([taken.code, taken.err]).toEqual([1, expect.stringContaining('named whole exists already')]);
    const refused = await plumbline(home, ['models', 'rename', 'half', ' blank']);
    expect(refused.err).toContain('blanks');
    const renamed = await succeed(home, ['models', 'rename', 'half', 'small', '--json']);
    expect(renamed.json<ListModelsResult>().models.map(({ name }) => name)).toEqual(['whole', 'small']);
    const { runs } = (await succeed(home, ['runs', 'list', '--json'])).json<RunsResult>();
    expect(runs.map(({ model }) => model)).toEqual(['small', 'small']);
    await succeed(home, ['queue', 'run']);
    await succeed(home, ['runs', 'export', 2, '--out', at('exported')]);
    const bytes = (name: string): Buffer => readFileSync(join(at(name), 'adapter_model.safetensors'));
    expect(bytes('exported').equals(bytes('second'))).toBe(true);
    const fork = ['runs', 'fork', 1, '--steps', 3, '--metrics', at('f.jsonl'), '--adapter-out', at('fork')];
    await succeed(home, fork);
  });

  it('exports a run as one archive that any tar reads', async () => {
    const services = await createServices({ home });
    try {
      const out = at('deep/run 2.tar.gz');
      expect(await services.exportRun({ run: 2, out, archive: true })).toEqual({ run: 2, step: 2, out });
      const listed = execFileSync('tar', ['tzf', out], { encoding: 'utf8' }).trim().split('\n');
      expect(listed).toEqual(filesBelow(at('exported')).map((name) => `run 2/${name}`));
      execFileSync('tar', ['xzf', out, '-C', folder]);
      for (const name of filesBelow(at('exported')))
        expect(readFileSync(join(at('run 2'), name)).equals(readFileSync(join(at('exported'), name)))).toBe(
          true,
        );
      // Nothing else is left beside it.
      expect(filesBelow(at('deep'))).toEqual(['run 2.tar.gz']);
    } finally {
      await services.close();
    }
  });

  it('is removed with its converted copy, not while work waits for it, and its runs stay', async () => {
    const copy = inStore(home, (store) => store.models.findByName('small')!.weightsFolder);
    await succeed(home, [
      'runs',
      'fork',
      1,
      '--steps',
      3,
      '--metrics',
      at('g.jsonl'),
      '--adapter-out',
      at('g'),
      '--queue',
    ]);
    const busy = await plumbline(home, ['models', 'remove', 'small', '--yes']);
    expect([busy.code, busy.err]).toEqual([1, expect.stringContaining('run 4 waits or is at work')]);
    await succeed(home, ['runs', 'remove', 4, '--yes']);
    const ask = await succeed(home, ['models', 'remove', 'small', '--json']);
    const told = ask.json<RemoveModelResult>();
    const bytes = filesBelow(copy).reduce((sum, name) => sum + readFileSync(join(copy, name)).length, 0);
    expect(told).toMatchObject({ removed: false, bytes, runs: [1, 2, 3] });
    expect(existsSync(copy)).toBe(true);
    const done = await succeed(home, ['models', 'remove', 'small', '--yes']);
    expect(done.out).toContain('stay: 1, 2, 3');
    expect([existsSync(copy), existsSync(at('halves/model.safetensors'))]).toEqual([false, true]);
    const left = (await succeed(home, ['models', 'list', '--json'])).json<ListModelsResult>();
    expect(left.models.map(({ name }) => name)).toEqual(['whole']);
    expect((await succeed(home, ['runs', 'show', 2])).code).toBe(0);
    await succeed(home, ['doctor']);
    // Weights used where they lie stay.
    const inPlace = (
      await succeed(home, ['models', 'remove', 'whole', '--yes', '--json'])
    ).json<RemoveModelResult>();
    expect(inPlace).toMatchObject({ removed: true, bytes: 0, runs: [] });
    expect(existsSync(at('whole/model.safetensors'))).toBe(true);
  });
});
