import { setImmediate } from 'node:timers/promises';
import type {
  CallOptions,
  DuplicatesRequest,
  DuplicatesResult,
  LeaksRequest,
  LeaksResult,
} from '../../../shared/contract.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import { plainRowTexts, promptKey } from '../../../shared/row-texts.ts';
import type { Store } from '../../store/database.ts';
import type { Dataset } from '../../store/datasets.ts';
import type { Library } from '../library.ts';
import { requireDataset } from './datasets.ts';
import { HashIndex, textHash } from './hash-index.ts';
import { NearTexts } from './near-texts.ts';

const shownGroups = 100;
const shownLeaks = 1000;
const rowsBetweenBreaths = 500;

function wholeText(row: DataRow): string {
  const { prompt, chosen, rejected = '' } = plainRowTexts(row);
  // A character that no text holds, so that no word counts for the wrong field.
  return [prompt, chosen, rejected].join('\u0000');
}

/** Rows that are not excluded and repeat an earlier one word for word. */
export function repeatedRows(store: Store, { id }: Dataset): ReadonlySet<number> {
  const first = new HashIndex();
  const repeated = new Set<number>();
  for (const row of store.datasets.rows(id))
    if (first.findOrAdd(textHash(wholeText(row)), row.index) !== undefined) repeated.add(row.index);
  return repeated;
}

/** Groups of rows that are equal, or nearly: each row joins the group of the most similar one before it. */
export async function dataDuplicates(
  library: Library,
  request: DuplicatesRequest,
  call: CallOptions,
): Promise<DuplicatesResult> {
  const { store } = library;
  const dataset = requireDataset(library, request.data);
  const textOf = request.of === 'rows' ? wholeText : promptKey;
  const first = new HashIndex();
  const near = new NearTexts(request.threshold, (row) => textOf(store.datasets.row(dataset.id, row)!));
  const leaders = new Map<number, number>();
  const groups = new Map<number, { rows: number[]; similarity: number }>();
  const join = (row: number, other: number, similarity: number): void => {
    const leader = leaders.get(other) ?? other;
    leaders.set(row, leader);
    const group = groups.get(leader);
    if (!group) groups.set(leader, { rows: [leader, row], similarity });
    else {
      group.rows.push(row);
      group.similarity = Math.min(group.similarity, similarity);
    }
  };
  let done = 0;
  for (const row of store.datasets.rows(dataset.id)) {
    const text = textOf(row);
    const equal = first.findOrAdd(textHash(text), row.index);
    if (equal !== undefined) join(row.index, equal, 1);
    else if (request.near) {
      const [closest] = near.findAndAdd(row.index, text);
      if (closest) join(row.index, closest.row, closest.similarity);
    }
    done += 1;
    if (done % rowsBetweenBreaths === 0) await breathe('comparing rows', done, dataset, call);
  }
  const sorted = [...groups.values()].sort((a, b) => b.rows.length - a.rows.length);
  return {
    data: request.data,
    repeats: leaders.size,
    groupCount: groups.size,
    groups: sorted.slice(0, shownGroups),
  };
}

/** Rows of a dataset whose prompt stands, word for word or nearly, in another one. */
export async function dataLeaks(
  library: Library,
  request: LeaksRequest,
  call: CallOptions,
): Promise<LeaksResult> {
  const { store } = library;
  const [dataset, other] = [requireDataset(library, request.data), requireDataset(library, request.against)];
  const first = new HashIndex();
  const near = new NearTexts(request.threshold, (row) => promptKey(store.datasets.row(other.id, row)!));
  let done = 0;
  for (const row of store.datasets.rows(other.id)) {
    const prompt = promptKey(row);
    if (first.findOrAdd(textHash(prompt), row.index) === undefined) near.findAndAdd(row.index, prompt);
    done += 1;
    if (done % rowsBetweenBreaths === 0) await breathe(`reading ${other.name}`, done, other, call);
  }
  const leaks: { row: number; other: number; similarity: number }[] = [];
  const counts = { exact: 0, near: 0 };
  done = 0;
  for (const row of store.datasets.rows(dataset.id)) {
    const prompt = promptKey(row);
    const equal = first.find(textHash(prompt));
    const found = equal === undefined ? near.find(prompt)[0] : { row: equal, similarity: 1 };
    if (found) {
      counts[equal === undefined ? 'near' : 'exact'] += 1;
      if (leaks.length < shownLeaks)
        leaks.push({ row: row.index, other: found.row, similarity: found.similarity });
    }
    done += 1;
    if (done % rowsBetweenBreaths === 0) await breathe('comparing prompts', done, dataset, call);
  }
  return { data: request.data, against: request.against, ...counts, leaks };
}

/** Lets the signal arrive, and tells how far the work is. */
async function breathe(label: string, done: number, { rows }: Dataset, call: CallOptions): Promise<void> {
  call.onProgress?.({ kind: 'progress', label, done, total: rows, unit: 'rows' });
  await setImmediate();
  call.signal?.throwIfAborted();
}
