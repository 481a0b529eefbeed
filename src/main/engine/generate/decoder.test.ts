import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { readSafetensorsHeader, readTensorFloat32 } from '../../formats/safetensors.ts';
import { fixture } from '../../formats/testing.ts';
import { gather, matmul } from '../graph/ops/index.ts';
import { input } from '../graph/types.ts';
import { packedAttention } from '../models/attention.ts';
import type { ModelSource } from '../models/family.ts';
import { openModel } from '../models/load.ts';
import { frozenParameters } from '../models/parameters.ts';
import { rotaryTables } from '../models/rotary-tables.ts';
import { GraphSession, int64 } from '../session/session.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';
import { Random } from '../train/random.ts';
import { Decoder, type Piece } from './decoder.ts';

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const tiny = (name: string): ModelSource => openModel(fixture(`llama/${name}`), fixture(`llama/${name}`));
const none: Trainable = { kind: 'none' };

const held: { release(): Promise<void> }[] = [];
afterAll(() => Promise.all(held.map((each) => each.release())));

function logProb(logits: Float32Array, token: number): number {
  const largest = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits[token]! - largest - Math.log(sum);
}

test.each(['tied', 'untied', 'llama3-rope', 'biases'])(
  "log-probs by prompt and single tokens equal transformers' in double precision: %s",
  async (name) => {
    interface Answers<T> {
      readonly chosen: T;
      readonly rejected: T;
    }
    const pairs = readJson<(Answers<number[]> & { prompt: number[] })[]>(fixture(`llama/${name}/pairs.json`));
    const expected = readJson<{ float64: Answers<{ log_probs: number[] }>[] }>(
      fixture(`llama/${name}/expected.json`),
    );
    const decoder = await Decoder.create(tiny(name), none, { batch: 1, maxLength: 128, threads: 1 });
    held.push(decoder);
    let compared = 0;
    for (const [index, pair] of pairs.entries()) {
      if (pair.prompt.length === 0) continue;
      for (const answer of ['chosen', 'rejected'] as const) {
        const decoding = decoder.begin(undefined);
        let logits = await decoding.readPrompt(Int32Array.from(pair.prompt));
        for (const [place, token] of pair[answer].entries()) {
          const wanted = expected.float64[index]![answer].log_probs[place]!;
          expect(Math.abs(logProb(logits, token) - wanted), `${index} ${answer} ${place}`).toBeLessThan(2e-5);
          logits = await decoding.pass([token]);
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(20);
  },
);

/** Logits at every position by one pass of whole-sequence attention. */
async function fullForward(source: ModelSource, ids: Int32Array): Promise<Float32Array> {
  const { config, family } = source;
  const groups = config.heads / config.keyValueHeads;
  const parameters = frozenParameters(source.weights!);
  const hidden = family.forward(config, parameters, {
    batch: 1,
    length: 'T',
    tokenIds: input('token_ids', 'int64', ['T']),
    positions: input('positions', 'int64', [1, 'T']),
    rotary: rotaryTables(config, ids.length),
    attention: packedAttention(config, 1, 'T', input('mask', 'float32', [`${groups}*T`, 'T'])),
  });
  const head = parameters.tensor(family.headName(config), [config.vocabularySize, config.hiddenSize]);
  const last = gather(hidden, input('rows', 'int64', ['R']));
  const session = await GraphSession.create(
    { logits: matmul(last, head, { transposeB: true }) },
    { threads: 1, weightsFolder: source.weights!.folder },
  );
  held.push(session);
  const { length } = ids;
  const mask = new Float32Array(groups * length * length);
  for (let row = 0; row < groups * length; row++) {
    mask.fill(-Infinity, row * length + (row % length) + 1, (row + 1) * length);
  }
  const result = await session.run({
    token_ids: { data: int64(ids), shape: [length] },
    positions: { data: int64(ids.keys()), shape: [1, length] },
    rows: { data: int64(ids.keys()), shape: [length] },
    mask: { data: mask, shape: [groups * length, length] },
  });
  return result['logits'] as Float32Array;
}

/** The largest difference of two rows of logits. */
const errorOf = (found: Float32Array, wanted: Float32Array): number =>
  Math.max(...wanted.map((value, token) => Math.abs(value - found[token]!)));

test.each([1, 2])(
  'a long prompt read in pieces, and single tokens after it, give the logits of a full forward pass: batch %i',
  async (batch) => {
    const source = tiny('llama3-rope');
    const size = source.config.vocabularySize;
    const random = new Random(3, 'prompts');
    const ids = Int32Array.from({ length: 620 }, () => random.below(size));
    const decoder = await Decoder.create(source, none, { batch, maxLength: 640, threads: 1 });
    held.push(decoder);
    const decoding = decoder.begin(undefined);
    const full = await fullForward(source, ids);
    const read = 6;
    let logits = await decoding.readPrompt(ids.subarray(0, ids.length - read));
    for (let place = ids.length - read - 1; ; place++) {
      const wanted = full.subarray(place * size, (place + 1) * size);
      expect(errorOf(logits.subarray(0, size), wanted), `token ${place}`).toBeLessThan(5e-5);
      if (place === ids.length - 1) break;
      logits = await decoding.pass([ids[place + 1]!]);
    }
  },
);

test('prompts read piece by piece while others go on, end and change their places, give the logits of a full forward pass', async () => {
  const source = tiny('llama3-rope');
  const size = source.config.vocabularySize;
  const random = new Random(5, 'prompts');
  const texts = [30, 90, 61, 140, 64].map((length) => Int32Array.from({ length }, () => random.below(size)));
  const full: Float32Array[] = [];
  for (const ids of texts) full.push(await fullForward(source, ids));
  const decoder = await Decoder.create(source, none, { batch: 3, maxLength: 160, threads: 1 });
  held.push(decoder);
  const decoding = decoder.begin(undefined);
  /** By place: which text, and how much of it has been read. */
  const running: { text: number; read: number }[] = [];
  let next = 0;
  let pieceAt = 0;
  let compared = 0;
  while (running.length > 0 || next < texts.length) {
    const tokens = running.map(({ text, read }) => texts[text]![read]!);
    running.forEach((each) => (each.read += 1));
    const ids = texts[next];
    // All but the last ten tokens are the prompt, in pieces of 20; each text ends at another time.
    const prompt = ids?.subarray(0, ids.length - 10);
    let piece: Piece | undefined;
    if (prompt && running.length < 3) {
      const part = prompt.subarray(pieceAt, pieceAt + 20);
      pieceAt += part.length;
      piece = { tokens: part, logits: pieceAt === prompt.length ? 'last' : 'none' };
    }
    const logits = await decoding.pass(tokens, piece);
    if (piece?.logits === 'last') {
      running.push({ text: next, read: prompt!.length });
      next += 1;
      pieceAt = 0;
    }
    expect(decoding.sequences).toBe(running.length);
    running.forEach(({ text, read }, place) => {
      const wanted = full[text]!.subarray((read - 1) * size, read * size);
      const found = logits.subarray(place * size, (place + 1) * size);
      expect(errorOf(found, wanted), `text ${text}, token ${read - 1}`).toBeLessThan(5e-5);
      compared += 1;
    });
    for (let place = running.length - 1; place >= 0; place--) {
      const { text, read } = running[place]!;
      if (read < texts[text]!.length) continue;
      decoding.end(place);
      const last = running.pop()!;
      if (place < running.length) running[place] = last;
    }
  }
  expect(compared).toBe(5 * 11);
});

test.each([1, 3])(
  'prompts that begin alike go on from what was read once as if they had been read whole: batch %i',
  async (batch) => {
    const source = tiny('llama3-rope');
    const size = source.config.vocabularySize;
    const random = new Random(6, 'prompts');
    const ids = (length: number): number[] => Array.from({ length }, () => random.below(size));
    // Longer than a piece; behind it very little, and more than a step of slots.
    const prefix = ids(530);
    const texts = [1, 40, 90, 7].map((length) => Int32Array.from([...prefix, ...ids(length + 3)]));
    const decoder = await Decoder.create(source, none, { batch, maxLength: 640, threads: 1 });
    held.push(decoder);
    const decoding = decoder.begin(undefined);
    await decoding.readPrefix(Int32Array.from(prefix));
    expect(decoding.sequences).toBe(0);
    let compared = 0;
    for (const text of texts) {
      const full = await fullForward(source, text);
      const prompt = text.subarray(prefix.length, text.length - 3);
      for (let read = text.length - 3; ; read++) {
        const isPrompt = read === text.length - 3;
        const others = isPrompt ? [] : [text[read - 1]!];
        const logits = await decoding.pass(others, isPrompt ? { tokens: prompt, logits: 'last' } : undefined);
        const wanted = full.subarray((read - 1) * size, read * size);
        expect(errorOf(logits.subarray(0, size), wanted), `${text.length}, token ${read - 1}`).toBeLessThan(
          5e-5,
        );
        compared += 1;
        if (read === text.length) break;
      }
      decoding.end(0);
    }
    expect(compared).toBe(4 * 4);
  },
);

test.each([1, 3])(
  'the likeliest tokens are those of the logits, and logits that are not finite have none: batch %i',
  async (batch) => {
    const { family, config } = tiny('tied');
    const size = config.vocabularySize;
    const full: Trainable = { kind: 'full' };
    const decoder = await Decoder.create({ family, config }, full, { batch, maxLength: 64, threads: 1 });
    held.push(decoder);
    const header = readSafetensorsHeader(fixture('llama/tied/model.safetensors'));
    const layout = trainableLayout({ family, config }, full);
    const parameters = new Float32Array(layout.size);
    for (const { name, offset } of layout.entries)
      parameters.set(readTensorFloat32(header, header.tensors.get(name)!), offset);
    const prompts = Array.from({ length: batch }, (_, at) => Int32Array.from([1, 5 + at, 9]));
    const [told, chosen] = [decoder.begin(parameters), decoder.begin(parameters)];
    const tokens: number[] = [];
    for (let step = 0; step < batch + 6; step++) {
      const piece: Piece | undefined = prompts[step] && { tokens: prompts[step]!, logits: 'last' };
      const logits = await told.pass(tokens, piece);
      const found = await chosen.likeliest(tokens, piece);
      const expected = Array.from({ length: logits.length / size }, (_, row) => {
        const own = [...logits.subarray(row * size, (row + 1) * size)];
        return own.indexOf(Math.max(...own));
      });
      expect(found).toEqual(expected);
      tokens.splice(0, tokens.length, ...found);
    }
    // One number of the table, of a token that is not read: of each row one logit alone.
    const table = layout.entries.find(({ name }) => name === 'model.embed_tokens.weight')!;
    for (const broken of [NaN, Infinity]) {
      const diverged = parameters.slice();
      diverged[table.offset] = broken;
      const decoding = decoder.begin(diverged);
      await expect(decoding.likeliest([], { tokens: [4, 5], logits: 'last' })).rejects.toThrow('not finite');
    }
  },
);

test('there is a place for each sequence, and a token for each', async () => {
  const decoder = await Decoder.create(tiny('tied'), none, { batch: 2, maxLength: 64, threads: 1 });
  held.push(decoder);
  const decoding = decoder.begin(undefined);
  const piece: Piece = { tokens: [1, 5], logits: 'last' };
  await decoding.pass([], piece);
  await expect(decoding.pass([])).rejects.toThrow('0 tokens for 1 sequences');
  await decoding.pass([7], piece);
  await expect(decoding.pass([7, 8], piece)).rejects.toThrow('no place for another');
  await expect(decoding.readPrompt(Int32Array.from([1]))).rejects.toThrow('would wait');
});
