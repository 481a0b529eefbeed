import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tokenizePrompt } from '../../../src/main/engine/tokens/pairs.ts';
import {
  selectTargets,
  startAdapter,
  toPeft,
  type LoraTrainable,
} from '../../../src/main/engine/train/adapter.ts';
import { Random } from '../../../src/main/engine/train/random.ts';
import { importModel } from '../../../src/main/formats/import-model.ts';
import { writeAdapter } from '../../../src/main/formats/peft.ts';
import { readQuestions } from '../../../src/main/formats/questions.ts';
import { endTokens } from '../../../src/main/training/decode.ts';
import { openBase, supportedArchitectures, type OpenModel } from '../../../src/main/training/model.ts';
import { InputError } from '../../../src/shared/errors.ts';

/** A model and questions for it, as token ids. */
export interface Questions {
  readonly model: string;
  /** Where the questions are from, for a person. */
  readonly source: string;
  readonly modelFolder: string;
  readonly prompts: readonly (readonly number[])[];
  readonly endTokens: readonly number[];
}

const beside = (path: string): string =>
  fileURLToPath(new URL(`../../../../shared/${path}`, import.meta.url));
const bundled = (path: string): string =>
  fileURLToPath(new URL(`../../../resources/example/${path}`, import.meta.url));

/**
 * The first questions of GSM8K in the usual model's chat template; without them those of the bundled example.
 * @param model a model folder or .gguf file instead of the usual one
 * @param scratch folder that a converted model is written to
 * @throws InputError for a missing or broken model, and for too few questions
 */
export async function prepareQuestions(
  model: string | undefined,
  scratch: string,
  count: number,
): Promise<Questions> {
  const [sharedModel, sharedQuestions] = [
    beside('models/smollm2-135m-instruct'),
    beside('data/gsm8k-eval-500.jsonl'),
  ];
  const isShared = existsSync(sharedModel) && existsSync(sharedQuestions);
  const file = isShared ? sharedQuestions : bundled('test.jsonl');
  const imported = await importModel(
    model ?? (isShared ? sharedModel : bundled('model')),
    join(scratch, 'models'),
    {
      supported: supportedArchitectures,
    },
  );
  const open: OpenModel = openBase(imported);
  const { tokenizer } = open;
  const questions = readQuestions(file, tokenizer.chatTemplate !== undefined);
  if (questions.length < count) {
    throw new InputError(`holds ${questions.length} questions, ${count} are asked for`, { file });
  }
  return {
    model: imported.name,
    source: isShared ? 'GSM8K' : 'generated problems (there are no data in ../shared)',
    modelFolder: imported.folder,
    prompts: questions
      .slice(0, count)
      .map(({ index, prompt, answer }) =>
        tokenizePrompt({ kind: 'completion', index, prompt, completion: answer }, tokenizer),
      ),
    endTokens: endTokens(open),
  };
}

/** Writes adapters that change answers a little, each in its own way, as a short training does: rank 16, all linear layers. */
export function writeAdapters(modelFolder: string, folder: string, count: number): readonly string[] {
  const source = openBase({ name: '', hash: '', folder: modelFolder, weightsFolder: modelFolder }).source;
  const trainable: LoraTrainable = {
    kind: 'lora',
    rank: 16,
    scale: 2,
    targets: selectTargets(source, 'all-linear'),
  };
  return Array.from({ length: count }, (_, arm) => {
    const random = new Random(arm, 'bench/adapter');
    const parameters = startAdapter(trainable, arm).map((value) =>
      value === 0 ? 1e-3 * random.normal() : value,
    );
    const own = join(folder, `adapter-${arm}`);
    writeAdapter(own, toPeft(trainable, parameters));
    return own;
  });
}
