import { setImmediate } from 'node:timers/promises';
import type { CallOptions } from '../../../shared/contract.ts';
import type { Dataset } from '../../store/datasets.ts';
import type { Library } from '../library.ts';

/** Brings a dataset's search index up to its last row; what was done before a stop is kept. */
export async function indexRows({ store }: Library, { id, rows }: Dataset, call: CallOptions): Promise<void> {
  let done: number | undefined;
  for (;;) {
    const before = done ?? store.datasetSearch.indexed(id);
    const taken = store.datasetSearch.indexSome(id);
    if (taken === undefined) return;
    done = before + taken;
    call.onProgress?.({ kind: 'progress', label: 'indexing for search', done, total: rows, unit: 'rows' });
    await setImmediate();
    call.signal?.throwIfAborted();
  }
}
