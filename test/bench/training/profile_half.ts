/**
 * Profiles updates over ready token ids, in a fresh process: one to warm up, then those that count.
 *
 *     node profile_half.ts --model DIR --pairs F.json --adapter DIR --threads 2 --scratch DIR --out F.json [--low-memory]
 *
 * F.json holds one update's pairs, or several updates'. The runtime profiles its kernels, Node's profiler the scripts.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { InferenceSession } from 'onnxruntime-node';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { fromPeft } from '../../../src/main/engine/train/adapter.ts';
import { Scorer } from '../../../src/main/engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../../src/main/formats/peft.ts';
import { engineOptions } from '../../../src/main/training/sessions.ts';
import { settings, type BenchPair } from './half-report.ts';
import { attribute, readGraph, type NodePart } from './parts.ts';
import { kernelTimes, partSeconds, type ProfileReport, type TraceEvent } from './profile-report.ts';

const text = { type: 'string', default: '' } as const;
const { values } = parseArgs({
  options: {
    model: text,
    pairs: text,
    adapter: text,
    threads: { ...text, default: '2' },
    scratch: text,
    out: text,
    'low-memory': { type: 'boolean', default: false },
  },
});

interface Profiled {
  readonly session: InferenceSession;
  readonly prefix: string;
  readonly nodeParts: readonly NodePart[];
  passes: number;
}

// Every session made from now on is profiled, whatever it is for.
const profiled: Profiled[] = [];
let runtimeSeconds = 0;
let isProfiling = false;
const create = InferenceSession.create.bind(InferenceSession) as (
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
) => Promise<InferenceSession>;
Object.assign(InferenceSession, {
  async create(model: Uint8Array, options: InferenceSession.SessionOptions) {
    const prefix = join(values.scratch, `profile-${profiled.length}-`);
    const session = await create(model, {
      ...options,
      ...(isProfiling ? { enableProfiling: true, profileFilePrefix: prefix } : {}),
    });
    if (!isProfiling) return session;
    const entry: Profiled = { session, prefix, nodeParts: attribute(readGraph(model)), passes: 0 };
    profiled.push(entry);
    const run = session.run.bind(session) as (...given: unknown[]) => ReturnType<InferenceSession['run']>;
    return Object.assign(session, {
      async run(...given: unknown[]) {
        const start = performance.now();
        const results = await run(...given);
        runtimeSeconds += (performance.now() - start) / 1000;
        entry.passes += 1;
        return results;
      },
    });
  },
});

const pairs = (JSON.parse(readFileSync(values.pairs, 'utf8')) as BenchPair[]).map((pair) => ({
  index: pair.index,
  prompt: Int32Array.from(pair.prompt),
  chosen: Int32Array.from(pair.chosen),
  rejected: Int32Array.from(pair.rejected),
}));
const source = openModel(values.model, values.model);
// As `train` and `compare` open their sessions.
const engine = engineOptions({ threads: Number(values.threads), lowMemory: values['low-memory'] }, pairs);
const scorer = new Scorer(source, { kind: 'none' }, engine);
const ready: TrainingPair[] = [];
for await (const { place, score } of scorer.scoreAll(pairs)) {
  const { chosen, rejected } = score;
  ready.push({ ...pairs[place]!, reference: { chosen, rejected } });
}
await scorer.release();

isProfiling = true;
const { trainable, parameters } = fromPeft(source, readAdapter(values.adapter), values.adapter);
// Branches would hide what is in them from the profile's names of nodes; the kernels are the same.
const trainer = await Trainer.create(source, trainable, ['dpo'], { ...engine, scores: false });
const state = trainer.newState(parameters);
const step = async (batch: readonly TrainingPair[]): Promise<number> => {
  const start = performance.now();
  await trainer.step(state, batch, { loss: 'dpo', ...settings });
  return (performance.now() - start) / 1000;
};
await step(ready.slice(0, settings.update));
for (const entry of profiled) entry.passes = 0;
runtimeSeconds = 0;

const inspector = new Session();
inspector.connect();
await inspector.post('Profiler.enable');
await inspector.post('Profiler.setSamplingInterval', { interval: 500 });
await inspector.post('Profiler.start');
let updates = 0;
let updateSeconds = 0;
for (let start = 0; start < ready.length; start += settings.update) {
  updateSeconds += await step(ready.slice(start, start + settings.update));
  updates += 1;
}
const { profile } = await inspector.post('Profiler.stop');

const traces = profiled.map(({ session, prefix, nodeParts, passes }) => {
  session.endProfiling();
  const file = readdirSync(dirname(prefix)).find((name) => name.startsWith(basename(prefix)));
  if (file === undefined) throw new Error('the runtime wrote no profile');
  const events = JSON.parse(readFileSync(join(dirname(prefix), file), 'utf8')) as TraceEvent[];
  return { events, nodeParts, passes };
});
const report: ProfileReport = {
  updates,
  pairs: pairs.length,
  seconds: partSeconds({ traces, script: profile, updateSeconds, runtimeSeconds }),
  kernels: kernelTimes(traces),
};
writeFileSync(values.out, JSON.stringify(report));
