import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import { checkpointPath } from '../../src/main/training/checkpoint.ts';
import type {
  GeneratedPiece,
  GenerateResult,
  GenerateTextRequest,
  GenerateTextResult,
  Policy,
  Services,
} from '../../src/shared/contract.ts';
import {
  inStore,
  plumbline,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  writeTinyShell,
} from './support.ts';
import { succeed } from './succeed.ts';

/** Generating and scoring in a model's own process, under the base and under what runs have trained. */
const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const home = at('home');
const context = 3000;
const pairs = sums(12);
const base: Policy = { model: 'tiny' };
/** The form of the answers that the runs are trained on. */
const taught = /^ It is \d+\.$/;
const runs = { lora: 1, full: 2, fresh: 3 } as const;
const trained: Policy = { run: runs.lora };
const request = {
  prompt: pairs[0]!.prompt,
  chat: false,
  maxTokens: 24,
  temperature: 0,
  topP: 1,
  seed: 0,
};
let services: Services;

beforeAll(async () => {
  const config = { max_position_embeddings: context };
  writeTinyModel(at('tiny'), { config });
  writeTinyModel(at('plain'), { config, template: false });
  writeTinyShell(at('shell'), { config });
  writeLines(at('pairs.jsonl'), pairs);
  await succeed(home, ['models', 'add', at('tiny')]);
  await succeed(home, ['models', 'add', at('plain')]);
  const train = async (name: string, ...more: (string | number)[]): Promise<void> => {
    const settings = ['--data', at('pairs.jsonl'), '--loss', 'sft', '--lr', 0.02, '--steps', 30];
    const out = ['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name), '--checkpoint-every', 15];
    await succeed(home, ['train', ...settings, ...out, ...more]);
  };
  await train('lora', '--model', 'tiny');
  await train('full', '--model', 'tiny', '--full');
  await train('fresh', '--init', join(at('shell'), 'config.json'));
  services = await createServices({ home });
}, 120_000);
afterAll(async () => {
  await services.close();
  remove();
});

interface Played {
  readonly result: GenerateTextResult;
  readonly pieces: readonly GeneratedPiece[];
}
async function play(policy: Policy, changes: Partial<GenerateTextRequest> = {}): Promise<Played> {
  const pieces: GeneratedPiece[] = [];
  const onPiece = (piece: GeneratedPiece): void => void pieces.push(piece);
  return { result: await services.generateText({ ...request, policy, ...changes }, { onPiece }), pieces };
}
const tokensOf = (pieces: readonly GeneratedPiece[]): readonly { id: number; logProb: number }[] =>
  pieces.flatMap(({ tokens }) => tokens);
const sum = (values: readonly { readonly logProb: number }[]): number =>
  values.reduce((total, { logProb }) => total + logProb, 0);

describe('generating', () => {
  it('streams other text under a checkpoint than under the base, side by side', async () => {
    const [ofBase, ofRun] = await Promise.all([play(base), play(trained)]);
    expect(ofBase.result.text).not.toBe(ofRun.result.text);
    for (const { result, pieces } of [ofBase, ofRun]) {
      expect(pieces.length).toBeGreaterThan(1);
      expect(pieces.map(({ text }) => text).join('')).toBe(result.text);
      expect(tokensOf(pieces)).toHaveLength(result.tokens);
      expect(result.seconds).toBeGreaterThan(0);
    }
    expect(ofRun.result.text).toMatch(taught);
    expect(ofRun.result.finish).toBe('end');
  });

  it('gives what the command line gives: base, checkpoint, and the adapter that the run has written', async () => {
    const options = ['--prompt', request.prompt, '--max-tokens', request.maxTokens, '--json'];
    const text = async (...of: (string | number)[]): Promise<string> =>
      (await succeed(home, ['generate', ...of, ...options])).json<GenerateResult>().text;
    const played = (await play(trained)).result.text;
    expect(await text('--run', runs.lora, '--step', 30)).toBe(played);
    expect(await text('--model', 'tiny', '--adapter', at('lora'))).toBe(played);
    expect(await text('--model', 'tiny')).toBe((await play(base)).result.text);
    const whole = (await play({ run: runs.full })).result.text;
    expect(await text('--model', at('full'))).toBe(whole);
    const fresh = (await play({ run: runs.fresh })).result.text;
    expect(await text('--run', runs.fresh)).toBe(fresh);
    expect(await text('--model', at('fresh'))).toBe(fresh);
  });

  it('gives one text per seed when sampling', async () => {
    const sample = async (seed: number): Promise<string> =>
      (await play(base, { temperature: 1, topP: 0.95, seed })).result.text;
    expect(await sample(1)).toBe(await sample(1));
    expect(await sample(1)).not.toBe(await sample(2));
  });

  it('stops at once when it is cancelled', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let pieces = 0;
    const running = services.generateText(
      { ...request, policy: base, temperature: 1, maxTokens: context },
      {
        signal: controller.signal,
        onPiece: () => {
          pieces += 1;
          if (pieces === 3) controller.abort(reason);
        },
      },
    );
    await expect(running).rejects.toBe(reason);
    expect(pieces).toBe(3);
  });

  it('renders a chat, and stops where the context is full', async () => {
    const [plain, chat] = await Promise.all([play(base), play(base, { chat: true })]);
    expect(chat.result.promptTokens).toBeGreaterThan(plain.result.promptTokens);
    const long = await play(base, { prompt: ' a'.repeat(1490), maxTokens: 5000, temperature: 0 });
    expect(long.result.promptTokens + long.result.tokens).toBeLessThanOrEqual(context);
  });
});

describe('scoring', () => {
  it.each([
    // Of random weights longer texts are cut in another way than they were sampled.
    ['the base', base, 2],
    ['a checkpoint', trained, 12],
  ])(
    "gives a sampled answer's tokens the log-probs that they were streamed with: %s",
    async (_, policy, maxTokens) => {
      let compared = 0;
      for (const [seed, { prompt }] of pairs.entries()) {
        const { result, pieces } = await play(policy, { prompt, temperature: 0.7, maxTokens, seed });
        const { tokens } = await services.scoreText({ policy, prompt, chat: false, completion: result.text });
        const streamed = tokensOf(pieces);
        // Cut in another way: nothing to compare.
        const same = tokens.slice(0, streamed.length);
        if (same.some(({ id }, place) => id !== streamed[place]?.id) || same.length < streamed.length)
          continue;
        expect(Math.abs(sum(same) - sum(streamed))).toBeLessThan(1e-4);
        expect(same.map(({ text }) => text).join('')).toContain(result.text);
        // Scored with what ends it, sampled or not.
        expect(tokens).toHaveLength(streamed.length + (result.finish === 'end' ? 0 : 1));
        compared += 1;
      }
      expect(compared).toBeGreaterThan(0);
    },
  );

  it.each([
    ['the base', base, []],
    ['a checkpoint', trained, ['--adapter', at('lora')]],
  ])('sums to what score writes for the same pairs: %s', async (_, policy, options) => {
    const file = at('scores.jsonl');
    const data = ['--data', at('pairs.jsonl'), '--out', file];
    await succeed(home, ['score', '--model', 'tiny', ...data, ...options]);
    interface Line {
      readonly index: number;
      readonly chosen: { readonly logp: number; readonly tokens: number };
      readonly rejected: { readonly logp: number; readonly tokens: number };
    }
    const lines = readLines<Line>(file);
    expect(lines).toHaveLength(pairs.length);
    for (const { index, ...sums } of lines) {
      for (const answer of ['chosen', 'rejected'] as const) {
        const { prompt, [answer]: completion } = pairs[index]!;
        const { tokens } = await services.scoreText({ policy, prompt, chat: false, completion });
        expect(tokens).toHaveLength(sums[answer].tokens);
        expect(Math.abs(sum(tokens) - sums[answer].logp), `${index} ${answer}`).toBeLessThan(1e-4);
      }
    }
  });

  it('gives whole characters, on the last of the tokens that hold them', async () => {
    const completion = ' né 🙂 日本';
    const { tokens } = await services.scoreText({ policy: base, prompt: 'Say:', chat: false, completion });
    expect(tokens.length).toBeGreaterThan([...completion].length);
    const texts = tokens.map(({ text }) => text);
    expect(texts.join('').startsWith(completion)).toBe(true);
    expect(texts.join('')).not.toContain('\ufffd');
    const chat = await services.scoreText({ policy: base, prompt: 'Say:', chat: true, completion });
    expect(chat.tokens.map(({ text }) => text).join('')).toContain(completion.trim());
  });
});

describe('what cannot be done', () => {
  const refused = async (policy: Policy, changes: Partial<GenerateTextRequest> = {}): Promise<string> =>
    play(policy, changes).then(
      () => 'nothing was refused',
      (error: unknown) => (error as Error).message,
    );

  it('is said in words', async () => {
    expect(await refused(base, { prompt: ' a'.repeat(4000) })).toMatch(
      /the prompt has \d+ tokens; this model's context is 3000 tokens/,
    );
    expect(await refused({ model: 'plain' }, { chat: true })).toContain('no chat template');
    expect(await refused({ model: 'none' })).toContain('no model of this name');
    expect(await refused({ run: 99 })).toContain('there is no run 99');
    expect(await refused({ run: runs.lora, step: 7 })).toBe(
      'run 1 has no checkpoint at step 7; there are some at steps 30',
    );
    const completion = ' a'.repeat(4000);
    await expect(services.scoreText({ policy: base, prompt: 'a', chat: false, completion })).rejects.toThrow(
      "this model's context is 3000 tokens",
    );
  });

  it('is a usage error where options contradict each other', async () => {
    const failing = async (...args: (string | number)[]): Promise<string> => {
      const { code, err } = await plumbline(home, ['generate', '--prompt', 'a', ...args]);
      expect(code).toBe(2);
      return err;
    };
    expect(await failing()).toContain('one of --model M and --run N');
    expect(await failing('--model', 'tiny', '--run', 1)).toContain('one of --model M and --run N');
    expect(await failing('--model', 'tiny', '--step', 1)).toContain('--step needs --run');
    expect(await failing('--run', 1, '--adapter', at('lora'))).toContain('--adapter needs --model');
  });

  it('a damaged checkpoint, of which others are no part', async () => {
    const { sha256 } = inStore(home, (store) => store.checkpoints.listOfRun(runs.full).at(-1)!);
    const file = checkpointPath(join(home, 'checkpoints'), sha256);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    const others = await createServices({ home });
    try {
      const broken = others.generateText({ ...request, policy: { run: runs.full } });
      await expect(broken).rejects.toThrow('run 2 at step 30: the checkpoint is damaged');
      const whole = await others.generateText({ ...request, policy: trained });
      expect(whole.text).toMatch(taught);
    } finally {
      await others.close();
    }
    const { code, err } = await plumbline(home, ['generate', '--run', runs.full, '--prompt', 'a']);
    expect(code).toBe(1);
    expect(err).toContain('run 2 at step 30: the checkpoint is damaged');
  });

  it('a model that has changed since the run was trained on it', async () => {
    writeTinyModel(at('tiny'), { config: { max_position_embeddings: context }, seed: 5 });
    expect(await refused(trained)).toContain('no longer the one that run 1 was trained on');
    // The base is used as it is now.
    expect((await play(base)).result.tokens).toBeGreaterThan(0);
  });
});
