import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../engine/train/adapter.ts';
import { Random } from '../engine/train/random.ts';
import { importModel } from '../formats/import-model.ts';
import { FedSession, MergedSessions, openDecodingSessions, slotBytes } from './decoding-sessions.ts';
import { openBase, supportedArchitectures } from './model.ts';

const bundled = fileURLToPath(new URL('../../../resources/example/model', import.meta.url));
const store = mkdtempSync(join(tmpdir(), 'plumbline-merged-'));
afterAll(() => rmSync(store, { recursive: true, force: true }));
const model = openBase(await importModel(bundled, store, { supported: supportedArchitectures }));
const lora: LoraTrainable = {
  kind: 'lora',
  rank: 4,
  scale: 2,
  targets: selectTargets(model.source, 'all-linear'),
};
const random = new Random(3, 'policy');
const parameters = startAdapter(lora, 1).map((value) => value || 0.05 * random.normal());
const promptsOf = (count: number): Int32Array[] =>
  Array.from({ length: count }, (_, prompt) =>
    Int32Array.from({ length: 3 + (prompt % 7) }, () => random.below(model.source.config.vocabularySize)),
  );

const scratch = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-merged-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

test('merges policies where many tokens are asked for, memory is not short and there is a place', async () => {
  const mergeFolder = scratch();
  const isMerged = async (
    prompts: number,
    maxTokens: number,
    more: object,
    trainable = lora as LoraTrainable | { kind: 'none' },
  ): Promise<boolean> => {
    const sessions = await openDecodingSessions(model, trainable, promptsOf(prompts), { maxTokens, ...more });
    await sessions.release();
    return sessions instanceof MergedSessions;
  };
  expect(await isMerged(64, 64, { mergeFolder })).toBe(true);
  expect(await isMerged(63, 64, { mergeFolder })).toBe(false);
  expect(await isMerged(64, 64, {})).toBe(false);
  expect(await isMerged(64, 64, { mergeFolder, lowMemory: true })).toBe(false);
  expect(await isMerged(64, 64, { mergeFolder }, { kind: 'none' })).toBe(false);
});

test('as many are side by side as memory allows', async () => {
  const batchOf = async (prompts: number, more: object = {}): Promise<number> => {
    const sessions = await openDecodingSessions(model, lora, promptsOf(prompts), { maxTokens: 8, ...more });
    await sessions.release();
    return sessions.batch;
  };
  expect(await batchOf(5)).toBe(5);
  expect(await batchOf(50)).toBe(48);
  expect(await batchOf(50, { lowMemory: true })).toBe(16);
  // Sequences of which each takes a little less than 1 GiB / 25, and more than 1 GiB / 16.
  const ofGibibyte = (parts: number): number => 2 ** 30 / parts / slotBytes(model.source.config);
  expect(await batchOf(50, { maxTokens: Math.floor(ofGibibyte(25)) - 100 })).toBe(25);
  expect(await batchOf(50, { maxTokens: Math.ceil(ofGibibyte(16)) })).toBe(16);
});

test('merged policies answer as fed ones do, the base as itself, and leave no file', async () => {
  const folder = scratch();
  const prompts = promptsOf(6);
  const sizes = { batch: 4, maxLength: 32, threads: 2 };
  const fed = await FedSession.open(model, lora, sizes);
  const merged = new MergedSessions(model, lora, sizes, join(folder, 'not there yet'));
  const settings = { maxTokens: 12, temperature: 0, topP: 1, seed: 0, eosTokenIds: [] };
  const answers = (sessions: FedSession | MergedSessions, own: Float32Array | undefined) =>
    sessions.use(own, (generator, given) => generator.generate(prompts, { ...settings, parameters: given }));
  const found = [await answers(merged, undefined), await answers(merged, parameters)];
  expect(found).toEqual([await answers(fed, undefined), await answers(fed, parameters)]);
  expect(found[0]).not.toEqual(found[1]);
  expect(readdirSync(join(folder, 'not there yet'))).toEqual([]);
  await fed.release();
});

test('what is merged is named apart from what is fed, but for the base', async () => {
  const sizes = { batch: 4, maxLength: 32, threads: 2 };
  const merged = new MergedSessions(model, lora, sizes, scratch());
  const [fed, base] = [
    await FedSession.open(model, lora, sizes),
    await FedSession.open(model, { kind: 'none' }, sizes),
  ];
  expect(merged.contextHash('base')).toBe(base.contextHash('base'));
  const names = [
    merged.contextHash('one'),
    merged.contextHash('other'),
    fed.contextHash('one'),
    base.contextHash('one'),
  ];
  expect(new Set(names).size).toBe(4);
  await fed.release();
  await base.release();
});

test('a place that cannot be written to is named', async () => {
  const file = join(scratch(), 'file');
  writeFileSync(file, '');
  const merged = new MergedSessions(model, lora, { maxLength: 32 }, join(file, 'below'));
  const used = merged.use(parameters, () => Promise.resolve());
  await expect(used).rejects.toThrow(InputError);
  await expect(used).rejects.toThrow(/merged weights cannot be written/);
});

test('work that fails leaves no file', async () => {
  const folder = scratch();
  const merged = new MergedSessions(model, lora, { maxLength: 32 }, folder);
  await expect(merged.use(parameters, () => Promise.reject(new Error('stopped')))).rejects.toThrow('stopped');
  expect(readdirSync(folder)).toEqual([]);
});
