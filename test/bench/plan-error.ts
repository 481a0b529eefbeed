/**
 * How far plans are off: plans and carries out the bundled example (train and compare as the demo does) and, where
 * ../shared holds them, SmolLM2 on GSM8K pairs, by turns, each in a fresh home.
 *
 *     node test/bench/plan-error.ts [--repeats 3] [--pairs 24] [--threads 2] [--only NAME]
 *
 * The last lines are each case's error in per cent of what was taken, of the plan that a job keeps and of the `plan`
 * command's: the median over the repeats, with the farthest off. Times are wall-clock: on a machine that does other
 * work as well they scatter, and so do their errors.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { demoSettings } from '../../src/shared/demo.ts';
import { describeOutcome, planError, type Outcome, type Plan } from '../../src/shared/plan.ts';
import { openStore } from '../../src/main/store/database.ts';
import { median } from './training/half-report.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    repeats: { ...text, default: '3' },
    pairs: { ...text, default: '24' },
    threads: { ...text, default: '2' },
    only: text,
  },
});
const root = fileURLToPath(new URL('../../', import.meta.url));
const example = join(root, 'resources', 'example');
const smollm = join(root, '../shared/models/smollm2-135m-instruct');
const gsm8k = join(root, '../shared/data/gsm8k-pairs.jsonl');
const scratch = mkdtempSync(join(tmpdir(), 'plan-error-'));

interface Case {
  readonly name: string;
  readonly model: string;
  /** `train` or `compare`, and its options but for the model. */
  readonly command: readonly string[];
  /** Needed by `train` alone, not by its plan. */
  readonly files?: (folder: string) => readonly string[];
}

const { shared, learningRates, seeds, arms, taskTokens } = demoSettings;
const demoOptions = [
  ...['--data', join(example, 'train.jsonl'), '--eval-data', join(example, 'eval.jsonl')],
  ...['--lora-r', String(shared.lora.rank), '--lora-alpha', String(shared.lora.alpha)],
  ...['--batch-size', String(shared.batchSize), '--epochs', String(shared.epochs)],
];
const trainFiles = (folder: string): readonly string[] => [
  ...['--metrics', join(folder, 'metrics.jsonl'), '--adapter-out', join(folder, 'adapter')],
];
const cases: Case[] = [
  {
    name: 'example train',
    model: join(example, 'model'),
    command: ['train', ...demoOptions, '--loss', 'dpo', '--lr', String(learningRates[0])],
    files: trainFiles,
  },
  {
    name: 'example compare',
    model: join(example, 'model'),
    command: [
      ...['compare', ...demoOptions, '--arms', arms.join(), '--lr', learningRates.join()],
      ...['--seeds', seeds.join(), '--task-data', join(example, 'test.jsonl')],
      ...['--task-tokens', String(taskTokens)],
    ],
  },
];
if (existsSync(smollm) && existsSync(gsm8k)) {
  const lines = readFileSync(gsm8k, 'utf8').split('\n').slice(0, Number(values.pairs));
  const data = join(scratch, 'gsm8k.jsonl');
  writeFileSync(data, `${lines.join('\n')}\n`);
  const command = ['train', '--data', data, '--loss', 'minor-dpo', '--batch-size', '4'];
  cases.push({ name: 'SmolLM2 train', model: smollm, command, files: trainFiles });
  const held = [...command, '--eval-share', '0.25', '--epochs', '2'];
  cases.push({ name: 'SmolLM2 train and evaluate', model: smollm, command: held, files: trainFiles });
} else {
  process.stdout.write('SmolLM2 or its data are not in ../shared: left out\n');
}

function plumbline(home: string, ...args: readonly string[]): unknown {
  const given = ['--home', home, '--threads', values.threads, '--json'];
  const ran = spawnSync(process.execPath, [join(root, 'bin/plumbline.mjs'), ...args, ...given], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (ran.status !== 0) throw new Error(`plumbline ${args.join(' ')}: ${ran.stderr.slice(-2000)}`);
  return JSON.parse(ran.stdout) as unknown;
}

interface Found {
  readonly command: Plan;
  readonly kept: Plan;
  readonly outcome: Outcome;
}

function measure({ model, command, files }: Case, folder: string): Found {
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  plumbline(home, 'models', 'add', model, '--name', 'subject');
  const options = [...command, '--model', 'subject'];
  const { plan } = plumbline(home, 'plan', ...options) as { plan: Plan };
  plumbline(home, ...options, ...(files?.(folder) ?? []));
  const store = openStore(join(home, 'plumbline.db'));
  try {
    const job = store.jobs.list()[0]!;
    return { command: plan, kept: job.plan as Plan, outcome: job.result as Outcome };
  } finally {
    store.close();
  }
}

const found = new Map<string, Found[]>();
const picked = cases.filter(({ name }) => values.only === undefined || name.startsWith(values.only));
try {
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    for (const each of picked) {
      const folder = join(scratch, `${each.name.replaceAll(' ', '-')}-${repeat}`);
      const measured = measure(each, folder);
      rmSync(folder, { recursive: true, force: true });
      found.set(each.name, [...(found.get(each.name) ?? []), measured]);
      process.stdout.write(`${each.name}, ${repeat + 1} of ${values.repeats}\n`);
      for (const line of describeOutcome(measured.kept, measured.outcome))
        process.stdout.write(`  ${line}\n`);
      const parts = measured.kept.time?.parts.map(({ name, amount }) => `${name} ${amount.toFixed(1)}`);
      process.stdout.write(`  ${parts?.join(', ')}\n`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

const percent = (share: number): string => `${share < 0 ? '' : '+'}${(100 * share).toFixed(1)} %`;
const summary = (errors: readonly number[]): string => {
  const worst = [...errors].sort((a, b) => Math.abs(b) - Math.abs(a))[0]!;
  return `${percent(median(errors))} (farthest ${percent(worst)})`;
};
for (const [name, repeats] of found) {
  for (const [which, label] of [
    ['kept', 'plan of the job'],
    ['command', 'plan command'],
  ] as const) {
    const errors = repeats.map((each) => planError(each[which], each.outcome));
    const memory = summary(errors.map((error) => error.memory));
    const time = summary(errors.map((error) => error.time ?? NaN));
    process.stdout.write(`${name}, ${label}: memory ${memory}, time ${time}\n`);
  }
}
