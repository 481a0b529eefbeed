import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  filesBelow,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  writeTinyShell,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const good = { prompt: 'One and one?', chosen: ' Two.', rejected: ' Three.' };
const gguf = fileURLToPath(new URL('../parity/fixtures/gguf/tiny-llama.gguf', import.meta.url));

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeTinyModel(at('plain'), { template: false, seed: 5 });
  writeLines(at('pairs.jsonl'), sums(12));
  writeLines(at('one.jsonl'), [good]);
  writeLines(at('answers.jsonl'), [{ prompt: 'One and one?', completion: ' Two.' }]);
  writeFileSync(at('broken.jsonl'), `${JSON.stringify(good)}\n{"prompt": "One\n`);
  writeLines(at('empty-answer.jsonl'), [good, { ...good, prompt: 'a', chosen: '' }]);
  writeLines(at('equal.jsonl'), [good, good, { ...good, prompt: 'b', rejected: good.chosen }]);
  writeLines(at('column.jsonl'), [good, { prompt: 'c', chosen: 'd' }]);
  writeFileSync(at('empty.jsonl'), '');
  writeFileSync(
    at('latin1.jsonl'),
    Buffer.from(`${JSON.stringify({ ...good, prompt: 'café' })}\n`, 'latin1'),
  );
  writeLines(at('held-and-trained.jsonl'), [sums(12)[7]]);

  writeTinyModel(at('unknown-architecture'), {});
  const config = readFileSync(at('unknown-architecture/config.json'), 'utf8');
  writeFileSync(
    at('unknown-architecture/config.json'),
    config.replace('LlamaForCausalLM', 'MambaForCausalLM'),
  );
  writeTinyModel(at('truncated'));
  const weights = readFileSync(at('truncated/model.safetensors'));
  writeFileSync(at('truncated/model.safetensors'), weights.subarray(0, weights.length - 1000));
  writeTinyModel(at('cut-header'));
  writeFileSync(at('cut-header/model.safetensors'), weights.subarray(0, 100));
  writeTinyShell(at('pickle'));
  writeFileSync(at('pickle/pytorch_model.bin'), 'PK');
  writeTinyShell(at('weightless'));
  writeTinyModel(at('broken-config'));
  writeFileSync(at('broken-config/config.json'), '{"architectures": ["LlamaForCausalLM"');
  writeTinyModel(at('contradicting'));
  writeFileSync(at('contradicting/config.json'), config.replace('"hidden_size":32', '"hidden_size":64'));
  writeTinyModel(at('no-tokenizer'));
  rmSync(at('no-tokenizer/tokenizer.json'));
  writeTinyModel(at('nan'), { spoil: (flat) => flat.fill(NaN, 200, 240) });
  writeTinyModel(at('infinite'), { spoil: (flat) => flat.fill(Infinity) });
  const unsupported = Buffer.from(readFileSync(gguf));
  mkdirSync(at('gguf'));
  writeFileSync(at('gguf/bad.gguf'), spoilTensorType(unsupported));
  writeFileSync(at('gguf/short.gguf'), readFileSync(gguf).subarray(0, -500));

  mkdirSync(at('a-folder'));
  writeFileSync(at('a-file'), 'x');
  // An adapter of a model twice as wide.
  writeTinyModel(at('wide'), { config: { hidden_size: 64, head_dim: 16 } });
  const outputs = ['--metrics', at('wide.jsonl'), '--adapter-out', at('wide-adapter')];
  const line = ['train', '--model', at('wide'), '--data', at('pairs.jsonl'), '--loss', 'dpo', '--steps', 1];
  expect((await plumbline(at('wide-home'), [...line, ...outputs])).code).toBe(0);
  mkdirSync(at('not-an-adapter'));
  mkdirSync(at('half-adapter'));
  copyFileSync(at('wide-adapter/adapter_config.json'), at('half-adapter/adapter_config.json'));
});
afterAll(remove);

/** Gives the first tensor of a GGUF file a type that llama.cpp once had and dropped (Q4_2, number 4). */
function spoilTensorType(file: Buffer): Buffer {
  const name = Buffer.from('token_embd.weight');
  const place = file.indexOf(name) + name.length;
  const dimensions = file.readUInt32LE(place);
  file.writeUInt32LE(4, place + 4 + 8 * dimensions);
  return file;
}

const train = (rest: string, loss = 'dpo') =>
  `train --loss ${loss} --metrics @m.jsonl --adapter-out @adapter ${rest}`;
const onTiny = (rest: string, loss = 'dpo') => train(`--model @tiny --data @pairs.jsonl ${rest}`, loss);
const compareTiny = (rest: string) => `compare --model @tiny --report @r.html --out @grid ${rest}`;

/** What is typed ("@" stands for the scratch folder), the exit code, and what the line must say. */
const cases: readonly (readonly [
  what: string,
  line: string,
  code: 1 | 2,
  says: readonly (string | RegExp)[],
])[] = [
  ['missing data file', 'data add @none.jsonl', 1, ['@none.jsonl', 'no such file']],
  ['a folder as data', 'data add @a-folder', 1, ['@a-folder', 'is a folder']],
  ['broken JSON line', 'data add @broken.jsonl', 1, ['@broken.jsonl', 'row 1', 'line 2', 'broken JSON']],
  [
    'empty completion',
    'data add @empty-answer.jsonl',
    1,
    ['@empty-answer.jsonl', 'row 1', 'chosen', 'empty'],
  ],
  ['chosen = rejected', 'data add @equal.jsonl', 1, ['@equal.jsonl', 'row 2', 'chosen', 'rejected']],
  ['missing column', 'data add @column.jsonl', 1, ['@column.jsonl', 'row 1', 'rejected']],
  ['empty file', 'data add @empty.jsonl', 1, ['@empty.jsonl', 'no rows']],
  ['not UTF-8', 'data add @latin1.jsonl', 1, ['@latin1.jsonl', 'row 0', 'UTF-8']],
  ['broken data to train on', train('--model @tiny --data @broken.jsonl'), 1, ['@broken.jsonl', 'row 1']],
  ['unknown dataset', train('--model @tiny --data nothing'), 1, ['nothing', 'no dataset']],

  ['missing model', 'models add @none', 1, ['@none', 'no such file or folder']],
  ['unknown model name', train('--model nothing --data @pairs.jsonl'), 1, ['nothing', 'no model']],
  ['not a model', 'models add @a-file', 1, ['@a-file']],
  ['an empty folder', 'models add @a-folder', 1, ['@a-folder', 'config.json']],
  ['unknown architecture', 'models add @unknown-architecture', 1, ['config.json', 'MambaForCausalLM']],
  ['truncated safetensors', 'models add @truncated', 1, ['model.safetensors', 'truncated']],
  ['safetensors cut in its header', 'models add @cut-header', 1, ['model.safetensors']],
  ['pickle weights', 'models add @pickle', 1, ['@pickle', 'pickle']],
  ['no weights', 'models add @weightless', 1, ['@weightless', /safetensors/]],
  ['broken config.json', 'models add @broken-config', 1, ['config.json', 'JSON']],
  [
    'config.json against the weights',
    'models add @contradicting',
    1,
    ['model.safetensors', 'config.json asks for'],
  ],
  ['missing tokenizer.json', 'models add @no-tokenizer', 1, ['tokenizer.json', 'no such file']],
  ['GGUF of an unsupported type', 'models add @gguf/bad.gguf', 1, ['bad.gguf', /type/]],
  ['truncated GGUF', 'models add @gguf/short.gguf', 1, ['short.gguf', /truncated|ends/]],
  [
    'NaN in the weights',
    onTiny('').replace('@tiny', '@nan'),
    1,
    ['@pairs.jsonl', /row \d/, "reference's log-probs are not finite"],
  ],
  [
    'NaN in the weights, sft',
    onTiny('', 'sft').replace('@tiny', '@nan'),
    1,
    ['@pairs.jsonl', /row \d/, 'not finite'],
  ],
  [
    'infinite weights, score',
    'score --model @infinite --data @pairs.jsonl --out @s.jsonl',
    1,
    ['row 0', 'not finite'],
  ],
  ['infinite weights, generate', 'generate --model @infinite --prompt Hi', 1, ['not finite']],
  [
    'NaN in the weights, compare',
    compareTiny('--data @pairs.jsonl').replace('@tiny', '@nan'),
    1,
    ['row', 'not finite'],
  ],

  [
    'a learning rate that explodes',
    onTiny('--lr 1e30 --warmup 0 --steps 4'),
    1,
    ['@pairs.jsonl', /row \d/, 'not finite', 'learning rate'],
  ],
  [
    'one that overflows at the last step',
    onTiny('--lr 1e39 --warmup 0 --steps 1', 'sft'),
    1,
    ['@pairs.jsonl', 'not finite', 'learning rate'],
  ],
  [
    'one after which held-out pairs overflow',
    onTiny('--lr 1e30 --warmup 0 --steps 1 --eval-share 0.3'),
    1,
    ['@pairs.jsonl', /row \d/, 'not finite', 'learning rate'],
  ],
  [
    'sft data for dpo',
    train('--model @tiny --data @answers.jsonl'),
    1,
    ['@answers.jsonl', 'chosen and rejected'],
  ],
  [
    'sft data for score',
    'score --model @tiny --data @answers.jsonl --out @s.jsonl',
    1,
    ['@answers.jsonl', 'chosen and rejected'],
  ],
  ['all rows skipped', onTiny('--max-length 3'), 1, ['@pairs.jsonl', 'no row']],
  [
    'a share of one prompt',
    train('--model @tiny --data @one.jsonl --eval-share 0.5'),
    1,
    ['@one.jsonl', 'two different prompts'],
  ],
  [
    'an adapter that does not fit',
    'score --model @tiny --data @pairs.jsonl --out @s.jsonl --adapter @wide-adapter',
    1,
    ['@wide-adapter', 'the model has'],
  ],
  [
    'an adapter that does not fit, as start',
    onTiny('--init-adapter @wide-adapter'),
    1,
    ['@wide-adapter', 'the model has'],
  ],
  [
    'an adapter that does not fit, as reference',
    onTiny('--reference @wide-adapter'),
    1,
    ['@wide-adapter', 'the model has'],
  ],
  [
    'a folder without an adapter',
    onTiny('--init-adapter @not-an-adapter'),
    1,
    ['@not-an-adapter', 'adapter_config.json'],
  ],
  [
    'an adapter without weights',
    'generate --model @tiny --prompt Hi --adapter @half-adapter',
    1,
    ['@half-adapter', 'adapter_model.safetensors'],
  ],
  ['targets that match nothing', onTiny('--lora-targets q_proj,nothing'), 1, ['nothing', 'q_proj']],
  [
    '--init of no file',
    train('--init @none/config.json --data @pairs.jsonl'),
    1,
    ['@none/config.json', 'no such file'],
  ],
  [
    '--init with a base as reference',
    train('--init @tiny/config.json --data @pairs.jsonl --reference base'),
    1,
    ['base'],
  ],
  [
    'a held-out prompt that is trained on',
    compareTiny('--data @pairs.jsonl --eval-data @held-and-trained.jsonl'),
    1,
    ['@held-and-trained.jsonl', 'row 0', 'trained on'],
  ],
  [
    'questions that are not there',
    compareTiny('--data @pairs.jsonl --task-data @none.jsonl'),
    1,
    ['@none.jsonl', 'no such file'],
  ],
  [
    'questions without answers',
    compareTiny('--data @pairs.jsonl --task-data @pairs.jsonl'),
    1,
    ['@pairs.jsonl', 'row 0', 'answer'],
  ],
  ['--chat without a template', 'generate --model @plain --prompt Hi --chat', 1, ['@plain', 'chat template']],

  [
    'metrics that are a folder',
    `train --loss dpo --model @tiny --data @pairs.jsonl --metrics @a-folder --adapter-out @adapter`,
    1,
    ['@a-folder', 'is a folder'],
  ],
  [
    'metrics below a file',
    `train --loss dpo --model @tiny --data @pairs.jsonl --metrics @a-file/m.jsonl --adapter-out @adapter`,
    1,
    ['@a-file/m.jsonl', 'not a folder'],
  ],
  [
    'an adapter folder that is a file',
    `train --loss dpo --model @tiny --data @pairs.jsonl --metrics @m.jsonl --adapter-out @a-file`,
    1,
    ['@a-file', 'not a folder'],
  ],
  [
    'an unwritable report',
    'compare --model @tiny --data @pairs.jsonl --report @a-file/r.html',
    1,
    ['@a-file/r.html', 'not a folder'],
  ],
  [
    'an unwritable grid',
    'compare --model @tiny --data @pairs.jsonl --out @a-file',
    1,
    ['@a-file', 'not a folder'],
  ],
  [
    'scores that are a folder',
    'score --model @tiny --data @pairs.jsonl --out @a-folder',
    1,
    ['@a-folder', 'is a folder'],
  ],
  ['a home that is a file', 'models list --home @a-file', 1, ['@a-file']],

  ['beta 0', onTiny('--beta 0'), 2, ['--beta must be above 0, not 0']],
  ['beta below 0', onTiny('--beta=-1'), 2, ['--beta must be above 0, not -1']],
  ['NaN', onTiny('--lr NaN'), 2, ['--lr', 'NaN']],
  ['an infinite number', onTiny('--beta Infinity'), 2, ['--beta', 'Infinity']],
  ['a learning rate below 0', onTiny('--lr=-1e-5'), 2, ['--lr must be 0 or more']],
  ['no number at all', onTiny('--steps many'), 2, ['--steps', 'many']],
  ['half a step', onTiny('--steps 1.5'), 2, ['--steps', 'whole number']],
  ['no step', onTiny('--steps 0'), 2, ['--steps must be 1 or more']],
  ['the whole as a share', onTiny('--eval-share 1'), 2, ['--eval-share must be below 1']],
  ['an unknown loss', onTiny('', 'ppo'), 2, ['--loss', 'ppo']],
  ['an unknown option', onTiny('--betta 1'), 2, ['--betta']],
  ['an unknown arm', compareTiny('--data @pairs.jsonl --arms dpo,ppo'), 2, ['--arms', 'ppo']],
  ['a prompt with no text', 'generate --model @tiny --prompt=', 2, ['--prompt']],
  ['top-p 0', 'generate --model @tiny --prompt Hi --top-p 0', 2, ['--top-p must be above 0']],
];

describe('bad input: one line, the right exit code, nothing half-written', () => {
  it.each(cases)('%s', async (_what, line, code, says) => {
    const home = at('home');
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home);
    const args = line
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => word.replaceAll('@', `${folder}/`));
    const before = filesBelow(folder);
    const { code: status, err, out } = await plumbline(home, args);
    expect(status, err).toBe(code);
    const lines = err.split('\n').filter((each) => each.startsWith('plumbline: '));
    expect(lines).toHaveLength(1);
    // Beside the error only steps already taken and notes may stand there.
    expect(err.trimEnd().split('\n').at(-1)).toBe(lines[0]);
    expect(err).not.toMatch(/unexpected|undefined|\bat .*\.ts/);
    for (const part of says) {
      if (typeof part === 'string') expect(lines[0]).toContain(part.replace('@', `${folder}/`));
      else expect(lines[0]).toMatch(part);
    }
    expect(out).toBe('');
    const ours = (file: string): boolean =>
      !/^home\/(plumbline\.db(-shm|-wal)?$|logs\/|checkpoints\/)/.test(file);
    expect(filesBelow(folder).filter(ours)).toEqual(before);
    for (const name of ['adapter', 'grid']) expect(existsSync(at(name))).toBe(false);
    if (!existsSync(join(home, 'plumbline.db'))) return;
    inStore(home, (store) => {
      expect(store.datasets.list()).toEqual([]);
      // A model that was whole may have been taken in on the way; a bad one may not.
      if (args[0] === 'models' || args[0] === 'data') expect(store.models.list()).toEqual([]);
      for (const run of store.runs.list()) expect(run.status).toBe('failed');
      for (const comparison of store.comparisons.list()) expect(comparison.status).toBe('failed');
    });
  });
});

it('refuses the home of a newer version and leaves it as it is', async () => {
  const home = at('newer');
  await plumbline(home, ['models', 'list']);
  const database = new Database(join(home, 'plumbline.db'));
  database.pragma('user_version = 999');
  database.close();
  const before = readFileSync(join(home, 'plumbline.db'));
  const { code, err } = await plumbline(home, ['models', 'list']);
  expect(code).toBe(1);
  expect(err.trimEnd().split('\n')).toHaveLength(1);
  expect(err).toContain(join(home, 'plumbline.db'));
  expect(err).toMatch(/newer/);
  expect(readFileSync(join(home, 'plumbline.db')).equals(before)).toBe(true);
});

it('tells file and row in the JSON document too', async () => {
  const { code, json } = await plumbline(at('json-home'), ['data', 'add', at('broken.jsonl'), '--json']);
  expect(code).toBe(1);
  expect(json<{ error: object }>()).toMatchObject({
    schema: 1,
    command: 'data add',
    error: { file: at('broken.jsonl'), row: 1 },
  });
});
