import { InputError } from '../../../shared/errors.ts';
import type { DatasetSummary, RemoveDataRequest, RemoveDataResult } from '../../../shared/contract.ts';
import type { SplitRule } from '../../../shared/dataset-changes.ts';
import type { Dataset } from '../../store/datasets.ts';
import type { Library } from '../library.ts';

export function listData({ store }: Library): DatasetSummary[] {
  return store.datasets.list().map((dataset) => {
    const rule = store.datasetRows.splitRule(dataset.id, dataset.revision);
    const split = rule === null ? {} : { split: JSON.parse(rule) as SplitRule };
    return { ...summariseData(dataset), ...split };
  });
}

/** An imported dataset. @throws InputError where none has this name */
export function requireDataset({ store }: Library, name: string): Dataset {
  const dataset = store.datasets.findByName(name);
  if (dataset) return dataset;
  throw new InputError('no dataset of this name was imported; "data list" shows all', { file: name });
}

export function summariseData(dataset: Dataset): DatasetSummary {
  const { name, source, format, rows, excluded, answers, bytes, revision, splitColumn, hash } = dataset;
  return {
    name,
    path: source,
    kind: format,
    text: dataset.conversational ? 'messages' : 'strings',
    rows,
    excluded,
    answers,
    bytes,
    revision,
    ...(splitColumn === null ? {} : { splitColumn }),
    ...(hash === null ? {} : { hash }),
    addedAt: new Date(dataset.addedAt).toISOString(),
  };
}

/** Removes a dataset, or says what that would do. Runs keep their metrics and adapters; they cannot be repeated. */
export function removeData(library: Library, { data, yes }: RemoveDataRequest): RemoveDataResult {
  const dataset = requireDataset(library, data);
  const hashes = new Set(library.store.datasets.hashes(dataset.id));
  const runs = library.store.runs.list().filter(({ dataHash }) => hashes.has(dataHash));
  return {
    dataset: summariseData(dataset),
    runs: runs.map(({ id }) => id),
    removed: yes && library.store.datasets.remove(dataset.id),
  };
}
