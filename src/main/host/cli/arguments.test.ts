import { describe, expect, it } from 'vitest';
import { lossNames } from '../../../shared/losses.ts';
import { UsageError } from '../../../shared/errors.ts';
import { commandNameOf, parseArguments } from './arguments.ts';
import { commands } from './commands/index.ts';

const read = (line: string) =>
  parseArguments(
    line.split(' ').filter((word) => word !== ''),
    commands,
  );
const train = 'train --model m --data d --loss dpo --metrics f --adapter-out o';

describe('arguments', () => {
  it('finds commands of one and of two words, with global options anywhere', () => {
    expect(read('demo').command?.name).toBe('demo');
    expect(read('models add x').parsed.positionals).toEqual(['x']);
    const { command, globals } = read('--home h --json models --threads=2 list --quiet');
    expect(command?.name).toBe('models list');
    expect(globals).toMatchObject({ home: 'h', json: true, threads: 2, quiet: true, debug: false });
  });

  it('reads numbers, lists and choices', () => {
    const { options } = read(`${train} --lr 5e-6 --warmup .05 --lora-targets q_proj,v_proj --seed=7`).parsed;
    expect(options).toMatchObject({
      learningRate: 5e-6,
      warmup: 0.05,
      loraTargets: ['q_proj', 'v_proj'],
      seed: 7,
    });
    const grid = read('compare --model m --data d --arms minor-dpo,dpo --lr 5e-6,5e-5 --seeds 0,1').parsed
      .options;
    expect(grid).toMatchObject({ arms: ['minor-dpo', 'dpo'], learningRates: [5e-6, 5e-5], seeds: [0, 1] });
  });

  it('joins what may be given several times, and names arms by their parameters', () => {
    const parts = `${train} --loss-parameter kappa=0.25 --loss-parameter gamma=1`;
    expect(read(parts).parsed.options).toMatchObject({ lossParameter: ['kappa=0.25', 'gamma=1'] });
    expect(read(train).parsed.options).toMatchObject({ lossParameter: [] });
    const grid = read('compare --model m --data d --arms dpo,kappa-dpo:kappa=.25,kappa-dpo').parsed.options;
    expect(grid).toMatchObject({ arms: ['dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5'] });
  });

  it('fills in what is absent', () => {
    expect(read('score --model m --data d --out f').parsed.options).toMatchObject({ maxLength: 1024 });
    expect(read('generate --model m --prompt p').parsed.options).toMatchObject({
      temperature: 0,
      topP: 1,
      seed: 0,
      maxTokens: 256,
      chat: false,
    });
  });

  it('takes values that begin with a hyphen where they are meant', () => {
    expect(
      parseArguments(['generate', '--model', 'm', '--prompt', '- a'], commands).parsed.options['prompt'],
    ).toBe('- a');
    expect(
      parseArguments(['generate', '--model', 'm', '--prompt=--a'], commands).parsed.options['prompt'],
    ).toBe('--a');
  });

  it('asks for nothing where help is asked for', () => {
    expect(read('train --help').globals.help).toBe(true);
    expect(read('train -h').globals.help).toBe(true);
    expect(read('models --help').words).toBe('models');
  });

  it.each([
    ['trian', 'unknown command "trian"; did you mean train?'],
    ['models lst', 'unknown command "models lst"; did you mean models list?'],
    ['xyzzy', /^unknown command "xyzzy"; known are demo, serve, models add, models list/],
    ['model add x', 'unknown command "model"; did you mean models?'],
    [`${train} --bata 1`, 'unknown option --bata for train; did you mean --beta?'],
    [`${train} --zzzzzz 1`, /^unknown option --zzzzzz for train$/],
    [`${train} -x`, 'unknown option -x for train'],
    ['train --model m --data d --loss dpo --metrics f', 'train needs --adapter-out DIR'],
    ['score --model m', 'score needs --data D, --out F.jsonl'],
    ['models add', 'models add needs <folder|file.gguf>'],
    ['models add a b', 'models add does not know what to do with "b"'],
    ['models list --json=yes', '--json takes no value'],
    [`${train} --beta`, '--beta needs a value: --beta B'],
    [`${train} --beta --lr 1`, '--beta needs a value: --beta B'],
    [`${train} --beta 0.1 --beta 0.2`, '--beta is given twice'],
    [`${train} --beta 0`, '--beta must be above 0, not 0'],
    [`${train} --beta -1`, '--beta must be above 0, not -1'],
    [`${train} --beta much`, '--beta must be a number, not "much"'],
    [`${train} --beta 0x10`, '--beta must be a number, not "0x10"'],
    [`${train} --beta=`, '--beta must be a number, not ""'],
    [`${train} --lr -5e-6`, '--lr must be 0 or more, not -0.000005'],
    [`${train} --lr 1e999`, '--lr must be a number'],
    [`${train} --warmup 2.5`, '--warmup must be a share below 1 or a whole number of steps, not 2.5'],
    [`${train} --batch-size 1.5`, '--batch-size must be a whole number, not 1.5'],
    [`${train} --eval-share 1`, '--eval-share must be below 1, not 1'],
    [`${train} --lora-targets q_proj,,v_proj`, '--lora-targets has an empty entry'],
    ['train --loss ppo', `--loss must be one of ${lossNames.join(', ')}, not "ppo"`],
    ['compare --arms dpo:kappa=1', '--arms dpo has no parameter kappa; it has none'],
    ['compare --arms kappa-dpo,kappa-dpo:kappa=.5', '--arms names kappa-dpo:kappa=.5 twice'],
    ['compare --seeds 0,0', '--seeds names 0 twice'],
    ['compare --lr 5e-6,0.000005', '--lr names 0.000005 twice'],
    ['compare --arms dpo,ppo', `--arms must be one of ${lossNames.join(', ')}, not "ppo"`],
    ['compare --lr 1e-5,-1', '--lr must be 0 or more, not -1'],
    ['generate --top-p 1.1', '--top-p must be 1 or less'],
    ['--threads 0 models list', '--threads must be 1 or more, not 0'],
    ['--jsn models list', 'unknown option --jsn for models list; did you mean --json?'],
  ])('refuses: %s', (line, message) => {
    expect(() => read(line)).toThrow(UsageError);
    expect(() => read(line)).toThrow(message);
  });

  it('names the command of a line that cannot be parsed', () => {
    expect(commandNameOf(['--home', 'x', 'models', 'list', '--bad'], commands)).toBe('models list');
    expect(commandNameOf(['bad'], commands)).toBeNull();
  });
});
