import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError, UsageError } from '../../../shared/errors.ts';
import type { Services } from '../../../shared/contract.ts';
import { comparison, home, model, run, scratch, trainWords, words } from './testing.ts';

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('requests', () => {
  it('translates each command', async () => {
    expect((await run(words('models add ./folder --name n'))).calls).toEqual([
      ['addModel', { path: './folder', name: 'n' }],
    ]);
    expect((await run(words('data add f.jsonl'))).calls).toEqual([['addData', { path: 'f.jsonl' }]]);
    expect((await run(words('score --model m --data d --out s --threads 2'))).calls).toEqual([
      ['score', { model: 'm', data: 'd', maxLength: 1024, out: 's', threads: 2 }],
    ]);
    expect((await run(words('demo'))).calls).toEqual([['demo', {}]]);
    expect(
      (await run(words('generate --model m --adapter a --prompt p --chat --temperature 0.7'))).calls,
    ).toEqual([
      [
        'generate',
        {
          model: 'm',
          adapter: 'a',
          prompt: 'p',
          chat: true,
          maxTokens: 256,
          temperature: 0.7,
          topP: 1,
          seed: 0,
          weights: 'float32',
        },
      ],
    ]);
  });

  it('gives train a whole config', async () => {
    const line = `${trainWords} --model m --beta 0.2 --lr 1e-4 --scheduler linear --warmup 3 --batch-size 2 --grad-accum 4 --steps 9 --max-length 512 --max-grad-norm 0.5 --weight-decay 0.01 --seed 3 --no-shuffle --lora-r 8 --lora-alpha 16 --lora-targets q_proj,v_proj --reference base --eval-share 0.1 --threads 2`;
    expect((await run(words(line))).calls).toEqual([
      [
        'train',
        {
          start: { model: 'm' },
          data: 'd',
          metrics: 'm.jsonl',
          adapterOut: 'out',
          config: {
            loss: 'minor-dpo',
            beta: 0.2,
            learningRate: 1e-4,
            scheduler: 'linear',
            warmup: 3,
            batchSize: 2,
            gradAccum: 4,
            steps: 9,
            maxLength: 512,
            maxGradNorm: 0.5,
            weightDecay: 0.01,
            seed: 3,
            shuffle: false,
            full: false,
            lora: { rank: 8, alpha: 16, targets: ['q_proj', 'v_proj'] },
            reference: 'base',
            evalShare: 0.1,
            threads: 2,
          },
        },
      ],
    ]);
  });

  it('trains every weight with --full and with --init', async () => {
    const full = (await run(words(`${trainWords} --model m --full`))).calls[0]![1];
    expect(full).toMatchObject({ start: { model: 'm' }, config: { full: true, epochs: 1 } });
    expect(full).not.toHaveProperty('config.lora');
    const init = (await run(words(`${trainWords} --init config.json`))).calls[0]![1];
    expect(init).toMatchObject({ start: { init: 'config.json' }, config: { full: true } });
  });

  it('gives compare the grid and what its runs share, with held-out pairs in any case', async () => {
    const line =
      'compare --model m --data d --arms dpo,minor-dpo --lr 5e-6,5e-5 --seeds 0,1 --pairs 64 --report r.html';
    const { calls } = await run(words(line));
    expect(calls[0]).toMatchObject([
      'compare',
      {
        model: 'm',
        data: 'd',
        arms: ['dpo', 'minor-dpo'],
        learningRates: [5e-6, 5e-5],
        seeds: [0, 1],
        pairs: 64,
        report: 'r.html',
        shared: { evalShare: 0.2, batchSize: 8 },
      },
    ]);
    expect(calls[0]![1]).not.toHaveProperty('shared.beta');
    const betas = (await run(words(`${line} --betas 0.05,0.1`))).calls[0]![1];
    expect(betas).toMatchObject({ betas: [0.05, 0.1] });
    expect(betas).not.toHaveProperty('shared.beta');
    const staged = (await run(words(`${line} --sft-first 2e-5 --sft-epochs 2`))).calls[0]![1];
    expect(staged).toMatchObject({ sftFirst: { learningRate: 2e-5, epochs: 2 } });
    expect(staged).not.toHaveProperty('sftFirst.steps');
    expect(staged).not.toHaveProperty('shared.sftEpochs');
    const named = (await run(words('compare --model m --data d --eval-data e'))).calls[0]![1];
    expect(named).toMatchObject({ shared: { evalData: 'e' }, arms: ['dpo', 'minor-dpo'], seeds: [0] });
    expect(named).not.toHaveProperty('shared.evalShare');
    expect(named).not.toHaveProperty('taskTokens');
    for (const name of ['betas', 'sftFirst']) expect(named).not.toHaveProperty(name);
  });

  it('gives compare a task, with a longest answer in any case', async () => {
    const line = 'compare --model m --data d --task-data q.jsonl';
    expect((await run(words(line))).calls[0]![1]).toMatchObject({ taskData: 'q.jsonl', taskTokens: 256 });
    const short = (await run(words(`${line} --task-tokens 64`))).calls[0]![1];
    expect(short).toMatchObject({ taskData: 'q.jsonl', taskTokens: 64 });
    expect(short).not.toHaveProperty('shared.taskTokens');
  });

  it('opens the home it is told, and closes what it opened', async () => {
    expect(await run(words('models list'))).toMatchObject({ homes: [home], closed: 1 });
    const other = join(scratch, 'from option');
    const { homes } = await run([...words('models list --home'), relative('.', other)]);
    expect(homes).toEqual([other]);
  });
});

describe('refusals', () => {
  it.each([
    [`${trainWords} --model m --init c`, '--model and --init exclude each other'],
    [trainWords, 'train needs --model M or --init config.json'],
    [`${trainWords} --model m --steps 1 --epochs 1`, '--steps and --epochs exclude each other'],
    [
      `${trainWords} --model m --eval-data e --eval-share 0.1`,
      '--eval-data and --eval-share exclude each other',
    ],
    [`${trainWords} --model m --full --lora-r 4`, '--full and --lora-r exclude each other'],
    [`${trainWords} --model m --full --init-adapter a`, '--full and --init-adapter exclude each other'],
    [`${trainWords} --model m --init-adapter a --lora-r 4`, '--init-adapter and --lora-r exclude each other'],
    [`${trainWords} --init c --lora-r 4`, '--init and --lora-r exclude each other'],
    [`${trainWords} --model m --beta -1`, '--beta must be above 0, not -1'],
    ['compare --model m --data d --steps 1 --epochs 1', '--steps and --epochs exclude each other'],
    ['compare --model m --data d --beta 0.1 --betas 0.1,0.2', '--beta and --betas exclude each other'],
    ['compare --model m --data d --betas 0.1,0', '--betas must be above 0, not 0'],
    ['compare --model m --data d --betas 0.1,0.1', '--betas names 0.1 twice'],
    ['compare --model m --data d --sft-epochs 2', '--sft-epochs needs --sft-first LR'],
    ['compare --model m --data d --sft-steps 2', '--sft-steps needs --sft-first LR'],
    [
      'compare --model m --data d --sft-first 1e-5 --sft-epochs 2 --sft-steps 3',
      '--sft-epochs and --sft-steps exclude each other',
    ],
    ['compare --model m --data d --sft-first 1e-5 --full', '--full and --sft-first exclude each other'],
    ['compare --model m --data d --task-tokens 64', '--task-tokens needs --task-data FILE'],
    ['models', 'name a command: models add, models list, models show, models rename, models remove'],
    ['nonsense', 'unknown command "nonsense"'],
  ])('%s', async (line, message) => {
    const { code, err, out, homes } = await run(words(line));
    expect(code).toBe(2);
    expect(err).toContain(`plumbline: ${message}`);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(out).toBe('');
    // Nothing is opened, let alone made, for arguments that are wrong.
    expect(homes).toEqual([]);
  });

  it('shows help on stderr where no command is named', async () => {
    const { code, err, out } = await run([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Usage: plumbline <command>');
  });
});

describe('output', () => {
  it('prints one JSON document with schema and command', async () => {
    const { out, err, code } = await run(words('models list --json'));
    expect(JSON.parse(out)).toEqual({ schema: 1, command: 'models list', models: [model] });
    expect({ err, code }).toEqual({ err: '', code: 0 });
  });

  it('keeps progress, notes and streamed text out of the JSON document', async () => {
    const { out, err } = await run([...words('generate --model m --json --prompt'), 'What is 6 x 7?']);
    expect(JSON.parse(out)).toMatchObject({ schema: 1, command: 'generate', text: '42', tokens: 2 });
    expect(err).toContain('2 tokens in 0.5 s (4 tokens/s)');
  });

  it('prints an error as JSON too, and as a line', async () => {
    const failing = {
      listModels: () => Promise.reject(new InputError('not JSON', { file: 'a.jsonl', row: 3 })),
    };
    const { out, err, code, closed } = await run(words('models list --json'), failing);
    expect(JSON.parse(out)).toEqual({
      schema: 1,
      command: 'models list',
      error: { message: 'a.jsonl, row 3: not JSON', file: 'a.jsonl', row: 3 },
    });
    expect({ err, code, closed }).toEqual({
      err: 'plumbline: a.jsonl, row 3: not JSON\n',
      code: 1,
      closed: 1,
    });
    const wrong = await run(words('train --bata 1 --json'));
    expect(JSON.parse(wrong.out)).toMatchObject({
      schema: 1,
      command: 'train',
      error: { file: null, row: null },
    });
    expect(wrong.code).toBe(2);
  });

  it('shows tables to people', async () => {
    const { out } = await run(words('models list'));
    expect(out).toMatch(/^NAME +FAMILY +PARAMETERS/);
    expect(out).toMatch(/\nsmall +llama +135M +safetensors +8,192 +yes +269 MB +\/models\/small\n$/);
    expect((await run(words('data list'))).out).toContain('no datasets yet');
    expect((await run(words('data add f'))).out).toContain('known already as pairs');
  });

  it('sums up scores, training and comparisons', async () => {
    const score = (await run(words('score --model m --data d --out s.jsonl'))).out;
    expect(score).toContain(
      '64 of 66 rows, 2 skipped because the prompt alone fills the length, 1 with answers cut',
    );
    expect(score).toContain('62.5%');
    expect(score).toContain('(2 pairs/s)');
    const train = (await run(words(`${trainWords} --model m`))).out;
    expect(train).toContain('MinorDPO, beta 0.1, lr 5e-6, seed 0: 8 steps');
    expect(train).toMatch(/\nloss +0\.6931 +0\.5123\n/);
    expect(train).toMatch(/\ngate open +0\.0% +25\.0%\n/);
    expect(train).toMatch(/held out, 12 pairs\n +task accuracy +25\.0% of 4 questions\n/);
    expect(train).toMatch(/\n +preference accuracy +75\.0%, 1 with c = r\n +c \(chosen log-ratio\) +-1\.5\n/);
    expect(train).toMatch(
      /\n +r \(rejected log-ratio\) +-4\n +margin c - r +2\.5\n +chosen above rejected +50\.0%\n/,
    );
    expect(train).not.toContain('r per token');
    const compare = (await run(words('demo'))).out;
    expect(compare).toMatch(
      /^trained on 52 pairs \(.*2 skipped.*\), evaluated on 12 held-out ones, 1:01\n\narm/,
    );
    // The table holds the verdicts: each is said once.
    expect(compare.endsWith('dpo  50%\n\n> lr 5e-6: too few seeds to tell\n\nreport: r.html\n')).toBe(true);
    expect(compare.match(/too few seeds/g)).toHaveLength(1);
  });

  it('streams generated text, with figures on stderr unless quiet', async () => {
    const line = words('generate --model m --prompt p');
    expect(await run(line)).toMatchObject({ out: '42\n', err: '2 tokens in 0.5 s (4 tokens/s)\n' });
    expect(await run([...line, '--quiet'])).toMatchObject({ out: '42\n', err: '' });
  });

  it('writes progress to stderr only', async () => {
    const noting: Partial<Services> = {
      demo: (_request, call) => {
        call?.onProgress?.({ kind: 'note', text: '2 rows skipped' });
        return Promise.resolve(comparison);
      },
    };
    const { out, err } = await run(words('demo --json'), noting);
    expect(err).toBe('2 rows skipped\n');
    expect(JSON.parse(out)).toMatchObject({
      schema: 1,
      command: 'demo',
      comparison: { data: { trainPairs: 52 } },
    });
    expect((await run(words('demo --quiet'), noting)).err).toBe('');
  });
});

describe('failures', () => {
  const fail = (error: unknown): Partial<Services> => ({ listModels: () => Promise.reject(error) });

  it('says one line and how to see more of an unexpected error', async () => {
    const { code, err } = await run(words('models list'), fail(new TypeError('first\nsecond')));
    expect(code).toBe(1);
    expect(err).toBe('plumbline: first (unexpected; run again with --debug for the stack)\n');
    expect((await run(words('models list --debug'), fail(new TypeError('first')))).err).toContain('    at ');
    expect((await run(words('models list'), fail('thrown text'))).err).toContain('plumbline: thrown text');
  });

  it('takes the services’ word on wrong arguments', async () => {
    expect((await run(words('models list'), fail(new UsageError('no such loss')))).code).toBe(2);
  });

  // Windows has no signals to send; there Ctrl-C is a console event.
  it.skipIf(process.platform === 'win32')('ends with 130 after Ctrl-C and closes the services', async () => {
    const repository = fileURLToPath(new URL('../../../../', import.meta.url));
    const script = `
      import { main } from './src/main/host/cli/main.ts';
      const demo = (_request, { signal }) => new Promise((_, reject) => {
        const busy = setInterval(() => signal.aborted && (clearInterval(busy), reject(signal.reason)), 5);
        process.stdout.write('working\\n');
      });
      process.exitCode = await main(['demo'], async () => ({ demo, close: async () => console.log('closed') }));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: repository,
      env: { ...process.env, PLUMBLINE_HOME: home },
    });
    let out = '';
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out === 'working\n') child.kill('SIGINT');
    });
    const [code] = await once(child, 'close');
    expect(out).toBe('working\nclosed\n');
    expect(err).toBe('stopping after this step; press again to quit at once\nplumbline: stopped\n');
    expect(code).toBe(130);
  });
});
