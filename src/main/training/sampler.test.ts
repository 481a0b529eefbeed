import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchFolder, sums, writeTinyModel } from '../../../test/e2e/support.ts';
import type { PreferenceRow } from '../../shared/preferences.ts';
import { openBase, type OpenModel } from './model.ts';
import { prepareData } from './prepare.ts';
import { Sampler } from './sampler.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);

const open = (name: string, spoil?: (flat: Float32Array) => void): OpenModel => {
  const place = writeTinyModel(join(folder, name), spoil ? { spoil } : {});
  return openBase({ name, hash: name, folder: place, weightsFolder: place });
};
const [one, two, three] = sums(3);
const rows = [one!, { ...one!, rejected: ' Nothing.' }, two!, three!].map((pair, index): PreferenceRow => ({
  kind: 'preference',
  index,
  ...pair,
}));
const sample = async (model: OpenModel, samplePrompts: number): Promise<Sampler | undefined> => {
  const { pairs } = prepareData(rows, model.tokenizer, { maxLength: 256, needsRejected: true, file: 'sums' });
  const options = { samplePrompts, sampleTokens: 6, threads: 1 };
  return Sampler.open(model, { kind: 'none' }, { pairs, rows }, options);
};

describe('Sampler', () => {
  it('takes the first different prompts, as many as there are', async () => {
    const model = open('tiny');
    const first = (await sample(model, 2))!;
    const found = (await first.answer(undefined, {}))!;
    expect(found.map(({ prompt }) => prompt)).toEqual([one!.prompt, two!.prompt]);
    expect(found.every(({ tokens }) => tokens >= 1 && tokens <= 6)).toBe(true);
    await first.release();
    const all = (await sample(model, 9))!;
    expect(all.prompts).toHaveLength(3);
    await all.release();
    expect(await sample(model, 0)).toBeUndefined();
  });

  it('gives no samples where logits are not finite', async () => {
    const sampler = (await sample(
      open('infinite', (flat) => flat.fill(Infinity)),
      2,
    ))!;
    expect(await sampler.answer(undefined, {})).toBeUndefined();
    await sampler.release();
  });

  it('ends where it is told to', async () => {
    const sampler = (await sample(open('stopped'), 2))!;
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    await expect(sampler.answer(undefined, { signal: stop.signal })).rejects.toThrow('enough');
    await sampler.release();
  });
});
