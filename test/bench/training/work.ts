import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { supportedArchitectures } from '../../../src/main/engine/models/index.ts';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { tokenizePreferences } from '../../../src/main/engine/tokens/pairs.ts';
import { loadTokenizer } from '../../../src/main/engine/tokens/tokenizer.ts';
import {
  selectTargets,
  startAdapter,
  toPeft,
  type LoraTrainable,
} from '../../../src/main/engine/train/adapter.ts';
import { importModel } from '../../../src/main/formats/import-model.ts';
import { writeAdapter } from '../../../src/main/formats/peft.ts';
import { readDataFile } from '../../../src/main/formats/preferences.ts';
import type { PreferenceRow } from '../../../src/shared/preferences.ts';
import { InputError } from '../../../src/shared/errors.ts';
import { plainRowTexts, rowTexts } from '../../../src/shared/row-texts.ts';
import { settings, type BenchPair } from './half-report.ts';
import { pairsPerPrompt, shots, type Texts, type Workload } from './workloads.ts';

/** A model and texts to make workloads of. */
export interface Material {
  /** Name of the model, and where the texts are from, for a person. */
  readonly model: string;
  readonly source: string;
  /** Holds config.json, tokenizer files and float32 safetensors. */
  readonly modelFolder: string;
  readonly texts: Texts;
}

/** What every half works on. */
export interface Work {
  readonly pairs: readonly BenchPair[];
  /** The same as text; behind them the rows that no pair is made of. */
  readonly rows: readonly PreferenceRow[];
}

const beside = (path: string): string =>
  fileURLToPath(new URL(`../../../../shared/${path}`, import.meta.url));
const bundled = (path: string): string =>
  fileURLToPath(new URL(`../../../resources/example/${path}`, import.meta.url));
const sharedFiles = {
  model: beside('models/smollm2-135m-instruct'),
  dialogues: beside('data/hh-rlhf-harmless-base-test.jsonl.gz'),
  problems: beside('data/gsm8k-pairs.jsonl'),
  solved: beside('data/gsm8k-train-2000.jsonl'),
};

/**
 * The usual model and data; where they are absent, the model and the generated pairs that come with the program.
 * @param model a model folder or .gguf file instead of the usual one
 * @param scratch folder that a converted model is written to
 * @throws InputError for a missing or broken model
 */
export async function prepareMaterial(model: string | undefined, scratch: string): Promise<Material> {
  const isShared = Object.values(sharedFiles).every((path) => existsSync(path));
  const path = model ?? (isShared ? sharedFiles.model : bundled('model'));
  const imported = await importModel(path, join(scratch, 'models'), { supported: supportedArchitectures });
  return {
    model: imported.name,
    source: isShared ? 'HH-RLHF and GSM8K' : 'generated problems (there are no data in ../shared)',
    modelFolder: imported.folder,
    texts: isShared ? await sharedTexts() : await generatedTexts(),
  };
}

async function preferences(file: string): Promise<readonly PreferenceRow[]> {
  // Text as it stands: transcripts are not made into chat messages.
  const { rows } = await readDataFile(file, { format: 'trl' });
  return rows.filter((row) => row.kind === 'preference');
}

async function sharedTexts(): Promise<Texts> {
  const solvedRow = z.object({ question: z.string(), answer: z.string() });
  return {
    dialogues: await preferences(sharedFiles.dialogues),
    problems: await preferences(sharedFiles.problems),
    solved: readFileSync(sharedFiles.solved, 'utf8')
      .split('\n', shots)
      .map((line) => solvedRow.parse(JSON.parse(line))),
  };
}

async function generatedTexts(): Promise<Texts> {
  const rows = await preferences(bundled('train.jsonl'));
  const solved = (await preferences(bundled('eval.jsonl'))).slice(0, shots).map((row) => {
    const { prompt, chosen } = plainRowTexts(row);
    return { question: prompt, answer: chosen };
  });
  return { dialogues: rows, problems: rows, solved };
}

/**
 * The first pairs of a workload that are short enough.
 * @param count how many
 * @param extra rows to add to `rows` that no pair is made of
 * @throws InputError where the texts do not give as many
 */
export function makeWork(workload: Workload, material: Material, count: number, extra = 0): Work {
  const tokenizer = loadTokenizer(material.modelFolder);
  const rows: PreferenceRow[] = [];
  const pairs: BenchPair[] = [];
  for (const row of workload.rows(material.texts, (text) => tokenizer.encode(text).length)) {
    if (pairs.length === count + extra) break;
    const [pair] = tokenizePreferences([row], tokenizer).pairs;
    const isTooLong =
      !pair || pair.prompt.length + pair.chosen.length + pair.rejected.length > workload.longest;
    // Prompts come in groups: passing over one pair would leave its group short.
    if (isTooLong && workload.name !== 'shared-prompts') continue;
    if (!pair) throw new InputError('a row of the shared prompts has no tokens', { file: material.source });
    const { index, prompt, chosen, rejected } = pair;
    rows.push(row);
    pairs.push({
      index,
      prompt: Array.from(prompt),
      chosen: Array.from(chosen),
      rejected: Array.from(rejected),
    });
  }
  if (pairs.length < count + extra) {
    throw new InputError(
      `gives ${pairs.length} pairs of at most ${workload.longest} tokens for ${workload.name}, ` +
        `${count + extra} are asked for`,
      { file: material.source },
    );
  }
  if (workload.name === 'shared-prompts') requireSharedPrompts(pairs);
  return { pairs: pairs.slice(0, count), rows };
}

function requireSharedPrompts(pairs: readonly BenchPair[]): void {
  pairs.forEach(({ index, prompt }, place) => {
    const first = pairs[place - (place % pairsPerPrompt)]!;
    if (prompt.join() !== first.prompt.join()) {
      throw new Error(`row ${index} does not share the tokens of its prompt with row ${first.index}`);
    }
  });
}

/** Rows as JSONL, the prompt in a field of its own: transcripts would be taken for another format. */
export function writeRows(rows: readonly PreferenceRow[], file: string): void {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(rowTexts(row))}\n`).join(''));
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
