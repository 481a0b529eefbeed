import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { dataHash, readDataFile } from '../formats/preferences.ts';
import type { Store } from '../store/database.ts';

export interface OpenData {
  readonly name: string;
  readonly hash: string;
  readonly rows: readonly DataRow[];
}

/** Rows by an imported name, or straight from a file. */
export async function resolveData(store: Store, nameOrPath: string): Promise<OpenData> {
  const named = store.datasets.findByName(nameOrPath);
  if (named) return { name: named.name, hash: named.hash, rows: [...store.datasets.rows(named.id)] };
  if (!existsSync(nameOrPath)) {
    throw new InputError('no dataset of this name was imported, and there is no such file', {
      file: nameOrPath,
    });
  }
  const { rows } = await readDataFile(nameOrPath);
  return { name: basename(nameOrPath), hash: dataHash(rows), rows };
}
