import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListModelsResult } from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import {
  inStore,
  plumbline,
  readLines,
  scratchFolder,
  sums,
  tinyConfig,
  writeLines,
  writeTinyModel,
  writeTinyShell,
  type Outcome,
} from './support.ts';
import { succeed } from './succeed.ts';

/** What would give wrong numbers, or lose work, without a word. */
const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const run = (...args: (string | number)[]): Promise<Outcome> => succeed(home, args);

beforeAll(() => {
  writeLines(at('pairs.jsonl'), sums(12));
  writeLines(at('held.jsonl'), sums(4, 100));
});
afterAll(remove);

describe('log-ratios at the start', () => {
  it.each([
    ['an adapter', []],
    ['every weight', ['--full']],
    ['every weight against the base', ['--full', '--reference', 'base']],
  ])('are exactly 0 when %s is trained, also where sums are long enough to be blocked', async (_, flags) => {
    const wide = { hidden_size: 320, intermediate_size: 640, num_attention_heads: 8, head_dim: 40 };
    writeTinyModel(at('wide'), { config: { ...wide, num_key_value_heads: 4, initializer_range: 0.05 } });
    const common = ['--model', at('wide'), '--data', at('pairs.jsonl'), '--loss', 'minor-dpo'];
    const steps = ['--lr', 0, '--batch-size', 1, '--steps', 12];
    await run('train', ...common, ...steps, ...flags, '--metrics', at('m.jsonl'), '--adapter-out', at('out'));
    for (const step of readLines<StepMetrics>(at('m.jsonl'))) {
      expect([step['rewards/chosen'], step['rewards/rejected'], step['gate/open']]).toEqual([0, 0, 0]);
    }
  });
});

describe('a model by its path', () => {
  it('is what lies there, where the folder it was first found in has changed since', async () => {
    writeTinyModel(at('first'), { seed: 1 });
    cpSync(at('first'), at('copy'), { recursive: true });
    const score = async (model: string, out: string): Promise<unknown[]> => {
      await run('score', '--model', model, '--data', at('pairs.jsonl'), '--out', at(out));
      return readLines(at(out));
    };
    await run('models', 'add', at('first'), '--name', 'original');
    const before = await score(at('copy'), 'before.jsonl');
    writeTinyModel(at('first'), { seed: 2 });
    expect(await score(at('copy'), 'after.jsonl')).toEqual(before);
    expect(await score('original', 'named.jsonl')).toEqual(before);
    expect(await score(at('first'), 'changed.jsonl')).not.toEqual(before);
  });
});

describe('seeds that change nothing', () => {
  it.each([
    ['no shuffling', ['--full', '--no-shuffle', '--batch-size', 4]],
    ['one batch of all pairs', ['--full', '--batch-size', 3, '--grad-accum', 4]],
  ])('are refused, for equal runs are no replicates: %s', async (_, flags) => {
    writeTinyModel(at('tiny'));
    const common = ['--model', at('tiny'), '--data', at('pairs.jsonl'), '--eval-data', at('held.jsonl')];
    const many = await plumbline(home, ['compare', ...common, ...flags, '--seeds', '0,1,2']);
    expect([many.code, many.err]).toEqual([2, expect.stringContaining('seeds would change nothing')]);
    await run('compare', ...common, ...flags, '--seeds', '0', '--lr', '1e-3');
  });
});

describe('a model trained from scratch', () => {
  it('is written with the config it was made from, whatever that is called', async () => {
    const shapes = writeTinyShell(at('shapes'));
    const config = { ...tinyConfig(), num_hidden_layers: 3, intermediate_size: 96 };
    writeFileSync(join(shapes, 'deeper.json'), JSON.stringify(config));
    const common = ['--data', at('pairs.jsonl'), '--loss', 'sft', '--steps', 2, '--metrics', at('m.jsonl')];
    await run('train', '--init', join(shapes, 'deeper.json'), ...common, '--adapter-out', at('deeper'));
    await run('score', '--model', at('deeper'), '--data', at('pairs.jsonl'), '--out', at('deeper.jsonl'));
    const written = JSON.parse(readFileSync(join(at('deeper'), 'config.json'), 'utf8')) as unknown;
    expect(written).toEqual(config);
  });
});

describe('an adapter of some layers', () => {
  it('names them in full, since PEFT would adapt every layer of that name', async () => {
    writeTinyModel(at('tiny'));
    const common = ['--model', at('tiny'), '--data', at('pairs.jsonl'), '--loss', 'dpo', '--lr', '1e-2'];
    const train = (out: string, ...flags: string[]): Promise<Outcome> =>
      run('train', ...common, ...flags, '--metrics', at('m.jsonl'), '--adapter-out', at(out));
    const targets = (out: string): unknown => {
      const text = readFileSync(join(at(out), 'adapter_config.json'), 'utf8');
      return (JSON.parse(text) as { target_modules: unknown }).target_modules;
    };
    const layers = ['model.layers.0.mlp.up_proj', 'model.layers.1.self_attn.q_proj'];
    await train('some', '--lora-targets', layers.join());
    expect(targets('some')).toEqual(layers);
    await train('more', '--init-adapter', at('some'));
    expect(targets('more')).toEqual(layers);
    await train('every', '--lora-targets', 'up_proj,q_proj');
    expect(targets('every')).toEqual(['q_proj', 'up_proj']);
  });
});

describe('data that is read', () => {
  it('is never written over', async () => {
    writeTinyModel(at('tiny'));
    writeLines(at('mine.jsonl'), sums(6));
    const before = readFileSync(at('mine.jsonl'), 'utf8');
    symlinkSync(at('mine.jsonl'), at('link.jsonl'));
    const common = ['--model', at('tiny'), '--data', at('mine.jsonl')];
    for (const args of [
      ['score', ...common, '--out', at('mine.jsonl')],
      ['score', ...common, '--out', at('link.jsonl')],
      ['train', ...common, '--loss', 'dpo', '--metrics', at('mine.jsonl'), '--adapter-out', at('lost')],
      ['compare', ...common, '--report', at('mine.jsonl')],
    ]) {
      const { code, err } = await plumbline(home, args);
      expect([code, err]).toEqual([1, expect.stringContaining('it is what is read')]);
    }
    expect(readFileSync(at('mine.jsonl'), 'utf8')).toBe(before);
  });
});

describe('a warm-up without an end', () => {
  it.each([
    ['one step', ['--steps', 1], 'changes nothing'],
    ['fewer steps than asked for', ['--steps', 3, '--warmup', 5], 'never reached'],
  ])('is told of: %s', async (_, flags, words) => {
    writeTinyModel(at('tiny'));
    const common = ['--model', at('tiny'), '--data', at('pairs.jsonl')];
    const outputs = ['--metrics', at('m.jsonl'), '--adapter-out', at('out')];
    const { err } = await run('train', ...common, '--loss', 'dpo', ...flags, ...outputs);
    expect(err).toContain(words);
    expect((await run('compare', ...common, ...flags)).err).toContain(words);
    const enough = await run('train', ...common, '--loss', 'dpo', '--steps', 2, ...outputs);
    expect(enough.err).not.toContain('warm-up');
  });
});

describe('a question in two of training, validation and test', () => {
  const pairs = sums(12);
  const seen = pairs.slice(0, 3);
  const asQuestions = (of: typeof pairs) => of.map(({ prompt, chosen }) => ({ prompt, answer: chosen }));
  const common = ['--model', at('tiny'), '--data', at('pairs.jsonl'), '--steps', 2];
  const compareOn = (
    name: string,
    rows: readonly unknown[],
    ...more: (string | number)[]
  ): Promise<Outcome> => {
    const tasks = ['--task-data', writeLines(at(name), rows), '--task-tokens', 2];
    return plumbline(home, ['compare', ...common, '--eval-data', at('held.jsonl'), ...tasks, ...more]);
  };
  const jobs = (): number => inStore(home, (store) => store.jobs.list().length);
  beforeAll(() => writeTinyModel(at('tiny')));

  it('is told of where a training is evaluated on it', async () => {
    writeLines(at('seen.jsonl'), [...seen, ...sums(4, 100)]);
    const outputs = ['--loss', 'dpo', '--metrics', at('m.jsonl'), '--adapter-out', at('out')];
    const trained = await run('train', ...common, ...outputs, '--eval-data', at('seen.jsonl'));
    expect(trained.err).toContain('3 of 7 held-out prompts are trained on as well');
    const clean = await run('train', ...common, ...outputs, '--eval-data', at('held.jsonl'));
    expect(clean.err).not.toContain('as well');
  });

  it.each([
    ['as they are', (prompt: string) => ({ prompt })],
    ['but for blanks', (prompt: string) => ({ prompt: ` ${prompt.replace(' plus', '\n\tplus')}\n` })],
    ['as a message', (prompt: string) => ({ prompt: [{ role: 'user', content: prompt }] })],
    ['by another name', (prompt: string) => ({ question: prompt })],
  ])('is refused where its words are trained on, %s', async (_, form) => {
    const asked = [
      ...asQuestions(sums(2, 200)),
      ...seen.map(({ prompt }) => ({ ...form(prompt), answer: '1' })),
    ];
    const { code, err } = await compareOn('questions.jsonl', asked);
    expect(code).toBe(1);
    expect(err).toContain(`${at('questions.jsonl')}, row 2: 3 of 5 task questions are trained on as well`);
    expect(err).toContain(`(row 0 of ${at('pairs.jsonl')})`);
    expect(err).toContain('leave them out of one of the two');
    const planned = await plumbline(home, [
      ...['plan', 'compare', ...common, '--eval-data', at('held.jsonl')],
      ...['--task-data', at('questions.jsonl')],
    ]);
    expect([planned.code, planned.err]).toEqual([1, expect.stringContaining('3 of 5 task questions')]);
  });

  it('is refused where it is held out and asked, also where few are asked on the way and SFT comes first', async () => {
    const asked = [...asQuestions(sums(3, 200)), ...asQuestions(sums(1, 100))];
    const { code, err } = await compareOn(
      'held-questions.jsonl',
      asked,
      ...['--eval-every', 1, '--eval-questions', 1, '--sft-first', '1e-4'],
    );
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('row 3: 1 of 4 task questions is held out as well'),
    ]);
    expect(err).toContain(`(row 0 of ${at('held.jsonl')})`);
  });

  it('is no hindrance among rows that are not trained on, nor twice in one part', async () => {
    const before = jobs();
    const twice = [...asQuestions(sums(2, 200)), ...asQuestions(sums(1, 200))];
    const apart = await compareOn('apart.jsonl', [...twice, ...asQuestions(pairs.slice(8, 9))], '--pairs', 8);
    expect([apart.code, apart.err]).toEqual([0, expect.not.stringContaining('as well')]);
    expect(jobs()).toBe(before + 1);
  });
});

describe('a half-precision model in the older layout', () => {
  it('keeps its special tokens, and its weights once they are trained in float32', async () => {
    writeTinyModel(at('half'), { dtype: 'F16', config: { torch_dtype: 'float16' } });
    const file = join(at('half'), 'tokenizer_config.json');
    const { eos_token: end, ...config } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    delete config['added_tokens_decoder'];
    writeFileSync(file, JSON.stringify(config));
    const map = join(at('half'), 'special_tokens_map.json');
    writeFileSync(map, JSON.stringify({ eos_token: end }));
    const common = ['--model', at('half'), '--data', at('pairs.jsonl'), '--loss', 'sft', '--steps', 2];
    const outputs = ['--metrics', at('m.jsonl'), '--adapter-out', at('trained')];
    await run('train', ...common, '--full', ...outputs);
    const written = JSON.parse(readFileSync(join(at('trained'), 'config.json'), 'utf8')) as object;
    expect(written).toMatchObject({ torch_dtype: 'float32' });
    await run('score', '--model', at('trained'), '--data', at('pairs.jsonl'), '--out', at('trained.jsonl'));
    // Another end token makes another model: what is cached must not be shared.
    const hashes = async (): Promise<string[]> =>
      (await run('models', 'list', '--json')).json<ListModelsResult>().models.map(({ hash }) => hash);
    const before = await hashes();
    writeFileSync(map, JSON.stringify({ eos_token: end, pad_token: end }));
    await run('models', 'add', at('half'));
    expect(await hashes()).toHaveLength(before.length + 1);
  });
});
