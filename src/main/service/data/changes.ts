import { InputError } from '../../../shared/errors.ts';
import type {
  CallOptions,
  ChangeDataResult,
  ChangeView,
  DataHistoryResult,
  DatasetRequest,
  EditDataRequest,
  MarkDataRequest,
  SplitDataRequest,
  SplitDataResult,
  UndoDataResult,
} from '../../../shared/contract.ts';
import type { DatasetChange, SplitRule } from '../../../shared/dataset-changes.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import { rowFromRecord } from '../../formats/preferences/record.ts';
import type { MarkChange, RecordedChange } from '../../store/dataset-changes.ts';
import type { Dataset } from '../../store/datasets.ts';
import { hash52 } from '../../store/prompt-hash.ts';
import type { Library } from '../library.ts';
import { requireDataset } from './datasets.ts';
import { selectRows, sides } from './rows.ts';

/** Puts other texts into a row; it is checked as an imported one is. */
export function editData(library: Library, request: EditDataRequest): ChangeDataResult {
  const { data, row, set, swap = false } = request;
  const dataset = requireDataset(library, data);
  const place = { file: data, row };
  const revision = inPlace(data, () =>
    library.store.datasetChanges.edit(dataset.id, row, (before) => {
      const { kind, index, ...fields } = before as DataRow & Record<string, unknown>;
      const record: Record<string, unknown> = { ...fields, ...set };
      if (swap) [record['chosen'], record['rejected']] = [record['rejected'], record['chosen']];
      const known =
        kind === 'preference'
          ? ['prompt', 'chosen', 'rejected', 'answer']
          : ['prompt', 'completion', 'answer'];
      const unknown = Object.keys(record).find((name) => !known.includes(name));
      if (unknown !== undefined || (swap && kind !== 'preference')) {
        const cause = unknown === undefined ? 'has no rejected answer to swap' : `has no field "${unknown}"`;
        throw new InputError(`${cause}; fields are ${known.join(', ')}`, place);
      }
      const after = rowFromRecord(record, index, (cause) => new InputError(cause, place));
      const texts = [before, after].map(
        (each) => typeof (each.kind === 'preference' ? each.chosen : each.completion),
      );
      if (texts[0] !== texts[1] || after.kind !== kind)
        throw new InputError(
          'must keep the form of the other rows: text stays text, messages stay messages',
          place,
        );
      return after;
    }),
  );
  return { data, revision, rows: revision - dataset.revision };
}

/** Excludes, includes, tags or annotates rows. */
export async function markData(
  library: Library,
  request: MarkDataRequest,
  call: CallOptions,
): Promise<ChangeDataResult> {
  const { data, select, mark } = request;
  const dataset = requireDataset(library, data);
  const rows = await selectRows(library, dataset, select, call);
  const change = mark satisfies DatasetChange;
  const { datasetChanges } = library.store;
  return { data, ...inPlace(data, () => datasetChanges.mark(dataset.id, rows, markChange(mark), change)) };
}

function markChange(mark: MarkDataRequest['mark']): MarkChange {
  switch (mark.kind) {
    case 'tag':
      return { addTag: mark.tag };
    case 'untag':
      return { removeTag: mark.tag };
    case 'note':
      return { note: mark.note };
    default:
      return { excluded: mark.kind === 'exclude' };
  }
}

export function dataHistory(library: Library, { data }: DatasetRequest): DataHistoryResult {
  const dataset = requireDataset(library, data);
  return { data, changes: library.store.datasetChanges.history(dataset.id).map(changeView) };
}

export function undoData(library: Library, { data }: DatasetRequest): UndoDataResult {
  const dataset = requireDataset(library, data);
  const done = library.store.datasetChanges.undo(dataset.id);
  if (!done) throw new InputError('nothing is left to undo', { file: data });
  return { data, revision: done.revision, undone: changeView(done.undone) };
}

function changeView({ changedAt, ...change }: RecordedChange): ChangeView {
  return { ...change, at: new Date(changedAt).toISOString() };
}

const evalNames = ['eval', 'evaluation', 'validation', 'valid', 'val', 'dev', 'test', 'held-out'];

/**
 * Splits a dataset by prompts, so that rows that share one are on the same side, also those that are edited later.
 * @throws InputError where a side would be empty, or the column is not there
 */
export function splitData(library: Library, { data, by }: SplitDataRequest): SplitDataResult {
  const dataset = requireDataset(library, data);
  const { rule, evalPrompts, moved } =
    'share' in by
      ? splitByShare(library, dataset, by.share, by.seed)
      : splitByColumn(library, dataset, by.column, by.evalValues ?? evalNames);
  const revision = library.store.datasetChanges.split(dataset.id, rule, evalPrompts);
  return { data, revision, rule, ...sides(library, dataset), moved };
}

interface Split {
  readonly rule: SplitRule;
  readonly evalPrompts: Iterable<number>;
  readonly moved: number;
}

/** Draws a share of the prompts: in the order of a hash of seed and prompt, which no other row has a say in. */
function splitByShare({ store }: Library, { id, name }: Dataset, share: number, seed: number): Split {
  const prompts = new Set<number>();
  for (const { promptHash } of store.datasetRows.prompts(id)) prompts.add(promptHash);
  if (prompts.size < 2)
    throw new InputError('needs at least two different prompts to be split', { file: name });
  const drawn = [...prompts]
    .map((prompt) => ({ prompt, draw: hash52(`${seed} ${prompt}`) }))
    .sort((a, b) => a.draw - b.draw || a.prompt - b.prompt);
  const count = Math.min(prompts.size - 1, Math.max(1, Math.round(share * prompts.size)));
  const evalPrompts = drawn.slice(0, count).map(({ prompt }) => prompt);
  return { rule: { by: 'share', share, seed }, evalPrompts, moved: 0 };
}

/** Follows a column of the file. A prompt that stands on both sides is for training: held out it would be in name only. */
function splitByColumn(
  { store }: Library,
  dataset: Dataset,
  column: string,
  evalValues: readonly string[],
): Split {
  const file = dataset.name;
  if (dataset.splitColumn !== column) {
    const kept = dataset.splitColumn === null ? 'none' : dataset.splitColumn;
    const cause = `the column ${column} was not kept at the import (kept: ${kept}); import with --split-column`;
    throw new InputError(cause, { file });
  }
  const isEval = (value: string | null): boolean =>
    value !== null && evalValues.includes(value.trim().toLowerCase().replaceAll('_', '-'));
  const [trained, held] = [new Set<number>(), new Set<number>()];
  for (const { promptHash, sourceSplit } of store.datasetRows.prompts(dataset.id))
    (isEval(sourceSplit) ? held : trained).add(promptHash);
  const evalPrompts = new Set([...held].filter((prompt) => !trained.has(prompt)));
  let moved = 0;
  for (const { promptHash, sourceSplit } of store.datasetRows.prompts(dataset.id))
    if (isEval(sourceSplit) && !evalPrompts.has(promptHash)) moved += 1;
  if (evalPrompts.size === 0 || trained.size === 0) {
    const cause = `the column ${column} leaves no row to ${trained.size === 0 ? 'train' : 'evaluate'} on`;
    throw new InputError(`${cause}; values for evaluation are ${evalValues.join(', ')}`, { file });
  }
  return { rule: { by: 'column', column, evalValues }, evalPrompts, moved };
}

/** Names the dataset in what the store complains of. */
function inPlace<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InputError) || error.place.file !== undefined) throw error;
    const { row } = error.place;
    const cause = row === undefined ? error.message : error.message.replace(`row ${row}: `, '');
    throw new InputError(cause, { file, ...(row === undefined ? {} : { row }) });
  }
}
