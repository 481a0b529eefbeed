import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { supportedArchitectures } from '../../src/main/engine/models/index.ts';
import { openModel } from '../../src/main/engine/models/load.ts';
import { tokenizePreferences } from '../../src/main/engine/tokens/pairs.ts';
import { loadTokenizer } from '../../src/main/engine/tokens/tokenizer.ts';
import {
  selectTargets,
  startAdapter,
  toPeft,
  type LoraTrainable,
} from '../../src/main/engine/train/adapter.ts';
import { Random } from '../../src/main/engine/train/random.ts';
import { importModel } from '../../src/main/formats/import-model.ts';
import { writeAdapter } from '../../src/main/formats/peft.ts';
import { readDataFile } from '../../src/main/formats/preferences.ts';
import { InputError } from '../../src/shared/errors.ts';
import { settings, type BenchPair } from './report.ts';

/** What both halves work on. */
export interface Work {
  /** Names of model and data, for a person. */
  readonly model: string;
  readonly data: string;
  /** Holds config.json and float32 safetensors. */
  readonly modelFolder: string;
  readonly pairs: readonly BenchPair[];
}

const beside = (path: string): string => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
const usualModel = beside('models/smollm2-135m-instruct');
const usualData = beside('data/hh-rlhf-harmless-base-test.jsonl.gz');
const tinyModel = fileURLToPath(new URL('../parity/fixtures/llama/untied', import.meta.url));

/** Most tokens of prompt, chosen and rejected answer together. */
const longestPair = 512;

/**
 * Model and pairs as asked for; the usual ones where nothing is said; where those are absent too, random token ids and
 * the tiny model of the tests.
 * @param scratch folder that a converted model is written to
 * @throws InputError for a missing or broken model or data file, or one with fewer than `count` pairs that fit
 */
export async function prepareWork(
  options: { readonly model?: string | undefined; readonly data?: string | undefined },
  count: number,
  scratch: string,
): Promise<Work> {
  const { model = usualModel, data = usualData } = options;
  const nothingAsked = options.model === undefined && options.data === undefined;
  if (nothingAsked && !(existsSync(model) && existsSync(data))) {
    return {
      model: 'tiny fixture model',
      data: 'random token ids (no model and data in ../shared)',
      modelFolder: tinyModel,
      pairs: randomPairs(count),
    };
  }
  const { folder, name } = await importModel(model, join(scratch, 'models'), {
    supported: supportedArchitectures,
  });
  return { model: name, data, modelFolder: folder, pairs: await firstPairs(data, folder, count) };
}

async function firstPairs(data: string, tokenizerFolder: string, count: number): Promise<BenchPair[]> {
  const tokenizer = loadTokenizer(tokenizerFolder);
  const pairs: BenchPair[] = [];
  // Text as it stands: transcripts are not made into chat messages.
  for (const row of (await readDataFile(data, { format: 'trl' })).rows) {
    if (row.kind !== 'preference') throw new InputError('holds no preference pairs', { file: data });
    for (const { index, prompt, chosen, rejected } of tokenizePreferences([row], tokenizer).pairs) {
      if (prompt.length + chosen.length + rejected.length > longestPair) continue;
      pairs.push({
        index,
        prompt: Array.from(prompt),
        chosen: Array.from(chosen),
        rejected: Array.from(rejected),
      });
    }
    if (pairs.length === count) return pairs;
  }
  throw new InputError(
    `holds ${pairs.length} pairs of at most ${longestPair} tokens, ${count} are asked for`,
    { file: data },
  );
}

/** Lengths around those of HH-RLHF's pairs, ids from the tiny model's vocabulary. */
function randomPairs(count: number): BenchPair[] {
  const { vocabularySize } = openModel(tinyModel, tinyModel).config;
  const random = new Random(0, 'bench pairs');
  const ids = (most: number): number[] =>
    Array.from({ length: 1 + random.below(most) }, () => random.below(vocabularySize));
  return Array.from({ length: count }, (_, index) => ({
    index,
    prompt: ids(100),
    chosen: ids(60),
    rejected: ids(60),
  }));
}

/** Writes the adapter that both halves start from, in PEFT's format: every linear layer, A random, B zero. */
export function writeStartAdapter(modelFolder: string, folder: string): void {
  const source = openModel(modelFolder, modelFolder);
  const trainable: LoraTrainable = {
    kind: 'lora',
    rank: settings.rank,
    scale: settings.alpha / settings.rank,
    targets: selectTargets(source, 'all-linear'),
  };
  writeAdapter(folder, toPeft(trainable, startAdapter(trainable, 0)));
}
