import { basename, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../../shared/errors.ts';
import type { AddDataRequest, AddDataResult, CallOptions } from '../../../shared/contract.ts';
import { DataHasher, openDataFile } from '../../formats/preferences.ts';
import { plainText } from '../../../shared/row-texts.ts';
import type { Dataset, StagedRow } from '../../store/datasets.ts';
import { datasetHash } from '../../training/data.ts';
import type { Library } from '../library.ts';
import { summariseData } from './datasets.ts';
import { IssueList } from './issues.ts';

/** A transaction takes some 20 ms: a training that writes its metrics meanwhile does not notice. */
const rowsAtOnce = 1000;
/** Characters of long rows that are enough for a transaction. */
const textAtOnce = 4_000_000;

/**
 * Imports a file, a thousand rows at a time. Until the last of them is in, no list shows the dataset; where the import
 * fails or is stopped nothing stays, and what a killed one left goes with the next import.
 * @param suggestedName taken instead of the file's own where none is asked for, with a number where that is taken
 */
export async function addData(
  library: Library,
  request: AddDataRequest,
  call: CallOptions = {},
  suggestedName?: string,
): Promise<AddDataResult> {
  const started = performance.now();
  const { datasets } = library.store;
  const { path, name, skipBad = false } = request;
  if (name !== undefined && datasets.findByName(name))
    throw new InputError(`a dataset named ${name} exists already`, { file: path });
  for (const { id } of datasets.abandoned()) datasets.discard(id);

  const splitColumn = request.splitColumn ?? 'split';
  const opened = await openDataFile(path, {
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(request.map === undefined ? {} : { map: request.map }),
    keep: splitColumn,
    signal: call.signal,
  });
  let id: number | undefined;
  try {
    const { kind, conversational } = opened;
    id = datasets.stage({ source: resolve(path), format: kind, conversational });
    const hasher = new DataHasher();
    const issues = new IssueList();
    let [rows, skipped, split] = [0, 0, 0];
    let batch: StagedRow[] = [];
    let text = 0;
    const flush = async (): Promise<void> => {
      datasets.append(id!, batch);
      rows += batch.length;
      [batch, text] = [[], 0];
      call.onProgress?.({ kind: 'progress', label: 'importing', done: rows, unit: 'rows' });
      await setImmediate();
      call.signal?.throwIfAborted();
    };
    for await (const read of opened.rows) {
      if ('problem' in read) {
        const { row, kind, message } = read.problem;
        if (!skipBad) throw new InputError(message, { file: path, row });
        issues.add(row, kind, message);
        skipped += 1;
        continue;
      }
      hasher.add(read.row);
      if (read.kept !== undefined) split += 1;
      batch.push({ row: read.row, sourceSplit: read.kept });
      text += lengthOf(read.row);
      if (batch.length === rowsAtOnce || text > textAtOnce) await flush();
    }
    if (batch.length > 0) await flush();
    if (rows === 0) throw new InputError('no row of the file can be used', { file: path });
    if (request.splitColumn !== undefined && split === 0)
      throw new InputError(`has no column ${splitColumn}`, { file: path });

    const result = (dataset: Dataset, added: boolean): AddDataResult => ({
      dataset: summariseData(dataset),
      added,
      skipped,
      issues: issues.inOrder,
      seconds: (performance.now() - started) / 1000,
    });
    const hash = hasher.digest();
    const known = name === undefined ? findKnown(library, hash, rows) : undefined;
    if (known) {
      datasets.discard(id);
      return result(known, false);
    }
    const dataset = datasets.publish(id, {
      name: name ?? suggestedName ?? plainName(path),
      hash,
      numbered: name === undefined,
      ...(split > 0 ? { splitColumn } : {}),
    });
    return result(dataset, true);
  } catch (error) {
    if (id !== undefined) discardQuietly(library, id);
    throw error;
  } finally {
    await opened.close();
  }
}

/** A dataset with these rows; after changes its hash may not have been computed yet. */
function findKnown({ store }: Library, hash: string, rows: number): Dataset | undefined {
  const known = store.datasets.findByHash(hash);
  if (known) return known;
  const stale = store.datasets.list().filter((each) => each.hash === null);
  return stale.find((each) => each.rows - each.excluded === rows && datasetHash(store, each) === hash);
}

/** What ended the import is what a person must hear; leftovers go with the next one. */
function discardQuietly({ store }: Library, id: number): void {
  try {
    store.datasets.discard(id);
  } catch {
    return;
  }
}

/** Characters of a row's texts. */
function lengthOf(row: StagedRow['row']): number {
  const texts =
    row.kind === 'preference' ? [row.prompt, row.chosen, row.rejected] : [row.prompt, row.completion];
  return texts.reduce((sum, text = '') => sum + plainText(text).length, 0);
}

function plainName(path: string): string {
  return basename(path)
    .replace(/\.gz$/i, '')
    .replace(/\.[^.]+$/, '');
}
