import type { CompareRequest, JudgingPrompts } from '../../../shared/contract.ts';
import type { Evaluation } from '../../../shared/comparison.ts';
import { InputError } from '../../../shared/errors.ts';
import type { DataRow, Text } from '../../../shared/preferences.ts';
import { promptKey, rowTexts } from '../../../shared/row-texts.ts';
import type { Dataset } from '../../store/datasets.ts';
import { requireDataset } from '../data/datasets.ts';
import { requestOf } from '../jobs.ts';
import type { Library } from '../library.ts';

/**
 * The prompts that a judging may ask, each once, in the order of their rows.
 * @throws InputError where there are none, or the dataset or comparison is not there
 */
export function judgingPrompts(library: Library, source: JudgingPrompts): Text[] {
  if ('texts' in source) {
    const texts = [...new Set(source.texts.filter((text) => text.trim() !== ''))];
    if (texts.length === 0) throw new InputError('there is no prompt to judge');
    return texts;
  }
  const { rows, name } = 'data' in source ? rowsOfData(library, source) : heldOut(library, source.comparison);
  const prompts = new Map<string, Text>();
  for (const row of rows) {
    const key = promptKey(row);
    if (!prompts.has(key)) prompts.set(key, rowTexts(row).prompt);
  }
  if (prompts.size === 0) throw new InputError('there is no prompt to judge', { file: name });
  return [...prompts.values()];
}

interface Rows {
  readonly rows: Iterable<DataRow>;
  readonly name: string;
}

function rowsOfData(library: Library, { data, side }: Extract<JudgingPrompts, { data: string }>): Rows {
  const { id } = requireDataset(library, data);
  return { rows: library.store.datasets.rows(id, side === 'all' ? {} : { split: side }), name: data };
}

/** The rows that every run of a comparison was evaluated on. */
function heldOut(library: Library, comparison: number): Rows {
  const { store } = library;
  const entry = store.comparisonList.get(comparison);
  if (!entry) throw new InputError(`there is no comparison ${comparison}; see: plumbline comparisons list`);
  const job = store.jobs.get(entry.job)!;
  // All runs are evaluated on the same pairs; which they are is told by any that has a reference.
  const perPair = store.runs
    .list({ jobId: job.id })
    .map(({ id }) => (store.evaluations.lastOfRun(id)?.result as Evaluation | undefined)?.perPair)
    .find((each) => each !== undefined);
  if (!perPair)
    throw new InputError(
      `comparison ${comparison} has not recorded which pairs it held out; choose a dataset`,
    );
  const { asked } = requestOf(job) as { readonly asked: CompareRequest };
  const dataset = datasetOf(
    library,
    asked.shared.evalData,
    asked.shared.evalData ?? asked.data,
    entry.dataHash,
  );
  if (!dataset)
    throw new InputError(
      `the data of comparison ${comparison} is no dataset of the library; import it and choose it by its name`,
    );
  const held = store.datasetRows.some(
    dataset.id,
    perPair.map(({ index }) => index),
    undefined,
  );
  return { rows: held.map(({ row }) => row), name: dataset.name };
}

/** By its name; training data that was renamed or given as a path, by its content. */
function datasetOf(
  { store }: Library,
  evalData: string | undefined,
  name: string,
  dataHash: string,
): Dataset | undefined {
  return (
    store.datasets.findByName(name) ??
    (evalData === undefined ? store.datasets.findByHash(dataHash) : undefined)
  );
}
