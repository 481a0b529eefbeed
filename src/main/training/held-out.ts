import type { RunConfig } from '../../shared/config.ts';
import { InputError } from '../../shared/errors.ts';
import type { DataRow, Text } from '../../shared/preferences.ts';
import { plainText, rowTexts } from '../../shared/row-texts.ts';
import { splitRows, type TrainingPair } from './prepare.ts';
import type { Store } from '../store/database.ts';
import { resolveData, type OpenData } from './data.ts';

/** Training rows and held-out rows, as the settings say. */
export async function holdOut(
  store: Store,
  data: OpenData,
  file: string,
  config: Pick<RunConfig, 'evalData' | 'evalShare' | 'evalSplit'>,
): Promise<{
  readonly train: OpenData['rows'];
  readonly held: OpenData['rows'] | undefined;
  /** Of the data that is only held out. */
  readonly evalHash?: string;
}> {
  if (config.evalData !== undefined) {
    const { rows, hash } = await resolveData(store, config.evalData);
    return { train: data.rows, held: rows, evalHash: hash };
  }
  if (config.evalSplit) {
    const { revision } = data.imported ?? {};
    // A `pairs` limit holds for what is trained on; the held-out side stays whole.
    const [train, held] = await Promise.all(
      (['train', 'eval'] as const).map((split) => resolveData(store, file, { revision, split })),
    );
    const kept = new Set(data.rows.map(({ index }) => index));
    return { train: train!.rows.filter(({ index }) => kept.has(index)), held: held!.rows };
  }
  if (config.evalShare !== undefined) return splitRows(data.rows, config.evalShare, file);
  return { train: data.rows, held: undefined };
}

/** Prompts of one part of a comparison, and where they come from. */
export interface PartPrompts {
  /** What a person calls them: `task questions`. */
  readonly what: string;
  /** What is done with them: `trained on`. */
  readonly use: string;
  readonly file: string;
  readonly prompts: readonly {
    /** The row's index in its file. */
    readonly index: number;
    readonly prompt: Text;
    /** As the model reads it. */
    readonly tokens: ArrayLike<number>;
  }[];
}

/** The prompts of prepared pairs, with their words out of the rows that they come from. */
export function promptsOf(
  of: Pick<PartPrompts, 'what' | 'use' | 'file'>,
  pairs: readonly TrainingPair[],
  rows: readonly DataRow[],
): PartPrompts {
  const byIndex = new Map(rows.map((row) => [row.index, row]));
  return {
    ...of,
    prompts: pairs.map(({ index, prompt }) => ({
      index,
      prompt: rowTexts(byIndex.get(index)!).prompt,
      tokens: prompt,
    })),
  };
}

/**
 * A question in two parts of a comparison would make what is measured on it worthless: of an answer that was trained on, or
 * of settings that were chosen by it. Prompts are one question where the model reads the same tokens, or where the words are
 * the same but for blanks, roles and what a system message says.
 * @param measured each is held against those before it and against `training`
 * @throws InputError naming the first such row, how many there are, and what to do
 */
export function refuseLeaks(training: PartPrompts, measured: readonly PartPrompts[]): void {
  const parts = [training];
  for (const part of measured) {
    for (const other of parts) refuseShared(other, part);
    parts.push(part);
  }
}

function refuseShared(seen: PartPrompts, part: PartPrompts): void {
  const places = new Map<string, number>();
  for (const asked of seen.prompts)
    for (const key of keysOf(asked)) if (!places.has(key)) places.set(key, asked.index);
  const shared = part.prompts.flatMap((asked) => {
    const key = keysOf(asked).find((each) => places.has(each));
    return key === undefined ? [] : [{ row: asked.index, seenIn: places.get(key)! }];
  });
  const [first] = shared;
  if (!first) return;
  const { length } = part.prompts;
  throw new InputError(
    `${shared.length} of ${length} ${part.what} ${shared.length === 1 ? 'is' : 'are'} ${seen.use} as well, this one first ` +
      `(row ${first.seenIn} of ${seen.file}): no verdict could be read on them; leave them out of one of the two ` +
      '("data leaks" finds them in imported data)',
    { file: part.file, row: first.row },
  );
}

/** The question by its tokens and by its words; rows of both files with a key in common ask the same. */
function keysOf({ prompt, tokens }: PartPrompts['prompts'][number]): string[] {
  const asked = typeof prompt === 'string' ? prompt : prompt.filter(({ role }) => role !== 'system');
  const words = plainText(asked).replace(/\s+/g, ' ').trim();
  const ids = `tokens ${Array.from(tokens).join()}`;
  return words === '' ? [ids] : [ids, `words ${words}`];
}
