import type { JudgingSettings, JudgingToDataRequest, JudgingToDataResult } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import type { DataRow, Text } from '../../../shared/preferences.ts';
import { DataHasher } from '../../formats/preferences.ts';
import { rowFromRecord } from '../../formats/preferences/record.ts';
import type { JudgingItem } from '../../store/judgings.ts';
import { summariseData } from '../data/datasets.ts';
import type { Library } from '../library.ts';
import { requireJudging, sideOf } from './judging.ts';

const tag = 'judged';

/**
 * Makes a dataset of the votes for A or B: the better answer is the chosen one. Rows are checked as imported ones are; they
 * are conversations where the prompts were.
 * @throws InputError where no vote makes a pair, or the name is taken
 */
export function judgingToData(
  library: Library,
  { judging: id, name }: JudgingToDataRequest,
): JudgingToDataResult {
  const { datasets, datasetChanges, judgings } = library.store;
  const { settings } = requireJudging(library, id);
  const { chat } = settings as JudgingSettings;
  const voted = judgings.items(id).filter(({ vote }) => vote !== null);
  const decided = voted.filter(({ vote }) => vote === 'a' || vote === 'b');
  const rows: DataRow[] = [];
  for (const item of decided) {
    const row = rowOf(item, chat, rows.length);
    if (row) rows.push(row);
  }
  if (rows.length === 0)
    throw new InputError(`no vote of judging ${id} says which of two different answers is better`);
  const hasher = new DataHasher();
  for (const row of rows) hasher.add(row);
  const conversational = typeof rows[0]!.prompt !== 'string';
  const dataset = library.store.transaction(() => {
    const added = datasets.add(
      {
        name: name ?? freeName(library, `judged-${id}`),
        hash: hasher.digest(),
        source: `judging ${id}`,
        format: 'preference',
        conversational,
      },
      rows,
    );
    const places = rows.map(({ index }) => index);
    datasetChanges.mark(added.id, places, { addTag: tag }, { kind: 'tag', tag });
    return datasets.find(added.id)!;
  });
  return {
    dataset: summariseData(dataset),
    leftOut: voted.length - decided.length,
    unusable: decided.length - rows.length,
  };
}

/** Undefined where the answers make no pair: the chosen or the rejected one is empty, or both are equal. */
function rowOf({ prompt, outputs, firstSide, vote }: JudgingItem, chat: boolean, index: number) {
  const firstWon = vote === sideOf(firstSide);
  const [chosen, rejected] = firstWon ? outputs! : [outputs![1], outputs![0]];
  const isChat = chat || typeof prompt !== 'string';
  const asMessage = (role: string, text: string): Text => [{ role, content: text }];
  const record = isChat
    ? {
        prompt: typeof prompt === 'string' ? asMessage('user', prompt) : prompt,
        chosen: asMessage('assistant', chosen),
        rejected: asMessage('assistant', rejected),
      }
    : { prompt, chosen, rejected };
  try {
    return rowFromRecord(record, index, (cause) => new InputError(cause));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function freeName({ store }: Library, wanted: string): string {
  let name = wanted;
  for (let number = 2; store.datasets.findByName(name); number += 1) name = `${wanted}-${number}`;
  return name;
}
