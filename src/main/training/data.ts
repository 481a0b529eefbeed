import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { dataHash, readDataFile } from '../formats/preferences.ts';
import type { Store } from '../store/database.ts';
import type { Side } from '../store/dataset-rows.ts';
import type { Dataset } from '../store/datasets.ts';

export interface OpenData {
  readonly name: string;
  /** Over the rows of the revision that are not excluded, on whichever side of its split. */
  readonly hash: string;
  readonly rows: readonly DataRow[];
  /** What gives the same rows again; absent for a file. */
  readonly imported?: { readonly id: number; readonly revision: number };
}

/** Which rows of an imported dataset are meant. A file has neither revisions nor a split. */
export interface DataPart {
  /** Default: the rows as they are now. */
  readonly revision?: number | undefined;
  readonly split?: Side | undefined;
}

/**
 * Rows by an imported name, or straight from a file. Excluded rows are not among them.
 * @throws InputError where there is neither dataset nor file, no row is left, or the split asked for does not exist
 */
export async function resolveData(store: Store, nameOrPath: string, part: DataPart = {}): Promise<OpenData> {
  const named = store.datasets.findByName(nameOrPath);
  if (named) {
    const { revision = named.revision, split } = part;
    const hash = datasetHash(store, named, revision);
    const rows = [...store.datasets.rows(named.id, { revision, split })];
    if (rows.length === 0) throw new InputError('all rows are excluded', { file: nameOrPath });
    return { name: named.name, hash, rows, imported: { id: named.id, revision } };
  }
  if (!existsSync(nameOrPath)) {
    throw new InputError('no dataset of this name was imported, and there is no such file', {
      file: nameOrPath,
    });
  }
  if (part.split !== undefined || part.revision !== undefined)
    throw new InputError('is a file; only an imported dataset has a split', { file: nameOrPath });
  const { rows } = await readDataFile(nameOrPath);
  return { name: basename(nameOrPath), hash: dataHash(rows), rows };
}

/** SHA-256 over the rows of a revision that are not excluded; of the latest it is computed once after a change. */
export function datasetHash(store: Store, dataset: Dataset, revision = dataset.revision): string {
  if (revision === dataset.revision && dataset.hash !== null) return dataset.hash;
  const hash = dataHash(store.datasets.rows(dataset.id, { revision }));
  store.datasets.setHash(dataset.id, revision, hash);
  return hash;
}
