import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  AddDataResult,
  AddModelResult,
  GenerateResult,
  ListDataResult,
  ListModelsResult,
  ScoreResult,
  TrainResult,
} from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import {
  filesBelow,
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

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const run = async (...args: (string | number)[]): Promise<Outcome> => {
  const outcome = await plumbline(home, args);
  expect(outcome.err.includes('plumbline:'), outcome.err).toBe(false);
  expect(outcome.code).toBe(0);
  return outcome;
};

/** One line of a score file. */
interface Scored {
  readonly index: number;
  readonly chosen: { readonly logp: number; readonly tokens: number };
  readonly rejected: { readonly logp: number; readonly tokens: number };
}

/** TRL's names that a preference run's every line holds. */
const trlNames = [
  'loss',
  'grad_norm',
  'learning_rate',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'logits/chosen',
  'logits/rejected',
  'entropy',
  'mean_token_accuracy',
  'num_tokens',
  'epoch',
];
const ownNames = ['gate/open', 'logratio/chosen_per_token', 'logratio/rejected_per_token'];

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeTinyShell(at('shell'));
  writeLines(at('pairs.jsonl'), sums(20));
  writeLines(at('held.jsonl'), sums(5, 100));
  writeLines(
    at('answers.jsonl'),
    sums(12).map(({ prompt, chosen }) => ({ prompt, completion: chosen })),
  );
  await run('models', 'add', at('tiny'));
  await run('data', 'add', at('pairs.jsonl'));
});
afterAll(remove);

describe('models and data', () => {
  it('lists a model as its config describes it', async () => {
    const { models } = (await run('models', 'list', '--json')).json<ListModelsResult>();
    const config = tinyConfig() as { vocab_size: number };
    // Embedding (tied head), per layer q, o 32 × 32, k, v 32 × 16, three of 32 × 48 and two norms, last norm.
    const parameters = config.vocab_size * 32 + 2 * (2 * 1024 + 2 * 512 + 3 * 1536 + 64) + 32;
    expect(models).toHaveLength(1);
    expect(models[0]).toMatchObject({
      name: 'tiny',
      path: at('tiny'),
      layers: 2,
      vocabulary: config.vocab_size,
      contextLength: 256,
      chatTemplate: true,
      missing: false,
      parameters,
    });
    const human = (await run('models', 'list')).out;
    expect(human).toMatch(/^NAME .*\n\S*tiny /);
  });

  it('knows a model again, and the same under another name', async () => {
    const again = (await run('models', 'add', at('tiny'), '--json')).json<AddModelResult>();
    expect(again).toMatchObject({ added: false, model: { name: 'tiny' } });
    expect((await run('models', 'add', at('tiny'))).out).toMatch(/^known already as tiny\n/);
  });

  it('lists a dataset, and knows it again', async () => {
    const { datasets } = (await run('data', 'list', '--json')).json<ListDataResult>();
    expect(datasets).toMatchObject([{ name: 'pairs', kind: 'preference', text: 'strings', rows: 20 }]);
    expect((await run('data', 'list')).out).toMatch(/^NAME .*\npairs /);
    const again = (await run('data', 'add', at('pairs.jsonl'), '--json')).json<AddDataResult>();
    expect(again).toMatchObject({ added: false, dataset: { name: 'pairs' } });
  });

  it('lists the other models where one is broken or gone', async () => {
    const own = join(folder, 'list-home');
    for (const [seed, name] of ['kept', 'gone', 'spoiled'].entries())
      await plumbline(own, ['models', 'add', writeTinyModel(at(`list/${name}`), { seed })]);
    rmSync(at('list/gone'), { recursive: true });
    writeFileSync(at('list/spoiled/config.json'), '{');
    const { code, json } = await plumbline(own, ['models', 'list', '--json']);
    expect(code).toBe(0);
    expect(json<ListModelsResult>().models.map(({ name, missing }) => [name, missing])).toEqual([
      ['kept', false],
      ['gone', true],
      ['spoiled', true],
    ]);
  });

  it('takes a model up again from where it was moved to', async () => {
    const own = join(folder, 'moved-home');
    await plumbline(own, ['models', 'add', writeTinyModel(at('moving/before'), { seed: 9 })]);
    renameSync(at('moving/before'), at('moving/after'));
    const { code } = await plumbline(own, ['models', 'add', at('moving/after')]);
    expect(code).toBe(0);
    const out = at('moving/s.jsonl');
    const scored = await plumbline(own, [
      ...['score', '--model', at('moving/after'), '--data', at('pairs.jsonl'), '--out', out],
    ]);
    expect(scored.err).toBe('');
    expect(scored.code).toBe(0);
  });
});

describe('score', () => {
  it('sees that a model it knows by name was trained anew in its folder', async () => {
    const own = join(folder, 'changing-home');
    const model = writeTinyModel(at('changing'), { seed: 1 });
    await plumbline(own, ['models', 'add', model]);
    const line = ['score', '--model', 'changing', '--data', at('pairs.jsonl'), '--out', at('changing.jsonl')];
    const train = [
      'train',
      '--model',
      'changing',
      '--data',
      at('pairs.jsonl'),
      '--loss',
      'dpo',
      '--steps',
      1,
    ];
    const outputs = ['--metrics', at('changing.metrics'), '--adapter-out', at('changing-adapter')];
    const before = await plumbline(own, line);
    await plumbline(own, [...train, ...outputs]);
    writeTinyModel(at('changing'), { seed: 2 });
    const after = await plumbline(own, line);
    expect(before.err).toBe('');
    expect(after.err).toContain('have changed since it was added');
    expect((await plumbline(own, line)).err).toBe('');
    // Reference log-probs of the old weights would make the first step's rewards differ from 0.
    const { code } = await plumbline(own, [...train, ...outputs]);
    expect(code).toBe(0);
    const first = readLines<StepMetrics>(at('changing.metrics'))[0]!;
    expect([first['rewards/chosen'], first['rewards/rejected']]).toEqual([0, 0]);
  });

  it('writes a line for every pair, equal from run to run, by name and by path', async () => {
    const first = await run('score', '--model', 'tiny', '--data', 'pairs', '--out', at('s1.jsonl'), '--json');
    const byPath = ['--model', at('tiny'), '--data', at('pairs.jsonl')];
    const human = (await run('score', ...byPath, '--out', at('s2.jsonl'))).out;
    expect(readFileSync(at('s2.jsonl'), 'utf8')).toBe(readFileSync(at('s1.jsonl'), 'utf8'));
    const lines = readLines<Scored>(at('s1.jsonl'));
    expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    for (const { chosen, rejected } of lines) {
      expect(chosen.logp).toBeLessThan(0);
      expect(rejected.logp).toBeLessThan(0);
      expect(rejected.tokens).toBeGreaterThan(chosen.tokens);
    }
    const result = first.json<ScoreResult>();
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(result.pairs).toBe(20);
    expect(result.chosenLogpMean).toBeCloseTo(mean(lines.map(({ chosen }) => chosen.logp)), 8);
    expect(result.chosenPreferred).toBe(
      mean(lines.map((line) => Number(line.chosen.logp > line.rejected.logp))),
    );
    expect(human).toContain('scored 20 of 20 rows');
    expect(human).toContain(at('s2.jsonl'));
  });
});

describe('train', () => {
  const train = (name: string, ...args: (string | number)[]): Promise<Outcome> =>
    run(
      ...['train', '--metrics', at(`${name}.jsonl`), '--adapter-out', at(name), '--batch-size', 4],
      ...['--lr', 0.01, '--lora-r', 4, '--lora-alpha', 8, ...args],
    );
  const score = async (name: string, ...args: string[]): Promise<Scored[]> => {
    await run('score', '--data', 'pairs', '--out', at(`${name}.scores`), ...args);
    return readLines<Scored>(at(`${name}.scores`));
  };

  it.each(['dpo', 'minor-dpo'])(
    '%s: metrics, adapter, held-out share; the same bytes twice',
    async (loss) => {
      const args = ['--model', 'tiny', '--data', 'pairs', '--loss', loss, '--eval-share', 0.2, '--epochs', 2];
      const result = (await train(loss, ...args, '--json')).json<TrainResult>();
      expect(result.counts.rows).toBe(16);
      expect(result.steps).toBe(8);
      expect(result.evaluation?.pairs).toBe(4);
      const lines = readLines<StepMetrics>(at(`${loss}.jsonl`));
      expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      for (const line of lines)
        for (const name of [...trlNames, ...ownNames]) expect(line).toHaveProperty([name]);
      expect(lines[0]!['rewards/chosen']).toBe(0);
      expect(lines[0]!['rewards/rejected']).toBe(0);
      expect(lines[0]!.loss).toBeCloseTo(Math.LN2, 6);
      expect(lines.at(-1)!.loss!).toBeLessThan(lines[0]!.loss!);
      expect(lines.at(-1)!.epoch).toBe(2);
      expect(filesBelow(at(loss))).toEqual(['adapter_config.json', 'adapter_model.safetensors']);

      const human = (await train(`${loss}-again`, ...args)).out;
      expect(human).toContain(`metrics written to ${at(`${loss}-again`)}.jsonl`);
      expect(human).toContain('held out, 4 pairs');
      const adapter = (name: string): Buffer => readFileSync(join(at(name), 'adapter_model.safetensors'));
      expect(adapter(`${loss}-again`).equals(adapter(loss))).toBe(true);
      const timeless = (name: string): unknown[] =>
        readLines<Record<string, unknown>>(at(`${name}.jsonl`)).map((line) =>
          Object.fromEntries(
            Object.entries(line).filter(([key]) => !/^(throughput|time|memory)\//.test(key)),
          ),
        );
      expect(timeless(`${loss}-again`)).toEqual(timeless(loss));
    },
  );

  it('its adapter is read back: as policy, as start and as reference', async () => {
    await train('first', '--model', 'tiny', '--data', 'pairs', '--loss', 'dpo');
    const base = await score('base', '--model', 'tiny');
    const trained = await score('first', '--model', 'tiny', '--adapter', at('first'));
    const margin = (lines: Scored[]): number =>
      lines.reduce((sum, { chosen, rejected }) => sum + chosen.logp - rejected.logp, 0);
    expect(margin(trained)).toBeGreaterThan(margin(base));

    const on = ['train', '--model', 'tiny', '--data', 'pairs', '--loss', 'dpo', '--batch-size', 20];
    const once = [
      ...on,
      '--no-shuffle',
      '--steps',
      1,
      '--init-adapter',
      at('first'),
      '--adapter-out',
      at('next'),
    ];
    const firstStep = async (...args: string[]): Promise<StepMetrics> => {
      await run(...once, '--metrics', at('next.jsonl'), ...args);
      return readLines<StepMetrics>(at('next.jsonl'))[0]!;
    };
    // Started at the adapter and measured against it, nothing has moved yet.
    for (const own of [await firstStep(), await firstStep('--reference', at('first'))]) {
      expect(own['rewards/chosen']).toBe(0);
      expect(own['rewards/rejected']).toBe(0);
    }
    // Against the bare model the rewards are β times the difference of the two score files.
    const mean = (pick: (line: Scored) => number, lines: Scored[]): number =>
      lines.reduce((sum, line) => sum + pick(line), 0) / lines.length;
    const bare = await firstStep('--reference', 'base');
    for (const side of ['chosen', 'rejected'] as const) {
      const moved = mean((line) => line[side].logp, trained) - mean((line) => line[side].logp, base);
      expect(bare[`rewards/${side}`]).toBeCloseTo(0.1 * moved, 4);
    }
  });

  it('sft on completions lowers the loss', async () => {
    const { out } = await train('sft', '--model', 'tiny', '--data', at('answers.jsonl'), '--loss', 'sft');
    expect(out).toContain('SFT');
    expect(out).not.toContain('beta');
    const lines = readLines<StepMetrics>(at('sft.jsonl'));
    expect(lines.at(-1)!.loss!).toBeLessThan(lines[0]!.loss!);
    expect(lines[0]).not.toHaveProperty(['rewards/chosen']);
  });

  it('--full and --init write whole models that are used like any other', async () => {
    const shared = ['--data', 'pairs', '--batch-size', 4, '--lr', 0.01, '--eval-data', at('held.jsonl')];
    const outputs = (name: string) => ['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name)];
    const full = ['train', '--model', 'tiny', '--full', '--loss', 'dpo', ...shared, ...outputs('full')];
    const result = (await run(...full, '--json')).json<TrainResult>();
    const { models } = (await run('models', 'list', '--json')).json<ListModelsResult>();
    expect(result.trainedParameters).toBe(models[0]!.parameters);
    expect(result.evaluation?.pairs).toBe(5);
    expect(readLines<StepMetrics>(at('full.jsonl'))[0]!['rewards/margins']).toBe(0);
    const init = ['train', '--init', at('shell/config.json'), '--loss', 'sft', ...shared, ...outputs('init')];
    expect((await run(...init)).out).toContain(`model written to ${at('init')}`);
    for (const name of ['full', 'init']) {
      expect(filesBelow(at(name))).toEqual([
        'chat_template.jinja',
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
      expect(await score(name, '--model', at(name))).toHaveLength(20);
    }
  });

  it('records every run as finished', () => {
    const runs = inStore(home, (store) => store.runs.list());
    expect(runs.length).toBeGreaterThan(0);
    expect(runs.every(({ status }) => status === 'finished')).toBe(true);
  });
});

describe('generate', () => {
  const args = ['generate', '--model', 'tiny', '--prompt', 'Two and two', '--max-tokens', 12];

  it('streams the text that it returns', async () => {
    const human = await run(...args);
    const result = (await run(...args, '--json')).json<GenerateResult>();
    expect(human.out).toBe(`${result.text}\n`);
    expect(result.text).not.toBe('');
    expect(result.tokens).toBeLessThanOrEqual(12);
  });

  it('rounds weights to 8 bits where that is asked for, and refuses what it does not know', async () => {
    const rounded = (await run(...args, '--weights', '8bit', '--json')).json<GenerateResult>();
    expect(rounded.promptTokens).toBe((await run(...args, '--json')).json<GenerateResult>().promptTokens);
    expect(rounded.text).not.toBe('');
    const refused = await plumbline(home, [...args, '--weights', '4bit']);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('--weights must be float32 or 8bit, not "4bit"');
    expect((await run('generate', '--help')).out).toMatch(/answers can\s+differ a little/);
  });

  it('renders the chat template on --chat', async () => {
    const plain = (await run(...args, '--json')).json<GenerateResult>();
    const chat = (await run(...args, '--chat', '--json')).json<GenerateResult>();
    expect(chat.promptTokens).toBeGreaterThan(plain.promptTokens);
  });

  it('gives one text per seed when sampling, and reads an adapter', async () => {
    const sample = async (seed: number): Promise<string> =>
      (await run(...args, '--temperature', 1, '--seed', seed, '--json')).json<GenerateResult>().text;
    expect(await sample(1)).toBe(await sample(1));
    expect(await sample(1)).not.toBe(await sample(2));
    const out = ['--metrics', at('g.jsonl'), '--adapter-out', at('g')];
    await run('train', '--model', 'tiny', '--data', 'pairs', '--loss', 'sft', '--lr', 0.05, ...out);
    const adapted = (await run(...args, '--adapter', at('g'), '--json')).json<GenerateResult>();
    expect(adapted.text).not.toBe((await run(...args, '--json')).json<GenerateResult>().text);
  });
});
