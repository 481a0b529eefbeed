import type { CallOptions, ExportDataRequest, ExportDataResult } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { requireWritable, type Library } from '../library.ts';
import { Turns } from '../turns.ts';
import { requireDataset } from './datasets.ts';
import { writeLinesFile } from './lines-file.ts';

/**
 * Writes the rows of a dataset that are not excluded, as they are now, one JSON object a line with the fields that TRL
 * reads: `prompt`, `chosen` and `rejected` (or `completion`) as texts or messages, as the dataset has them, and `answer`.
 * Changes made meanwhile are not in it.
 * @throws InputError where nothing is left, or the file cannot be written
 */
export async function exportData(
  library: Library,
  { data, out }: ExportDataRequest,
  call: CallOptions,
): Promise<ExportDataResult> {
  const { id, name, revision, rows: stored, excluded } = requireDataset(library, data);
  requireWritable(out);
  const total = stored - excluded;
  if (total === 0) throw new InputError('every row is excluded', { file: name });
  const turns = new Turns(call.signal);
  let rows = 0;
  await writeLinesFile(out, async (add) => {
    for (const row of library.store.datasets.rows(id, { revision })) {
      add({ ...row, kind: undefined, index: undefined });
      rows += 1;
      if (await turns.pass())
        call.onProgress?.({ kind: 'progress', label: 'exporting rows', done: rows, total, unit: 'rows' });
    }
    call.signal?.throwIfAborted();
  });
  return { out, rows, revision };
}
