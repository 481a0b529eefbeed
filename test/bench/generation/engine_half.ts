/**
 * This engine's half of `npm run bench:generation`: greedy answers to ready token ids, in a fresh process.
 *
 *     node engine_half.ts --model DIR --work F.json [--batch N] [--weights 8bit] --threads 2 --out F.json
 *
 * F.json is `Work` (half.ts). Without --batch the prompts are answered as evaluations answer them. Opening a
 * session that adapters are fed to, and a short answer to warm up, are not timed; merging an adapter and opening its session are.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import type { Generator } from '../../../src/main/engine/generate/generator.ts';
import { runtimeVersion } from '../../../src/main/engine/session/session.ts';
import { fromPeft } from '../../../src/main/engine/train/adapter.ts';
import { readAdapter } from '../../../src/main/formats/peft.ts';
import { FedSession, openDecodingSessions } from '../../../src/main/training/decoding-sessions.ts';
import { openBase } from '../../../src/main/training/model.ts';
import { peakMemory } from '../../../src/main/training/plan/resources.ts';
import type { Arm, HalfReport, Work } from './half.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { model: text, work: text, batch: text, weights: text, threads: text, out: text },
});
const argument = (name: keyof typeof values): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is needed`);
  return value;
};
const seconds = (since: number): number => (performance.now() - since) / 1000;

const work = JSON.parse(readFileSync(argument('work'), 'utf8')) as Work;
const prompts = work.prompts.map((ids) => Int32Array.from(ids));
const folder = argument('model');
const model = openBase({ name: folder, hash: '', folder, weightsFolder: folder });
const policies = work.adapters.map((each) => fromPeft(model.source, readAdapter(each), each));
const trainable = policies[0]?.trainable ?? { kind: 'none' };
const threads = Number(argument('threads'));
const sessions =
  values.batch === undefined
    ? await openDecodingSessions(model, trainable, prompts, {
        maxTokens: work.max_tokens,
        threads,
        mergeFolder: dirname(argument('out')),
      })
    : await FedSession.open(model, trainable, {
        batch: Number(values.batch),
        maxLength: Math.max(...prompts.map(({ length }) => length)) + work.max_tokens,
        threads,
        weights: values.weights === '8bit' ? '8bit' : 'float32',
      });
const settings = { temperature: 0, topP: 1, seed: 0 } as const;
const warmUp = (generator: Generator, parameters: Float32Array | undefined): Promise<unknown> =>
  generator.generate(prompts.slice(0, 2), { ...settings, parameters, maxTokens: 4, eosTokenIds: [] });

async function answerAll(parameters: Float32Array | undefined): Promise<Arm> {
  if (sessions instanceof FedSession) await sessions.use(parameters, warmUp);
  let promptSeconds = 0;
  const begun = new Set<number>();
  const start = performance.now();
  let last = start;
  const generated = await sessions.use(parameters, (generator, fed) =>
    generator.generate(prompts, {
      ...settings,
      parameters: fed,
      maxTokens: work.max_tokens,
      eosTokenIds: work.end_tokens,
      onToken: (sequence) => {
        const now = performance.now();
        // The prompts of a batch are read together: what passed since the token before is theirs.
        if (!begun.has(sequence)) promptSeconds += (now - last) / 1000;
        begun.add(sequence);
        last = now;
      },
    }),
  );
  const answers = generated.map(({ tokens }) => tokens);
  return { seconds: seconds(start), prompt_seconds: promptSeconds, answers };
}

const arms: Arm[] = [];
for (const { parameters } of policies.length > 0 ? policies : [{ parameters: undefined }]) {
  arms.push(await answerAll(parameters));
}
const logProbs: number[][] = [];
for (const [place, answer] of (work.scored ?? []).entries()) {
  const scored = Int32Array.from(answer);
  logProbs.push(await sessions.use(undefined, (generator) => generator.score(prompts[place]!, scored, {})));
}
const report: HalfReport = {
  arms,
  ...(work.scored ? { log_probs: logProbs } : {}),
  peak_rss_bytes: peakMemory(),
  versions: { node: process.versions.node, 'onnxruntime-node': runtimeVersion },
};
writeFileSync(argument('out'), JSON.stringify(report));
