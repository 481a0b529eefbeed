/**
 * How training's cost grows with the length of sequences, and what a second thread brings:
 *
 *     npm run bench:scaling -- [--model PATH] [--lengths 128,256,512,1024,2048] [--threads 1,2] [--low-memory]
 *
 * A pair of each length is half prompt and a quarter each answer, of random tokens; LoRA r 16 on all linear layers. Every length
 * has a process and sessions of its own, as data of that length would have. Told are the median seconds of a pass with its
 * gradient, the arithmetic that it needs by the second (training/arithmetic.ts; attention's square included), and the
 * ratios between lengths and threads.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openModel } from '../../src/main/engine/models/load.ts';
import { selectTargets, startAdapter } from '../../src/main/engine/train/adapter.ts';
import { Random } from '../../src/main/engine/train/random.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer } from '../../src/main/engine/train/trainer.ts';
import { engineOptions } from '../../src/main/training/sessions.ts';
import { trainingArithmetic } from './training/arithmetic.ts';
import { parseCount } from './training/options.ts';
import { runProcess } from './training/process.ts';
import { prepareMaterial } from './training/work.ts';

const rank = 16;
/** Passes that are timed: as many as make up about this many tokens. */
const timedTokens = 6000;

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    model: text,
    lengths: { ...text, default: '128,256,512,1024,2048' },
    threads: { ...text, default: '1,2' },
    'low-memory': { type: 'boolean', default: false },
    /** One measurement, in a process of its own: the model's folder. */
    folder: text,
  },
});
const counts = (name: 'lengths' | 'threads'): number[] =>
  values[name].split(',').map((part) => parseCount(name, part));

if (values.folder === undefined) await measureAll();
else
  console.log(JSON.stringify(await measureOne(values.folder, counts('lengths')[0]!, counts('threads')[0]!)));

async function measureOne(folder: string, length: number, threads: number) {
  const source = openModel(folder, folder);
  const random = new Random(1, `scaling/${length}`);
  const tokens = (count: number): Int32Array =>
    Int32Array.from({ length: count }, () => Math.floor(random.uniform() * source.config.vocabularySize));
  const answer = Math.floor(length / 4);
  const pair = {
    index: 0,
    prompt: tokens(length - 2 * answer),
    chosen: tokens(answer),
    rejected: tokens(answer),
    reference: { chosen: -100, rejected: -110 },
  };
  const lora = { kind: 'lora', rank, scale: 2, targets: selectTargets(source, 'all-linear') } as const;
  const engine = engineOptions({ threads, lowMemory: values['low-memory'] }, [pair]);
  const trainer = await Trainer.create(source, lora, ['dpo'], engine);
  const parameters = startAdapter(lora, 1);
  const pass = async (): Promise<number> => {
    const start = performance.now();
    await trainer.accumulate(parameters, [pair], { loss: 'dpo', beta: 0.1 }, new StepTelemetry(0.1));
    return (performance.now() - start) / 1000;
  };
  // The first pass maps memory and compiles.
  await pass();
  const found: number[] = [];
  for (let time = 0; time < Math.max(3, timedTokens / length); time++) found.push(await pass());
  const seconds = found.sort((a, b) => a - b)[found.length >> 1]!;
  const lengths = { prompt: pair.prompt.length, answers: [answer, answer] };
  return { length, threads, seconds, needed: trainingArithmetic(source.config, rank, [lengths]).total };
}

async function measureAll(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'plumbline-scaling-'));
  try {
    const { model, modelFolder } = await prepareMaterial(values.model, scratch);
    console.log(`${model}, LoRA r ${rank}${values['low-memory'] ? ', in little memory' : ''}\n`);
    console.log('tokens  threads  seconds a pair  tokens/s  GFLOP/s  of the best length  of one thread');
    const rates = new Map<string, number>();
    const rows = [];
    for (const length of counts('lengths')) {
      for (const threads of counts('threads')) {
        const row = await inProcess(modelFolder, length, threads);
        rates.set(`${length}/${threads}`, row.needed / row.seconds);
        rows.push(row);
      }
    }
    for (const { length, threads, seconds, needed } of rows) {
      const rate = needed / seconds;
      const best = Math.max(...counts('lengths').map((other) => rates.get(`${other}/${threads}`)!));
      const alone = rates.get(`${length}/1`);
      const cells = [
        String(length).padStart(6),
        String(threads).padStart(7),
        seconds.toFixed(3).padStart(14),
        (length / seconds).toFixed(0).padStart(8),
        (rate / 1e9).toFixed(0).padStart(7),
        `${((100 * rate) / best).toFixed(0)} %`.padStart(18),
        alone === undefined ? '' : `${(rate / alone).toFixed(2)}×`.padStart(13),
      ];
      console.log(cells.join('  '));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** As `measureOne`, in a fresh process. */
async function inProcess(
  folder: string,
  length: number,
  threads: number,
): Promise<Awaited<ReturnType<typeof measureOne>>> {
  let found: Awaited<ReturnType<typeof measureOne>> | undefined;
  const given = ['--folder', folder, '--lengths', String(length), '--threads', String(threads)];
  if (values['low-memory']) given.push('--low-memory');
  await runProcess('scaling', process.execPath, [fileURLToPath(import.meta.url), ...given], {
    onLine(line) {
      if (line.startsWith('{')) found = JSON.parse(line) as typeof found;
      return false;
    },
  });
  if (!found) throw new Error('the measurement told nothing');
  return found;
}
